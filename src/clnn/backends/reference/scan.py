"""Running sums in NumPy: floats in float64, integers in int64, rounded once at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import dtype
from .. import implements


@implements("cumsum")
def cumsum(x: Any, *, axis: int, reverse: bool) -> Any:
    """Sums along the axis, from its end if `reverse`."""
    floating = dtype(x.dtype).is_floating_point
    wide = np.atleast_1d(x).astype(np.float64 if floating else np.int64)
    y = np.flip(np.flip(wide, axis).cumsum(axis), axis) if reverse else wide.cumsum(axis)
    return y.reshape(x.shape).astype(x.dtype if floating else np.int64)
