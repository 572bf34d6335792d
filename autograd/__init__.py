"""Reverse-mode automatic differentiation for NumPy: define by run, look at it, compile it.

>>> import autograd as ag
>>> x = ag.Tensor([1.0, 2.0], requires_grad=True)
>>> y = (x * x).sum()
>>> y.backward()
>>> x.grad
Tensor([2., 4.])

Every op is a function here too (``ag.exp``, ``ag.matmul``, …), a method (``x.exp()``) and NumPy's own (``np.exp(x)``).
"""

from typing import Any

from autograd import apply as _apply
from autograd import errors, ops, tape
from autograd.accelerate import CompiledPass, accelerated, can_compile
from autograd.batching import vmap
from autograd.check import check_grads
from autograd.kernels.threads import get_num_threads, set_num_threads
from autograd.memory import keep_freed_memory as _keep_freed_memory
from autograd.modes import anomaly_mode, enable_grad, is_grad_enabled, is_recording, no_grad, require
from autograd.random import Generator, default_generator, manual_seed
from autograd.state import State, overwrite
from autograd.tensor import Tensor, from_numpy, get_default_dtype, set_default_dtype
from autograd.transforms import (
    elementwise_grad,
    grad,
    grad_and_aux,
    hessian,
    hessian_vector_product,
    jacobian,
    jvp,
    make_hvp,
    make_jvp,
    make_vjp,
    value_and_grad,
    vjp,
)
from autograd.value import Value

_keep_freed_memory()
_functions = _apply.public()
globals().update(_functions)

__all__ = [
    "CompiledPass", "Generator", "State", "Tensor", "Value", "accelerated", "anomaly_mode", "can_compile",
    "check_grads", "default_generator", "elementwise_grad", "enable_grad", "errors", "from_numpy", "get_default_dtype",
    "get_num_threads", "grad", "grad_and_aux", "hessian", "hessian_vector_product", "is_grad_enabled", "is_recording",
    "jacobian", "jit", "jvp", "make_hvp", "make_jvp", "make_vjp", "manual_seed", "no_grad", "ops", "overwrite", "require",
    "set_default_dtype", "set_num_threads", "tape", "value_and_grad", "vjp", "vmap", *_functions,
]  # fmt: skip


def __getattr__(name: str) -> Any:  # what is loaded when it is first used
    if name == "viz":
        import importlib

        return importlib.import_module("autograd.viz")
    if name == "jit":
        from autograd.compiler.jit import jit

        globals()["jit"] = jit
        return jit
    raise AttributeError(f"module 'autograd' has no attribute {name!r}")
