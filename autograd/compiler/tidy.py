"""Passes over the loop program: stores that nobody reads go, and what lives within one row of one kernel stays there."""

from __future__ import annotations

import re

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
    users = users_of(steps, buffers)
    for k, step in enumerate(steps):
        if isinstance(step, Nest) and step.chunk:
            cut(step, {name for name in step.buffers() if users[name] == {k} and not buffers[name].alias}, buffers)
    keep_rows(steps, users, buffers)


def drop_unread(steps: list[Step], buffers: dict[str, Buffer]) -> None:
    """Stores into scratch that nothing loads."""
    read = set()
    for step in steps:
        if isinstance(step, Nest):
            read |= {s.buffer for s in step.statements() if isinstance(s, Load)}
        else:
            read |= set(step.buffers())
    read |= {buffers[name].alias for name in read} - {""}
    unread = {name for name, b in buffers.items() if b.place == "arena" and not {name, b.alias} & read}
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


def users_of(steps: list[Step], buffers: dict[str, Buffer]) -> dict[str, set[int]]:
    """For each array the steps that take it, in whatever shape."""
    users: dict[str, set[int]] = {}
    for k, step in enumerate(steps):
        for name in step.buffers():
            for same in {name, buffers[name].alias or name}:
                users.setdefault(same, set()).add(k)
    return users


def cut(nest: Nest, own: set[str], buffers: dict[str, Buffer]) -> None:
    """Loops over one long axis become loops over its pieces; what only they hand on is a piece long."""
    c = nest.chunk
    here = f"i0 * {c} + i1"
    filled = {f.buffer for f in nest.fills}
    rows = [n for n in nest.buffers() if n in own - filled and buffers[n].place == "arena" and buffers[n].size > 1]
    for name in rows:
        buffers[name].shape, buffers[name].place = (c,), "row"
    nest.rows += rows
    for loop in nest.loops:
        loop.shape = (loop.shape[0] // c, c)
        for s in loop.statements():
            if isinstance(s, Let):
                s.value = re.sub(r"\bi0\b", f"({here})", s.value)
            elif s.buffer in rows:
                s.index = ("i1",)
            elif isinstance(s.index, str):
                s.index = re.sub(r"\bi0\b", f"({here})", s.index)
            else:
                s.index = tuple(here if i == "i0" else re.sub(r"\bi0\b", f"({here})", i) for i in s.index)
    nest.depth = 1


def keep_rows(steps: list[Step], users: dict[str, set[int]], buffers: dict[str, Buffer]) -> None:
    """Scratch that one nest alone uses, row by row, becomes a row inside the kernel."""
    for k, step in enumerate(steps):
        if not isinstance(step, Nest) or step.chunk or len(step.loops) == 1 and step.loops[0].shape:
            continue
        filled = {f.buffer for f in step.fills}
        for name in step.buffers():
            b = buffers[name]
            if b.place == "arena" and not b.alias and users[name] == {k} and name not in filled and _by_row(step, name, b):
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
