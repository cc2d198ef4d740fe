"""Batch normalisation in NumPy, on the view (N, channels, elements)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import implements
from . import activation as activations
from .matmul import end
from .norm import mean_and_var, scaled, widened


def _channel_view(x: Any) -> Any:
    return widened(x).reshape(*x.shape[:2], int(np.prod(x.shape[2:])))


@implements("batch_norm")
def batch_norm(
    x: Any, *more: Any, affine: tuple[bool, bool], running: bool, momentum: float, eps: float,
    activation: str | None = None, residual: bool = False, correction: int = 1,
) -> Any:  # fmt: skip
    """Mean 0 and variance 1 per channel; running_var gets the sum of squares over n - correction."""
    wide = _channel_view(x)
    mean, var = (
        mean_and_var(wide, (0, 2)) if x.size else (np.zeros((1, x.shape[1], 1), wide.dtype),) * 2
    )
    inverse = 1 / np.sqrt(var + var.dtype.type(eps))
    y = scaled((wide - mean) * inverse, more[: sum(affine)], affine, (1, -1, 1))
    fresh = []
    if running:
        n = wide.shape[0] * wide.shape[2]
        for old, new in zip(
            more[sum(affine) : sum(affine) + 2],
            (mean, var * (n / max(1, n - correction))),
            strict=True,
        ):
            fresh.append(
                ((1 - momentum) * widened(old) + momentum * new.reshape(-1)).astype(old.dtype)
            )
    y = end(y.reshape(x.shape), more[-1] if residual else None, activation, x.dtype)
    return y, mean.reshape(-1), inverse.reshape(-1), *fresh


@implements("batch_norm_eval")
def batch_norm_eval(
    x: Any, mean: Any, var: Any, *more: Any, affine: tuple[bool, bool], eps: float,
    activation: str | None = None, residual: bool = False,
) -> Any:  # fmt: skip
    """By the statistics given."""
    wide = _channel_view(x)
    mean, var = (widened(m).astype(wide.dtype).reshape(1, -1, 1) for m in (mean, var))
    y = scaled((wide - mean) / np.sqrt(var + var.dtype.type(eps)), more, affine, (1, -1, 1))
    return end(y.reshape(x.shape), more[-1] if residual else None, activation, x.dtype)


@implements("batch_norm_grad")
def batch_norm_grad(
    g: Any, x: Any, mean: Any, inverse: Any, *more: Any, weight: bool, activation: str | None, residual: bool
) -> Any:  # fmt: skip
    """What is left of g without its projections on the ones and on xhat, per channel; and those."""
    mean, inverse = mean.reshape(1, -1, 1), inverse.reshape(1, -1, 1)
    wide = _channel_view(g)
    if activation is not None:
        wide = activations.IMPLEMENTATIONS[f"{activation}_grad"](wide, _channel_view(more[-1]))
    xhat = (_channel_view(x) - mean) * inverse
    n = np.asarray(max(1, wide.shape[0] * wide.shape[2]), wide.dtype)
    projected, total = (wide * xhat).sum(axis=(0, 2)), wide.sum(axis=(0, 2))
    gx = (wide - (total[:, None] + xhat * projected[:, None]) / n) * inverse
    gx = scaled(gx, more, (weight, False), (1, -1, 1)).astype(g.dtype).reshape(g.shape)
    sums = gx, projected.astype(mean.dtype), total.astype(mean.dtype)
    return (*sums, wide.astype(g.dtype).reshape(g.shape)) if residual else sums
