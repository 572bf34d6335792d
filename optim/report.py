"""An optimizer as text and as HTML: its groups with their settings, what it trains, and the state that it holds."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import autograd as ag

if TYPE_CHECKING:
    from optim.optimizer import Optimizer

__all__ = ["html", "memory", "steps"]

TENSORS = 100
"""That are listed in a notebook."""
ACROSS = 6
"""Groups that have a column each; of more, each has a row."""

_CELL = 'style="padding:1px 10px;text-align:{};border:0;background:none;white-space:pre"'


def steps(optimizer: Optimizer) -> str:
    """How many steps the parameters have taken: alike, or from the fewest to the most.

    >>> import optim
    >>> steps(optim.SGD([ag.Tensor([1.0], requires_grad=True)]))
    'no step yet'
    """
    counts = [slots["step"].value for slots in optimizer.state.values() if isinstance(slots.get("step"), ag.State)]
    fewest, most = int(min(counts, default=0)), int(max(counts, default=0))
    if not most:
        return "no step yet"
    return f"{most:,} {'step' if most == 1 else 'steps'}" if fewest == most else f"{fewest:,} to {most:,} steps"


def memory(optimizer: Optimizer) -> str:
    """The bytes of the arrays of the state, and what they are called.

    >>> import numpy as np, optim
    >>> memory(optim.Adam([ag.Tensor(np.zeros(1000), requires_grad=True)]))
    '15.6 KiB of state: exp_avg, exp_avg_sq'
    """
    sizes: dict[str, int] = {}
    for slots in optimizer.state.values():
        for name, slot in slots.items():
            if isinstance(slot, ag.Tensor):
                sizes[name] = sizes.get(name, 0) + slot.data.nbytes
    total = sum(sizes.values())
    if not total:
        return "no state"
    kib = total / 1024
    size = f"{total} bytes" if kib < 1 else f"{kib:.1f} KiB" if kib < 1024 else f"{kib / 1024:,.1f} MiB"
    return f"{size} of state: {', '.join(sizes)}"


def html(optimizer: Optimizer) -> str:
    """A table of the groups and their settings; the tensors unfold."""
    groups = optimizer.param_groups
    params = [p for group in groups for p in group["params"]]
    tensors = "tensor" if len(params) == 1 else "tensors"
    about = f"{len(params):,} {tensors}, {sum(p.size for p in params):,} parameters · {steps(optimizer)} · {memory(optimizer)}"
    title = f'<b>{_safe(type(optimizer).__name__)}</b> <span style="opacity:.65">{_safe(about)}</span>'
    rows = [["group", "tensors", "parameters", *groups[0].shown()]]
    for k, group in enumerate(groups):
        count = sum(p.size for p in group["params"])
        rows.append([str(k), f"{len(group['params']):,}", f"{count:,}", *group.shown().values()])
    listed = [["group", "tensor", "shape", "dtype", "gradient"]]
    for k, group in enumerate(groups):
        for n, p in enumerate(group["params"]):
            shape = "×".join(map(str, p.shape)) or "one number"
            listed.append([str(k), p.name or str(n), shape, str(p.dtype), "none" if p.grad is None else "there"])
    if len(groups) <= ACROSS:  # a column for each
        rows = [list(column) for column in zip(*rows, strict=True)]
    more = f"<div>and {len(listed) - 1 - TENSORS:,} more</div>" if len(listed) > TENSORS + 1 else ""
    inside = f"<details><summary>tensors</summary>{_table(listed[: TENSORS + 1], 'left')}{more}</details>"
    return f'<div style="font-size:13px;overflow-x:auto"><div>{title}</div>{_table(rows, "right")}{inside}</div>'


def _table(rows: list[list[str]], side: str) -> str:
    lines = []
    for k, row in enumerate(rows):
        tag = "td" if k else "th"
        cells = "".join(f"<{tag} {_CELL.format(side if n else 'left')}>{_safe(word)}</{tag}>" for n, word in enumerate(row))
        lines.append(f"<tr>{cells}</tr>")
    return f'<table style="border-collapse:collapse">{"".join(lines)}</table>'


def _safe(words: str) -> str:
    words = words if len(words) <= 200 else words[:150] + "…" + words[-40:]
    return escape("".join(c if c.isprintable() else repr(c)[1:-1] for c in words))
