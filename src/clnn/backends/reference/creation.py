"""Creation in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import implements
from .elementwise import compute_in


@implements("empty")
def empty(*, shape: Any, dtype: Any) -> Any:
    """Memory as it comes."""
    return np.empty(shape, str(dtype))


@implements("full")
def full(*, shape: Any, dtype: Any, value: Any) -> Any:
    """One number everywhere."""
    return np.full(shape, value, compute_in(dtype)).astype(str(dtype))


@implements("arange")
def arange(*, start: Any, end: Any, step: Any, dtype: Any) -> Any:
    """start + i * step, which drifts less than adding step again and again."""
    work = compute_in(dtype).type
    whole = dtype.category == 1
    n = -((start - end) // step) if whole else np.ceil((end - start) / step)
    return (work(start) + np.arange(int(n)).astype(work) * work(step)).astype(str(dtype))


@implements("linspace")
def linspace(*, start: float, end: float, steps: int, dtype: Any) -> Any:
    """Half of the points from either end, so that both are exact."""
    work = compute_in(dtype).type
    i = np.arange(steps).astype(work)
    step = work((end - start) / max(steps - 1, 1))
    up, down = work(start) + step * i, work(end) - step * (steps - 1 - i)
    return np.where(2 * i < steps, up, down).astype(str(dtype))


@implements("eye")
def eye(*, rows: int, columns: int, dtype: Any) -> Any:
    """Ones on the main diagonal."""
    return np.eye(rows, columns).astype(str(dtype))


@implements("clone")
def clone(x: Any) -> Any:
    """A copy."""
    return x.copy()
