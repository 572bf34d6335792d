"""Pictures of training: the numbers in what is drawn, and that nothing is left changed."""

from __future__ import annotations

import copy
import importlib
import pickle
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd.errors import ArgumentError, DTypeError
from nn import pictures

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)


def network() -> nn.Module:
    ag.manual_seed(1)
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 2))


def convolutional() -> nn.Module:
    ag.manual_seed(2)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


def loader() -> nn.DataLoader:
    return nn.DataLoader((X, Y), 20, shuffle=True)


def trained(callbacks: Any = (), jit: bool | None = None, epochs: int = 3) -> tuple[nn.Trainer, dict[str, Any]]:
    model = network()
    trainer = nn.Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.05), jit=jit)
    trainer.fit(loader(), epochs=epochs, callbacks=callbacks, progress=False)
    return trainer, {**model.state_dict(), "draw": ag.default_generator.normal(size=3)}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def everything(model: nn.Module, optimizer: Any) -> bytes:
    """Values, gradients, modes, the optimizer's state, the random stream: to the bit."""
    grads = [None if p.grad is None else p.grad.data.tobytes() for p in model.parameters()]
    hooks = [sorted(vars(m)) for m in model.modules()]
    modes = [m.training for m in model.modules()]
    return pickle.dumps((model.state_dict(), grads, hooks, modes, optimizer.state_dict(), ag.default_generator.get_state()))


@pytest.fixture(params=["train", "eval"])
def ready(request: pytest.FixtureRequest) -> Iterator[tuple[nn.Module, Any]]:
    """A model and its optimizer in the middle of a training, with gradients; whatever the test does leaves no trace."""
    trainer, _ = trained(epochs=1, jit=False)
    getattr(trainer.model, request.param)()
    nn.functional.cross_entropy(trainer.model(X), Y).backward()
    before = everything(trainer.model, trainer.optimizer)
    yield trainer.model, trainer.optimizer
    assert everything(trainer.model, trainer.optimizer) == before


# ---- optimizers on surfaces ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", pictures.SURFACES.values(), ids=lambda s: s.name)
def test_minima_are_minima(surface: pictures.Surface) -> None:
    for minimum in surface.minima:
        point = ag.Tensor(np.array(minimum, np.float64), requires_grad=True)
        value = surface.function(point[0], point[1])
        value.backward()
        assert value.item() < 1e-9 and point.grad is not None and np.abs(point.grad.data).max() < 1e-3


def test_a_path_is_that_of_the_optimizer_by_hand() -> None:
    path = pictures.descend(lambda p: optim.SGD(p, lr=0.1, momentum=0.9), "ravine", (4.0, 1.0), 20)
    p, v = np.array([4.0, 1.0]), np.zeros(2)
    for found in path[1:]:
        v = 0.9 * v + np.array([p[0] / 10, 2 * p[1]])
        p = p - 0.1 * v
        np.testing.assert_allclose(found, p, rtol=1e-12)
    assert path.shape == (21, 2) and path.dtype == np.float64


def test_a_race_draws_each_path_and_each_height() -> None:
    makers = {"SGD": lambda p: optim.SGD(p, lr=0.1), "wild": lambda p: optim.SGD(p, lr=9.0), "L": lambda p: optim.LBFGS(p)}
    figure = pictures.race(makers, surface="ravine", steps=30)
    plane, heights = figure.axes
    for name, make in makers.items():
        path = pictures.descend(make, "ravine", steps=30)
        line = next(li for li in plane.lines if li.get_label() == name)
        np.testing.assert_array_equal(line.get_xydata(), path)
        line = next(li for li in heights.lines if li.get_label().startswith(name))
        np.testing.assert_allclose(line.get_ydata(), path[:, 0] ** 2 / 20 + path[:, 1] ** 2)
    assert len(pictures.descend(makers["wild"], "ravine", steps=30)) < 31
    assert any(li.get_label() == "wild: goes off" for li in heights.lines)


def test_a_race_of_a_list_is_named_by_what_is_made(tmp_path: Path) -> None:
    figure = pictures.race([optim.SGD, optim.SGD, optim.Adam], tmp_path / "race.svg", surface="saddle", steps=3, title="$a_b$")
    assert [t.get_text().split(":")[0] for t in figure.legends[0].get_texts()] == ["SGD", "SGD 2", "Adam"]
    ET.parse(tmp_path / "race.svg")
    own = pictures.Surface("bowl", lambda x, y: x * x + y * y, ((-1, 1), (-1, 1)), (0.5, 0.5), ((0, 0),))
    assert pictures.race([optim.SGD], surface=own, steps=2).axes[0].get_title(loc="left") == "bowl"


@pytest.mark.parametrize(("call", "words"), [
    (lambda: pictures.race({}), "no optimizer to race"),
    (lambda: pictures.race([optim.SGD], surface="bale"), "did you mean 'beale'"),
    (lambda: pictures.race([optim.SGD], steps=0), "steps must be a whole number"),
    (lambda: pictures.race([optim.SGD], start=(np.nan, 0)), "two finite numbers"),
    (lambda: pictures.race([optim.SGD], "race.gif", steps=1), ".svg, .png or .pdf"),
    (lambda: pictures.decision_boundary(network(), np.zeros((3, 3)), [0, 1, 0]), "(N, 2)"),
    (lambda: pictures.decision_boundary(network(), X, Y[:5]), "60 points and 5 labels"),
    (lambda: pictures.decision_boundary(network(), X, Y + 0.5), "not whole numbers"),
    (lambda: pictures.decision_boundary(network(), X, Y, names=["a"]), "2 classes and 1 names"),
    (lambda: pictures.decision_boundary(lambda g: g * np.nan, X, Y), "NaN"),
    (lambda: pictures.BoundaryMovie(X, Y).save("m.gif"), "no frames"),
    (lambda: pictures.confusion([0, 1], [0]), "2 predictions and 1 targets"),
    (lambda: pictures.confusion([0.5, 1.0], [0, 1]), "class numbers"),
    (lambda: pictures.Recorder(X, Y[:3]), "as many targets as samples"),
    (lambda: pictures.Recorder(X, Y).plot(), "no activations"),
    (lambda: pictures.Recorder(X, Y).plot(of="weight"), "did you mean 'weights'"),
    (lambda: pictures.curves(nn.History()), "history is empty"),
    (lambda: pictures.landscape(network(), nn.CrossEntropyLoss(), X, Y, span=0), "span must be"),
    (lambda: pictures.landscape(network(), nn.CrossEntropyLoss(), X, Y, directions="pca"), '"random", "path" or two arrays'),
    (lambda: pictures.landscape(network(), nn.CrossEntropyLoss(), X, Y, directions="path"), "at least three looks"),
    (lambda: pictures.landscape(network(), nn.CrossEntropyLoss(), X, Y, directions=[[1.0], [2.0]]), "two arrays of 58 numbers"),
    (lambda: pictures.landscape(network(), nn.CrossEntropyLoss(), X, Y, directions=np.ones((2, 58))), "on one line"),
    (lambda: pictures.landscape(network(), nn.CrossEntropyLoss(), X * np.nan, Y, resolution=3), "finite nowhere"),
    (lambda: pictures.landscape(nn.Tanh(), nn.MSELoss(), X, X), "no parameters"),
    (lambda: pictures.filters(network()), "the model has no convolution"),
    (lambda: pictures.filters(np.zeros((1, 1, 3, 3)), layer="0"), "these are weights alone"),
    (lambda: pictures.filters(network(), layer="0"), "shape=(height, width)"),
    (lambda: pictures.filters(network(), layer="00"), "no layer '00', did you mean '0'"),
    (lambda: pictures.filters(network(), layer="0", shape=(3, 3)), "make no picture of the shape (3, 3)"),
    (lambda: pictures.filters(network(), layer="2"), "'2' has none"),
    (lambda: pictures.feature_maps(network(), X), "one picture"),
    (lambda: pictures.feature_maps(convolutional(), np.zeros((1, 6, 6), np.float32), layer="7"), "no layer '7'"),
    (lambda: pictures.feature_maps(convolutional(), np.zeros((1, 6, 6), np.float32), layer="3"), "These are: 0: Conv2d"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused(call: Any, words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        call()
    assert words in str(caught.value)


@pytest.mark.parametrize("call", [
    lambda: pictures.WeightPath().record(3),
    lambda: pictures.landscape(3, nn.CrossEntropyLoss(), X, Y),
    lambda: pictures.landscape(network(), nn.CrossEntropyLoss(), X, Y, path=3),
    lambda: pictures.landscape(network(), nn.CrossEntropyLoss(), X, Y, directions=3),
    lambda: pictures.filters(3),
    lambda: pictures.feature_maps(3, X),
    lambda: pictures.Recorder(X, Y).record(3, None),
    lambda: pictures.lr_range_test(3, None, None, None),
])  # fmt: skip
def test_what_is_of_the_wrong_kind_is_refused(call: Any) -> None:
    with pytest.raises(DTypeError):
        call()


# ---- decision boundary -----------------------------------------------------------------------------------------------


def test_the_border_lies_where_the_model_changes_its_mind(ready: Any) -> None:
    line = nn.Linear(2, 1, generator=ag.Generator(0))
    with ag.no_grad():
        line.weight.copy_(np.array([[2.0, 1.0]], np.float32))
        line.bias.copy_(np.array([-0.5], np.float32))
    axes = pictures.decision_boundary(line, X, Y, resolution=80).axes[0]
    border = np.concatenate([p.vertices for p in axes.collections[0].get_paths()])
    np.testing.assert_allclose(border @ [2.0, 1.0], 0.5, atol=1e-4)
    points = [c.get_offsets().data for c in axes.collections[1:]]
    np.testing.assert_allclose(points[0], X[Y == 0])
    np.testing.assert_allclose(points[1], X[Y == 1])
    pictures.decision_boundary(ready[0], X, Y, resolution=20)


def test_estimators_and_functions_and_probabilities() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    estimator = linear.LogisticRegression().fit(X, Y)
    by_estimator = pictures.decision_boundary(estimator, X, Y, resolution=40).axes[0].images[0].get_array()
    by_function = pictures.decision_boundary(estimator.predict_proba, X, Y, resolution=40).axes[0].images[0].get_array()
    half = pictures.decision_boundary(lambda g: estimator.predict_proba(g)[:, 1], X, Y, threshold=0.5, resolution=40)
    np.testing.assert_allclose(by_estimator, by_function)
    np.testing.assert_allclose(by_estimator, half.axes[0].images[0].get_array())
    hard = pictures.decision_boundary(lambda g: (g[:, 0] > 0).astype(int), X, Y, resolution=40).axes[0].images[0].get_array()
    assert len(np.unique(np.asarray(hard).reshape(-1, 3).round(6), axis=0)) == 2


def test_a_movie_has_a_frame_for_each_epoch_and_does_not_disturb(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    movie = pictures.BoundaryMovie(X, Y, every=2, resolution=20, names=["left", "right"])
    trainer, state = trained([movie], epochs=4)
    assert same(state, trained(epochs=4)[1]) and movie.epochs == [0, 2, 4]
    movie.save(tmp_path / "m.gif", tmp_path / "m.html", fps=5)
    with image.open(tmp_path / "m.gif") as gif:
        assert gif.n_frames == 3
    page = (tmp_path / "m.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and "http" not in page
    panels = movie.plot(panels=3).axes
    assert [a.get_title(loc="left").split(",")[0] for a in panels] == ["epoch 0", "epoch 2", "epoch 4"]
    assert f"{trainer.history['loss'][-1]:.3g}" in panels[-1].get_title(loc="left")
    with pytest.raises(ArgumentError, match=r"gif or \.html"):
        movie.save(tmp_path / "m.mp4")
    with pytest.raises(ArgumentError, match="fps"):
        movie.save(tmp_path / "m.gif", fps=0)


# ---- inside the network ----------------------------------------------------------------------------------------------


def test_the_recorder_leaves_a_training_to_the_bit_as_it_is() -> None:
    recorder = pictures.Recorder(X[:16], Y[:16])
    trainer, state = trained([recorder])
    assert same(state, trained()[1])
    assert trainer.how == trained()[0].how
    assert recorder.epochs == [0, 1, 2, 3]


def test_the_recorder_sees_what_one_sees_by_hand(ready: Any) -> None:
    model, optimizer = ready
    recorder = pictures.Recorder(X[:16], Y[:16])
    recorder.record(model, nn.CrossEntropyLoss(), optimizer)
    twin, other = copy.deepcopy((model, optimizer))
    stream = ag.default_generator.get_state()
    twin.train()
    twin.zero_grad()
    first = twin[0](X[:16])
    nn.functional.cross_entropy(twin(X[:16]), Y[:16]).backward()
    weight = twin[4].weight
    old, gradient = weight.data.copy(), weight.grad.data.copy()
    other.step()
    ag.default_generator.set_state(stream)
    found = {kind: {name: looks[0] for name, looks in layers.items()} for kind, layers in recorder.figures.items()}
    assert found["activations"]["0: Linear"]["std"] == pytest.approx(first.data.std(dtype=np.float64), rel=1e-6)
    assert found["activations"]["3: Dropout"]["zeros"] > 0.1
    assert found["gradients"]["4.weight"]["rms"] == pytest.approx(np.sqrt((gradient.astype(float) ** 2).mean()), rel=1e-5)
    assert found["weights"]["4.weight"]["quantiles"][[0, -1]].tolist() == [old.min(), old.max()]
    ratio = np.linalg.norm(weight.data - old) / np.linalg.norm(old)
    assert found["updates"]["4.weight"]["ratio"] == pytest.approx(ratio, rel=1e-4)


def test_distributions_and_ratios_are_drawn() -> None:
    recorder = pictures.Recorder(X[:16], Y[:16])
    trained([recorder], jit=False)
    figure = recorder.plot(of="updates")
    lines = {li.get_label(): li for li in figure.axes[0].lines}
    ratios = [look["ratio"] for look in recorder.figures["updates"]["0.weight"]]
    np.testing.assert_array_equal(lines["0.weight"].get_ydata(), ratios)
    assert len(ratios) == 4 and all(1e-5 < r < 1 for r in ratios)
    for kind, count in (("activations", 5), ("gradients", 2), ("weights", 2)):
        axes = recorder.plot(of=kind).axes
        assert len(axes) == count and all(len(a.collections) == 4 for a in axes)
        assert [t.get_text() for t in axes[0].get_yticklabels()] == ["0", "1", "2", "3"]
    assert len(recorder.plot(of="weights", layers=["4.weight"]).axes) == 1
    with pytest.raises(ArgumentError, match=r"no layer '4.weigth', did you mean '4.weight'"):
        recorder.plot(of="weights", layers=["4.weigth"])


def test_a_recorder_without_an_optimizer_sees_no_updates(ready: Any) -> None:
    recorder = pictures.Recorder(X[:8], Y[:8])
    recorder.record(ready[0], nn.CrossEntropyLoss())
    assert set(recorder.figures["gradients"]) == {"0.weight", "4.weight"} and not recorder.figures["updates"]
    with pytest.raises(ArgumentError, match="no optimizer"):
        recorder.plot(of="updates")


def tiles(figure: Any) -> list[Any]:
    return [image.get_array().data for image in figure.axes[0].images]


def test_filters_are_the_weights_on_one_scale() -> None:
    model = convolutional()
    figure = pictures.filters(model)
    np.testing.assert_array_equal(tiles(figure), model[0].weight.data[:, 0])
    most = np.abs(model[0].weight.data).max()
    assert all(image.get_clim() == (-most, most) for image in figure.axes[0].images)
    several = nn.Conv2d(3, 5, (2, 4), generator=ag.Generator(0))
    np.testing.assert_array_equal(tiles(pictures.filters(several)), several.weight.data.reshape(-1, 2, 4))
    figure = pictures.filters(several.weight.data, most=2)
    np.testing.assert_array_equal(tiles(figure), several.weight.data[:2, :2].reshape(-1, 2, 4))
    assert "2 of 5 filters, 2 of 3 channels" in figure.axes[0].get_title(loc="left")
    turned = nn.ConvTranspose2d(1, 3, 2, generator=ag.Generator(0))
    np.testing.assert_array_equal(tiles(pictures.filters(turned)), turned.weight.data[0])
    strips = nn.Conv1d(2, 3, 5, generator=ag.Generator(0))
    np.testing.assert_array_equal(tiles(pictures.filters(strips)), strips.weight.data)
    dense = pictures.filters(model, layer="4", shape=(8, 8))
    np.testing.assert_array_equal(tiles(dense), model[4].weight.data.reshape(2, 8, 8))


def test_a_table_of_filters_and_channels() -> None:
    layer = nn.Conv2d(12, 3, 2, generator=ag.Generator(0))
    axes = pictures.filters(layer).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("channel", "filter") and len(axes.images) == 36
    left, _, bottom, _ = axes.images[13].get_extent()
    assert axes.get_xticks()[1] == left + 0.5 and axes.get_yticks()[1] == bottom + 0.5


def test_feature_maps_are_the_outputs_in_evaluation_mode() -> None:
    model = convolutional()
    picture = RNG.normal(size=(1, 1, 6, 6)).astype(np.float32)
    model.train()(picture)  # running statistics are no longer those of the beginning
    before = everything(model, optim.SGD(model.parameters()))
    maps = tiles(pictures.feature_maps(model, picture, layer="1"))
    first = tiles(pictures.feature_maps(model, picture[0]))
    assert everything(model, optim.SGD(model.parameters())) == before
    model.eval()
    np.testing.assert_array_equal(maps[0], picture[0, 0])
    np.testing.assert_array_equal(maps[1:], model[1](model[0](picture)).data[0])
    np.testing.assert_array_equal(first[1:], model[0](picture).data[0])


# ---- the loss around the weights -------------------------------------------------------------------------------------


def heights(model: nn.Module, directions: Any = "random", **settings: Any) -> tuple[Any, Any, Any]:
    """The two sides of the grid and the losses, as they are drawn."""
    drawn: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        module = importlib.import_module("nn.pictures.landscape")
        patch.setattr(module, "_contours", lambda axes, figure, a, b, z: drawn.update(a=a, b=b, z=z))
        figure = pictures.landscape(model, nn.CrossEntropyLoss(), X, Y, directions=directions, **settings)
    return figure, (drawn["a"], drawn["b"]), drawn["z"]


def test_the_landscape_is_the_loss_of_moved_weights(ready: Any) -> None:
    model, _ = ready
    twin = copy.deepcopy(model).eval()
    u, v = RNG.normal(size=(2, 58))
    _, (a, b), z = heights(model, (u, v), span=0.5, resolution=5)
    np.testing.assert_allclose(a, np.linspace(-0.5, 0.5, 5))
    start = np.concatenate([p.data.ravel() for p in twin.parameters()])
    for i, j in ((2, 2), (0, 3), (4, 1)):
        moved, place = start + a[j] * u + b[i] * v, 0
        for p in twin.parameters():
            with ag.no_grad():
                p.copy_(moved[place : place + p.size].reshape(p.shape).astype(np.float32))
            place += p.size
        assert z[i, j] == pytest.approx(nn.functional.cross_entropy(twin(X), Y).item(), rel=1e-6)


def test_random_directions_are_as_long_as_the_filters() -> None:
    from nn.pictures.landscape import _plane

    model = convolutional()
    plane, _ = _plane("random", list(model.parameters()), np.zeros(0), None, 0)
    place = 0
    for p in model.parameters():
        for d in plane[:, place : place + p.size].reshape(2, *p.shape):
            if p.ndim < 2:
                assert not d.any()
            else:
                np.testing.assert_allclose(
                    np.linalg.norm(d.reshape(len(d), -1), axis=1), np.linalg.norm(p.data.reshape(len(d), -1), axis=1), rtol=1e-6
                )
        place += p.size
    assert abs(np.corrcoef(plane)[0, 1]) < 0.3
    assert not np.array_equal(_plane("random", list(model.parameters()), np.zeros(0), None, 1)[0], plane)


def test_the_path_is_drawn_in_the_plane_of_its_principal_components() -> None:
    way = pictures.WeightPath()
    trainer, state = trained([way], epochs=6)
    assert same(state, trained(epochs=6)[1]) and way.epochs == list(range(7))
    np.testing.assert_array_equal(way.weights[-1], np.concatenate([p.data.ravel() for p in trainer.model.parameters()]))
    figure, (a, b), z = heights(trainer.model, "auto", path=way, resolution=7)
    steps = np.array(way.weights, np.float64) - way.weights[-1]
    _, values, axes = np.linalg.svd(steps, full_matrices=False)
    drawn = figure.axes[0].lines[1].get_xydata()
    np.testing.assert_allclose(np.abs(drawn), np.abs(steps @ axes[:2].T), atol=1e-6)
    assert drawn[0].min() > 0 and np.abs(drawn[-1]).max() < 1e-9
    assert f"{values[0] ** 2 / (values**2).sum():.0%}" in figure.axes[0].get_xlabel()
    assert a[0] < drawn[:, 0].min() < drawn[:, 0].max() < a[-1] and b[0] < drawn[:, 1].min() and np.isfinite(z).all()
    _, (a, _), _ = heights(trainer.model, "random", path=way, resolution=3)
    assert a[0] == -1 and a[-1] == 1, "the plane of random directions does not grow with the path"


def test_a_landscape_in_files_and_with_walls(tmp_path: Path) -> None:
    model = nn.Linear(2, 2, generator=ag.Generator(0))
    figure = pictures.landscape(model, nn.CrossEntropyLoss(), X, Y, tmp_path / "a.svg", resolution=5, title="two $units")
    assert len(figure.axes) == 3 and ET.parse(tmp_path / "a.svg")
    start = model.weight.data[0, 0]

    def wall(output: Any, target: Any) -> Any:
        return (output * output).mean() if model.weight.data[0, 0] <= start else output.mean() * np.nan

    figure = pictures.landscape(model, wall, X, Y, resolution=5)
    assert figure._repr_png_().startswith(b"\x89PNG"), "what is not finite is left white"


# ---- rates -----------------------------------------------------------------------------------------------------------


def test_a_schedule_is_drawn_and_not_stepped() -> None:
    optimizer = optim.SGD([{"params": [ag.Tensor([1.0], requires_grad=True)], "lr": r} for r in (1.0, 0.5)])
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    lines = pictures.schedule(scheduler, steps=5).axes[0].lines
    np.testing.assert_allclose(lines[1].get_ydata(), 0.5 * 0.5 ** np.arange(6))
    assert scheduler.last_epoch == 0 and [g["lr"] for g in optimizer.param_groups] == [1.0, 0.5]
    with pytest.raises(ArgumentError, match="not known ahead"):
        pictures.schedule(optim.lr_scheduler.ReduceLROnPlateau(optimizer))


def test_the_range_test_puts_everything_back(ready: Any) -> None:
    model, optimizer = ready
    test = pictures.lr_range_test(model, nn.CrossEntropyLoss(), optimizer, loader(), 1e-4, 1e3, 40)
    np.testing.assert_allclose(np.diff(np.log(test.rates)), np.log(1e7) / 39)
    assert test.rates[0] == 1e-4 and 1e-4 < test.suggestion < 1e3
    lines = test.plot().axes[0].lines
    assert lines[0].get_ydata().tolist() == test.losses and lines[2].get_xdata().tolist() == [test.suggestion]
    with pytest.raises(ArgumentError, match="0 < low < high"):
        pictures.lr_range_test(model, nn.CrossEntropyLoss(), optimizer, loader(), 1.0, 0.1)
    with pytest.raises(DTypeError, match="param_groups"):
        pictures.lr_range_test(model, nn.CrossEntropyLoss(), object(), loader())


# ---- confusion, live curves, files -----------------------------------------------------------------------------------


def test_confusion_counts() -> None:
    outputs = np.eye(3)[[0, 1, 2, 2, 1]]
    axes = pictures.confusion(outputs, [0, 1, 2, 1, 1], names=["a", "b", "$c$"]).axes[0]
    table = np.array([int(t.get_text() or 0) for t in axes.texts]).reshape(3, 3)
    np.testing.assert_array_equal(table, [[1, 0, 0], [0, 2, 1], [0, 0, 1]])
    assert axes.get_title(loc="left") == "4 of 5 right, 80.0%"
    assert axes.get_xlabel() == "predicted" and [t.get_text() for t in axes.get_yticklabels()][2] == "＄c＄"


def test_live_curves_in_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    live = pictures.LiveCurves(where="terminal")
    trainer, state = trained([live])
    written = capsys.readouterr().err.splitlines()
    assert len(written) == 1 and written[0].endswith(f"{trainer.history['loss'][-1]:.4g}"), "a file gets it once"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    trained([live])
    updates = capsys.readouterr().err.split("\r\x1b[1A\x1b[2K")
    assert len(updates) == 3 and [len(u.split()[1]) for u in updates[1:]] == [2, 3], "one line, written over"
    assert same(state, trained()[1])


def test_live_curves_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("IPython")
    seen: list[Any] = []

    class Shown:
        def update(self, figure: Any) -> None:
            seen.append(figure)

    monkeypatch.setattr("IPython.display.display", lambda figure, display_id: seen.append(figure) or Shown())
    trainer, _ = trained([pictures.LiveCurves(where="notebook")])
    assert [len(f.axes[0].lines[0].get_ydata()) for f in seen] == [1, 2, 3]
    assert list(seen[-1].axes[0].lines[0].get_ydata()) == trainer.history["loss"]


def test_figures_show_themselves_and_are_picklable() -> None:
    figure = pictures.race([optim.SGD], steps=2)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert type(pickle.loads(pickle.dumps(figure))) is type(figure)
    import matplotlib

    assert matplotlib.rcParams["svg.hashsalt"] != "wengert", "global settings stay as they are"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError):
        pictures.race([optim.SGD], tmp_path / "good.svg", tmp_path / "bad.gif", steps=2)
    assert not list(tmp_path.iterdir())
    pictures.race([optim.SGD], tmp_path / "a.svg", tmp_path / "b.png", tmp_path / "c.pdf", steps=2)
    first = (tmp_path / "a.svg").read_bytes()
    pictures.race([optim.SGD], tmp_path / "a.svg", steps=2)
    assert (tmp_path / "a.svg").read_bytes() == first and len(list(tmp_path.iterdir())) == 3
