"""Twenty training steps of one network under every optimizer and setting, against PyTorch's stored numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optim_cases import CASES, IDS, STORED, start, trace

import autograd as ag
import optim


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_twenty_steps_are_pytorchs(name: str, settings: dict[str, Any]) -> None:
    parameters = [ag.Tensor(w, requires_grad=True) for w in start()[0]]
    optimizer = getattr(optim, name)(parameters, **settings)
    got = trace(optimizer, parameters, np.tanh, lambda a: a, lambda p: p.data)
    np.testing.assert_allclose(got, STORED[IDS[CASES.index((name, settings))]], rtol=1e-10, atol=1e-10)
