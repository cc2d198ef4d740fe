"""Softmax, log-softmax and softmin along one axis."""

from __future__ import annotations

from typing import Any

from ..autograd import T, apply
from ..dtypes import dtype as as_dtype
from ..op import Op
from ..shapes import Spec, normalize_axis
from .elementwise import cast, neg
from .rules import check_floating, operand


def softmax(input: T, dim: int | None = None, _stacklevel: Any = 3, dtype: Any = None) -> T:
    """exp(input) / sum(exp(input)) along `dim`, relative to the maximum, so nothing overflows.

    dim None is torch's rule: 0 for tensors of 0, 1 and 3 axes, else 1. `dtype`: convert input first. `_stacklevel`
    changes nothing, but a dtype in its place counts: torch.softmax has it there. Raises DTypeError for
    integers, IndexOutOfRangeError for an axis input has not.
    """
    return _along("softmax", SOFTMAX, input, dim, _stacklevel, dtype)


def log_softmax(input: T, dim: int | None = None, _stacklevel: Any = 3, dtype: Any = None) -> T:
    """log(softmax(input)) along `dim`, accurate where softmax is close to 0; arguments as softmax."""
    return _along("log_softmax", LOG_SOFTMAX, input, dim, _stacklevel, dtype)


def softmin(input: T, dim: int | None = None, _stacklevel: Any = 3, dtype: Any = None) -> T:
    """softmax(-input) along `dim`; arguments as softmax."""
    return _along("softmin", SOFTMAX, input, dim, _stacklevel, dtype)


def _along(name: str, op: Op, x: Any, dim: int | None, third: Any, dtype: Any) -> Any:
    operand(name, x)
    if dtype is None and not isinstance(third, int):
        dtype = third
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
    axis = normalize_axis(name, dim, x.ndim)
    kind = x.dtype if dtype is None else as_dtype(dtype)
    check_floating(name, kind, hint="pass dtype=")
    x = neg(cast(x, kind)) if name == "softmin" else cast(x, kind)
    return apply(op, x, axis=axis)


def _declare(name: str) -> Op:
    grad = Op(f"{name}_grad", lambda g, y, *, axis: g)

    def infer(x: Spec, *, axis: int) -> Spec:
        check_floating(name, x.dtype, hint="pass dtype=")
        return x

    def vjp(g: Any, outs: Any, x: Any, *, needs: Any, axis: int) -> Any:
        return (apply(grad, g, outs[0], axis=axis),)

    return Op(name, infer, vjp)


SOFTMAX = _declare("softmax")
LOG_SOFTMAX = _declare("log_softmax")
