"""Reductions in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import accumulator, dtype
from ...shapes import Shape
from .. import implements


def _wide(x: Any) -> Any:
    return x.astype(str(accumulator(dtype(x.dtype))))


@implements("sum")
def sum(x: Any, *, axes: Shape, keepdim: bool) -> Any:
    """Sum; integers and bool in int64."""
    y = _wide(x).sum(axis=axes, keepdims=keepdim)
    return y.astype(x.dtype) if dtype(x.dtype).is_floating_point else y


@implements("sum_to")
def sum_to(x: Any, *, shape: Shape) -> Any:
    """Sum over the axes along which `shape` was broadcast to x."""
    full = (1,) * (x.ndim - len(shape)) + shape
    axes = tuple(a for a, (n, m) in enumerate(zip(x.shape, full, strict=True)) if m == 1 != n)
    return _wide(x).sum(axis=axes, keepdims=True).reshape(shape).astype(x.dtype)


@implements("sum_grad")
def sum_grad(g: Any, *, axes: Shape, shape: Shape) -> Any:
    """Repeat g along `axes`."""
    kept = tuple(1 if a in axes else n for a, n in enumerate(shape))
    return np.broadcast_to(g.reshape(kept), shape)
