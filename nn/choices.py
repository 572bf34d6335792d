"""Networks, penalties, optimizers and schedules by name: what the command line, the estimators and the search choose among."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from autograd.errors import ArgumentError, NotFoundError
from nn.containers import Sequential
from nn.layers import MLP, Dropout
from nn.module import Module
from nn.names import nearest

__all__ = [
    "OPTIMIZERS", "SCHEDULES", "TUNING", "clipping", "make_optimizer", "make_schedule", "multilayer", "optimizers", "penalty",
]  # fmt: skip

OPTIMIZERS: dict[str, tuple[str, dict[str, Any], float]] = {
    "sgd": ("SGD", {}, 0.1),
    "momentum": ("SGD", {"momentum": 0.9}, 0.02),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}, 0.02),
    "adagrad": ("Adagrad", {}, 0.02),
    "rmsprop": ("RMSprop", {}, 1e-3),
    "adadelta": ("Adadelta", {}, 1.0),
    "adam": ("Adam", {}, 2e-3),
    "adamw": ("AdamW", {}, 2e-3),
    "adamax": ("Adamax", {}, 4e-3),
    "nadam": ("NAdam", {}, 2e-3),
}
"""Short name -> class in `optim`, settings, usual learning rate."""

BY_CLOSURE = ("LBFGS",)
"""These evaluate the loss several times in a step: for a loop of one's own, over all samples at once."""

TUNING = "hypergradient"
"""Before a name: the optimizer's rate is moved along by its own gradient (`optim.Hypergradient`)."""

SCHEDULES = ("constant", "cosine", "exponential", "one_cycle", "plateau", "step", "warm_restarts")
"""Courses of the learning rate that need no more than the number of epochs to be told."""


def optimizers() -> dict[str, tuple[str, dict[str, Any], float | None]]:
    """`OPTIMIZERS`, and every other optimizer of `optim` by its class's name in lower case, with the class's own rate.

    >>> optimizers()["momentum"]
    ('SGD', {'momentum': 0.9}, 0.02)
    """
    import optim

    known: dict[str, tuple[str, dict[str, Any], float | None]] = dict(OPTIMIZERS)
    for name in optim.__all__:
        kind = getattr(optim, name)
        if isinstance(kind, type) and issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer:
            if name not in BY_CLOSURE:
                known.setdefault(name.lower(), (name, {}, None))
    return known | {f"{TUNING}_{name}": known[name] for name in ("sgd", "momentum", "adam")}


def make_optimizer(choice: str | Callable[..., Any], parameters: Iterable[Any], lr: float | None = None,
                   **settings: Any) -> Any:  # fmt: skip
    """An optimizer by name, or by a class of one's own, called as ``choice(parameters, lr=…, **settings)``.

    Args:
        choice: a name that `optimizers` knows, in any case and with or without underscores, or a class.
        parameters: those that do not require a gradient are left out: they are frozen.
        lr: the learning rate; None for the usual one of the optimizer.
        settings: further ones of the class; those that are 0 or None are left to the class.

    >>> import autograd as ag
    >>> make_optimizer("Nesterov", [ag.Tensor([1.0], requires_grad=True)]).param_groups[0]["lr"]
    0.02
    """
    import optim

    learned = [p for p in parameters if p.requires_grad]
    if not learned:
        raise ArgumentError("there is nothing to learn: no parameter of the network requires a gradient. Unfreeze some.")
    if isinstance(choice, str):
        known = optimizers()
        wanted = {name.replace("_", ""): name for name in known}.get(choice.lower().replace("_", ""))
        if wanted is None:
            raise NotFoundError(f"there is no optimizer {choice!r}{nearest(choice, known)} There are {', '.join(known)}.")
        name, preset, usual = known[wanted]
        kind, lr, settings = getattr(optim, name), usual if lr is None else lr, {**preset, **settings}
    else:
        kind = choice
    settings = {k: v for k, v in settings.items() if v is not None and (v != 0 or isinstance(v, bool))}
    if lr is not None:
        settings["lr"] = lr
    try:
        made = kind(learned, **settings)
        return optim.Hypergradient(made) if isinstance(choice, str) and str(wanted).startswith(TUNING) else made
    except TypeError as error:
        raise ArgumentError(f"{getattr(kind, '__name__', kind)} does not take these settings: {error}.") from None


def clipping(max_norm: float) -> Callable[[list[Any]], Any]:
    """What a `Trainer` does before a step: scale the gradients down to this norm, if theirs is larger."""
    import optim

    return partial(optim.clip_grad_norm_, max_norm=max_norm)


def make_schedule(choice: str | Callable[..., Any] | None, optimizer: Any, epochs: int) -> Any:
    """A schedule by name, to be stepped once an epoch, or ``choice(optimizer, epochs)``; None for a constant rate.

    * ``cosine``: falls to 0 along half a cosine
    * ``exponential``: falls by one factor an epoch, to a hundredth of the rate at the end
    * ``step``: a tenth of it after half of the epochs, a hundredth after three quarters
    * ``one_cycle``: rises to ten times the rate in the first third, then falls to nearly nothing
    * ``plateau``: a tenth, each time that the loss (of validation, if any) has not fallen for 5 epochs
    * ``warm_restarts``: half a cosine, three times, each twice as long as the one before
    """
    from optim import lr_scheduler

    if choice is None or choice == "constant":
        return None
    if hasattr(optimizer, "hyper_lr"):
        raise ArgumentError(f"hypergradient descent moves the rate itself, and schedule={choice!r} would too: leave one out.")
    if not isinstance(choice, str):
        return choice(optimizer, epochs)
    if choice == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    if choice == "exponential":
        return lr_scheduler.ExponentialLR(optimizer, gamma=0.01 ** (1 / epochs))
    if choice == "step":
        return lr_scheduler.LambdaLR(optimizer, lambda t: 0.1 ** (1.0 * (t >= epochs / 2) + (t >= epochs * 3 / 4)))
    if choice == "one_cycle":
        rates = [10 * group["lr"] for group in optimizer.param_groups]
        return lr_scheduler.OneCycleLR(optimizer, max_lr=max(rates), total_steps=epochs + 1)
    if choice == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, patience=5)
    if choice == "warm_restarts":
        return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=max(1, -(-epochs // 7)), T_mult=2)
    raise NotFoundError(f"there is no schedule {choice!r}{nearest(choice, SCHEDULES)} There are {', '.join(SCHEDULES)}.")


def multilayer(inputs: int, hidden: int | Sequence[int], outputs: int, activation: Any, dropout: float = 0.0,
               dtype: Any = None, generator: Any = None) -> Sequential:  # fmt: skip
    """`nn.MLP`, with dropout after each activation where it is wanted."""
    network = MLP(inputs, hidden, outputs, activation, dtype=dtype, generator=generator)
    if not dropout:
        return network
    modules: list[Module] = []
    for k, module in enumerate(network):
        modules.append(module)
        if k % 2:
            modules.append(Dropout(dropout, generator=generator))
    return Sequential(*modules)


def penalty(l1: float, l2: float) -> Callable[[Module], Any] | None:
    """l1·Σ|w| + l2·Σw² over the weight matrices of a network, for a `Trainer`; None if both are 0."""
    from nn.functional import elastic_penalty, l1_penalty, l2_penalty

    if l1 and l2:
        return partial(elastic_penalty, l1=float(l1), l2=float(l2))
    return partial(l1_penalty, strength=float(l1)) if l1 else partial(l2_penalty, strength=float(l2)) if l2 else None
