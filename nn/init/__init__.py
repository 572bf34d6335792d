"""Initialising weights, in place. Each takes ``generator=`` where it draws, and returns the tensor that it wrote.

A weight has shape (out, in, …): fan-in is in × the rest, fan-out is out × the rest, and of two numbers one is the mean
"fan_avg". What keeps the variance of the signal from layer to layer depends on the activation: see `calculate_gain`. Source:
course notes, *Weight initialization techniques*, whose eleven kinds are all here; `nn.init.lsuv_` and `shrink_and_perturb_` are
those that look at data, and that go on during training.
"""

from nn.init.adaptive import lsuv_, shrink_and_perturb_
from nn.init.fill import (
    calculate_gain,
    constant_,
    dirac_,
    eye_,
    kaiming_normal_,
    kaiming_uniform_,
    lecun_normal_,
    lecun_uniform_,
    normal_,
    ones_,
    orthogonal_,
    sparse_,
    trunc_normal_,
    uniform_,
    variance_scaling_,
    xavier_normal_,
    xavier_uniform_,
    zeros_,
)  # fmt: skip

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "lecun_normal_", "lecun_uniform_",
    "lsuv_", "normal_", "ones_", "orthogonal_", "shrink_and_perturb_", "sparse_", "trunc_normal_", "uniform_",
    "variance_scaling_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip
