"""Normalisation in NumPy: statistics in two passes, all on the view (N, groups, channels, elements)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import accumulator, dtype
from ...shapes import Shape
from .. import implements
from . import activation as activations
from .matmul import end


def _wide(x: Any) -> Any:
    return x.astype(str(accumulator(dtype(x.dtype))))


def _moments(x: Any, axes: Shape) -> tuple[Any, Any]:
    """Mean and mean squared deviation over `axes`, kept; what rounding left in the mean is taken out again."""
    n = np.asarray(np.prod([x.shape[a] for a in axes]), x.dtype)
    mean = x.sum(axis=axes, keepdims=True) / n
    rest = (x - mean).sum(axis=axes, keepdims=True) / n
    return mean + rest, np.square(x - mean).sum(axis=axes, keepdims=True) / n - np.square(rest)


def _affine(xhat: Any, params: tuple[Any, ...], affine: tuple[bool, bool], shape: Shape) -> Any:
    given = iter(params)
    y = xhat * _wide(next(given)).reshape(shape) if affine[0] else xhat
    return y + _wide(next(given)).reshape(shape) if affine[1] else y


@implements("layer_norm", "group_norm", "instance_norm")
def row_norm(
    x: Any, *params: Any, view: Shape, shape: Shape, affine: tuple[bool, bool], eps: float
) -> Any:
    """Mean 0 and variance 1 per (sample, group)."""
    wide = _wide(x).reshape(view)
    mean, var = _moments(wide, (2, 3))
    inverse = 1 / np.sqrt(var + var.dtype.type(eps))
    y = _affine((wide - mean) * inverse, params, affine, (1, view[1], view[2], 1))
    return y.astype(x.dtype).reshape(x.shape), mean.reshape(-1), inverse.reshape(-1)


@implements("rms_norm")
def rms_norm(
    x: Any, *params: Any, view: Shape, shape: Shape, affine: tuple[bool, bool], eps: float
) -> Any:
    """Mean square 1 per row."""
    wide = _wide(x).reshape(view)
    n = np.asarray(view[2] * view[3], wide.dtype)
    inverse = 1 / np.sqrt(
        np.square(wide).sum(axis=(2, 3), keepdims=True) / n + wide.dtype.type(eps)
    )
    y = _affine(wide * inverse, params, affine, (1, view[1], view[2], 1))
    return y.astype(x.dtype).reshape(x.shape), inverse.reshape(-1)


@implements("row_norm_grad")
def row_norm_grad(g: Any, x: Any, *more: Any, view: Shape, centred: bool, sums: bool) -> Any:
    """What is left of g * weight without its projections on the ones (if centred) and on xhat; channel_sums."""
    *moments, inverse = (m.reshape(view[0], view[1], 1, 1) for m in more[: 1 + centred])
    xhat = (_wide(x).reshape(view) - (moments[0] if centred else 0)) * inverse
    weight = more[1 + centred :]
    gw = _affine(_wide(g).reshape(view), weight, (bool(weight), False), (1, view[1], view[2], 1))
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
    xhat = (_wide(x).reshape(view) - (mean[0] if mean else 0)) * inverse
    wide = _wide(g).reshape(view)
    projected = (wide * xhat).sum(axis=(0, 3)).reshape(-1)
    return (projected, wide.sum(axis=(0, 3)).reshape(-1)) if mean else projected


def _channel_view(x: Any) -> Any:
    return _wide(x).reshape(*x.shape[:2], int(np.prod(x.shape[2:])))


@implements("batch_norm")
def batch_norm(
    x: Any, *more: Any, affine: tuple[bool, bool], running: bool, momentum: float, eps: float,
    activation: str | None = None, residual: bool = False, correction: int = 1,
) -> Any:  # fmt: skip
    """Mean 0 and variance 1 per channel; running_var gets the sum of squares over n - correction."""
    wide = _channel_view(x)
    mean, var = (
        _moments(wide, (0, 2)) if x.size else (np.zeros((1, x.shape[1], 1), wide.dtype),) * 2
    )
    inverse = 1 / np.sqrt(var + var.dtype.type(eps))
    y = _affine((wide - mean) * inverse, more[: sum(affine)], affine, (1, -1, 1))
    fresh = []
    if running:
        n = wide.shape[0] * wide.shape[2]
        for old, new in zip(
            more[sum(affine) : sum(affine) + 2],
            (mean, var * (n / max(1, n - correction))),
            strict=True,
        ):
            fresh.append(
                ((1 - momentum) * _wide(old) + momentum * new.reshape(-1)).astype(old.dtype)
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
    mean, var = (_wide(m).astype(wide.dtype).reshape(1, -1, 1) for m in (mean, var))
    y = _affine((wide - mean) / np.sqrt(var + var.dtype.type(eps)), more, affine, (1, -1, 1))
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
    gx = _affine(gx, more, (weight, False), (1, -1, 1)).astype(g.dtype).reshape(g.shape)
    sums = gx, projected.astype(mean.dtype), total.astype(mean.dtype)
    return (*sums, wide.astype(g.dtype).reshape(g.shape)) if residual else sums
