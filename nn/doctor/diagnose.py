"""One examination, from the data to a few training steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import ArgumentError, AutogradError, DTypeError
from nn.doctor.checks import AFTER_PASS, BEFORE
from nn.doctor.patient import Array, Patient, restored, rms
from nn.doctor.report import Finding, Layer, Report
from nn.losses import CrossEntropyLoss, MSELoss
from nn.module import Module

__all__ = ["diagnose"]

SAMPLES, BATCH, STEPS = 512, 64, 20


def diagnose(model: Module, data: Any, loss: Callable[[Any, Any], Any] | None = None, optimizer: Any = None, *,
             step: Callable[[Any, Any], Any] | None = None, evaluate: Callable[[], Any] | None = None,
             feature_names: list[str] | None = None) -> Report:  # fmt: skip
    """Look for what keeps a network from learning. Everything is put back as it was.

    Args:
        model: the network.
        data: (inputs, targets) as arrays, or a loader of such batches; of a few hundred samples.
        loss: a function of (output, target); None: cross-entropy for whole-number targets, mean squared error else.
        optimizer: then twenty trial steps show whether its learning rate fits.
        step: your own training step, a function of (x, target) that updates the model: then that is tried, and what it forgets
        is found. It may print; anything that it changes beside model and optimizer stays changed.
        evaluate: your own evaluation, a function without arguments, to see in which mode it runs the model.
        feature_names: for messages.

    What it finds: input that is not finite or not normalised; a feature that gives the target away; targets that the output
    cannot reach, or unscaled; softmax before cross-entropy; symmetric weights; saturated and dead units; vanishing and
    exploding gradients; parameters without a gradient; a learning rate too high or too low; a missing zero_grad(); training in
    evaluation mode, and evaluation in training mode. Bounds are rules of thumb: no finding is no proof of health.

    >>> import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Softmax())
    >>> x, y = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32), np.arange(60) % 3
    >>> nn.diagnose(model, (x, y))
    <diagnosis: softmax before cross-entropy>
    """
    if not isinstance(model, Module):
        raise DTypeError(f"diagnose takes a Module, got {type(model).__name__}.")
    x, target = _arrays(data)
    loss = (CrossEntropyLoss() if target.dtype.kind in "iub" else MSELoss()) if loss is None else loss
    patient = Patient(model, x, target, loss, optimizer, step, evaluate, feature_names)
    findings = [finding for check in BEFORE for finding in check(patient)]
    with restored(model, optimizer), np.errstate(all="ignore"):
        trouble = _pass(patient)
        if trouble is None:
            findings += [finding for check in AFTER_PASS for finding in check(patient)]
        else:
            findings.append(trouble)
    if trouble is None and np.isfinite(patient.value):
        if optimizer is not None or step is not None:
            with restored(model, optimizer), np.errstate(all="ignore"):
                findings += _steps(patient)
        if step is not None:
            with restored(model, optimizer):
                findings += _zero_grad(patient)
        with restored(model, optimizer):
            findings += _modes(patient)
    signals = {name: rms(y) for name, _, y in patient.outputs}
    return Report(findings, patient.layers, signals, patient.losses)


def _arrays(data: Any) -> tuple[Array, Array]:
    """The first few hundred samples of (inputs, targets) or of a loader."""
    if not isinstance(data, tuple) or len(data) != 2:
        batches = list(islice(iter(data), 8))
        if not batches or any(not isinstance(b, tuple | list) or len(b) != 2 for b in batches):
            raise ArgumentError("diagnose takes data as (inputs, targets), or a loader of such batches.")
        data = tuple(np.concatenate([_array(batch[k]) for batch in batches]) for k in range(2))
    x, target = (_array(a) for a in data)
    if x.ndim == 0 or len(x) != len(target) or len(x) < 2:
        raise ArgumentError(f"diagnose needs as many targets as samples, and at least 2; got {x.shape} and {target.shape}.")
    chosen = np.linspace(0, len(x) - 1, min(len(x), SAMPLES)).astype(int)
    return x[chosen], target[chosen]


def _array(a: Any) -> Array:
    return a.data if isinstance(a, ag.Tensor) else np.asarray(a)


def _pass(patient: Patient) -> Finding | None:
    """One forward and backward pass in training mode, all of whose outputs and gradients are kept; what stopped it, if
    anything."""
    model = patient.model.train()
    handles = []
    for name, module in model.named_modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(_keep(patient, name or type(module).__name__)))
    try:
        loss, output = patient.forward_and_backward()
    except AutogradError as error:
        return Finding("the step fails", str(error), "# the message says what to do")
    finally:
        for handle in handles:
            handle.remove()
    patient.value, patient.output = float(loss.item()), output.data
    for name, p in model.named_parameters():
        if p.grad is not None:
            patient.gradients[name] = p.grad.data
            if p.ndim > 1:
                patient.layers.append(Layer(name, rms(p.data), rms(p.grad.data)))
    return None


def _keep(patient: Patient, name: str) -> Callable[..., None]:
    def keep(module: Module, args: Any, output: Any) -> None:
        if isinstance(output, ag.Tensor):
            patient.outputs.append((name, module, output.data))

    return keep


def _steps(patient: Patient) -> Iterator[Finding]:
    """Trial steps over the batches, as the caller takes them, and whether the loss and the weights move as they should."""
    patient.model.train()
    weights = [p for p in patient.model.parameters() if p.ndim > 1]
    before = [p.data.copy() for p in weights]
    start, batches = patient.value, max(len(patient.x) // BATCH, 1)
    moved: list[float] = []
    for k in range(STEPS):
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
        patient.losses.append(float(whole.item()))
        if not np.isfinite(patient.losses[-1]):
            break
    updates = [rms(p.data - b) / len(moved) for p, b in zip(weights, before, strict=True)]
    if len(updates) == len(patient.layers):
        patient.layers[:] = [
            Layer(layer.name, layer.weight, layer.gradient, u) for layer, u in zip(patient.layers, updates, strict=True)
        ]
    rate = _rate(patient.optimizer)
    now = f", {rate:g}," if rate is not None else ""
    fix = f"optimizer.param_groups[0]['lr'] = {rate / 10:g}" if rate is not None else "# a rate of a tenth"
    end, typical = float(np.mean(patient.losses[-5:])), float(np.median(moved))
    chance = patient.chance()
    if not np.isfinite(end) or end > max(1.3 * start, start + 0.2 * chance) or max(moved) > 3:
        yield Finding(
            "learning rate too high",
            f"In {len(moved)} steps the loss went from {start:.3g} to {patient.losses[-1]:.3g}, "
            f"and a step changes weights by {typical:.1%} of their size: the rate{now} overshoots.",
            fix,
            {"loss before": start, "loss after": end, "step to weight": typical},
        )
    elif typical < 1e-5 and start > 0.1 * chance:
        more = f"optimizer.param_groups[0]['lr'] = {rate * 100:g}" if rate is not None else "# a rate a hundred times as high"
        yield Finding(
            "learning rate too low",
            f"A step changes weights by {typical:.1g} of their size (0.001 is usual), and "
            f"in {len(moved)} steps the loss went from {start:.4g} to {end:.4g}: the rate{now} is too low to get anywhere.",
            more,
            {"loss before": start, "loss after": end, "step to weight": typical},
        )


def _rate(optimizer: Any) -> float | None:
    groups = getattr(optimizer, "param_groups", None)
    return float(groups[0]["lr"]) if groups and "lr" in groups[0] else None


def _zero_grad(patient: Patient) -> Iterator[Finding]:
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
        )


def _modes(patient: Patient) -> Iterator[Finding]:
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
