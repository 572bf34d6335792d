"""The tape: nodes, the one backward walk, and the modes that say whether operations are recorded.

A node is one application of an op. It knows the op, its inputs (other nodes), what it saved for the derivative, and its
*tick*, a number that grows with every node made. An input is always older than its consumer, so going through nodes
from the newest tick to the oldest meets every node after all of its consumers: that order is all that the chain rule
needs. The same nodes are walked backward (`backward`, `gradients`), forward (`pushforward`), and by the pictures.

A node holds arrays and other nodes, never the tensor that it made: nothing points back, so a dropped graph is freed at
once, without the cyclic garbage collector.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import count
from sys import getrefcount
from types import CodeType
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy

from autograd.errors import AutogradError, DTypeError, GraphError, Place, ShapeError, line_of
from autograd.instructions import Scattered
from autograd.rule import Op, Plan, np

if TYPE_CHECKING:
    from autograd.tensor import Tensor

__all__ = ["Leaf", "Node", "between", "gradients", "node_gradients", "pushforward", "values", "walk"]

ndarray = numpy.ndarray
tick = count(1).__next__


class Node:
    """One application of an op; made by `autograd.apply.record` alone."""

    __slots__ = ("plan", "inputs", "saved", "settings", "consts", "tick", "shape", "dtype", "code", "instruction",
                 "extra", "__weakref__")  # fmt: skip

    plan: Plan
    inputs: tuple[Node | None, ...]
    saved: tuple[Any, ...] | None
    settings: dict[str, Any]
    consts: dict[int, Any] | None
    tick: int
    shape: tuple[int, ...]
    dtype: numpy.dtype[Any]
    code: CodeType | None
    instruction: int
    extra: Extra | None

    @property
    def op(self) -> Op | None:
        """The op that was applied; None for a leaf."""
        return self.plan.op

    @property
    def name(self) -> str | None:
        """The name that was given to the tensor that this node made."""
        return self.extra.name if self.extra is not None else None

    @property
    def freed(self) -> bool:
        """Whether backward has dropped what this node saved."""
        return self.saved is None

    @property
    def where(self) -> str | None:
        """``file.py:12``: the user's line that recorded this node."""
        return line_of(self.code, self.instruction)

    def describe(self) -> str:
        """A few words for messages: op, name, shape, line."""
        named = f" {self.name!r}" if self.name else ""
        what = f"op {self.op.name!r}" if self.op else "leaf"
        return f"{what}{named} of shape {self.shape}" + (f" at {self.where}" if self.where else "")

    def __repr__(self) -> str:
        return f"<{self.describe()}>"

    def __reduce__(self) -> Any:
        raise GraphError("a recorded graph cannot be pickled or copied. Detach the tensor first: t.detach().")


class Extra:
    """What few nodes have: a name, hooks, a kept gradient."""

    __slots__ = ("name", "hooks", "retain", "grad")

    def __init__(self) -> None:
        self.name: str | None = None
        self.hooks: dict[int, Callable[[Any], Any]] = {}
        self.retain = False
        self.grad: Tensor | None = None


class Leaf(Node):
    """A tensor that the user asked gradients for. It owns the array and its gradient, and has no inputs."""

    __slots__ = ("data", "grad", "accumulated")

    data: ndarray[Any, Any]
    grad: Tensor | None

    def __init__(self, data: ndarray[Any, Any]):
        self.inputs, self.saved, self.settings, self.consts = (), (), {}, None
        self.tick, self.shape, self.dtype = tick(), data.shape, data.dtype
        self.code, self.instruction, self.extra = None, 0, None
        self.data, self.grad = data, None

    @property
    def op(self) -> None:
        return None


class Mode(threading.local):
    """Whether this thread records operations, hunts for NaNs, or captures a program for ``jit``."""

    record: bool = True
    anomaly: bool = False
    capture: Any = None
    depth: int = 0  # how many transforms (grad, jvp, vmap, …) are running the user's function
    batch: tuple[tuple[int, int], ...] = ()  # (level, length) of each vmap among them, the outermost first
    plain: bool = True  # record, and neither capture nor batch: the one thing that the fast path asks

    def set(self, **changes: Any) -> None:
        """Change modes; keeps `plain` in step."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.plain = self.record and self.capture is None and not self.batch


mode = Mode()


# ---- writes in place: one record per storage, found only when it is needed --------------------------------------------


class Together:
    """Arrays that are always written together, by a compiled program; their writes are counted as one until it matters."""

    __slots__ = ("owners", "where", "count", "last")

    def __init__(self, arrays: list[ndarray[Any, Any]], where: Place | str):
        self.owners = list({id(a): ref(a) for a in map(Writes.owner, arrays)}.values())
        self.where, self.count, self.last = where, 0, 0


class Writes:
    """When each storage was last written in place, so that a node that saved the old value can be told.

    Storages that were never written have no entry, and a node newer than `last`, the newest write of all, needs no
    look-up: the plain path pays one comparison of integers for all of this.
    """

    def __init__(self) -> None:
        self.last = 0
        self._of: dict[int, tuple[ref[Any], int, int, Place | str]] = {}
        self._waiting: list[Together] = []

    @staticmethod
    def owner(array: ndarray[Any, Any]) -> ndarray[Any, Any]:
        """The array that owns the memory."""
        while isinstance(array.base, ndarray):
            array = array.base
        return array

    def note(self, array: ndarray[Any, Any], where: Place | str) -> None:
        """Take down that the storage of `array` is being written."""
        if self._waiting:
            self._settle()
        self.last = tick()
        self._enter(self.owner(array), self.last, 1, where)

    def note_all(self, arrays: list[ndarray[Any, Any]], where: Place | str) -> None:
        """`note` for many arrays that were noted before, mostly."""
        if self._waiting:
            self._settle()
        of, now = self._of, tick()
        for array in arrays:
            entry = of.get(id(array))
            if entry is None:
                self.note(array, where)
            else:
                of[id(array)] = (entry[0], now, entry[2] + 1, where)
        self.last = now

    def note_together(self, arrays: Together) -> None:
        """`note` for arrays that a compiled program writes at each call: one operation, entered for each when it is asked."""
        arrays.last = self.last = tick()
        arrays.count += 1
        if arrays.count == 1:
            self._waiting.append(arrays)

    def _settle(self) -> None:
        while self._waiting:
            together = self._waiting.pop()
            count, together.count = together.count, 0
            for reference in together.owners:
                owner = reference()
                if owner is not None:
                    self._enter(owner, together.last, count, together.where)

    def _enter(self, owner: ndarray[Any, Any], now: int, count: int, where: Place | str) -> None:
        key = id(owner)
        entry = self._of.get(key)
        keep = entry[0] if entry is not None else ref(owner, lambda _, forget=self._of.pop, key=key: forget(key, None))  # type: ignore[misc]
        last, before = (entry[1], entry[2]) if entry is not None else (0, 0)
        self._of[key] = (keep, max(last, now), before + count, where)

    def version(self, array: ndarray[Any, Any]) -> int:
        """How often the storage of `array` was written in place."""
        if self._waiting:
            self._settle()
        entry = self._of.get(id(self.owner(array)))
        return entry[2] if entry is not None else 0

    def check(self, node: Node) -> None:
        """Raise if a value that `node` saved was written after the node was made."""
        if self._waiting:
            self._settle()
        for name, value in zip(node.plan.saved, node.saved or (), strict=True):
            if isinstance(value, ndarray):
                entry = self._of.get(id(self.owner(value)))
                if entry is not None and entry[1] > node.tick:
                    which = "its output" if name == "y" else f"its input {name!r}"
                    raise GraphError(
                        f"a value that backward needs was changed in place: {node.describe()} saved {which}, of shape "
                        f"{value.shape}, and it was written at {_worded(entry[3])}. Write to a copy instead, or change "
                        f"the value before it is used, or after backward()."
                    )


def _worded(where: Place | str) -> str:
    return where if isinstance(where, str) else line_of(*where) or "an unknown line"


writes = Writes()


# ---- the walk ---------------------------------------------------------------------------------------------------------


def walk(roots: Node | Iterable[Node]) -> list[Node]:
    """Every node that the roots depend on, the roots included, newest first."""
    found = {node.tick: node for node in ([roots] if isinstance(roots, Node) else roots)}
    stack = list(found.values())
    while stack:
        for node in stack.pop().inputs:
            if node is not None and node.tick not in found:
                found[node.tick] = node
                stack.append(node)
    return [found[t] for t in sorted(found, reverse=True)]


def between(outputs: Iterable[Node | None], inputs: Iterable[Node]) -> tuple[list[Node], bool]:
    """The nodes on the ways from the inputs to the outputs, oldest first, and whether anything else joins on the way.

    Nodes older than the oldest input are not visited, so that what a function closes over costs nothing.
    """
    starts = {node.tick for node in inputs}
    oldest = min(starts, default=0)
    found = {node.tick: node for node in outputs if node is not None and starts and node.tick >= oldest}
    stack = list(found.values())
    while stack:
        for node in stack.pop().inputs:
            if node is not None and node.tick >= oldest and node.tick not in found:
                found[node.tick] = node
                stack.append(node)
    way: list[Node] = []
    reached: set[int] = set()
    joined = False
    for t in sorted(found):
        node = found[t]
        if t in starts or any(n is not None and n.tick in reached for n in node.inputs):
            joined = joined or t not in starts and any(n is not None and n.tick not in reached for n in node.inputs)
            reached.add(t)
            way.append(node)
    return way, joined


def fit(g: Any, node: Node) -> Any:
    """A contribution brought to the shape and dtype of the node that it belongs to: broadcasting undone."""
    if type(g) is Scattered:
        g = g.whole()
    if g.shape != node.shape:
        extra = g.ndim - len(node.shape)
        if extra < 0 or any(n not in (1, m) for n, m in zip(node.shape, g.shape[extra:], strict=True)):
            if extra <= 0 and all(n in (1, m) for n, m in zip(g.shape, node.shape[-g.ndim :] if g.ndim else (), strict=True)):
                return fit(_broadcast(g, node.shape), node)
            raise ShapeError(f"shape {g.shape} does not reduce to {node.shape}")
        axes = (*range(extra), *(extra + k for k, n in enumerate(node.shape) if n == 1 != g.shape[extra + k]))
        if axes:
            g = g.sum(axis=axes, keepdims=True)
        g = g.reshape(node.shape)
    if g.dtype != node.dtype:
        if g.dtype.kind == "c" and node.dtype.kind != "c":
            g = g.real
        g = g.astype(node.dtype)
    return g


def _broadcast(g: Any, shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(g, shape) if isinstance(g, ndarray | numpy.generic) else g.broadcast_to(shape)


class Walk:
    """One pass over the tape from newer nodes to older ones, carrying gradients.

    `free` drops what nodes saved, once all went well; `visit` sees each node with its gradient; `only` are the ticks of
    the nodes to go to, if not to all.
    """

    def __init__(self, *, create_graph: bool = False, free: bool = False,
                 visit: Callable[[Node, Any], None] | None = None, only: set[int] | None = None):  # fmt: skip
        self.create_graph, self.free, self.visit, self.only = create_graph, free, visit, only
        self.kept: dict[Node, Any] = {}  # gradients of leaves and of nodes that retain theirs

    def run(self, roots: Sequence[Node], seeds: Sequence[Any]) -> dict[Node, Any]:
        """Carry the seeds back from the roots; returns the gradients that are to be kept."""
        gradient: dict[int, Any] = {}
        waiting: dict[int, Node] = {}
        heap: list[int] = []
        for node, seed in zip(roots, seeds, strict=True):
            gradient[node.tick] = gradient[node.tick] + seed if node.tick in gradient else seed
            if node.tick not in waiting:
                waiting[node.tick] = node
                heappush(heap, -node.tick)
        plain = not (self.create_graph or mode.capture or mode.anomaly or self.visit or self.only is not None)
        own: set[int] | None = None if self.create_graph or mode.capture else set()  # sums that can be added to in place
        with numpy.errstate(all="ignore"):
            while heap:
                at = -heappop(heap)
                node = waiting[at]
                g = gradient.pop(at)
                if node.extra is not None:
                    g = self._extras(node, g)
                if not node.inputs:
                    self.kept[node] = g
                    continue
                saved = node.saved
                if saved is None:
                    raise _freed(node)
                if at < writes.last:
                    writes.check(node)
                if plain:
                    steps = node.plan.walked
                else:
                    if self.visit is not None:
                        self.visit(node, g)
                    steps, saved = self._special(node, saved)
                    if self.only is not None:
                        steps = tuple((i, f) for i, f in steps if getattr(node.inputs[i], "tick", 0) in self.only)
                inputs = node.inputs
                for i, pull in steps:
                    below = inputs[i]
                    c = None
                    try:
                        c = g if pull is None else pull(g, saved, node)
                        if c.shape != below.shape or c.dtype is not below.dtype:  # type: ignore[union-attr]
                            c = fit(c, below)  # type: ignore[arg-type]
                    except ShapeError as error:
                        raise _misfit(node, i, c, error) from error
                    except AutogradError:
                        raise
                    except (AttributeError, TypeError, ValueError) as error:
                        raise _misfit(node, i, c, error) from error
                    t = below.tick  # type: ignore[union-attr]
                    if t in gradient:
                        gradient[t] = self._sum(gradient[t], c, t, own)
                    else:
                        if type(c) is Scattered:
                            c = c.whole()
                            own.add(t)  # type: ignore[union-attr]
                        gradient[t] = c
                        waiting[t] = below  # type: ignore[assignment]
                        heappush(heap, -t)
                    if mode.anomaly:
                        _hunt(node, i, c)
        if self.free:  # only now: after an error the graph is as it was, and backward can be tried again
            for node in waiting.values():
                if node.inputs:
                    node.saved = node.consts = None
        return self.kept

    @staticmethod
    def _sum(total: Any, c: Any, t: int, own: set[int] | None) -> Any:
        """What there is of the gradient of node t, and one contribution more; in place where the array is the walk's own."""
        if own is None:
            return total + c
        if t not in own:
            own.add(t)
            return total + (c.whole() if type(c) is Scattered else c)
        if type(c) is Scattered:
            c.add_to(total)
        else:
            total += c
        return total

    def _extras(self, node: Node, g: Any) -> Any:
        from autograd.apply import operand
        from autograd.tensor import Tensor, wrap

        for hook in tuple(node.extra.hooks.values()) if node.extra else ():
            answer = hook(g if self.create_graph else wrap(g))
            if answer is not None:
                answer = answer if isinstance(answer, Tensor) else wrap(numpy.asarray(operand(answer)))
                if answer.shape != node.shape:
                    raise ShapeError(f"a hook on {node.describe()} returned shape {answer.shape}; return {node.shape}")
                answer = answer if answer.dtype == node.dtype else answer.astype(node.dtype)
                g = answer if self.create_graph else answer._data
        if node.extra is not None and node.extra.retain:
            self.kept[node] = g
        return g

    def _special(self, node: Node, saved: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Rules and saved values for the walks that do more than arrays: higher order, and recording."""
        if self.create_graph:
            from autograd.apply import namespace

            return zip(node.plan.wanted, node.plan.rules(namespace())[0], strict=True), as_tensors(node, saved)
        if mode.capture is not None:
            return zip(node.plan.wanted, node.plan.rules(mode.capture.namespace)[0], strict=True), saved
        return node.plan.walked, saved


def as_tensors(node: Node, saved: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a node saved, as Tensors that hang in the graph again: the way to derivatives of derivatives."""
    from autograd.tensor import wrap

    op = node.plan.op
    names = op.arrays if not op.variadic else tuple(f"x{i}" for i in range(len(node.inputs)))
    home: dict[str, Node | None] = {**dict(zip(names, node.inputs, strict=True)), "y": node}
    return tuple(wrap(value, home[name]) for name, value in zip(node.plan.saved, saved, strict=True))


def _freed(node: Node) -> GraphError:
    return GraphError(
        f"backward() went through {node.describe()} a second time, but the first backward freed what it had saved. "
        f"Call the first one with retain_graph=True, or compute the loss again."
    )


def _misfit(node: Node, i: int, c: Any, error: Exception) -> ShapeError:
    """A derivative rule that raised, or returned what is no gradient, named with its op and line."""
    if c is None:
        got = f"failed ({error})"
    else:
        got = f"returned shape {c.shape}" if hasattr(c, "shape") else f"returned {type(c).__name__} {c!r:.40}"
    wanted = node.inputs[i].shape  # type: ignore[union-attr]
    return ShapeError(f"the derivative rule of {node.describe()} {got} for input {i}, which has shape {wanted}.")


def _hunt(node: Node, i: int, c: Any) -> None:
    array = c.values if type(c) is Scattered else getattr(c, "_data", c)
    if isinstance(array, ndarray | numpy.generic) and array.dtype.kind in "fc" and numpy.isnan(array).any():
        raise GraphError(f"the gradient of input {i} of {node.describe()} contains NaN")


def gradients(outputs: Sequence[Tensor], inputs: Sequence[Tensor], seeds: Sequence[Any] | None = None, *,
              create_graph: bool = False) -> list[Any]:  # fmt: skip
    """The gradients of the outputs with respect to the inputs, by a walk of its own.

    It accumulates into no ``.grad`` and frees nothing. An input that the outputs do not depend on gets None.
    Returns arrays, or Tensors with a graph of their own if `create_graph`.

    >>> import autograd as ag
    >>> x = ag.Tensor([3.0], requires_grad=True)
    >>> gradients([x * x], [x])
    [array([6.], dtype=float32)]
    """
    roots = [t._node for t in outputs]
    seeds = [None] * len(roots) if seeds is None else seeds
    only = {n.tick for n in between(roots, [t._node for t in inputs if t._node is not None])[0]}
    pairs = [(n, _seed(t, s, create_graph)) for t, n, s in zip(outputs, roots, seeds, strict=True) if n and n.tick in only]
    wanted = {t._node.tick for t in inputs if t._node is not None}
    found: dict[int, Any] = {}

    def visit(node: Node, g: Any) -> None:
        if node.tick in wanted:
            found[node.tick] = g

    run = Walk(create_graph=create_graph, visit=visit, only=only)
    for node, g in run.run([n for n, _ in pairs], [s for _, s in pairs]).items():
        visit(node, g)
    return [found.get(t._node.tick) if t._node is not None else None for t in inputs]


def node_gradients(root: Node | Iterable[Node], seed: Any = None) -> dict[Node, Any]:
    """The gradient of the root (of the sum of several) with respect to every node; frees and accumulates nothing."""
    found: dict[Node, Any] = {}
    run = Walk(visit=found.__setitem__)
    roots = [root] if isinstance(root, Node) else list(root)
    found.update(run.run(roots, [numpy.ones(r.shape, r.dtype) if seed is None else seed for r in roots]))
    return found


def values(root: Node | Iterable[Node]) -> dict[Node, Any]:
    """The value of every node that can still be computed, by replaying the forward from the leaves."""
    found: dict[Node, Any] = {}
    with numpy.errstate(all="ignore"):
        for node in reversed(walk(root)):
            if isinstance(node, Leaf):
                found[node] = node.data
            elif node.saved is not None:
                consts = node.consts or {}
                arguments = [found.get(n) if n is not None else consts.get(i) for i, n in enumerate(node.inputs)]
                arguments = [getattr(a, "_data", a) for a in arguments]
                if all(a is not None for a in arguments):
                    found[node] = numpy.asarray(node.plan.op.forward()(*arguments, **node.settings))
    return found


def pushforward(outputs: Sequence[Tensor], inputs: Sequence[Tensor], tangents: Sequence[Any], *,
                create_graph: bool = False) -> list[Any]:  # fmt: skip
    """Forward mode on the recorded tape: the derivative of the outputs along the tangents of the inputs."""
    from autograd.apply import namespace

    carried: dict[Node | None, Any] = {}
    for t, v in zip(inputs, tangents, strict=True):
        if t._node is not None:
            carried[t._node] = v
    space = namespace() if create_graph else np if mode.capture is None else mode.capture.namespace
    with numpy.errstate(all="ignore"):
        for node in between([t._node for t in outputs], [n for n in carried if n is not None])[0]:
            if node in carried:
                continue
            if node.saved is None:
                raise _freed(node)
            if node.tick < writes.last:
                writes.check(node)
            pushes = node.plan.rules(space)[1]
            saved = as_tensors(node, node.saved) if create_graph else node.saved
            total: Any = None
            for i, push in zip(node.plan.wanted, pushes, strict=True):
                below = carried.get(node.inputs[i])
                if below is not None:
                    c = below if push is None else push(below, saved, node)
                    if c.shape != node.shape:
                        c = _broadcast(c, node.shape)
                    total = c if total is None else total + c
            if total.dtype.kind == "c" and node.dtype.kind != "c":
                total = total.real
            carried[node] = total if total.dtype == node.dtype else total.astype(node.dtype)
    return [carried.get(t._node) if t._node is not None else None for t in outputs]


def _seed(root: Tensor, seed: Any, create_graph: bool) -> Any:
    """The gradient to start from: ones for a scalar, else what the caller gave, checked."""
    from autograd.apply import operand
    from autograd.tensor import Tensor, wrap

    node = root._node
    assert node is not None
    if seed is None:
        if node.shape != () and numpy.prod(node.shape) != 1:
            raise GraphError(
                f"backward() of {node.describe()} needs a seed, because only a scalar has one gradient. Reduce it "
                f"first (loss.sum(), loss.mean()), or pass backward(gradient=array of shape {node.shape})."
            )
        array: Any = np.ones(node.shape, node.dtype) if mode.capture is None else mode.capture.ones(node.shape, node.dtype)
    else:
        array = seed._data if isinstance(seed, Tensor) else numpy.asarray(operand(seed))
        if mode.capture is not None:
            array = mode.capture.lift(seed, array)
        if array.shape != node.shape:
            raise ShapeError(f"the seed has shape {array.shape}, and the tensor {node.shape}: they must be equal.")
        if array.dtype != node.dtype:
            if array.dtype.kind == "c" and node.dtype.kind != "c":
                raise DTypeError(f"the seed is complex and the tensor is {node.dtype}: pass a real seed.")
            array = array.astype(node.dtype)
    if not create_graph:
        return array
    return seed if isinstance(seed, Tensor) and seed.dtype == node.dtype else wrap(array)


def backward(root: Tensor, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
    """Add the gradient of `root` to the ``.grad`` of every leaf. All gradients are written at the end, or none."""
    from autograd.tensor import Tensor, wrap

    if root._node is None:
        raise GraphError(
            "backward() on a tensor without a graph: none of what it was computed from requires a gradient. "
            "Create a leaf with requires_grad=True (and outside no_grad()) before computing."
        )
    seed = _seed(root, gradient, create_graph)
    run = Walk(create_graph=create_graph, free=not (retain_graph or create_graph))
    kept = run.run([root._node], [seed])
    fresh: list[tuple[Any, Tensor]] = []
    for node in list(kept):
        g = kept.pop(node)
        holder: Any = node if isinstance(node, Leaf) else node.extra
        old = holder.grad if mode.capture is None else mode.capture.read(holder, "grad")
        if isinstance(g, Tensor):
            new = g if old is None else old + g
        elif mode.capture is not None:
            new = mode.capture.gradient(old, g)
        elif old is not None:
            new = wrap(numpy.asarray(old._data + g))
        elif type(g) is ndarray and g.base is None and getrefcount(g) == 2 and g is not seed:
            new = wrap(g)  # nobody else holds this array: no copy
        elif isinstance(g, ndarray | numpy.generic):
            new = wrap(numpy.array(g))
        else:
            new = wrap(g)
        fresh.append((holder, new))
    for holder, new in fresh:
        if mode.capture is not None:
            mode.capture.assign(holder, "grad", new)
        else:
            holder.grad = new
