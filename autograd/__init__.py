"""Reverse-mode automatic differentiation for NumPy: define by run, look at it, compile it.

>>> import autograd as ag
>>> x = ag.Tensor([1.0, 2.0], requires_grad=True)
>>> y = (x * x).sum()
>>> y.backward()
>>> x.grad
Tensor([2., 4.])
"""

from autograd import apply, errors, ops, tape
from autograd.modes import anomaly_mode, enable_grad, is_grad_enabled, no_grad
from autograd.tensor import Tensor, from_numpy, get_default_dtype, set_default_dtype

globals().update({k: v for k, v in apply.namespace().__dict__.items() if getattr(v, "__module__", "") .startswith("autograd.ops")})
