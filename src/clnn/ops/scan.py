"""Running sums."""

from __future__ import annotations

from typing import Any

from ..autograd import T, apply
from ..dtypes import int64
from ..op import Op
from ..shapes import Spec, normalize_axis
from .elementwise import cast
from .rules import operand


def cumsum(input: T, dim: int, *, dtype: Any = None) -> T:
    """The sums of the first 1, 2, ... elements along `dim`; integers and bool give int64.

    Raises IndexOutOfRangeError for an axis input has not.
    """
    operand("cumsum", input)
    axis = normalize_axis("cumsum", dim, input.ndim)
    return apply(CUMSUM, input if dtype is None else cast(input, dtype), axis=axis, reverse=False)


def _infer(x: Spec, *, axis: int, reverse: bool) -> Spec:
    return x if x.dtype.is_floating_point else Spec(x.shape, int64)


def _vjp(g: Any, outs: Any, x: Any, *, needs: Any, axis: int, reverse: bool) -> Any:
    return (apply(CUMSUM, g, axis=axis, reverse=not reverse),)


CUMSUM = Op("cumsum", _infer, _vjp)
