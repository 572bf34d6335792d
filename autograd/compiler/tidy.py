"""Passes over the loop program: stores that nobody reads go, and what lives within one row of one kernel stays there."""

from __future__ import annotations

from autograd.compiler.loops import Buffer, Fill, Let, Load, Nest, Step, Store

__all__ = ["tidy"]

LONGEST = 1 << 16
"""Bytes of a row that is kept inside a kernel."""


def tidy(steps: list[Step], buffers: dict[str, Buffer]) -> None:
    """All passes, in place."""
    drop_unread(steps, buffers)
    for step in steps:
        if isinstance(step, Nest):
            keep_sums(step)
    keep_rows(steps, buffers)


def drop_unread(steps: list[Step], buffers: dict[str, Buffer]) -> None:
    """Stores into scratch that nothing loads."""
    read = set()
    for step in steps:
        if isinstance(step, Nest):
            read |= {s.buffer for s in step.statements() if isinstance(s, Load)}
        else:
            read |= set(step.buffers())
    unread = {name for name, b in buffers.items() if b.place == "arena" and name not in read}
    for step in steps:
        if isinstance(step, Nest):
            step.fills = [f for f in step.fills if f.buffer not in unread]
            for loop in step.loops:
                loop.stores = [s for s in loop.stores if isinstance(s, Let) or s.buffer not in unread]
                loop.after_row = [s for s in loop.after_row if isinstance(s, Let) or s.buffer not in unread]


def keep_sums(nest: Nest) -> None:
    """A reduction over an axis that a nest shares is taken up in memory, since its loop does not run in one go."""
    if len(nest.loops) == 1:
        return
    for loop in nest.loops:
        if nest.depth == len(loop.shape):
            for s in loop.after_row:
                if isinstance(s, Store) and s.combine == "{1}":
                    s.combine, start = loop.reductions[s.buffer]
                    nest.fills.append(Fill(s.buffer, start))


def keep_rows(steps: list[Step], buffers: dict[str, Buffer]) -> None:
    """Scratch that one nest alone uses, row by row, becomes a row inside the kernel."""
    users: dict[str, set[int]] = {}
    for k, step in enumerate(steps):
        for name in step.buffers():
            users.setdefault(name, set()).add(k)
    for k, step in enumerate(steps):
        if not isinstance(step, Nest) or len(step.loops) == 1 and step.loops[0].shape:
            continue
        filled = {f.buffer for f in step.fills}
        for name in step.buffers():
            b = buffers[name]
            if b.place == "arena" and users[name] == {k} and name not in filled and _by_row(step, name, b):
                _contract(step, name, b)


def _by_row(nest: Nest, name: str, b: Buffer) -> bool:
    shared = [f"i{k}" for k in range(nest.depth)]
    size = b.bytes
    for k in range(nest.depth):
        size //= max(1, nest.loops[0].shape[k])
    if size > LONGEST:
        return False
    for s in nest.statements():
        if not isinstance(s, Let) and s.buffer == name:
            if isinstance(s, Store) and s.combine != "{1}" or isinstance(s.index, str):
                return False
            if [i for i in s.index if i != "0"][: nest.depth] != shared:
                return False
    return True


def _contract(nest: Nest, name: str, b: Buffer) -> None:
    seen, dropped = 0, []
    for k, n in enumerate(b.shape):
        if n != 1 and seen < nest.depth:
            dropped.append(k)
            seen += 1
    b.shape = tuple(n for k, n in enumerate(b.shape) if k not in dropped)
    b.place = "row"
    nest.rows.append(name)
    for s in nest.statements():
        if not isinstance(s, Let) and s.buffer == name:
            s.index = tuple(i for k, i in enumerate(s.index) if k not in dropped)
