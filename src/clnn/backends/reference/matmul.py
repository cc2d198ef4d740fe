"""Matrix products in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import dtype
from .. import implements
from .elementwise import compute_in


@implements("matmul")
def matmul(a: Any, b: Any, *bias: Any, transpose_a: bool, transpose_b: bool) -> Any:
    """The product of the last two axes, the others broadcast."""
    work = compute_in(dtype(a.dtype))
    left = (np.swapaxes(a, -1, -2) if transpose_a else a).astype(work)
    right = (np.swapaxes(b, -1, -2) if transpose_b else b).astype(work)
    y = np.matmul(left, right)
    for c in bias:
        y = y + c.astype(work)
    return y.astype(a.dtype)


@implements("linear")
def linear(x: Any, w: Any, *bias: Any) -> Any:
    """x @ w.T + bias over the last axis of x."""
    return (
        matmul(x, w, *bias, transpose_a=False, transpose_b=True)
        if x.ndim > 1
        else linear(x[None], w, *bias)[0]
    )
