"""Random programs, run eagerly and compiled, that must do the same.

A program is a function ``build()`` in readable Python, made from a seed: leaves, a step with arguments, and what belongs
to its state. The generator runs every line as it writes it, so it knows shapes and values, drops what is an error, and
keeps numbers small. What is fragile by nature (ties, kinks, steps at exactly the value) is moved off the spot by constants.

How far rounding may go is measured: the program also runs with leaves and arguments that differ in their last bits.

``python tests/random_programs.py --count 500`` runs fresh seeds and prints those that fail, with a program that was made
as short as could be; ``--reload`` compares a second process, which finds the machine code on disk, bit by bit.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import traceback
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from op_table import COMPOSED, ROWS

import autograd as ag
import optim
from autograd.apply import apply
from autograd.errors import UnsupportedError
from autograd.rule import OPS, Op

CALLS = 3
ATOL = {4: 1e-4, 8: 1e-10}  # by bytes of the dtype, relative to the largest element; wrong code is wrong by much more
SHAPES = [
    (),
    (1,),
    (3,),
    (5,),
    (0,),
    (3, 4),
    (1, 4),
    (3, 1),
    (2, 3),
    (4, 4),
    (2, 3, 4),
    (2, 1, 4),
    (1, 1),
    (0, 3),
    (17,),
    (6, 9),
]
SHAPE_WEIGHTS = [2, 1, 3, 2, 0.4, 5, 2, 2, 3, 3, 3, 2, 1, 0.4, 2, 2]

OUTER = ["import numpy as np", "import autograd as ag, optim", "from autograd.apply import apply",
         "from autograd.rule import OPS", "from op_table import COMPOSED"]  # fmt: skip

POSITIVE, AWAY, INSIDE = "ag.square({}) + 0.4", "ag.square({}) * 0.7 + 0.5", "0.8 * ag.tanh({})"
OFF = "{} * 1.7 + 0.31"  # off the points where something jumps
DOMAIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys("sqrt log log2 log10 log1p".split(), (POSITIVE,)),
    **dict.fromkeys("arcsin arccos arctanh tan".split(), (INSIDE,)),
    **dict.fromkeys("exp exp2 expm1 sinh cosh".split(), ("2 * ag.tanh({})",)),
    **dict.fromkeys("floor ceil rint trunc sign absolute relu cbrt signbit".split(), (OFF,)),
    "reciprocal": (AWAY,), "arccosh": ("1.3 + ag.square({})",), "divide": ("{}", AWAY), "power": (POSITIVE, "ag.tanh({})"),
    "hypot": (AWAY, "{}"), "arctan2": (AWAY, AWAY),
    "remainder": ("0.75 + 0.14 * ag.tanh({})", "0.25 + 0.035 * ag.tanh({})"),
    "floor_divide": ("0.75 + 0.14 * ag.tanh({})", "0.25 + 0.035 * ag.tanh({})"),
}  # fmt: skip
MASKS = {"bitwise_and", "bitwise_or", "bitwise_xor", "logical_and", "logical_or", "invert", "logical_not"}
APART = {"maximum", "minimum", "fmax", "fmin", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
REFUSED: set[str] = set()
MATRICES = {n for n in OPS if OPS[n].function.__module__ == "autograd.ops.solve"}  # want matrices far from singular
UNARY = [
    n for n, row in ROWS.items() if n not in REFUSED and len(row.samples[0].shapes) == 1 and row.samples[-1].shapes == ((),)
]
BINARY = [n for n, row in ROWS.items() if len(row.samples) == 4 and row.samples[-1].shapes == ((), (2,))]
OTHER = [n for n in ROWS if n not in {*UNARY, *BINARY, *REFUSED, "cast"}]
OPTIMIZERS = [
    "optim.SGD({}, lr=0.01)", "optim.SGD({}, lr=0.01, momentum=0.9)", "optim.SGD({}, lr=0.01, momentum=0.9, nesterov=True)",
    "optim.Adam({}, lr=0.01, eps=0.01)", "optim.AdamW({}, lr=0.01, eps=0.01)",
    "optim.Adam({}, lr=0.01, eps=0.01, amsgrad=True)",
    "optim.NAdam({}, lr=0.01, eps=0.01)", "optim.RMSprop({}, lr=0.01, eps=0.1)", "optim.Adagrad({}, lr=0.01, eps=0.1)",
    "optim.Adadelta({}, lr=0.1, eps=0.01)", "optim.Adamax({}, lr=0.01, eps=0.1)",
]  # fmt: skip


def text(x: Any) -> str:
    """A setting as source."""
    if isinstance(x, Op):
        return f"OPS[{x.name!r}]"
    if isinstance(x, np.ndarray):
        return (
            f"np.array({x.tolist()!r}, {x.dtype.str!r}).reshape({x.shape})"
            if x.size
            else f"np.zeros({x.shape}, {x.dtype.str!r})"
        )
    if isinstance(x, np.dtype):
        return f"np.dtype({x.str!r})"
    if isinstance(x, dict):
        return "{" + ", ".join(f"{k!r}: {text(v)}" for k, v in x.items()) + "}"
    if isinstance(x, tuple):
        return "(" + "".join(text(v) + ", " for v in x) + ")"
    return repr(x)


# ---- programs


@dataclass
class Program:
    """The lines of a program, by place."""

    seed: int
    before: list[str] = field(default_factory=list)  # leaves, constants, the optimizer: made once
    arguments: list[tuple[str, str, tuple[int, ...]]] = field(default_factory=list)  # name, kind, shape
    body: list[str] = field(default_factory=list)  # of the step
    results: list[str] = field(default_factory=list)
    state: list[str] = field(default_factory=list)  # tensors to compare, with their gradients

    def source(self) -> str:
        names = ", ".join(name for name, _, _ in self.arguments)
        calls = f"# {names}: {', '.join(f'{kind}{list(shape)}' for _, kind, shape in self.arguments)}"
        lines = [
            f"def build():  # seed {self.seed}",
            *(f"    {b}" for b in self.before),
            "",
            f"    def step({names}):  {calls}",
        ]
        lines += [f"        {line}" for line in self.body]
        lines += [f"        return [{', '.join(self.results)}]", ""]
        optimizer = "optimizer" if any(b.startswith("optimizer") for b in self.before) else "None"
        return "\n".join([*OUTER, "", *lines, f"    return step, [{', '.join(self.state)}], {optimizer}"])


class Values:
    """Numbers of a run: the same for a seed, or with other last bits."""

    def __init__(self, seed: int, shake: int = 0):
        self.rng, self.noise = np.random.default_rng(seed), np.random.default_rng(shake) if shake else None

    def draw(self, kind: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        if kind == "?":
            return np.asarray(self.rng.integers(0, 2, shape).astype(bool))
        if kind[0] == "i":
            return np.asarray(self.rng.integers(-4, 5, shape), kind)
        x = np.asarray(self.rng.uniform(-1.5, 1.5, shape), kind)
        if self.noise is not None:
            x = np.asarray(x * (1 + 4 * np.finfo(x.dtype).eps * self.noise.choice([-1.0, 1.0], shape)), kind)
        return x


def scope(values: Values) -> dict[str, Any]:
    """Names that the source of a program may use."""

    def leaf(shape: tuple[int, ...], kind: str, grad: bool = True) -> ag.Tensor:
        return ag.Tensor(values.draw(kind, shape), requires_grad=grad)

    return {"np": np, "ag": ag, "optim": optim, "apply": apply, "OPS": OPS, "COMPOSED": COMPOSED, "leaf": leaf}


class Generator:
    """Writes one program, line by line, and runs it as it goes."""

    def __init__(self, seed: int):
        self.r, self.program, self.count = random.Random(seed), Program(seed), 0
        self.values = Values(seed)
        self.names = scope(self.values)
        self.pool: dict[str, ag.Tensor] = {}  # what lines may use
        self.mixed = self.r.random() < 0.25
        self.kind = self.r.choice(["f4", "f8"])
        self.covered: set[str] = set()

    def name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def shape(self) -> tuple[int, ...]:
        return self.r.choices(SHAPES, SHAPE_WEIGHTS)[0]

    def dtype(self) -> str:
        return self.r.choice(["f4", "f8"]) if self.mixed else self.kind

    def constant(self, value: Any) -> str:
        """A value that the step finds in its closure."""
        name = self.name("c")
        self.program.before.append(f"{name} = {text(value)}")
        exec(self.program.before[-1], self.names)
        return name

    def ramp(self, v: str) -> str:
        """A value without ties."""
        shape, kind = self.pool[v].shape, self.pool[v].dtype
        noise = np.round(np.random.default_rng(self.r.randrange(1 << 30)).uniform(-2, 2, shape), 5)
        return f"({v} + {self.constant(noise.astype(kind))})"

    def leaf(self, shape: tuple[int, ...] | None = None, kind: str | None = None) -> str:
        """A new leaf, or an argument of the step."""
        shape, kind = self.shape() if shape is None else shape, kind or self.dtype()
        if self.r.random() < 0.6 and kind[0] == "f":
            name = self.name("w")
            self.program.before.append(f"{name} = leaf({shape}, {kind!r})")
            exec(self.program.before[-1], self.names)
            if self.r.random() < 0.3:
                self.program.before.append(f"{name}.grad = leaf({shape}, {kind!r}, False)")
                exec(self.program.before[-1], self.names)
            self.program.state.append(name)
        else:
            name = self.name("x")
            self.program.arguments.append((name, kind, shape))
            self.names[name] = ag.Tensor(self.values.draw(kind, shape))
        self.pool[name] = self.names[name]
        return name

    def pick(self, kinds: str = "f", shape: tuple[int, ...] | None = None) -> str:
        """Something that there is, of a kind."""
        found = [k for k, v in self.pool.items() if v.dtype.kind in kinds and (shape is None or v.shape == shape)]
        if not found or self.r.random() < 0.05:
            return self.leaf(shape, None if "f" in kinds else {"b": "?", "i": self.r.choice(["i4", "i8"])}[kinds[0]])
        return self.r.choice(found[-6:] if self.r.random() < 0.6 else found)

    def partner(self, v: str) -> str:
        """Something of a shape that broadcasts with v's."""
        shape = self.pool[v].shape
        found = [k for k, u in self.pool.items() if u.dtype.kind == "f" and _broadcasts(shape, u.shape)]
        if found and self.r.random() < 0.7:
            return self.r.choice(found)
        cut = shape[self.r.randint(0, len(shape)) :]
        return self.leaf(tuple(1 if self.r.random() < 0.2 else n for n in cut))

    def suited(self, name: str, shape: tuple[int, ...]) -> str:
        """An operand of this shape for an op: a square matrix of linear algebra is far from singular."""
        part = self.fitted(shape)
        square = name in MATRICES and len(shape) > 1 and shape[-1] == shape[-2]
        return f"(0.3 * ag.tanh({part}) + 2 * np.eye({shape[-1]}, dtype=np.float32))" if square else part

    def fitted(self, shape: tuple[int, ...]) -> str:
        """An operand of just this shape, cut from what there is."""
        found = [k for k, v in self.pool.items() if v.dtype.kind == "f" and v.size]
        exact = [k for k in found if self.pool[k].shape == shape]
        if exact and self.r.random() < 0.7:
            return self.r.choice(exact)
        if not found or self.r.random() < 0.4:
            return self.leaf(shape)
        v = self.r.choice(found)
        n = int(np.prod(shape))
        index = np.array([self.r.randrange(self.pool[v].size) for _ in range(n)], int)
        return f"ag.reshape(ag.ravel({v})[{self.constant(index)}], {shape})"

    # ---- kinds of lines

    def unary(self) -> str:
        name = self.r.choice(UNARY)
        self.covered.add(name)
        if name in MASKS:
            return f"ag.{name}({self.pick('b')})"
        v = self.pick("f" if self.r.random() < 0.93 or name in DOMAIN else "i")
        return f"ag.{name}({DOMAIN.get(name, ('{}',))[0].format(v)})"

    def binary(self) -> str:
        name = self.r.choice(BINARY)
        self.covered.add(name)
        if name in MASKS:
            a = self.pick("b")
            return f"ag.{name}({a}, {self.pick('b', self.pool[a].shape)})"
        a = self.pick()
        b = self.partner(a)
        if name in APART:
            return f"ag.{name}({self.ramp(a)}, {b})"
        if self.r.random() < 0.5:
            a, b = b, a
        one, two = DOMAIN.get(name, ("{}", "{}"))
        if self.r.random() < 0.15 and (one, two) == ("{}", "{}"):
            b = self.r.choice(["2", "0.5", "True", self.pick("i"), self.pick("b")])
        return f"ag.{name}({one.format(a)}, {two.format(b)})"

    def table(self) -> str:
        """An op with the shapes and settings of the table."""
        name = self.r.choice(OTHER)
        self.covered.add(name)
        sample = self.r.choice(ROWS[name].samples)
        drawn = sample.arrays(float, self.r.randrange(1 << 20))
        op = self.constant(OPS[name])
        parts = [self.suited(name, a.shape) if a.dtype.kind == "f" else self.constant(a) for a in drawn]
        if name in ("max", "min", "argmax", "argmin", "argsort", "std", "prod", "clip"):
            self.pool["t"] = self.names["t"] = eval(parts[0], self.names)
            parts[0] = self.ramp("t").replace("t +", f"{parts[0]} +")
            del self.pool["t"]
        return f"apply({op}, [{', '.join(parts)}], {{**{op}.settings, **{self.constant(sample.settings)}}})"

    def composed(self) -> str:
        name = self.r.choice([n for n in COMPOSED if n not in ("round", "around", "astype")])
        self.covered.add(name)
        k = self.r.randrange(len(COMPOSED[name]))
        parts = [self.suited(name, shape) for shape in COMPOSED[name][k].shapes]
        call = self.name("c")
        self.program.before.append(f"{call} = COMPOSED[{name!r}][{k}].call")
        exec(self.program.before[-1], self.names)
        if name in ("sort", "ptp", "clip"):
            self.pool["t"] = self.names["t"] = eval(parts[0], self.names)
            parts[0] = self.ramp("t").replace("t +", f"{parts[0]} +")
            del self.pool["t"]
        return f"{call}(ag, {', '.join(parts)})"

    def reduction(self) -> str:
        name = self.r.choice("sum mean max min prod var std logsumexp cumsum any all argmax argmin argsort".split())
        self.covered.add(name)
        v = self.pick()
        shape = self.pool[v].shape
        axes = [a - self.r.choice([0, len(shape)]) for a in range(len(shape)) if self.r.random() < 0.6]
        axis: Any = self.r.choice([None, tuple(axes)])
        if name in ("cumsum", "argmax", "argmin", "argsort") or len(axes) == 1:
            axis = axes[0] if axes else -1 if name == "argsort" else None
        keep = f", keepdims={self.r.random() < 0.4}" if name not in ("cumsum", "argsort") else ""
        if name in ("any", "all"):
            return f"ag.{name}({v} * 1.7 > 0.31, axis={axis}{keep})"
        if name in ("max", "min", "argmax", "argmin", "argsort", "std"):
            counted = [shape[a] for a in (axis if isinstance(axis, tuple) else (axis,))] if axis is not None else shape
            if name == "std" and np.prod(counted) < 2:
                name = "var"
            return f"ag.{name}({self.ramp(v)}, axis={axis}{keep})"
        return f"ag.{name}(ag.tanh({v}) + 1.5, axis={axis}{keep})" if name == "prod" else f"ag.{name}({v}, axis={axis}{keep})"

    def movement(self) -> str:
        v = self.pick("fib" if self.r.random() < 0.2 else "f")
        shape = self.pool[v].shape
        d = len(shape)
        order = self.r.sample(range(d), d)
        choices = [f"{v}.T", f"ag.transpose({v}, {tuple(order)})", f"ag.expand_dims({v}, {self.r.randint(-1, d)})",
                   f"ag.reshape({v}, (-1,))", f"ag.squeeze({v})", f"ag.flip({v})", f"ag.roll({v}, {self.r.randint(-3, 3)})",
                   f"ag.reshape({v}, {tuple(self.r.sample(shape, d))})",
                   f"ag.broadcast_to({v}, {(self.r.randint(1, 3), *shape)})",
                   f"ag.tile({v}, {self.r.randint(1, 3)})"]  # fmt: skip
        if d:
            axis = self.r.randrange(d)
            choices += [f"ag.repeat({v}, {self.r.randint(1, 3)}, {axis})", f"ag.swapaxes({v}, 0, {axis})",
                        f"ag.roll({v}, {self.r.randint(-3, 3)}, {axis})", f"ag.flip({v}, {axis})", f"ag.pad({v}, 1)",
                        f"ag.concatenate([{v}, {v} * 0.5, {v}], axis={axis})", f"ag.stack([{v}, -1 * {v}], axis={axis})",
                        f"ag.split({v}, [{max(shape[axis] // 2, 0)}], axis={axis})[{self.r.randint(0, 1)}]"]  # fmt: skip
        return self.r.choice(choices)

    def index(self) -> str:
        v = self.pick("fib" if self.r.random() < 0.1 else "f")
        parts: list[str] = []
        arrays = 0
        for n in self.pool[v].shape[: self.r.randint(0, self.pool[v].ndim)]:
            kind = self.r.choice("isssnAA:")
            if kind == "n":
                parts.append("None")
            if kind == "i" and n:
                parts.append(str(self.r.randrange(-n, n)))
            elif kind == "A" and n and arrays < 2:
                arrays += 1
                parts.append(self.constant(np.array([self.r.randrange(-n, n) for _ in range(3)])))
            elif kind == "s":
                parts.append(self.r.choice(["::2", "1:", ":-1", "::-1", "-2:", "1:3", "::-2"]))
            else:
                parts.append(":")
        if self.r.random() < 0.15:
            parts.insert(0, "...") if not parts else parts.append("...")
        return f"{v}[{', '.join(parts) or '...'}]"

    def computed_index(self) -> str:
        """By numbers that the program computes."""
        v = self.pick()
        t = self.pool[v]
        if not t.ndim or not t.size:
            return f"{v} * 1"
        axis = self.r.randrange(t.ndim)
        order = f"ag.argsort({self.ramp(v)}, axis={axis})"
        if t.ndim == 1 and self.r.random() < 0.5:
            return f"{v}[{order}]"
        return f"ag.take_along_axis({v}, {order}, axis={axis})"

    def product(self) -> str:
        v = self.pick()
        shape = self.pool[v].shape
        if not shape:
            return f"ag.dot({v}, {self.pick()})"
        n, m = shape[-1], self.r.choice([1, 2, 5, 8])
        d = len(shape)
        letters = "abcd"[:d]
        w = self.leaf((n, m))
        choices = [f"{v} @ {w}", f"({v} @ {w}).T", f"ag.tanh({v} @ {w} + {self.leaf((m,))})",
                   f"ag.einsum('...i,ij->...j', {v}, {w})",
                   f"ag.einsum('{letters},{letters}->{letters[:-1]}', {v}, {v})",
                   f"ag.einsum('{letters}->{letters[::-1]}', {v})",
                   f"{v} @ ag.swapaxes({v}, -1, -2)" if d > 1 else f"{v} @ {v}",
                   f"ag.einsum('{letters},{letters[-1]}e->e{letters[:-1]}', {v}, {w})", f"ag.tensordot({v}, {w}, axes=1)",
                   f"ag.matmul(ag.swapaxes({w}, 0, 1), ag.swapaxes({v}, -1, -2))" if d > 1 else f"{v} @ {w}"]  # fmt: skip
        return self.r.choice(choices)

    def choose(self) -> str:
        v = self.pick()
        other = self.r.choice([self.partner(v), "0.5", f"{v} * {v}"])
        return f"ag.where({self.ramp(v)} > {self.r.choice([0.21, -0.4])}, {v}, {other})"

    def softmax(self) -> str:
        """Compounds as layers have them."""
        v = self.pick()
        if not self.pool[v].ndim or not self.pool[v].size:
            return f"{v} * 0.5"
        axis = self.r.randrange(self.pool[v].ndim)
        return self.r.choice([
            f"{v} - ag.logsumexp({v}, axis={axis}, keepdims=True)",
            f"ag.exp({v} - ag.logsumexp({v}, axis={axis}, keepdims=True)) * {v}",
            f"({v} - {v}.mean(axis={axis}, keepdims=True)) / ag.sqrt(ag.var({v}, axis={axis}, keepdims=True) + 0.1)",
            f"{v} / ag.sqrt(ag.sum(ag.square({v}), axis={axis}, keepdims=True) + 1)",
            f"0.5 * {v} * (1 + ag.tanh(0.8 * ({v} + 0.04 * {v} ** 3)))",
        ])  # fmt: skip

    def place(self, v: str, there: ag.Tensor) -> tuple[str, str]:
        """Where to write into a tensor, and what kind of index that is."""
        if not there.ndim:
            return "[...]", "basic"
        n = there.shape[0]
        some = self.constant(np.array([self.r.randrange(-n, n) for _ in range(3)]))
        return self.r.choice([
            *((i, "basic") for i in ("[...]", "[0]", "[-1]", "[1:]", "[::2]", "[..., 0]", "[..., ::-1]")),
            (f"[{some}]", "known"), (f"[np.array({[True] + [False] * (n - 1)})]", "known"),
            (f"[ag.argmax({self.ramp(v)}) % {n}]", "computed"), ("", "mask"),
        ])  # fmt: skip

    def in_place(self) -> list[str]:
        """A tensor that is made, looked at from several sides, and written through them; gradients flow through it all."""
        v = self.pick()
        if not self.pool[v].ndim or not self.pool[v].size:
            return []
        shape, kind = self.pool[v].shape, self.pool[v].dtype.str[1:]
        first = self.name("m")
        made, lines = [first], []

        def run(line: str) -> None:
            exec(line, self.names)
            lines.append(line)

        made_of = ["{} * 1", "{} * 1", "{}.detach() * 1", f"ag.Tensor(np.full({shape}, 0.5, {kind!r}))"]
        run(f"{first} = {self.r.choice(made_of).format(v)}")
        for _ in range(self.r.randint(2, 6)):
            u = self.r.choice(made)
            there = self.names[u]
            if self.r.random() < 0.45:
                name = self.name("m")
                views = [".T", ".reshape(-1)", f".reshape({there.shape[::-1]})", ".detach()", "[...]", "[None]", ".squeeze()"]
                if there.ndim:
                    views += ["[0]", "[-1]", "[1:]", "[::2]", "[::-1]", "[..., 0]", "[..., 1:]", ".flip(-1)"]
                try:
                    run(f"{name} = {u}{self.r.choice(views)}")
                except ag.errors.AutogradError:
                    continue
                if self.names[name].size:
                    made.append(name)
                continue
            index, array = self.place(v, there)
            if array == "mask":
                run(f"{u}[{u} > 0.1131] = 0.25")
            elif self.r.random() < 0.3 and array != "computed":
                run(f"{u}{index} {self.r.choice(['*= 0.5', '+= 0.25', '-= 0.125'])}")
            else:
                target = np.shape(eval(f"np.zeros({there.shape}){index}", self.names) if array != "computed" else there.data[0])
                fits = 0 < np.prod(target, dtype=int) < 99
                run(f"{u}{index} = {self.r.choice(['0.25', '0.5', self.fitted(target) if fits else '0.75'])}")
        results = [self.name("v") for _ in range(min(len(made), 2))]
        for name, u in zip(results, self.r.sample(made, len(results)), strict=True):
            run(f"{name} = {u} * 1")
            self.pool[name] = self.names[name]
        return lines

    def buffer(self) -> list[str]:
        """Writes into a tensor that the step finds outside, or has made, or was given."""
        v = self.pick()
        shape, kind = self.pool[v].shape, self.pool[v].dtype.str[1:]
        name = self.name("b")
        lines = []
        given = [n for n, k, s in self.program.arguments if k[0] == "f"]
        if given and self.r.random() < 0.2:
            argument = self.r.choice(given)
            shape = self.pool[argument].shape
            v, name = argument, f"{name} = {argument}"
            lines, name = [name], name.split()[0]
        elif self.r.random() < 0.6:
            self.program.before.append(f"{name} = leaf({shape}, {kind!r}, False)")
            exec(self.program.before[-1], self.names)
            self.program.state.append(name)
        else:
            lines = [
                f"{name} = {self.r.choice(['ag.tanh({})', '{} * 0.5', 'ag.exp(-{} * {})']).replace('{}', f'{v}.detach()')}"
            ]
        value = f"0.5 * {v}.detach()"
        writes = [
            f"{name}.copy_({value} + 0.3 * {name})",
            f"{name}[...] = {value}",
            f"u{name} = {name}; u{name} += {value} - {name}",
        ]
        if shape and shape[0]:
            writes += [f"{name}[1:] = {value}[1:]", f"{name}[-1] = {value}[0] * 0.5", f"{name}[::2] = 0.25",
                       f"{name}[{self.constant(np.array([self.r.randrange(shape[0])]))}] = {value}[:1] + {name}[-1:]",
                       f"{name}[{value} > 0.11] = 0.75"]  # fmt: skip
        return [*lines, "with ag.no_grad():", *(f"    {w}" for w in self.r.sample(writes, self.r.choice([1, 1, 2])))]

    # ---- the whole

    def line(self) -> None:
        make = self.r.choices(
            [self.unary, self.binary, self.table, self.composed, self.reduction, self.movement, self.index, self.computed_index,
             self.product, self.choose, self.softmax],
            [4, 5, 5, 3, 4, 4, 3, 1, 3, 1.5, 2],
        )[0]  # fmt: skip
        kept = (len(self.program.before), len(self.program.arguments), len(self.program.state), set(self.pool))
        name = self.name("v")
        try:
            expression = make()
            value = eval(expression, self.names)
            if not isinstance(value, ag.Tensor) or value.size > 400:
                raise ValueError("too large")
            if value.dtype.kind == "f" and value.size:
                top = np.abs(value.data).max()
                if not np.isfinite(top):
                    raise ValueError("not finite")
                if top > 8:
                    expression, value = f"8 * ag.tanh(0.1 * ({expression}))", 8 * ag.tanh(0.1 * value)
            if value.dtype.kind == "c" or value.dtype.itemsize == 2:
                raise ValueError("another dtype")
        except Exception:
            del self.program.before[kept[0] :], self.program.arguments[kept[1] :], self.program.state[kept[2] :]
            self.pool = {k: v for k, v in self.pool.items() if k in kept[3]}
            return
        self.program.body.append(f"{name} = {expression}")
        self.names[name] = self.pool[name] = value

    def run(self) -> Program:
        r, p = self.r, self.program
        for _ in range(r.randint(1, 3)):
            self.leaf()
        with np.errstate(all="ignore"):
            for _ in range(r.randint(3, 16)):
                if r.random() < 0.08:
                    p.body += self.in_place()
                else:
                    self.line()
        self.finish(r, p)
        return p

    def finish(self, r: random.Random, p: Program) -> None:
        made = [k for k in self.pool if k[0] == "v"]
        p.results = r.sample(made, min(len(made), r.randint(1, 4)))
        early = self.buffer() if r.random() < 0.2 and made else []
        terms = [k for k in made if self.pool[k].requires_grad and self.pool[k].dtype.kind == "f"]
        leaves = [k for k in self.pool if k[0] == "w"]
        if r.random() < 0.8 and terms:
            zeroed = r.random()
            train = r.random() < 0.4
            if train:
                p.before.append("optimizer = " + r.choice(OPTIMIZERS).format(f"[{', '.join(leaves)}]"))
                if zeroed < 0.7:
                    p.body.append("optimizer.zero_grad()")
            elif zeroed < 0.4:
                p.body.append(f"{r.choice(leaves)}.grad = None")
            chosen = r.sample(terms, min(len(terms), r.randint(1, 3)))
            if r.random() < 0.2:
                for k in chosen:
                    seed = self.constant(
                        np.round(np.random.default_rng(1).uniform(-1, 1, self.pool[k].shape), 3).astype(self.pool[k].dtype)
                    )
                    p.body.append(f"{k}.backward(ag.Tensor({seed}), retain_graph=True)")
            else:
                p.body.append(
                    "loss = " + " + ".join(f"ag.mean(ag.square({k}))" if self.pool[k].size else f"ag.sum({k})" for k in chosen)
                )
                if r.random() < 0.12:
                    w = r.choice(leaves)
                    p.body += [f"(g,) = ag.tape.gradients([loss], [{w}], create_graph=True)",
                               "loss = loss + 0.1 * ag.sum(ag.square(g)) if g is not None else loss"]  # fmt: skip
                p.body.append("loss.backward()")
                p.results.append("loss")
            if train:
                if r.random() < 0.2:
                    p.body.append(f"optim.clip_grad_norm_([{', '.join(leaves)}], 0.5)")
                p.body.append("optimizer.step()")
            elif r.random() < 0.3:
                w = r.choice(leaves)
                p.body += ["with ag.no_grad():", f"    {w}.copy_({w} - 0.05 * {w}.grad if {w}.grad is not None else 0.9 * {w})"]
        if r.random() < 0.35 and made:
            p.body += self.buffer()
        p.body += early
        if any(line.lstrip().startswith("b") for line in p.body):
            names = {line.split()[0].split(".")[0].split("[")[0] for line in p.body if line.lstrip().startswith("b")}
            p.results += [f"{n} * 1" for n in sorted(names)]


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return len(np.broadcast_shapes(a, b)) < 4
    except ValueError:
        return False


# ---- running them


@dataclass
class Outcome:
    """What a program has left: after every call the results and all the state, by name."""

    values: list[tuple[str, Any]]
    calls: Any = None

    def bits(self) -> str:
        digest = hashlib.sha256()
        for name, v in self.values:
            digest.update(f"{name} {None if v is None else (v.dtype.str, v.shape)}".encode())
            digest.update(b"" if v is None else np.ascontiguousarray(v).tobytes())
        return digest.hexdigest()


class Mismatch(Exception):
    """Compiled is not as eager."""


def execute(program: Program, compiled: bool, shake: int = 0) -> Outcome:
    values = Values(program.seed, shake)
    names = scope(values)
    exec(compile(program.source(), f"<program {program.seed}>", "exec"), names)
    step, state, optimizer = names["build"]()
    call = ag.jit(step) if compiled else step
    found: list[tuple[str, Any]] = []
    held: list[tuple[Any, Any]] = []
    for k in range(CALLS):
        arguments = [ag.Tensor(values.draw(kind, shape)) for _, kind, shape in program.arguments]
        with np.errstate(all="ignore"):
            answers = call(*arguments)
        now = [(f"result {n}", t.data) for n, t in zip(program.results, answers, strict=True)]
        now += [(name, t.data) for (name, _, _), t in zip(program.arguments, arguments, strict=True)]
        for n, t in zip(program.state, state, strict=True):
            now += [(n, t.data), (f"{n}.grad", None if t.grad is None else t.grad.data)]
        if optimizer is not None:
            for j, slots in enumerate(optimizer.state.values()):
                now += [
                    (f"optimizer {j} {s}", np.asarray(t.value if isinstance(t, ag.State) else t.data)) for s, t in slots.items()
                ]
        found += [(f"call {k}: {n}", v if v is None else v.copy()) for n, v in now]
        held += [(t, t.data.copy()) for t in answers]
    if compiled and any(t.data.tobytes() != old.tobytes() for t, old in held):
        raise Mismatch("a later call has written into a result of an earlier one")
    return Outcome(found, call)


def compare(got: Outcome, want: Outcome, shaken: list[Outcome]) -> None:
    """Raise Mismatch unless equal, to what rounding can do to this program."""
    for k, ((name, a), (_, b)) in enumerate(zip(got.values, want.values, strict=True)):
        if a is None or b is None:
            if (a is None) != (b is None):
                raise Mismatch(
                    f"{name} is {'None' if a is None else 'there'} compiled, {'None' if b is None else 'there'} eager"
                )
            continue
        if a.dtype != b.dtype or a.shape != b.shape:
            raise Mismatch(f"{name}: {a.dtype}{list(a.shape)} compiled, {b.dtype}{list(b.shape)} eager")
        others = [s.values[k][1] for s in shaken]
        if a.dtype.kind != "f":
            if not np.array_equal(a, b) and all(np.array_equal(b, o) for o in others):
                raise Mismatch(f"{name}: {a.tolist()!r:.80} compiled, {b.tolist()!r:.80} eager")
            continue
        sure = np.isfinite(b) & np.all([np.isfinite(o) for o in others], axis=0)
        if not np.array_equal(np.isfinite(a) | ~sure, np.ones(a.shape, bool)):
            raise Mismatch(f"{name}: not finite compiled where eager is")
        if sure.any():
            x, y = a[sure].astype(float), b[sure].astype(float)
            scale = 1 + np.abs(y).max()
            wide = min(
                4 if dt.itemsize == 4 else 8
                for dt in (v.dtype for _, v in want.values if v is not None and v.dtype.kind == "f")
            )
            spread = max(np.abs(o[sure].astype(float) - y).max() for o in others)
            off = np.abs(x - y).max()
            if off > ATOL[wide] * scale + 100 * spread:
                raise Mismatch(f"{name}: off by {off:.3g}, where rounding is {spread:.3g}")


def check(program: Program) -> Outcome:
    """Run eagerly and compiled; raises Mismatch, or the error of the compiled run."""
    want = execute(program, compiled=False)
    shaken = [execute(program, compiled=False, shake=s) for s in (1, 2, 3)]
    got = execute(program, compiled=True)
    compare(got, want, shaken)
    return got


def reason(error: UnsupportedError) -> str:
    return str(error).split(".")[0].split(" (")[0]


def verdict(program: Program) -> tuple[str, Any]:
    """("same", outcome), ("refused", why), ("void", why: not even eager runs) or ("different", error)."""
    try:
        execute(program, compiled=False)
    except Exception as error:
        return "void", f"{type(error).__name__}: {str(error)[:100]}"
    try:
        return "same", check(program)
    except UnsupportedError as error:
        return "refused", reason(error)
    except Exception as error:
        return "different", error


def shortened(program: Program) -> Program:
    """The failing program without the lines that it also fails without."""
    kind = type(verdict(program)[1])

    def fails(p: Program) -> bool:
        what, error = verdict(p)
        return what == "different" and type(error) is kind

    for _ in range(2):
        for where in ("results", "body", "before", "state", "arguments"):
            for k in reversed(range(len(getattr(program, where)))):
                items = getattr(program, where)
                if where == "results" and len(items) == 1 or k >= len(items):
                    continue
                smaller = replace(program, **{where: [*items[:k], *items[k + 1 :]]})
                if fails(smaller):
                    program = smaller
    return program


# ---- the command


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None, help="the first seed; fresh by default")
    parser.add_argument("--reload", action="store_true", help="compare the bits with those of a second process")
    parser.add_argument("--bits", action="store_true", help="print the hash of what each program leaves, as JSON")
    parser.add_argument("--show", action="store_true", help="print each program")
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of the lines that are dropped
    first = random.SystemRandom().randrange(10**9) if given.seed is None else given.seed
    if given.reload:
        return reload(first, given.count)
    counts: collections.Counter[str] = collections.Counter()
    reasons: collections.Counter[str] = collections.Counter()
    covered: collections.Counter[str] = collections.Counter()
    bits: dict[int, str] = {}
    for seed in range(first, first + given.count):
        generator = Generator(seed)
        program = generator.run()
        if given.show:
            print(program.source(), "\n")
        what, found = verdict(program)
        counts[what] += 1
        covered.update(generator.covered)
        if what == "same":
            bits[seed] = found.bits()
        elif what != "different":
            reasons[f"{what}: {found}"] += 1
        elif not given.bits:
            trace = "".join(traceback.format_exception(found)[-6:]) if not isinstance(found, Mismatch) else str(found)
            print(f"seed {seed}: {trace}\n{shortened(program).source()}\n", flush=True)
    if given.bits:
        from autograd.compiler import cache

        print(json.dumps({"bits": bits, **cache.events}))
        return 0
    print(f"seeds {first} to {first + given.count - 1}: " + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
    for why, n in reasons.most_common():
        print(f"{n:5}  {why}")
    missing = sorted({*UNARY, *BINARY, *OTHER} - set(covered))
    print(f"{len(covered)} functions drawn" + (f"; not drawn: {', '.join(missing)}" if missing else ""))
    return 1 if counts["different"] else 0


def reload(first: int, count: int) -> int:
    """The same seeds in two processes that share an empty cache."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            command = [sys.executable, __file__, "--bits", "--count", str(count), "--seed", str(first)]
            place = {"WENGERT_CACHE_DIR": folder, "PYTHONPATH": str(Path(__file__).parents[1])}
            done = subprocess.run(command, env={**os.environ, **place}, capture_output=True, text=True, check=False)
            if done.returncode:
                print(done.stderr)
                return 1
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    cold, warm = runs
    differ = [seed for seed, digest in cold["bits"].items() if warm["bits"].get(seed) != digest]
    print(f"{len(cold['bits'])} programs; the second process: {warm['hits']} loaded, {warm['misses']} compiled; "
          f"different bits: {differ or 'none'}")  # fmt: skip
    return 1 if differ or warm["misses"] else 0


if __name__ == "__main__":
    sys.exit(main())
