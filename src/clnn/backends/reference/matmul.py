"""Matrix products in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import dtype
from .. import implements
from . import activation as activations
from .elementwise import compute_in


def end(y: Any, residual: Any, activation: str | None, kind: Any) -> Any:
    """activation(y + residual), rounded once."""
    if residual is not None:
        y = y + residual.astype(y.dtype)
    if activation is not None:
        y = activations.IMPLEMENTATIONS[activation](y)
    return y.astype(kind)


@implements("matmul")
def matmul(
    a: Any, b: Any, *rest: Any, transpose_a: bool, transpose_b: bool,
    activation: str | None = None, residual: bool = False,
) -> Any:  # fmt: skip
    """activation of the product of the last two axes, the others broadcast, + bias + residual."""
    work = compute_in(dtype(a.dtype))
    left = (np.swapaxes(a, -1, -2) if transpose_a else a).astype(work)
    right = (np.swapaxes(b, -1, -2) if transpose_b else b).astype(work)
    y = np.matmul(left, right)
    for bias in rest[: len(rest) - residual]:
        y = y + bias.astype(work)
    return end(y, rest[-1] if residual else None, activation, a.dtype)


@implements("linear")
def linear(x: Any, w: Any, *rest: Any, **ending: Any) -> Any:
    """activation(x @ w.T + bias + residual) over the last axis of x."""
    return matmul(x, w, *rest, transpose_a=False, transpose_b=True, **ending)
