"""The checks that take steps: whether the rate fits, whether gradients are cleared, in which mode the modules run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import autograd as ag
from nn.doctor.patient import Patient, restored, rms
from nn.doctor.report import Finding, Layer, Shown
from nn.module import Module

__all__ = ["BATCH", "modes", "steps", "zero_grad"]

BATCH, STEPS = 64, 20
TRIED = 6  # powers of ten by which the rate is changed until one is found with which the loss falls


def steps(patient: Patient) -> Iterator[Finding]:
    """Trial steps over the batches, as the caller takes them, and whether the loss and the weights move as they should."""
    weights = [p for p in patient.model.parameters() if p.ndim > 1]
    before = [p.data.copy() for p in weights]
    start, chance, rate = patient.value, patient.chance(), _rate(patient.optimizer)
    with restored(patient.model, patient.optimizer):
        patient.losses[:], moved = _run(patient, weights, STEPS)
        updates = [rms(p.data - b) / len(moved) for p, b in zip(weights, before, strict=True)]
    if len(updates) == len(patient.layers):
        patient.layers[:] = [
            Layer(layer.name, layer.weight, layer.gradient, u) for layer, u in zip(patient.layers, updates, strict=True)
        ]
    losses, now = patient.losses, f", {rate:g}," if rate is not None else ""
    end, most, typical = float(np.mean(losses[-5:])), max(losses), float(np.median(moved))
    evidence = {"loss before": start, "loss after": end, "highest": most, "step to weight": typical}
    higher = end > max(1.3 * start, start + 0.2 * chance)
    leapt = most > 2 * start + chance and end > 0.8 * start  # up and away, and at best back to where it was
    if not np.isfinite(end) or higher or leapt or max(moved) > 3:
        top = f"{most:.3g}" if np.isfinite(most) else "infinity"
        yield Finding(
            "learning rate too high",
            f"In {len(moved)} steps the loss went from {start:.3g} up to {top}, and is {losses[-1]:.3g}; the largest step "
            f"changed weights by {max(moved):.1%} of their size: the rate{now} overshoots.",
            _other_rate(patient, 0.1, start, chance) if rate else "# a rate of a tenth",
            evidence,
        )
    elif max(moved) == 0 and (rate is None or rate > 1e-5) and max(rms(g) for g in patient.gradients.values()) > 1e-6:
        yield Finding(
            "weights do not move",
            f"{len(moved)} steps changed no weight, and there are gradients: optimizer.step() is not called, or "
            "zero_grad() comes between backward() and step(), or the optimizer was made for other parameters.",
            "optimizer.zero_grad()\nloss.backward()\noptimizer.step()    # of an optimizer made with model.parameters()",
            evidence,
        )
    elif typical < 1e-5 and max(abs(v - start) for v in losses) < 0.1 * chance and start > 0.1 * chance:
        yield Finding(
            "learning rate too low",
            f"A step changes weights by {typical:.1g} of their size (0.001 is usual), and in {len(moved)} steps the loss went "
            f"from {start:.5g} to {end:.5g}: the rate{now} is too low to get anywhere.",
            _other_rate(patient, 10.0, start, chance) if rate else "# a rate a hundred times as high",
            evidence,
        )


def _run(patient: Patient, weights: list[Any], count: int) -> tuple[list[float], list[float]]:
    """So many steps: the loss of all samples after each, and by what share of its size the weight in the middle moved."""
    patient.model.train()
    batches = max(len(patient.x) // BATCH, 1)
    losses: list[float] = []
    moved: list[float] = []
    for k in range(count):
        here = slice(k % batches * BATCH, (k % batches + 1) * BATCH)
        x, target = ag.Tensor(patient.x[here]), ag.Tensor(patient.target[here])
        old = [p.data.copy() for p in weights]
        if patient.step is not None:
            patient.step(x, target)
        else:
            loss = patient.loss(patient.model(x), target)
            patient.optimizer.zero_grad()
            loss.backward()
            patient.optimizer.step()
        ratios = [rms(p.data - o) / max(rms(o), 1e-12) for p, o in zip(weights, old, strict=True)]
        moved.append(float(np.median(ratios)) if ratios else 0.0)
        with ag.no_grad():
            whole = patient.loss(patient.model(ag.Tensor(patient.x)), ag.Tensor(patient.target))
        losses.append(float(whole.item()))
        if not np.isfinite(losses[-1]):
            break
    return losses, moved


def _other_rate(patient: Patient, factor: float, start: float, chance: float) -> str:
    """The line that sets the first of the rates, each ten times the one before, with which the loss was seen to fall."""
    groups, fell = patient.optimizer.param_groups, None
    weights = [p for p in patient.model.parameters() if p.ndim > 1]
    rate = float(groups[0]["lr"])
    for _ in range(TRIED):
        rate *= factor
        with restored(patient.model, patient.optimizer):
            for group in groups:
                group["lr"] = rate
            losses, _ = _run(patient, weights, STEPS // 2)
        if np.isfinite(losses[-1]) and losses[-1] < min(0.98 * start, start - 0.01 * chance):
            fell = losses[-1]
            break
    if fell is None:
        return f"for group in optimizer.param_groups:\n    group['lr'] = {float(groups[0]['lr']) * factor:g}"
    many = f"    # the loss fell from {start:.3g} to {fell:.3g} in {len(losses)} steps"
    return f"for group in optimizer.param_groups:\n    group['lr'] = {rate:g}{many}"


def _rate(optimizer: Any) -> float | None:
    groups = getattr(optimizer, "param_groups", None)
    return float(groups[0]["lr"]) if groups and "lr" in groups[0] else None


def zero_grad(patient: Patient) -> Iterator[Finding]:
    """The caller's step twice on one batch: what gradient is left, beside the batch's own."""
    assert patient.step is not None
    patient.model.train()
    x, target = ag.Tensor(patient.x[:BATCH]), ag.Tensor(patient.target[:BATCH])
    parameters = list(patient.model.parameters())
    for p in parameters:
        p.grad = None
    stream = ag.default_generator.get_state()
    patient.step(x, target)
    first = [None if p.grad is None else p.grad.data.copy() for p in parameters]
    if any(g is None for g in first):
        return  # the step clears gradients when it is done
    values = [t.data.copy() for t in (*parameters, *patient.model.buffers())]
    ag.default_generator.set_state(stream)
    patient.forward_and_backward(BATCH)
    own = [p.grad.data.copy() for p in parameters if p.grad is not None]
    with ag.no_grad():
        for t, value in zip((*parameters, *patient.model.buffers()), values, strict=True):
            t.copy_(value)
    for p, g in zip(parameters, first, strict=True):
        p.grad = ag.Tensor(g)
    ag.default_generator.set_state(stream)
    patient.step(x, target)
    left = [p.grad.data for p in parameters if p.grad is not None]
    if len(own) != len(parameters) or len(left) != len(parameters):
        return

    def distance(a: list[Any], b: list[Any]) -> float:
        return float(np.sqrt(sum(float(np.sum((u - v) ** 2)) for u, v in zip(a, b, strict=True))))

    both = [a + b for a, b in zip(own, first, strict=True)]
    if distance(left, both) < 0.5 * distance(left, own):
        yield Finding(
            "missing zero_grad",
            "After a second step .grad holds the sum of both steps' gradients: it is never cleared, "
            "and each step goes along the sum of all before it.",
            "optimizer.zero_grad()    # before loss.backward()",
            {"distance from this gradient": distance(left, own), "distance from the sum": distance(left, both)},
            Shown("bars", "distance of .grad after the second step", np.array([distance(left, own), distance(left, both)]),
                  ("from its gradient", "from the sum of both"), (0,)),
        )


def modes(patient: Patient) -> Iterator[Finding]:
    """In which mode the caller's step and evaluation run the modules for which it makes a difference."""
    kinds = [m for m in patient.model.modules() if _depends_on_mode(m)]
    if not kinds:
        return
    seen: list[bool] = []
    handles = [m.register_forward_hook(lambda module, args, output: seen.append(module.training)) for m in kinds]
    names = ", ".join(sorted({type(m).__name__ for m in kinds}))
    try:
        if patient.step is not None:
            patient.step(ag.Tensor(patient.x[:BATCH]), ag.Tensor(patient.target[:BATCH]))
            if seen and not any(seen):
                yield Finding(
                    "training in evaluation mode",
                    f"The training step runs {names} in evaluation mode: nothing is dropped, "
                    "and running statistics are used in place of the batch's, and never learned.",
                    "model.train()    # before the training step",
                )
        seen.clear()
        if patient.evaluate is not None:
            patient.evaluate()
            if any(seen):
                yield Finding(
                    "evaluation in training mode",
                    f"The evaluation runs {names} in training mode: answers are random, "
                    "or depend on what else is in the batch.",
                    "model.eval()    # before evaluating, and model.train() afterwards",
                )
    finally:
        for handle in handles:
            handle.remove()


def _depends_on_mode(module: Module) -> bool:
    return any(word in type(module).__name__ for word in ("Dropout", "BatchNorm")) or hasattr(module, "running_mean")
