"""This library's scalar engine, `Value`, at the scalar program."""

from __future__ import annotations

import workloads
from engines import wengert

import autograd as ag

version = wengert.version


def scalar(ops: int) -> wengert.Pair:
    leaves: list[ag.Value] = []

    def step(*batch: object) -> float:
        leaves[:] = [ag.Value(float(x)) for x in batch]  # type: ignore[arg-type]
        result = workloads.recurrence(leaves, lambda v: v.tanh(), ops)
        result.backward()
        return result.data

    return step, lambda: [v.grad for v in leaves]
