"""What a layer looks for in a picture, and where it finds it: filters and feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError
from nn.doctor.patient import restored
from nn.module import Module
from nn.names import nearest
from nn.pictures.look import BLUE, GRID, MUTED, ORANGE, canvas, headed, short, whole
from nn.pictures.outputs import outputs_kept

__all__ = ["feature_maps", "filters"]

Array = np.ndarray[Any, Any]
GAP = 0.14
"""Between two tiles, as a share of their height."""


def filters(model: Any, *paths: str | PathLike[str], layer: str | None = None, shape: tuple[int, int] | None = None,
            most: int = 32, title: str = "") -> Any:  # fmt: skip
    """Draw the weights of a layer as pictures: negative ones blue, positive ones orange, 0 white, one scale for all.

    Filters of one input channel stand in rows, with their numbers. Of those of more channels there is a tile for each channel,
    side by side; those of one dimension are strips, a line for each channel. A dense layer has a tile for each of its units, if
    the shape of its input is given.

    Args:
        model: a module; or the weights alone, (filters, channels, height, width), (filters, channels, length) or, with a
            shape, (units, inputs).
        paths: files to write, SVG, PNG or PDF by their ending.
        layer: its name in the model; the first whose weights can be drawn if left out.
        shape: height and width of the input of a dense layer.
        most: how many filters, and how many of their channels, are drawn at most.
        title: a line above the picture.

    Returns matplotlib's figure.

    >>> import nn
    >>> figure = filters(nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU()))
    >>> [image.get_array().shape for image in figure.axes[0].images[:2]], figure.axes[0].get_title(loc="left")
    ([(5, 5), (5, 5)], '0.weight: 6 filters of 5 × 5')
    """
    whole("most", most, 1, 400)
    name, weight = _weights(model, layer, shape)
    if shape is not None and weight.ndim == 2:
        weight = _as_pictures(weight, shape)
    if weight.ndim == 3:  # a length: strips, a row for each channel
        weight = weight[:, None]
    if weight.ndim != 4 or not weight.size:
        raise ArgumentError(
            f"filters are (filters, channels, height, width), got {weight.shape}. For a dense layer give the shape of its "
            "input as shape=(height, width)."
        )
    count, channels, height, width = weight.shape
    tiles = weight[:most, :most]
    kind = "filters" if shape is None else "units"
    text = f"{name}: {count} {kind} of {height} × {width}" + (f", {channels} channels" if channels > 1 else "")
    cut = [f"{most} of {n} {what}" for n, what in ((count, kind), (channels, "channels")) if n > most]
    labels = [str(k) for k in range(len(tiles))]
    return _mosaic(tiles, labels, text, cut, paths, title, True)


def feature_maps(model: Module, x: Any, *paths: str | PathLike[str], layer: str | None = None, most: int = 64,
                 title: str = "") -> Any:  # fmt: skip
    """Draw what the channels of a layer answer to one picture, the picture first. The model is asked in evaluation mode.

    Args:
        model: a module.
        x: one sample, (1, channels, height, width), or (channels, height, width).
        paths: files to write, SVG, PNG or PDF by their ending.
        layer: its name in the model; the first convolution, or else the first layer whose output is a picture, if left out.
        most: how many channels are drawn at most.
        title: a line above the picture.

    Returns matplotlib's figure. Errors: ArgumentError for a layer whose output is no picture.

    >>> import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU())
    >>> figure = feature_maps(model, np.ones((1, 8, 8), np.float32), layer="1")
    >>> [image.get_array().shape for image in figure.axes[0].images], figure.axes[0].get_title(loc="left")
    ([(8, 8), (6, 6), (6, 6), (6, 6)], '1: ReLU: 3 channels of 6 × 6')
    """
    if not isinstance(model, Module):
        raise DTypeError(f"feature_maps takes a Module, got {type(model).__name__}.")
    whole("most", most, 1, 400)
    picture = np.asarray(getattr(x, "data", x) if not isinstance(x, np.ndarray) else x)
    picture = picture[None] if picture.ndim == 3 else picture
    if picture.ndim != 4 or len(picture) != 1:
        raise ArgumentError(f"feature_maps takes one picture, (1, channels, height, width), got {picture.shape}.")
    kept: dict[str, Array] = {}
    with restored(model, None), ag.no_grad(), outputs_kept(model, kept):
        model.eval()
        model(ag.Tensor(picture))
    known = {label.split(":")[0] if ":" in label else "": label for label in kept}
    if layer is not None and layer not in known:
        raise ArgumentError(f"the model called no layer {layer!r:.60}{nearest(layer, known)} It has {', '.join(known)}.")
    pictures = [label for label, a in kept.items() if a.ndim == 4 and a.shape[2] * a.shape[3] > 1]
    best = [label for label in pictures if "Conv" in label] or pictures
    label = known[layer] if layer is not None else best[0] if best else ""
    if label not in pictures:
        what = f"the output of {layer!r} is {kept[label].shape}" if label else "no output of a layer is a picture"
        raise ArgumentError(f"{what}; feature maps are (1, channels, height, width). These are: {', '.join(pictures)}.")
    maps = kept[label][0]
    text = f"{label}: {len(maps)} channels of {maps.shape[1]} × {maps.shape[2]}"
    cut = [f"{most} of {len(maps)} channels"] if len(maps) > most else []
    labels = ["input", *map(str, range(min(most, len(maps))))]
    return _mosaic(maps[:most, None], labels, text, cut, paths, title, False, picture[0].mean(axis=0))


def _weights(model: Any, layer: str | None, shape: Any) -> tuple[str, Array]:
    if not isinstance(model, Module):
        a = np.asarray(getattr(model, "data", model) if not isinstance(model, np.ndarray) else model)
        if a.dtype.kind != "f":
            raise DTypeError(f"filters takes a Module or weights, got {type(model).__name__} of {a.dtype}.")
        if layer is not None:
            raise ArgumentError(f"layer={layer!r:.40} names a layer of a Module, and these are weights alone.")
        return "weight", a
    modules = dict(model.named_modules())
    if layer is not None and layer not in modules:
        raise ArgumentError(f"the model has no layer {layer!r:.60}{nearest(layer, modules)}")
    wanted = (2, 3, 4) if shape is not None else (3, 4)
    for name, module in modules.items() if layer is None else [(layer, modules[layer])]:
        weight = getattr(module, "weight", None)
        if isinstance(weight, ag.Tensor) and (weight.ndim in wanted or layer is not None):
            turned = getattr(module, "transposed", False)
            return f"{name}.weight".lstrip("."), weight.data.swapaxes(0, 1) if turned else weight.data
    why = f"{layer!r} has none" if layer is not None else "the model has no convolution of one or two axes"
    raise ArgumentError(
        f"there are no weights to draw: {why}. For a dense layer give the shape of its input as shape=(height, width)."
    )


def _as_pictures(weight: Array, shape: Sequence[int]) -> Array:
    if len(shape) != 2 or shape[0] * shape[1] != weight.shape[1]:
        raise ArgumentError(f"a unit has {weight.shape[1]} weights, which make no picture of the shape {tuple(shape)}.")
    return weight.reshape(len(weight), 1, *shape)


def _mosaic(tiles: Array, labels: list[str], text: str, cut: list[str], paths: Any, title: str, signed: bool,
            first: Array | None = None) -> Any:  # fmt: skip
    """Groups of tiles, (groups, tiles, height, width), row by row in one panel. Where a row has one group, it is a table."""
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    channels, height, width = tiles.shape[1:]
    tall = min(max(height / width, 0.25), 4.0)
    shown = [*([] if first is None else [first[None]]), *tiles]
    across = max(1, min(len(shown), round((len(shown) * 1.9 * tall / channels) ** 0.5)))
    table = across == 1 and channels > 1
    down = -(-len(shown) // across)
    side = 1 + (GAP if channels == 1 else 0.6 * GAP) * tall
    step, fall = side * channels + (0 if channels == 1 else 2 * GAP * tall), tall * (1 + GAP) + (0 if table else 0.2)
    cell = min(0.85 if height * width > 9 else 0.62, 8.0 / (across * step), 7.5 / (down * fall))
    values = tiles[np.isfinite(tiles)]
    most = float(np.abs(values).max(initial=0)) or 1.0
    both = signed or values.min(initial=0) < 0
    hues = ["#0d3b61", BLUE, "#ffffff", ORANGE, "#7a3d00"] if both else ["#ffffff", ORANGE, "#7a3d00"]
    colours = LinearSegmentedColormap.from_list("weights", hues)
    heading = short(text, 60) + (f" ({', '.join(cut)} drawn)" if cut else "")
    size = (max(cell * step * across + 1.2, 0.1 * len(heading), 2.4), max(cell * fall * down + 0.6, 1.4))
    with canvas(*size, paths, title) as figure:
        axes = figure.add_subplot()
        frames, scale = [], None
        for k, group in enumerate(shown):
            x, y = k % across * step, -(k // across) * fall
            own = first is not None and k == 0
            limits = {} if own else {"vmin": -most if both else 0.0, "vmax": most}
            for tile in group:
                extent = (x, x + 1, y - tall, y)
                image = axes.imshow(tile, extent=extent, cmap="gray_r" if own else colours, interpolation="nearest", **limits)
                scale = scale if own else image
                frames.append(Rectangle((x, y - tall), 1, tall))
                x += side
            if not table:
                axes.annotate(labels[k], (k % across * step, y), xytext=(1, 1.5), textcoords="offset points", fontsize=7,
                              color=MUTED)  # fmt: skip
        axes.add_collection(PatchCollection(frames, facecolor="none", edgecolor=GRID if both else "#c3cad2", lw=0.8))
        axes.set_xlim(-0.03, across * step - (step - side * channels) - (side - 1) + 0.03)
        axes.set_ylim(-(down - 1) * fall - tall - 0.03, 0.03 if table else 0.22)
        axes.set_aspect("equal", anchor="NW")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xticks([])
        axes.set_yticks([])
        if table:
            places = range(0, down, -(-down // 16))
            axes.set_yticks([-k * fall - tall / 2 for k in places], [labels[k] for k in places], fontsize=8)
            axes.set_ylabel("filter")
            axes.set_xlabel("channel")
            places = range(0, channels, -(-channels // 16))
            axes.set_xticks([k * side + 0.5 for k in places], [str(k) for k in places], fontsize=8)
        bar = figure.colorbar(scale, ax=axes, fraction=0.05, pad=0.02, aspect=18, panchor=False)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, length=2)
        headed(axes, heading)
    return figure
