"""The variational autoencoder: its bound, its gradient through the draw, digits that it makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import parity
import pytest

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd.errors import AutogradError

RANDOM = np.random.default_rng(6)
X = RANDOM.random((5, 7))
F64 = {"dtype": np.float64}


def model() -> nn.VAE:
    ag.manual_seed(1)
    return nn.VAE(7, (6,), 2, **F64)


def test_both_modes_and_layouts() -> None:
    parity.under_jit(model, X)
    parity.any_layout(model, X)
    parity.under_jit(lambda: model().eval(), X)
    parity.keeps_float32(lambda: model().float(), X)
    network = model()
    loss = nn.ELBOLoss(beta=0.7)

    def bound(x: Any) -> Any:
        ag.manual_seed(3)
        return loss(network(x), X)

    parity.right_derivatives(bound, X)


def test_the_divergence_is_what_sampling_says() -> None:
    """½ Σ(μ² + σ² − ln σ² − 1) beside the mean of ln q − ln p over many draws."""
    mean, log_var = np.array([[0.5, -1.0]]), np.array([[0.3, -0.8]])
    z = mean + np.exp(log_var / 2) * RANDOM.normal(size=(400_000, 2))
    log_q = -0.5 * ((z - mean) ** 2 / np.exp(log_var) + log_var + np.log(2 * np.pi)).sum(axis=1)
    log_p = -0.5 * (z**2 + np.log(2 * np.pi)).sum(axis=1)
    assert F.kl_normal(mean, log_var).item() == pytest.approx((log_q - log_p).mean(), abs=0.01)


def test_the_gradient_passes_through_the_draw() -> None:
    """Of E z² = μ² + σ²: by μ it is 2μ, by ln σ² it is σ²."""
    mean = ag.Tensor(np.full((200_000, 1), 0.7), requires_grad=True)
    log_var = ag.Tensor(np.full((200_000, 1), -0.5), requires_grad=True)
    z = model().draw(mean, log_var)
    (z * z).mean().backward()
    assert mean.grad.data.sum() == pytest.approx(1.4, abs=0.02)
    assert log_var.grad.data.sum() == pytest.approx(np.exp(-0.5), abs=0.02)


def test_the_bound_is_its_parts() -> None:
    network = model().eval()
    logits, mean, log_var = network(X)
    p = 1 / (1 + np.exp(-logits.data))
    crossed = -(X * np.log(p) + (1 - X) * np.log(1 - p)).sum(axis=1)
    divergence = 0.5 * (mean.data**2 + np.exp(log_var.data) - log_var.data - 1).sum(axis=1)
    for beta in (1.0, 4.0):
        each = nn.ELBOLoss(beta, reduction="none")((logits, mean, log_var), X)
        np.testing.assert_allclose(each.data, crossed + beta * divergence, 1e-12)
    assert nn.ELBOLoss()((logits, mean, log_var), X).item() == pytest.approx((crossed + divergence).mean())


def test_it_learns_digits() -> None:
    """The bound falls by a third, and what it makes are digits: far nearer to real ones than pixels drawn one by one."""
    from sklearn.linear_model import LogisticRegression

    table = nn.datasets.load_dataset("digits")
    x = (table.features / 16).astype(np.float32)
    ag.manual_seed(0)
    network = nn.VAE(64, (128,), 8)
    trainer = nn.Trainer(network, nn.ELBOLoss(), optim.Adam(network.parameters(), lr=2e-3))
    assert trainer.how == "compiled"
    loader = nn.DataLoader((x, x), batch_size=64, shuffle=True, seed=0, drop_last=True)
    history = trainer.fit(loader, epochs=40, progress=False)
    assert history.rows[-1]["loss"] < 0.67 * history.rows[0]["loss"]
    made = network.generate(300, ag.Generator(1))
    assert made.shape == (300, 64)
    assert 0 <= made.min() <= made.max() <= 1
    judge = LogisticRegression(max_iter=2000).fit(x, table.targets)
    assert len(set(judge.predict(made))) >= 9  # digits of nearly every kind

    def nearest(a: Any) -> float:
        return float(np.median([np.sqrt(((x - row) ** 2).sum(axis=1).min()) for row in a]))

    independent = RANDOM.permuted(x[:300], axis=0)  # the right share of ink at each place, and no shape
    assert nearest(made) < 0.75 * nearest(independent)


def test_wrong_shapes() -> None:
    with pytest.raises(AutogradError, match=r"\(N, 7\).*\(5, 6\)"):
        model()(X[:, :6])
