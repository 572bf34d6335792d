"""Feedforward networks by one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autograd.errors import NotFoundError
from nn import init
from nn.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    Identity,
    LeakyReLU,
    LogSigmoid,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Step,
    Swish,
    Tanh,
    Tanhshrink,
)  # fmt: skip
from nn.containers import Sequential
from nn.layers.linear import Linear
from nn.module import Module

__all__ = ["ACTIVATIONS", "MLP"]

ACTIVATIONS: dict[str, Callable[[], Module]] = {
    "relu": ReLU, "leaky_relu": LeakyReLU, "prelu": PReLU, "tanh": Tanh, "sigmoid": Sigmoid, "softmax": Softmax, "step": Step,
    "linear": Identity, "swish": Swish, "silu": SiLU, "gelu": GELU, "elu": ELU, "selu": SELU, "celu": CELU, "mish": Mish,
    "softplus": Softplus, "softsign": Softsign, "hardswish": Hardswish, "hardsigmoid": Hardsigmoid, "hardtanh": Hardtanh,
    "relu6": ReLU6, "logsigmoid": LogSigmoid, "tanhshrink": Tanhshrink,
}  # fmt: skip
"""Activations by the name that `MLP` and the command line know them by."""
_HE = ("relu", "leaky_relu", "prelu", "swish", "silu", "gelu", "elu", "selu", "celu", "mish", "softplus", "hardswish", "relu6")
"""Those before which weights start by He's rule: about 0 for negative inputs, about x for positive ones."""


class MLP(Sequential):
    """Linear layers with an activation between them; the output is left linear, for a loss that takes logits.

    Weights start as the activation wants them: He's normal, with the activation's gain, for ReLU and what is like it, LeCun's
    normal for SELU, Xavier's uniform with the gain else; biases at 0. The parameters have the names of the same `Sequential`
    in PyTorch: "0.weight", "0.bias", "2.weight" …

    Args:
        in_features, out_features: sizes of input and output.
        hidden: sizes of the hidden layers, such as (64, 32); a number for one; () for none.
        activation: a name in `nn.ACTIVATIONS`, or a callable that makes a module.
        output: the activation of the output, likewise, or None.

    >>> MLP(64, (32,), 10, activation="tanh")
    MLP(
      (0): Linear(in_features=64, out_features=32, bias=True)
      (1): Tanh()
      (2): Linear(in_features=32, out_features=10, bias=True)
    )
    """

    def __init__(self, in_features: int, hidden: int | Sequence[int], out_features: int,
                 activation: str | Callable[[], Module] = "relu", output: str | Callable[[], Module] | None = None,
                 bias: bool = True, dtype: Any = None, generator: Any = None):  # fmt: skip
        sizes = [in_features, *([hidden] if isinstance(hidden, int) else hidden), out_features]
        make = _activation(activation)
        name = activation if isinstance(activation, str) else ""
        modules: list[Module] = []
        for k in range(len(sizes) - 1):
            layer = Linear(sizes[k], sizes[k + 1], bias, dtype, generator)
            last = k == len(sizes) - 2
            if last or name not in _HE:
                gain = init.calculate_gain(name) if name == "tanh" and not last else 1.0
                init.xavier_uniform_(layer.weight, gain, generator)
            elif name == "selu":
                init.lecun_normal_(layer.weight, generator)
            elif name == "prelu":  # whose slopes start at 0.25
                init.kaiming_normal_(layer.weight, a=0.25, generator=generator)
            else:
                init.kaiming_normal_(layer.weight, a=0.01, nonlinearity=name, generator=generator)
            if layer.bias is not None:
                init.zeros_(layer.bias)
            modules.append(layer)
            if not last:
                modules.append(make())
        if output is not None:
            modules.append(_activation(output)())
        super().__init__(*modules)


def _activation(choice: str | Callable[[], Module]) -> Callable[[], Module]:
    if not isinstance(choice, str):
        return choice
    if choice not in ACTIVATIONS:
        from nn.names import nearest

        raise NotFoundError(
            f"there is no activation {choice!r}{nearest(choice, ACTIVATIONS)} There are {', '.join(ACTIVATIONS)}."
        )
    return ACTIVATIONS[choice]
