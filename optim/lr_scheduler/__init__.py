"""Learning rates that change from epoch to epoch.

A schedule is a formula for the rate at epoch t from the rate at the start; ``step()`` moves to the next epoch
and writes every group's ``lr`` cell, so a compiled training step takes the new rate without being recorded
anew. Call it after the optimizer's step, once an epoch (or once a batch, for a schedule meant so).
"""

from optim.lr_scheduler.base import LRScheduler
from optim.lr_scheduler.composed import ChainedScheduler, LambdaLR, MultiplicativeLR, SequentialLR
from optim.lr_scheduler.cycles import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from optim.lr_scheduler.decay import (
    SWALR,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)  # fmt: skip
from optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "SWALR",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]  # fmt: skip
