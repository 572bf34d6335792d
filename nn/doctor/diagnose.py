"""One examination, from the data to a few training steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

import autograd as ag
from autograd import tape
from autograd.errors import ArgumentError, AutogradError, DTypeError
from nn.activations import ReLU, Sigmoid, Tanh
from nn.doctor.checks import AFTER_PASS, BEFORE, CONSEQUENCES, refused
from nn.doctor.patient import Array, Patient, restored, rms
from nn.doctor.report import Finding, Layer, Report
from nn.doctor.trial import modes, steps, zero_grad
from nn.losses import CrossEntropyLoss, MSELoss
from nn.module import Module

__all__ = ["diagnose"]

SAMPLES = 512
FUNCTIONS: dict[str, Module] = {"relu": ReLU(), "sigmoid": Sigmoid(), "tanh": Tanh()}
"""What an op stands for when forward calls it as a function."""


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
            for check in AFTER_PASS:
                above = {kind for f in findings for kind in CONSEQUENCES.get(f.kind, ())}
                findings += [finding for finding in check(patient) if finding.kind not in above]
        else:
            findings.append(trouble)
    if trouble is None and np.isfinite(patient.value):
        if optimizer is not None or step is not None:
            with np.errstate(all="ignore"):
                findings += steps(patient)
        if step is not None:
            with restored(model, optimizer):
                findings += zero_grad(patient)
        with restored(model, optimizer):
            findings += modes(patient)
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
    handles: list[Any] = []
    seen: list[tuple[int, int, str, Module, Array | None]] = []  # first and last tick, name, module, output
    for name, module in model.named_modules():
        if not list(module.children()):
            handles += _watch(seen, name or type(module).__name__, module)

    def look(output: Any) -> None:
        found = [(last, name, module, y) for _, last, name, module, y in seen if y is not None]
        found += _functions(output, [(first, last) for first, last, *_ in seen])
        patient.outputs += [(name, module, y) for _, name, module, y in sorted(found, key=lambda f: f[0])]
        patient.output = output.data

    try:
        loss, _ = patient.forward_and_backward(look=look)
    except AutogradError as error:
        return refused(patient) or Finding("the step fails", str(error), "# the message says what to do")
    finally:
        for handle in handles:
            handle.remove()
    patient.value = float(loss.item())
    for name, p in model.named_parameters():
        if p.grad is not None:
            patient.gradients[name] = p.grad.data
            if p.ndim > 1:
                patient.layers.append(Layer(name, rms(p.data), rms(p.grad.data)))
    return None


def _watch(seen: list[Any], name: str, module: Module) -> Iterator[Any]:
    """Note when a module works, and what comes out of it."""
    started: list[int] = []

    def before(module: Module, args: Any) -> None:
        started.append(tape.tick())

    def after(module: Module, args: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) and output else output
        seen.append((started.pop(), tape.tick(), name, module, first.data if isinstance(first, ag.Tensor) else None))

    yield module.register_forward_pre_hook(before)
    yield module.register_forward_hook(after)


def _functions(output: Any, spans: list[tuple[int, int]]) -> Iterator[tuple[int, str, Module, Array]]:
    """Activations that forward calls as functions, outside of the modules: read off the tape."""
    if not isinstance(output, ag.Tensor) or output.node is None:
        return
    kinds = [(n, FUNCTIONS.get(n.op.name)) for n in tape.walk(output.node) if n.op is not None]
    wanted = [(n, kind) for n, kind in kinds if kind and not any(first < n.tick < last for first, last in spans)]
    if not wanted:
        return
    values = tape.values(output.node)
    for node, kind in wanted:
        if node in values:
            yield node.tick, f"{type(kind).__name__.lower()}() at {node.where}", kind, values[node]
