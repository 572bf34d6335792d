"""Groups of parameters with settings of their own, by their names in a network."""

from __future__ import annotations

from typing import Any

from autograd.errors import ArgumentError, DTypeError, user_line

__all__ = ["decay_groups", "layerwise_lr"]


def decay_groups(model: Any, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: weights, with weight decay; and without it biases, and factors and shifts of normalisation (one axis or
    none).

    >>> import nn, optim
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    >>> optimizer = optim.AdamW(optim.decay_groups(model, 0.1))
    >>> [(len(g["params"]), g["weight_decay"]) for g in optimizer.param_groups]
    [(1, 0.1), (3, 0.0)]
    """
    named = _named(model, "decay_groups")
    groups = [
        {"params": [p for _, p in named if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for _, p in named if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def layerwise_lr(model: Any, lr: float, decay: float = 0.5, parts: int | None = None) -> list[dict[str, Any]]:
    """A group for each layer, with rates that fall from the output to the input: lr, lr·decay, lr·decay² …

    For transfer learning: what the first layers learned elsewhere holds here too, and should change the least. A layer is what
    shares the first `parts` words of its parameters' names; left out: all but the last word, so a module with parameters.
    Parameters that require no gradient (frozen) are left out. Source: Howard, Ruder 2018, "Universal language model
    fine-tuning for text classification".

    >>> import nn, optim
    >>> model = nn.MLP(4, (3, 3), 2)
    >>> optimizer = optim.SGD(optim.layerwise_lr(model, 0.1, decay=0.5))
    >>> [g["lr"] for g in optimizer.param_groups]
    [0.025, 0.05, 0.1]
    """
    if not isinstance(decay, int | float) or not 0 < decay <= 1:
        raise ArgumentError(f"layerwise_lr: decay must be in (0, 1], got {decay!r}. ({user_line()})")
    layers: dict[str, list[Any]] = {}
    for name, p in _named(model, "layerwise_lr"):
        if p.requires_grad:
            words = name.split(".")
            layers.setdefault(".".join(words[:-1] if parts is None else words[:parts]), []).append(p)
    last = len(layers) - 1
    return [{"params": params, "lr": lr * decay ** (last - k)} for k, params in enumerate(layers.values())]


def _named(model: Any, name: str) -> list[tuple[str, Any]]:
    if not hasattr(model, "named_parameters"):
        raise DTypeError(f"{name} takes a module, whose parameters have names; got {type(model).__name__}. ({user_line()})")
    return list(model.named_parameters())
