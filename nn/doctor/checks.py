"""The checks: each looks at a `Patient` and yields what it finds. They go from the data to the signals to the steps, since what
is wrong early is often the cause of what is seen late. The bounds are rules of thumb, far from what healthy networks show."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from nn import activations
from nn import functional as F
from nn.doctor.patient import Array, Patient, rms
from nn.doctor.report import Finding, Shown
from nn.losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, NLLLoss

__all__ = ["AFTER_PASS", "BEFORE", "CONSEQUENCES", "refused"]

Check = Callable[[Patient], Iterator[Finding]]

RANGES: dict[type, tuple[float, float]] = {
    activations.Sigmoid: (0, 1), activations.Tanh: (-1, 1), activations.Softmax: (0, 1), activations.ReLU: (0, np.inf),
    activations.Hardtanh: (-1, 1), activations.Hardsigmoid: (0, 1), activations.Softplus: (0, np.inf),
    activations.ReLU6: (0, 6), activations.Softsign: (-1, 1),
}  # fmt: skip
ZERO_WHERE_NEGATIVE = (activations.ReLU, activations.ReLU6)
SATURATING = (activations.Sigmoid, activations.Tanh, activations.Hardtanh, activations.Hardsigmoid)


# ---- the data --------------------------------------------------------------------------------------------------------


def inputs(patient: Patient) -> Iterator[Finding]:
    """Numbers that are not finite, and features of very different or very large size."""
    x = patient.x
    if x.dtype.kind != "f":
        return
    if not np.isfinite(x).all():
        share = 1 - np.isfinite(x).mean()
        yield Finding(
            "input not finite",
            f"{share:.2%} of the input is NaN or infinite, and so is everything computed from it.",
            "x = np.nan_to_num(x)    # or leave out these samples",
            {"share": float(share)},
            _bars("NaN or infinite, share of the samples", 1 - np.isfinite(x).reshape(len(x), -1).mean(axis=0), patient),
        )
        return
    size, deviations = rms(x), x.reshape(len(x), -1).std(axis=0)
    varying = deviations[deviations > 0]
    uneven = float(varying.max() / np.median(varying)) if varying.size else 1.0
    if size > 4 or 0 < size < 0.02 or uneven > 20:
        why = (
            f"its root mean square is {size:.3g}" if uneven <= 20 else f"one feature varies {uneven:.3g} times as much as most"
        )
        yield Finding(
            "unnormalised input",
            f"The input is far from mean 0 and deviation 1: {why}. Steps that suit one weight do not suit another.",
            "mean, scale = x_train.mean(axis=0), x_train.std(axis=0)\nscale[scale == 0] = 1\nx = (x - mean) / scale    # the "
            "same mean and scale for new data",
            {"rms": size, "largest to median deviation": uneven},
            _bars("deviation of each feature", deviations, patient, {"as it should be, about": 1.0})
            if x.ndim == 2
            else Shown("histogram", "values of the input", x.ravel()[:: max(x.size // 20_000, 1)]),
        )


def leak(patient: Patient) -> Iterator[Finding]:
    """A single feature from which the target can be told."""
    x = patient.x.reshape(len(patient.x), -1).astype(np.float64)
    target = patient.target.reshape(len(patient.target), -1)
    if len(x) < 30 or target.shape[1] != 1 or not np.isfinite(x).all():
        return
    target = target[:, 0]
    shares = _explained_by_class(x, target) if target.dtype.kind in "iub" else _correlation(x, target)
    told = np.flatnonzero(shares > 0.985)
    if told.size and told.size <= max(3, x.shape[1] // 4):
        names = [patient.feature_names[k] if patient.feature_names else f"feature {k}" for k in told[:5]]
        yield Finding(
            "target leaks into the input",
            f"{', '.join(names)} alone tells the target ({shares[told[0]]:.1%} of its variance goes with it). New data will "
            f"hardly "
            "have it, and then the network knows nothing.",
            f"x = np.delete(x, {told.tolist()[:10]}, axis=1)    # unless it is known before the target is",
            {names[k]: float(shares[told[k]]) for k in range(len(names))},
            _bars("how much of the target each feature tells", shares, patient, {"all of it": 1.0}),
        )


def _bars(title: str, values: Array, patient: Patient, bounds: dict[str, float] | None = None) -> Shown:
    """A bar for each feature; of many, those with the largest values."""
    order = np.arange(len(values)) if len(values) <= 40 else np.sort(np.argsort(values)[-40:])
    names = patient.feature_names or [str(k) for k in range(len(values))]
    worst = tuple(int(k) for k in np.flatnonzero(values[order] >= 0.98 * values.max()))
    return Shown("bars", title, values[order], tuple(str(names[k]) for k in order), worst, bounds or {})


def _explained_by_class(x: Array, target: Array) -> Array:
    """For each feature, the share of its variance that lies between the classes."""
    total, within = x.var(axis=0), np.zeros(x.shape[1])
    for c in np.unique(target):
        here = x[target == c]
        within += here.var(axis=0) * len(here) / len(x)
    return np.where(total > 0, 1 - within / np.where(total > 0, total, 1), 0.0)


def _correlation(x: Array, target: Array) -> Array:
    """For each feature, the square of its correlation with the target."""
    a, b = x - x.mean(axis=0), target - target.mean()
    scale = (a * a).sum(axis=0) * (b * b).sum()
    return np.where(scale > 0, (a * b[:, None]).sum(axis=0) ** 2 / np.where(scale > 0, scale, 1), 0.0)


# ---- one forward and backward pass -----------------------------------------------------------------------------------


def refused(patient: Patient) -> Finding | None:
    """Targets that the loss itself refuses: classes beyond those of the output, shares that are no shares."""
    target = patient.target
    if not target.size:
        return None
    low, high = target.min(), target.max()
    if target.dtype.kind in "iu" and (patient.uses(CrossEntropyLoss, F.cross_entropy) or patient.uses(NLLLoss, F.nll_loss)):
        classes = patient.output.shape[1] if patient.output is not None and patient.output.ndim > 1 else 0
        kept = target[target != getattr(patient.loss, "ignore_index", -100)]
        if classes and kept.size and (kept.min() < 0 or kept.max() >= classes):
            return Finding(
                "targets out of range",
                f"The network has {classes} outputs, one for each of the classes 0 to {classes - 1}, and targets go from "
                f"{kept.min()} to {kept.max()}.",
                "classes, y = np.unique(y, return_inverse=True)    # 0, 1, 2, …; and as many outputs as classes",
                {"outputs": float(classes), "least": float(kept.min()), "greatest": float(kept.max())},
                Shown("histogram", "targets", kept.ravel(), bounds={"first class": 0.0, "last class": classes - 1.0}),
            )
    return _no_share(patient, float(low), float(high))


def _no_share(patient: Patient, low: float, high: float) -> Finding | None:
    """Binary cross-entropy of targets that are no probabilities."""
    binary = patient.uses(BCELoss, F.binary_cross_entropy) or patient.uses(
        BCEWithLogitsLoss, F.binary_cross_entropy_with_logits
    )
    if not binary or (low >= 0 and high <= 1):
        return None
    return Finding(
        "targets out of range",
        f"Binary cross-entropy takes targets between 0 and 1, and these go from {low:.3g} to {high:.3g}: the loss can fall "
        "without end, or is refused.",
        "y = (y > y.mean()).astype(np.float32)    # 0 and 1",
        {"least": low, "greatest": high},
        Shown("histogram", "targets", patient.target.ravel(), bounds={"0": 0.0, "1": 1.0}),
    )


def targets(patient: Patient) -> Iterator[Finding]:
    """Targets that the output cannot reach, or of a size that makes every loss huge."""
    target = patient.target
    if not target.size:
        return
    low, high = float(target.min()), float(target.max())
    no_share = _no_share(patient, low, high)
    if no_share is not None:
        yield no_share
        return
    if target.dtype.kind != "f":
        return
    last = patient.last
    least, most = RANGES.get(type(last), (-np.inf, np.inf))
    if low < least - 1e-6 or high > most + 1e-6:
        share = float(((target < least - 1e-6) | (target > most + 1e-6)).mean())
        yield Finding(
            "targets out of range",
            f"The network ends in {type(last).__name__}, whose output lies in [{least:g}, {most:g}], and targets lie in "
            f"[{low:.3g}, {high:.3g}]: {share:.0%} of them can never be reached.",
            "model = nn.Sequential(*list(model.children())[:-1])    # a linear output; or scale the targets",
            {"least": low, "greatest": high},
            Shown("histogram", "targets, and what the output can reach", target.ravel(),
                  bounds={f"{v:g}": float(v) for v in (least, most) if np.isfinite(v)}),
        )
    elif float(target.std()) > 30 and not patient.uses(CrossEntropyLoss, F.cross_entropy):
        yield Finding(
            "unscaled targets",
            f"Targets have deviation {target.std():.3g}: losses and gradients start as large as its square, "
            f"{target.var():.3g}.",
            "mean, scale = y_train.mean(), y_train.std()\ny = (y - mean) / scale    # and undo it in predictions",
            {"deviation": float(target.std())},
            Shown("histogram", "targets", target.ravel()),
        )


def softmax_twice(patient: Patient) -> Iterator[Finding]:
    """Probabilities given to a loss that takes logits."""
    output = patient.output
    if output is None or not np.isfinite(output).all():
        return
    inside = bool(output.min() >= 0 and output.max() <= 1)
    last = patient.last
    if patient.uses(CrossEntropyLoss, F.cross_entropy) and inside and output.ndim > 1 and output.shape[1] > 1:
        sums = output.sum(axis=1)
        if np.allclose(sums, 1, atol=1e-3) or isinstance(last, activations.Sigmoid):
            yield Finding(
                "softmax before cross-entropy",
                "The outputs are probabilities already, and CrossEntropyLoss takes logits: it "
                "applies softmax again, so no probability gets far from the others, and gradients are small.",
                "model = nn.Sequential(*list(model.children())[:-1])    # without the last activation",
                {"least sum": float(sums.min())},
                Shown("histogram", "outputs that are taken for logits", output.ravel(), bounds={"0": 0.0, "1": 1.0}),
            )
    elif patient.uses(BCEWithLogitsLoss, F.binary_cross_entropy_with_logits) and isinstance(last, activations.Sigmoid):
        yield Finding(
            "sigmoid before a loss of logits",
            "The outputs went through a sigmoid, and BCEWithLogitsLoss applies another.",
            "model = nn.Sequential(*list(model.children())[:-1])    # without the sigmoid; or nn.BCELoss()",
        )


def symmetry(patient: Patient) -> Iterator[Finding]:
    """Units of a hidden layer that start the same, and so stay the same."""
    weights = [(name, p.data) for name, p in patient.model.named_parameters() if p.ndim >= 2 and p.shape[0] > 1]
    for name, w in weights[:-1] if len(weights) > 1 else weights[:0]:
        rows = w.reshape(len(w), -1)
        if np.ptp(rows, axis=0).max() <= 1e-7 * max(float(np.abs(rows).max()), 1e-30):
            yield Finding(
                "symmetric weights",
                f"All {len(w)} units of {name} have the same weights: they get the same gradients, and "
                f"act as one unit "
                "for ever.",
                f"for name, p in model.named_parameters():\n    if name == {name!r}:\n        nn.init.xavier_uniform_(p)",
                {"units": float(len(w))},
                Shown("image", f"{name}: a row for each unit", rows[:64, :64]),
            )
            return


def dead_units(patient: Patient) -> Iterator[Finding]:
    """Rectified units that are 0 for every sample."""
    shares: dict[str, float] = {}
    for name, module, y in patient.outputs:
        if isinstance(module, ZERO_WHERE_NEGATIVE) and len(y) >= 16 and y.ndim >= 2:
            shares[name] = float((y <= 0).all(axis=(0, *range(2, y.ndim))).mean())
    worst = [name for name, share in shares.items() if share > 0.4]
    if worst:
        name, dead = worst[0], shares[worst[0]]
        kind = next(type(m).__name__ for n, m, _ in patient.outputs if n == name)
        marked = tuple(k for k, n in enumerate(shares) if n in worst)
        yield Finding(
            "dead units",
            f"{dead:.0%} of the units of {name} ({kind}) are 0 for all {len(patient.x)} samples: no gradient reaches their "
            "weights, and they never come back.",
            "# smaller steps, and weights that start smaller; or an activation with a slope for negative inputs:\n"
            "nn.LeakyReLU()    # in place of nn.ReLU()",
            {"share": dead},
            Shown("bars", "share of dead units", np.array(list(shares.values())), tuple(shares), marked, {"all": 1.0}),
        )


def saturation(patient: Patient) -> Iterator[Finding]:
    """Sigmoids and tanhs at the ends of their range, where they are flat. An output layer may well be there."""
    for name, module, y in patient.outputs[:-1]:
        if isinstance(module, SATURATING) and y.size:
            low, high = RANGES[type(module)]
            margin = 0.02 * (high - low)
            share = float(((y < low + margin) | (y > high - margin)).mean())
            if share > 0.6:
                yield Finding(
                    "saturated units",
                    f"{share:.0%} of the outputs of {name} ({type(module).__name__}) are within 2 % of an "
                    f"end of "
                    f"[{low:g}, {high:g}], where the function is flat: hardly any gradient passes.",
                    "for p in model.parameters():\n    if p.ndim > 1:\n        nn.init.xavier_uniform_(p)    # and normalise "
                    "the input",
                    {"share": share},
                    Shown("histogram", f"outputs of {name}", y.ravel()[:: max(y.size // 20_000, 1)],
                          bounds={f"{low:g}": float(low), f"{high:g}": float(high)}),
                )
                return


def gradient_flow(patient: Patient) -> Iterator[Finding]:
    """Gradients that vanish on their way back, or that explode."""
    sizes = [layer.gradient for layer in patient.layers]
    names = [layer.name for layer in patient.layers]
    if not sizes:
        return
    value, chance = patient.value, patient.chance()
    given = rms(patient.x) if patient.x.dtype.kind == "f" else 1.0
    growth = rms(patient.output) / max(given, 1e-12) if patient.output is not None else 0.0
    far = value > 50 * chance + 50 or (growth > 20 and value > 10 * chance)
    if not np.isfinite(value) or not np.isfinite(sizes).all() or far or max(sizes) > 100:
        yield Finding(
            "exploding gradients",
            f"The loss is {value:.3g}, where an answer by chance has about {chance:.3g}, and the "
            f"largest gradient "
            f"{max(sizes):.3g}: signals grow from layer to layer, and a step of any size leads away.",
            "for p in model.parameters():\n    if p.ndim > 1:\n        nn.init.kaiming_normal_(p, nonlinearity='relu')    # "
            "for tanh: "
            "xavier_uniform_\noptim.clip_grad_norm_(model.parameters(), 1.0)    # before optimizer.step()",
            {"loss": value, "by chance": chance, "largest gradient": max(sizes), "output to input": growth},
        )
    elif len(sizes) >= 3 and max(sizes) > 0 and min(sizes[: len(sizes) // 2]) < 1e-3 * max(sizes[len(sizes) // 2 :]):
        first = min(range(len(sizes) // 2), key=lambda k: sizes[k])
        yield Finding(
            "vanishing gradients",
            f"The gradient of {names[first]} is {sizes[first]:.2g}, and the largest further up "
            f"{max(sizes):.2g}: the "
            "first layers hardly learn.",
            "# ReLU in place of sigmoid or tanh, weights that start to fit it, and normalisation between:\n"
            "nn.Sequential(nn.Linear(n, m), nn.BatchNorm1d(m), nn.ReLU())",
            {"first": sizes[first], "largest": max(sizes)},
        )


def unused(patient: Patient) -> Iterator[Finding]:
    """Parameters that the loss does not depend on."""
    without = [name for name, p in patient.model.named_parameters() if p.requires_grad and name not in patient.gradients]
    if without:
        yield Finding(
            "parameters without a gradient",
            f"The loss does not depend on {', '.join(without[:5])}"
            f"{' …' if len(without) > 5 else ''}: either forward does not use {'it' if len(without) == 1 else 'them'}, or the "
            f"graph is "
            "cut on the way, by .detach(), .data or no_grad().",
            "# in forward: use the layer, and keep to Tensors",
            {"parameters": float(len(without))},
        )


BEFORE: tuple[Check, ...] = (inputs, leak)
CONSEQUENCES: dict[str, tuple[str, ...]] = {
    "symmetric weights": ("dead units", "saturated units", "vanishing gradients"),
    "dead units": ("vanishing gradients",),
    "unnormalised input": ("saturated units",),
}
"""What is not told beside its cause."""
AFTER_PASS: tuple[Check, ...] = (targets, softmax_twice, symmetry, saturation, dead_units, gradient_flow, unused)
