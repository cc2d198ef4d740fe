"""Normalisation in NumPy: statistics in two passes, all on the view (N, groups, channels, elements)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import accumulator, dtype
from ...shapes import Shape
from .. import implements


def widened(x: Any) -> Any:
    """x in the accumulator."""
    return x.astype(str(accumulator(dtype(x.dtype))))


def mean_and_var(x: Any, axes: Shape) -> tuple[Any, Any]:
    """Mean and mean squared deviation over `axes`, kept; what rounding left in the mean is taken out again."""
    n = np.asarray(np.prod([x.shape[a] for a in axes]), x.dtype)
    mean = x.sum(axis=axes, keepdims=True) / n
    rest = (x - mean).sum(axis=axes, keepdims=True) / n
    return mean + rest, np.square(x - mean).sum(axis=axes, keepdims=True) / n - np.square(rest)


def scaled(xhat: Any, params: tuple[Any, ...], affine: tuple[bool, bool], shape: Shape) -> Any:
    """xhat times weight and plus bias, where there are such, in `shape`."""
    given = iter(params)
    y = xhat * widened(next(given)).reshape(shape) if affine[0] else xhat
    return y + widened(next(given)).reshape(shape) if affine[1] else y


@implements("layer_norm", "group_norm", "instance_norm")
def row_norm(
    x: Any, *params: Any, view: Shape, shape: Shape, affine: tuple[bool, bool], eps: float
) -> Any:
    """Mean 0 and variance 1 per (sample, group)."""
    wide = widened(x).reshape(view)
    mean, var = mean_and_var(wide, (2, 3))
    inverse = 1 / np.sqrt(var + var.dtype.type(eps))
    y = scaled((wide - mean) * inverse, params, affine, (1, view[1], view[2], 1))
    return y.astype(x.dtype).reshape(x.shape), mean.reshape(-1), inverse.reshape(-1)


@implements("rms_norm")
def rms_norm(
    x: Any, *params: Any, view: Shape, shape: Shape, affine: tuple[bool, bool], eps: float
) -> Any:
    """Mean square 1 per row."""
    wide = widened(x).reshape(view)
    n = np.asarray(view[2] * view[3], wide.dtype)
    inverse = 1 / np.sqrt(
        np.square(wide).sum(axis=(2, 3), keepdims=True) / n + wide.dtype.type(eps)
    )
    y = scaled(wide * inverse, params, affine, (1, view[1], view[2], 1))
    return y.astype(x.dtype).reshape(x.shape), inverse.reshape(-1)


@implements("row_norm_grad")
def row_norm_grad(g: Any, x: Any, *more: Any, view: Shape, centred: bool, sums: bool) -> Any:
    """What is left of g * weight without its projections on the ones (if centred) and on xhat; channel_sums."""
    *moments, inverse = (m.reshape(view[0], view[1], 1, 1) for m in more[: 1 + centred])
    xhat = (widened(x).reshape(view) - (moments[0] if centred else 0)) * inverse
    weight = more[1 + centred :]
    gw = scaled(widened(g).reshape(view), weight, (bool(weight), False), (1, view[1], view[2], 1))
    n = np.asarray(view[2] * view[3], gw.dtype)
    gx = gw - xhat * ((gw * xhat).sum(axis=(2, 3), keepdims=True) / n)
    if centred:
        gx = gx - gw.sum(axis=(2, 3), keepdims=True) / n
    gx = (gx * inverse).astype(g.dtype).reshape(g.shape)
    if not sums:
        return gx
    by_channel = channel_sums(g, x, *more[: 1 + centred], view=view, per_row=True)
    return (gx, *by_channel) if centred else (gx, by_channel)


@implements("channel_sums")
def channel_sums(g: Any, x: Any, *moments: Any, view: Shape, per_row: bool) -> Any:
    """Per channel the sum of g * xhat, and of g if there is a mean."""
    shape = (view[0], view[1], 1, 1) if per_row else (1, view[1], view[2], 1)
    *mean, inverse = (m.reshape(shape) for m in moments)
    xhat = (widened(x).reshape(view) - (mean[0] if mean else 0)) * inverse
    wide = widened(g).reshape(view)
    projected = (wide * xhat).sum(axis=(0, 3)).reshape(-1)
    return (projected, wide.sum(axis=(0, 3)).reshape(-1)) if mean else projected
