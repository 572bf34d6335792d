"""What a recording took for granted about the Python around it, as one flat expression.

`survey` starts at the function and follows what its code can reach: the names that the code mentions are looked up where
the function finds them, in its closure, its module, its defaults; of the objects found there, the attributes that any of
the user's code mentions, through methods, properties and containers; of modules, optimizers and other objects of the
library, everything, because its code is not looked at. Numbers, strings, booleans and None compare by value, everything else
by identity, lists and dictionaries by their items. `flat` makes one function of all conditions, `changed` names those
that fail.
"""

from __future__ import annotations

import functools
import sys
from array import array
from collections.abc import Callable, Iterator
from operator import is_
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy

from autograd.compiler.address import memory
from autograd.compiler.words import place_of_cell, place_of_slot, place_of_version, same_words, word_of_field
from autograd.errors import is_internal
from autograd.tensor import Tensor
from autograd.value import Value

__all__ = ["Condition", "Survey", "changed", "flat", "frozen", "slot"]

PLAIN = (bool, int, float, complex, str, bytes, type(None))
FEW = 4  # words below which they are not worth a call
MANY = 32  # items of a container up to which each has a term of its own
LARGE = 1 << 20  # bytes of an array up to which its contents are compared, where they went into the program


class Condition(NamedTuple):
    """A term: Python text whose {0}, {1} … stand for the values; and what it is about, in words.

    If it is about nothing but what one dictionary holds, that is named too; or the place in memory, where there is one, and
    the word that it holds: the address of a value that the condition keeps.
    """

    text: str
    values: tuple[Any, ...]
    label: str
    home: dict[Any, Any] | None = None
    word: tuple[int | None, int] | None = None


def same(old: Any, new: Any) -> bool:
    """Whether a value is what it was: plain ones by value (and NaN is NaN), others by identity."""
    if old is new:
        return True
    return type(old) is type(new) and isinstance(old, PLAIN) and (old == new or old != old and new != new)


def same_items(old: list[Any], new: Any) -> bool:
    """The same for every item, in order."""
    return len(old) == len(new) and (all(map(is_, old, new)) or all(map(same, old, new)))


def same_table(old: dict[Any, Any], new: dict[Any, Any]) -> bool:
    """The same for every key and value of a dictionary."""
    return old.keys() == new.keys() and all(same(value, new[key]) for key, value in old.items())


def same_contents(old: Any, new: Any) -> bool:
    """Whether an array holds the bits that it held."""
    if old.nbytes <= 4096:
        return bool(old.tobytes() == new.tobytes())
    return old.shape == new.shape and bool(numpy.array_equal(old, new, equal_nan=old.dtype.kind in "fc"))


TOOLS: dict[str, Any] = {"same": same, "same_items": same_items, "same_table": same_table, "same_contents": same_contents}


def equal(place: str, value: Any, *scope: Any, label: str, home: dict[Any, Any] | None = None) -> Condition:
    """The condition that what `place` gives is still this value."""
    mine = f"{{{len(scope)}}}"
    if isinstance(value, PLAIN) and value is not None and not isinstance(value, bool):
        return Condition(f"({place} is {mine} or same({mine}, {place}))", (*scope, value), label, home)
    return Condition(f"{place} is {mine}", (*scope, value), label, home)


def slot(t: Tensor, name: str, value: Any, label: str) -> Condition:
    """The condition that a slot of a Tensor holds this object."""
    return Condition(f"{{0}}.{name} is {{1}}", (t, value), label, None, (place_of_slot(t, name), id(value)))


def frozen(a: Any, label: str) -> Condition:
    """The condition that an array whose contents went into the program still holds them."""
    return Condition("same_contents({0}, {1})", (a.copy(), a), label)


def flat(conditions: list[Condition]) -> Callable[[], bool]:
    """One function that tells whether all conditions hold.

    Those that stand for a word in memory are compared at once, and those about one dictionary count as one word, its version.
    Where a word is not what it was, everything is looked at: a dictionary may have been written and be the same.
    """
    slow, compare = _asked(conditions), same_words()
    versions = {id(c.home): place_of_version(c.home) for c in conditions if c.home is not None}
    words = [(place, value) for place, value in (c.word or (None, 0) for c in conditions) if place is not None]
    places = [p for p in versions.values() if p is not None]
    if compare is None or len(words) + len(places) < FEW:
        return slow
    rest = [c for c in conditions if (c.word is None or c.word[0] is None) and (c.home is None or versions[id(c.home)] is None)]
    n = len(words) + len(places)
    table = array("q", [n, *(w[0] for w in words), *places, *(w[1] for w in words), *([0] * len(places))])
    address, first = table.buffer_info()[0], 1 + n + len(words)

    def again(_: Any) -> bool:
        found = [memory[p >> 3] for p in places]
        if not slow():
            return False
        table[first:] = array("q", found)
        return True

    kept = (conditions,)  # so that what the places point to stays
    return _asked([Condition(f"({{0}}({address}) == 1 or {{1}}({{2}}))", (compare, again, kept), "words"), *rest])


def _asked(conditions: list[Condition]) -> Callable[[], bool]:
    """The same, all of them by their text."""
    names: dict[int, str] = {}
    bound: list[Any] = []

    def name_of(v: Any) -> str:
        if id(v) not in names:
            names[id(v)] = f"v{len(bound)}"
            bound.append(v)
        return names[id(v)]

    test = " and ".join(c.text.format(*map(name_of, c.values)) for c in conditions) or "True"
    source = (
        f"def make({', '.join(names.values())}):\n    def hold():\n        try:\n            return {test}\n"
        f"        except (AttributeError, KeyError, IndexError, ValueError):\n            return False\n    return hold\n"
    )
    scope = dict(TOOLS)
    exec(compile(source, "<wengert guards>", "exec"), scope)
    return scope["make"](*bound)  # type: ignore[no-any-return]


def changed(conditions: list[Condition]) -> list[str]:
    """In words, what does not hold any more."""
    return list(dict.fromkeys(c.label for c in conditions if not flat([c])()))


class Survey:
    """Everything that a function reaches, as conditions; the arrays and Values among it."""

    def __init__(self, function: Any):
        self.conditions: list[Condition] = []
        self.arrays: dict[int, tuple[Any, str]] = {}
        self.values: list[Value] = []  # whose numbers are inputs, not conditions
        self._seen: set[int] = set()
        self._keep: list[Any] = []  # so that an id stays its own
        self._names: set[str] = set()
        self._objects: list[tuple[Any, str, set[str]]] = []  # thing, label, the names looked at
        self._waiting: list[tuple[Any, str]] = []
        self._value(function, getattr(function, "__name__", "the function"))
        self._work()

    def _work(self) -> None:
        """Look at what was found, until nothing new turns up."""
        while True:
            while self._waiting:
                self._visit(*self._waiting.pop())
            for thing, label, done in self._objects:
                for name in sorted(self._names - done):
                    self._attribute(thing, name, label)
                done |= self._names
            if not self._waiting:
                return

    def _value(self, value: Any, label: str) -> None:
        if not isinstance(value, (*PLAIN, type)) and id(value) not in self._seen:
            self._seen.add(id(value))
            self._keep.append(value)
            self._waiting.append((value, label))

    def _visit(self, value: Any, label: str) -> None:
        if isinstance(value, numpy.ndarray):
            self.arrays[id(value)] = (value, label)
        elif isinstance(value, Value):
            self.values.append(value)
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, MethodType):
            self._value(value.__func__, label)
            self._value(value.__self__, type(value.__self__).__name__)
        elif isinstance(value, functools.partial):
            self._items(value.args, label, fixed=True)
            for each in (value.func, value.keywords):
                self._value(each, label)
        elif isinstance(value, tuple | list):
            self._items(value, label, fixed=isinstance(value, tuple))
        elif isinstance(value, dict):
            self._dictionary(value, label)
        elif isinstance(value, set | frozenset):
            self.conditions.append(Condition("{0} == {1}", (value, frozenset(value)), label))
        elif isinstance(value, ModuleType):
            if value.__name__.partition(".")[0] not in sys.stdlib_module_names and not _library(
                getattr(value, "__file__", None) or ""
            ):
                self._objects.append((value, f"module {value.__name__}", set()))
        elif hasattr(value, "function") and hasattr(value, "_variants"):  # another jitted function
            self._value(value.function, label)
        else:
            self._object(value, label)

    def _function(self, function: FunctionType) -> None:
        if is_internal(function.__code__.co_filename):
            wrapped = getattr(function, "__wrapped__", None)
            for cell in function.__closure__ or () if wrapped is not None else ():
                self._value(cell.cell_contents, function.__name__)
            return
        names = set(mentioned(function.__code__))
        self._names |= names
        scope, title = function.__globals__, function.__name__
        for field, what in (("__code__", "the code"), ("__defaults__", "a default argument")):
            values, word = (function, getattr(function, field)), word_of_field(function, field)
            self.conditions.append(Condition(f"{{0}}.{field} is {{1}}", values, f"{what} of {title}", None, word))
        for name in sorted(names & scope.keys()):
            label = f"the global {name!r}"
            self.conditions.append(equal(f"{{0}}[{name!r}]", scope[name], scope, label=label))
            self._value(scope[name], label)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            label = f"the closure variable {name!r}"
            condition = equal("{0}.cell_contents", value, cell, label=label)
            if not isinstance(value, PLAIN):
                condition = condition._replace(word=(place_of_cell(cell), id(value)))
            self.conditions.append(condition)
            self._value(value, label)
        for value in (*(function.__defaults__ or ()), function.__kwdefaults__, getattr(function, "__wrapped__", None)):
            self._value(value, f"a default argument of {title}")

    def _items(self, items: Any, label: str, fixed: bool) -> None:
        if not fixed:
            terms = [f"len({{0}}) == {len(items)}"]
            if len(items) <= MANY:
                for k, value in enumerate(items):
                    mine, place = f"{{{k + 1}}}", f"{{0}}[{k}]"
                    plain = isinstance(value, PLAIN) and value is not None
                    terms.append(f"({place} is {mine} or same({mine}, {place}))" if plain else f"{place} is {mine}")
                self.conditions.append(Condition(" and ".join(terms), (items, *items), f"an item of {label}"))
            else:
                self.conditions.append(Condition("same_items({1}, {0})", (items, list(items)), f"an item of {label}"))
        for value in items:
            self._value(value, f"an item of {label}")

    def _dictionary(self, items: dict[Any, Any], label: str) -> None:
        if len(items) > MANY:
            self.conditions.append(Condition("same_table({1}, {0})", (items, dict(items)), f"an item of {label}", items))
            for value in items.values():
                self._value(value, f"an item of {label}")
            return
        self.conditions.append(Condition(f"len({{0}}) == {len(items)}", (items,), f"the length of {label}", items))
        for key, value in items.items():
            named = f"item {key!r:.40} of {label}" if isinstance(key, PLAIN) else f"an item of {label}"
            place = f"{{0}}[{key!r}]" if type(key) in (str, int) and "{" not in repr(key) else "{0}[{1}]"
            scope = (items,) if place != "{0}[{1}]" else (items, key)
            self.conditions.append(equal(place, value, *scope, label=named, home=items))
            self._value(value, named)

    def _object(self, thing: Any, label: str) -> None:
        if isinstance(thing, Tensor) or type(thing).__module__.startswith(("numpy", "builtins", "autograd.")):
            return
        own: dict[str, Any] = getattr(thing, "__dict__", {})
        internal = _library_type(type(thing))
        if internal or hasattr(thing, "param_groups"):
            count = len(own.keys() - {"training"})  # which train() and eval() may add without changing anything
            text = f"len({{0}}) - ('training' in {{0}}) == {count}"
            self.conditions.append(Condition(text, (own,), f"the attributes of {label}", own))
            for name in sorted((own.keys() | {"training"}) - AT_THE_START):
                self._attribute(thing, name, label, own)
        elif hasattr(thing, "training"):  # a module: its mode, its hooks, and what it consists of
            kept = {n for n, v in own.items() if isinstance(v, Tensor) or hasattr(v, "training")}
            for name in sorted(kept | {"training", "_before", "_after", "_buffers"}):
                self._attribute(thing, name, label)
        if not internal:
            self._objects.append((thing, label, set()))
            for method in (getattr(type(thing), name, None) for name in ("forward", "__call__")):
                if isinstance(method, FunctionType):
                    self._value(method, label)

    def _attribute(self, thing: Any, name: str, label: str, home: dict[str, Any] | None = None) -> None:
        """The condition for one attribute: of the object itself, or found on its class."""
        own = getattr(thing, "__dict__", {})
        if name in own:
            value = own[name]
        else:
            value = _of_class(type(thing), name)
            if isinstance(value, property):
                self._value(value.fget, label)
                return
            if isinstance(value, staticmethod | classmethod):
                value = value.__func__
            if isinstance(value, FunctionType):
                self._value(value, label)
                return
            if hasattr(type(value), "__get__"):  # a slot, or another descriptor
                if not hasattr(type(value), "__objclass__") and type(value).__name__ != "member_descriptor":
                    return
                value = getattr(thing, name, MISSING)
            if value is MISSING:
                return
        if not name.isidentifier() or isinstance(thing, ModuleType) and isinstance(value, ModuleType):
            place = f"getattr({{0}}, {name!r})"
        else:
            place = f"{{0}}.{name}"
        if home is None and name in own and not isinstance(thing, ModuleType) and type(own) is dict:
            home = own
        self.conditions.append(equal(place, value, thing, label=f"attribute {name!r} of {label}", home=home))
        self._value(value, f"attribute {name!r} of {label}")


MISSING = object()
AT_THE_START = {"defaults", "kinds"}  # of an optimizer, for making groups: a step reads its groups


def _of_class(kind: type, name: str) -> Any:
    for base in kind.__mro__[:-1]:
        if name in vars(base):
            return vars(base)[name]
    return MISSING


@functools.cache
def _library(filename: str) -> bool:
    """Whether the file of a module is installed, or our own: its functions and constants stay."""
    return is_internal(filename) or "site-packages" in filename


def _library_type(kind: type) -> bool:
    """Whether all methods of a class are the library's own, so that no user code tells which attributes matter."""
    method = next((m for base in kind.__mro__[:-1] for m in vars(base).values() if isinstance(m, FunctionType)), None)
    return method is not None and is_internal(method.__code__.co_filename)


def mentioned(code: CodeType) -> Iterator[str]:
    """Every name that a code object uses, those of the functions inside it too."""
    yield from code.co_names
    yield from code.co_freevars
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from mentioned(constant)
