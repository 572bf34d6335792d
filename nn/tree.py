"""A network in a notebook: a tree of its modules that opens and closes, with the shapes and numbers of their parameters.

Plain HTML without a script; whatever modules and parameters are called is text in it.
"""

from __future__ import annotations

from html import escape
from typing import Any

from nn.module import MAX_LINES, Module, Parameter

__all__ = ["table", "tree"]

OPEN = 2
"""Levels that are open at first."""
DEEPEST = 60
"""Levels that are indented; what lies deeper stands below the last of them."""

END = "</div></details>"

_QUIET = 'style="opacity:.65"'
_CELL = 'style="padding:1px 10px;text-align:{};border:0;background:none;white-space:pre"'


def tree(module: Module) -> str:
    """The tree as HTML."""
    from nn.summary import costs  # which needs modules, which need this

    known = costs(module)
    out: list[str] = []
    lines = 0
    stack: list[tuple[str, Module] | int] = [("", module)]  # a name and a module, or the identity of one that ends
    above: set[int] = set()
    while stack and lines < MAX_LINES:
        item = stack.pop()
        if isinstance(item, int):
            out.append(END)
            above.discard(item)
            continue
        (name, found), depth = item, len(above)
        lines += 1
        if id(found) in above:
            out.append(f"<div>{_line(name, found, known)} <span {_QUIET}>(contains itself)</span></div>")
            continue
        children = list(found.named_children())
        own = [(n, p) for n, p in vars(found).items() if isinstance(p, Parameter)]
        if not children and not own or depth >= DEEPEST:
            out.append(f'<div style="margin-left:1.1em">{_line(name, found, known)}</div>')
            continue
        lines += len(own)
        rows = "".join(f"<tr>{_cells(n, p)}</tr>" for n, p in own[:50])
        inside = f'<table style="border-collapse:collapse;margin-left:1.1em">{rows}</table>' if rows else ""
        opened = " open" if depth < OPEN and children else ""
        out.append(f"<details{opened}><summary>{_line(name, found, known)}</summary>{inside}")
        out.append('<div style="margin-left:1.1em">')
        above.add(id(found))
        stack.append(id(found))
        stack.extend(reversed(children))
    out += ["<div>…</div>"] * bool(stack) + [END] * len(above)
    if not known and any(True for _ in module.children()):
        out.append(f'<div {_QUIET}>summary(input_shape) tells the shapes of the outputs and the FLOPs</div>')
    return f'<div style="font-size:13px">{"".join(out)}</div>'


def _line(name: str, module: Module, known: dict[int, Any]) -> str:
    parameters = {id(p): p for p in module.parameters()}.values()
    count, frozen = sum(p.size for p in parameters), sum(p.size for p in parameters if not p.requires_grad)
    label = f"<b>{_safe(name)}</b>: " if name else ""
    notes = [f"{count:,} parameters"] if count else []
    notes += [f"{frozen:,} of them frozen"] if frozen else []
    notes += ["evaluation mode"] if not module.training else []
    if id(module) in known:
        row = known[id(module)]
        shape = "×".join(map(str, row.output)) if isinstance(row.output, tuple) else str(row.output)
        notes += [f"output {shape}"] + ([f"{row.flops:,} FLOPs"] if row.flops else [])
    about = _safe(f"{type(module).__name__}({module.extra_repr()[:120]})")
    return f"{label}{about} <span {_QUIET}>{_safe(' · '.join(notes))}</span>"


def _cells(name: str, parameter: Any) -> str:
    shape = "×".join(map(str, parameter.shape)) or "one number"
    about = f"{shape} {parameter.dtype}" + ("" if parameter.requires_grad else ", frozen")
    left, right = _CELL.format("left"), _CELL.format("right")
    return f"<td {left}>{_safe(name)}</td><td {left}>{_safe(about)}</td><td {right}>{parameter.size:,}</td>"


def table(rows: list[tuple[str, ...]], below: str) -> str:
    """A table as HTML: the first row is its head, the first column text, and the others numbers."""
    lines = []
    for k, row in enumerate(rows):
        tag = "td" if k else "th"
        cells = (f"<{tag} {_CELL.format('right' if c > 1 else 'left')}>{_safe(w)}</{tag}>" for c, w in enumerate(row))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div style="font-size:13px;overflow-x:auto"><table style="border-collapse:collapse">{"".join(lines)}</table>'
        f"<div {_QUIET}>{_safe(below)}</div></div>"
    )


def _safe(words: str) -> str:
    """Text for HTML, on one line and of bounded length, with what cannot be shown made visible."""
    words = words if len(words) <= 200 else words[:150] + "…" + words[-40:]
    plain = "".join(c if c.isprintable() or c == " " else repr(c)[1:-1] for c in words)
    return escape(plain)
