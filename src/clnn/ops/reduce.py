"""Reductions over any axes: sums, extremes, statistics and norms."""

from __future__ import annotations

from typing import Any

from ..autograd import T, apply
from ..dtypes import int64
from ..errors import ShapeError
from ..op import Op
from ..shapes import Axes, Shape, Spec, broadcast, normalize_axes, reduced
from .elementwise import cast


def sum(input: T, dim: Axes = None, keepdim: bool = False, *, dtype: Any = None) -> T:
    """The sum over `dim` (all axes if None); integers and bool give int64."""
    x = input if dtype is None else cast(input, dtype)
    return apply(SUM, x, axes=normalize_axes("sum", dim, x.ndim), keepdim=keepdim)


def _infer_sum(x: Spec, *, axes: Shape, keepdim: bool) -> Spec:
    return Spec(reduced(x.shape, axes, keepdim), x.dtype if x.dtype.is_floating_point else int64)


def _infer_sum_to(x: Spec, *, shape: Shape) -> Spec:
    if broadcast("sum_to", x.shape, shape) != x.shape:
        raise ShapeError(f"sum_to: expected a shape that broadcasts to {x.shape}, got {shape}")
    return Spec(shape, x.dtype)


SUM_GRAD = Op("sum_grad", lambda g, *, axes, shape: Spec(shape, g.dtype))
SUM = Op("sum", _infer_sum, lambda g, outs, x, *, needs, axes, keepdim: (
    apply(SUM_GRAD, g, axes=axes, shape=x.shape),))  # fmt: skip
SUM_TO = Op("sum_to", _infer_sum_to)
