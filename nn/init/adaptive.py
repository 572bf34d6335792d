"""Weights that are fitted to data, and weights that are drawn anew while training goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, DTypeError, user_line
from nn.init.fill import draw, orthogonal_, write

__all__ = ["lsuv_", "shrink_and_perturb_"]

Tensor = ag.Tensor
Array = np.ndarray[Any, Any]


def shrink_and_perturb_(weights: Any, shrink: float = 0.4, std: float = 0.01, generator: Any = None) -> None:
    """Randomised initialisation: weights are drawn anew around what was learned, w ← shrink·w + N(0, std²).

    When to use: before training goes on with more data, which a network that has settled takes in badly; or each few epochs,
    with a std that falls, to go on exploring: ``callbacks=[lambda trainer, row: shrink_and_perturb_(model, 0.9,
    0.1 / row["epoch"])]`` gives None, so that training goes on. Limit: two more numbers to choose. Sources: Ash, Adams 2020,
    "On warm-starting neural network training"; course notes, *Randomized Initialization*.

    Args:
        weights: a Module, of which the parameters with two axes and more count; or tensors.
        shrink: in [0, 1].
        std: at least 0.

    >>> w = ag.Tensor([[1.0, -2.0]])
    >>> shrink_and_perturb_([w], 0.5, 0.0)
    >>> w.tolist()
    [[0.5, -1.0]]
    """
    if not 0 <= shrink <= 1:
        raise ArgumentError(f"shrink_and_perturb_: shrink must be in [0, 1], got {shrink!r}. ({user_line()})")
    if not (np.isfinite(std) and std >= 0):
        raise ArgumentError(f"shrink_and_perturb_: std must be at least 0, got {std!r}. ({user_line()})")
    for w in _weights("shrink_and_perturb_", weights):
        write(w, shrink * w.data + draw(generator).normal(0.0, std, w.shape, w.dtype))


def lsuv_(model: Any, x: Any, tolerance: float = 0.05, most: int = 10, generator: Any = None) -> dict[str, float]:
    """Dynamic initialisation by data, layer-sequential unit variance: each weight is made orthogonal, then scaled until the
    output of its layer, for the samples x, has variance 1; layer by layer, in the order in which they run.

    When to use: deep networks of any activation, with a batch of real data; limit: it needs that data, and one forward pass or
    more for each layer. Biases, modes and gradients stay as they are, and after an error the weights too. Sources: Mishkin,
    Matas 2015, "All you need is a good init"; course notes, *Dynamic Initialization*.

    Args:
        model: a Module; its layers are the modules in it with a `weight` of two axes and more.
        x: a batch of inputs, some hundred samples.
        tolerance: how far from 1 a variance may stay.
        most: rounds for each layer.

    Returns: the variance of each layer's output, by the layer's name.

    >>> from nn import Linear, ReLU, Sequential
    >>> model = Sequential(Linear(8, 8), ReLU(), Linear(8, 8))
    >>> variances = lsuv_(model, np.random.default_rng(0).normal(5, 3, (50, 8)))
    >>> all(abs(v - 1) < 0.05 for v in variances.values())
    True
    """
    layers = {name: m for name, m in model.named_modules() if getattr(getattr(m, "weight", None), "ndim", 0) > 1}
    if not layers:
        raise DTypeError(f"lsuv_ takes a Module with layers that have a weight, got {type(model).__name__}. ({user_line()})")
    seen: dict[str, Array] = {}
    x = x if isinstance(x, Tensor) else Tensor(x, dtype=next(iter(layers.values())).weight.dtype)
    handles = [m.register_forward_hook(_keeping(seen, name)) for name, m in layers.items()]
    modes, before = [(m, m.training) for m in model.modules()], {name: m.weight.data.copy() for name, m in layers.items()}
    try:
        with ag.no_grad():
            model.eval()
            model(x)
            order, found = list(seen), {}
            for name in order:
                weight = layers[name].weight
                orthogonal_(weight, 1.0, generator)
                for k in range(most + 1):
                    model(x)
                    found[name] = float(seen[name].var()) if seen[name].size else np.nan
                    if not np.isfinite(found[name]):
                        raise ArgumentError(
                            f"lsuv_: the output of layer {name!r} for these samples has variance {found[name]}; nothing was "
                            f"changed. Give samples that are finite, one at least. ({user_line()})"
                        )
                    if abs(found[name] - 1) < tolerance or found[name] == 0 or k == most:
                        break
                    write(weight, weight.data / np.sqrt(found[name]))
        return found
    except BaseException:
        for name, m in layers.items():
            write(m.weight, before[name])
        raise
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            object.__setattr__(module, "training", mode)


def _keeping(seen: dict[str, Array], name: str) -> Callable[..., None]:
    def keep(module: Any, args: Any, output: Any) -> None:
        seen.pop(name, None)
        seen[name] = (output[0] if isinstance(output, tuple) else output).data

    return keep


def _weights(name: str, weights: Any) -> Iterable[Tensor]:
    found = [p for p in weights.parameters() if p.ndim > 1] if hasattr(weights, "parameters") else list(weights)
    strange = next((w for w in found if not isinstance(w, Tensor)), None)
    if strange is not None or not found:
        got = "nothing" if strange is None else type(strange).__name__
        raise DTypeError(f"{name} takes a Module with weights, or Tensors, got {got}. ({user_line()})")
    return found
