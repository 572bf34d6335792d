"""A variational autoencoder: a code of a few numbers for each sample, and samples from codes drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ShapeError, user_line
from nn import functional as F
from nn.functional.common import as_tensor, reduced
from nn.layers import MLP
from nn.losses import Loss
from nn.module import Module

__all__ = ["VAE", "ELBOLoss"]


class VAE(Module):
    """Variational autoencoder for inputs in [0, 1], such as pixels: an encoder gives a normal distribution of codes, from
    which one
    is drawn, and a decoder gives logits of the input again.

    z = μ(x) + σ(x)·ε with ε ~ N(0, 1) (*reparameterised*: the draw does not depend on what is learned, so gradients pass
    through μ and σ). Trained by `ELBOLoss`: the reconstruction's cross-entropy, and the Kullback-Leibler divergence that keeps
    codes near N(0, 1). In evaluation mode z = μ.

    Shape: (N, inputs) → logits (N, inputs), μ and ln σ² (N, code).

    Args:
        inputs: numbers in a sample.
        hidden: sizes of the encoder's hidden layers; the decoder's are the same in reverse.
        code: numbers in a code.
        activation: of the hidden layers.

    Sources: Kingma, Welling 2013, "Auto-encoding variational Bayes"; course notes, *Kullback-Leibler Divergence*.

    >>> model = VAE(64, (32,), 2)
    >>> logits, mean, log_var = model(np.zeros((5, 64), np.float32))
    >>> logits.shape, mean.shape, model.generate(3).shape
    ((5, 64), (5, 2), (3, 64))
    """

    def __init__(self, inputs: int, hidden: int | Sequence[int] = (256,), code: int = 8, activation: str = "silu",
                 dtype: Any = None, generator: Any = None):  # fmt: skip
        hidden = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        self.inputs, self.code, self.generator = inputs, code, generator
        self.encoder = MLP(inputs, hidden, 2 * code, activation, dtype=dtype, generator=generator)
        self.decoder = MLP(code, hidden[::-1], inputs, activation, dtype=dtype, generator=generator)

    def encode(self, x: Any) -> tuple[ag.Tensor, ag.Tensor]:
        """μ and ln σ² of the codes of some samples."""
        x = as_tensor(x)
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise ShapeError(f"VAE(inputs={self.inputs}) takes (N, {self.inputs}), got {x.shape}. ({user_line()})")
        both = self.encoder(x)
        return both[:, : self.code], both[:, self.code :]

    def draw(self, mean: Any, log_var: Any) -> ag.Tensor:
        """A code of N(μ, σ²) for each row: μ + σ·ε."""
        mean, log_var = as_tensor(mean), as_tensor(log_var)
        random = ag.default_generator if self.generator is None else self.generator
        noise = random.normal(0.0, 1.0, mean.shape, mean.dtype)
        drawn: ag.Tensor = mean + ag.exp(0.5 * log_var) * noise
        return drawn

    def decode(self, code: Any) -> ag.Tensor:
        """Logits of samples from their codes; `functional.sigmoid` makes them pixels."""
        logits: ag.Tensor = self.decoder(as_tensor(code))
        return logits

    def forward(self, x: Any) -> tuple[ag.Tensor, ag.Tensor, ag.Tensor]:
        mean, log_var = self.encode(x)
        return self.decode(self.draw(mean, log_var) if self.training else mean), mean, log_var

    def generate(self, n: int, generator: Any = None) -> np.ndarray[Any, Any]:
        """Samples of codes drawn from N(0, 1), (n, inputs), in [0, 1]."""
        random = generator or self.generator or ag.default_generator
        dtype = next(iter(self.parameters())).dtype
        with ag.no_grad():
            pixels = F.sigmoid(self.decode(random.normal(0.0, 1.0, (n, self.code), dtype)))
        return np.asarray(pixels.data)

    def extra_repr(self) -> str:
        return f"inputs={self.inputs}, code={self.code}"


class ELBOLoss(Loss):
    """The negative evidence lower bound of a `VAE`: for each sample the cross-entropy of its numbers, summed, and β times the
    divergence of its code from N(0, 1), `functional.kl_normal`.

    Called as ``loss((logits, mean, log_var), x)``, x in [0, 1]. β = 1 is the bound on −ln p(x), in nats; more makes codes
    simpler (Higgins et al. 2017). With reduction "mean", the mean over the samples.

    >>> x = np.full((2, 3), 0.5, np.float32)
    >>> zero = ag.Tensor(np.zeros((2, 1), np.float32))
    >>> round(ELBOLoss()((ag.Tensor(0 * x), zero, zero), x).item(), 4)      # 3·ln 2
    2.0794
    """

    def __init__(self, beta: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.beta = beta

    def forward(self, outputs: Any, x: Any) -> ag.Tensor:
        logits, mean, log_var = outputs
        each = ag.sum(F.binary_cross_entropy_with_logits(logits, x, reduction="none"), axis=-1)
        each = each + self.beta * F.kl_normal(mean, log_var, reduction="none")
        return reduced(each, self.reduction)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, {super().extra_repr()}"
