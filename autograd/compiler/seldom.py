"""Calls of the C library that are seldom made, from loops that are vectors.

A kernel that is right for all but a few arguments (angles beyond 2⁴⁹) leaves these to the C library. LLVM makes no vectors
of a loop with a branch around a call. So the branch is hidden in a function with versions for 2, 4, 8 and 16 elements,
of which the loop vectoriser is told; a version looks once whether any of its elements is to be left, and is inlined when
the vectors are made.
"""

from __future__ import annotations

from typing import Any

__all__ = ["beyond", "inline_versions"]

LANES = (2, 4, 8, 16)


def beyond(module: Any, name: str, kind: Any, limit: float) -> Any:
    """The function (x, y) → y, but the library's `name`(x) where |x| ≥ `limit`; `kind` is the LLVM type of x and y."""
    from llvmlite import ir

    title = f"beyond_{name}_{kind.intrinsic_name}"
    if title in module.globals:
        return module.globals[title]
    double = ir.DoubleType()
    library = module.globals.get(name) or ir.Function(module, ir.FunctionType(double, [double]), name)
    one = ir.Function(module, ir.FunctionType(kind, [kind, kind]), title)
    one.attributes.add("noinline")
    one.attributes.add("nounwind")
    one.attributes.add("readnone")
    x, y = one.args
    b = ir.IRBuilder(one.append_basic_block())
    absolute = module.declare_intrinsic("llvm.fabs", [kind])
    with b.if_then(b.fcmp_ordered(">=", b.call(absolute, [x]), ir.Constant(kind, limit)), likely=False):
        wide = b.call(library, [x if kind == double else b.fpext(x, double)])
        b.ret(wide if kind == double else b.fptrunc(wide, kind))
    b.ret(y)
    for lanes in LANES:
        _version(module, one, kind, lanes, limit)
    versions = ",".join(f"_ZGV_LLVM_N{lanes}vv_{title}({title}_{lanes})" for lanes in LANES)
    set.add(one.attributes, f'"vector-function-abi-variant"="{versions}"')  # llvmlite's own add knows no such attribute
    return one


def inline_versions(module: Any, builder: Any) -> None:
    """Put the versions that the vectoriser chose in their places, and drop the others."""
    import llvmlite.binding as llvm

    versions = [f for f in module.functions if f.name.startswith("beyond_")]
    if versions:
        for f in versions:
            f.linkage = "internal"
        passes = llvm.create_new_module_pass_manager()
        passes.add_always_inliner_pass()
        passes.add_global_dead_code_eliminate_pass()
        passes.run(module, builder)


def _version(module: Any, one: Any, kind: Any, lanes: int, limit: float) -> None:
    """The function for some elements at a time, and the rest of it, which is made for the few and keeps all registers."""
    from llvmlite import ir

    vector, word = ir.VectorType(kind, lanes), ir.IntType(32)
    shape = ir.FunctionType(vector, [vector, vector])
    rest = ir.Function(module, shape, f"{one.name}_{lanes}_rest")
    for attribute in ("noinline", "nounwind", "cold"):
        rest.attributes.add(attribute)
    rest.calling_convention = "preserve_allcc"
    b, (x, y) = ir.IRBuilder(rest.append_basic_block()), rest.args
    for k in range(lanes):
        y = b.insert_element(y, b.call(one, [b.extract_element(x, word(k)), b.extract_element(y, word(k))]), word(k))
    b.ret(y)
    many = ir.Function(module, shape, f"{one.name}_{lanes}")
    many.attributes.add("alwaysinline")
    b, (x, y) = ir.IRBuilder(many.append_basic_block()), many.args
    name = f"llvm.fabs.v{lanes}{kind.intrinsic_name}"
    absolute = module.globals.get(name) or ir.Function(module, ir.FunctionType(vector, [vector]), name)
    far = b.fcmp_ordered(">=", b.call(absolute, [x]), ir.Constant(vector, [ir.Constant(kind, limit)] * lanes))
    any_far = b.icmp_unsigned("!=", b.bitcast(far, ir.IntType(lanes)), ir.IntType(lanes)(0))
    with b.if_then(any_far, likely=False):
        b.ret(b.call(rest, [x, y], cconv="preserve_allcc"))
    b.ret(y)
