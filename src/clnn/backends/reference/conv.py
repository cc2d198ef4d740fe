"""Convolution in NumPy: windows of a padded image, and sums over them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...dtypes import dtype
from ...shapes import Shape
from .. import implements
from .elementwise import compute_in
from .matmul import end


def _windows(
    x: Any, kernel: Shape, stride: Shape, padding: Any, dilation: Shape, count: Shape
) -> Any:
    """Views of x (N, C, H, W) as (N, C, *count, *kernel); negative padding cuts off."""
    x = np.pad(x, ((0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in padding)))
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    at = sliding_window_view(x, span, axis=(2, 3))
    (sh, sw), (dh, dw), (p, q) = stride, dilation, count
    return at[:, :, ::sh, ::sw, ::dh, ::dw][:, :, :p, :q]


def _out(size: Shape, kernel: Shape, stride: Shape, padding: Any, dilation: Shape) -> Shape:
    return tuple((n + a + b - d * (k - 1) - 1) // s + 1 for n, k, s, (a, b), d in
                 zip(size, kernel, stride, padding, dilation, strict=True))  # fmt: skip


def _grouped(x: Any, groups: int, axis: int) -> Any:
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    return x.astype(compute_in(dtype(x.dtype))).reshape(*before, groups, n // groups, *after)


@implements("conv2d")
def conv2d(
    x: Any, w: Any, *rest: Any, stride: Shape, padding: Any, dilation: Shape, groups: int,
    activation: str | None = None, residual: bool = False,
) -> Any:  # fmt: skip
    """y[n,o,p,q] = bias[o] + sum over c, r, s of x[n, c, p*stride + r*dilation - padding, ...] * w[o,c,r,s]."""
    bias = rest[: len(rest) - residual]
    count = _out(x.shape[2:], w.shape[2:], stride, padding, dilation)
    win = _windows(x, w.shape[2:], stride, padding, dilation, count)
    y = np.einsum(
        "ngcpqrs,gocrs->ngopq", _grouped(win, groups, 1), _grouped(w, groups, 0), optimize=True
    )
    y = y.reshape(x.shape[0], w.shape[0], *count)
    for b in bias:
        y = y + b.astype(y.dtype)[:, None, None]
    return end(y, rest[-1] if residual else None, activation, x.dtype)


@implements("conv2d_weight_grad")
def weight_grad(
    g: Any, x: Any, *, kernel: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> Any:
    """dw[o,c,r,s] = sum over n, p, q of g[n,o,p,q] * x[n, c, p*stride + r*dilation - padding, ...]."""
    win = _windows(x, kernel, stride, padding, dilation, g.shape[2:])
    dw = np.einsum(
        "ngopq,ngcpqrs->gocrs", _grouped(g, groups, 1), _grouped(win, groups, 1), optimize=True
    )
    return dw.reshape(g.shape[1], x.shape[1] // groups, *kernel).astype(x.dtype)


@implements("conv2d_input_grad")
def input_grad(
    g: Any, w: Any, *, size: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> Any:
    """dx: every g[n,o,p,q] * w[o,c,r,s] lands on the x it was multiplied with."""
    return _scatter(g, w, size, stride, padding, dilation, groups).astype(g.dtype)


@implements("conv_transpose2d")
def conv_transpose2d(x: Any, w: Any, *bias: Any, stride: Shape, padding: Any, output_padding: Shape, dilation: Shape,
                     groups: int) -> Any:  # fmt: skip
    """The data gradient of conv2d as a forward pass, output_padding longer at the end."""
    size = tuple((n - 1) * s - sum(p) + d * (k - 1) + e + 1 for n, s, p, d, k, e in
                 zip(x.shape[2:], stride, padding, dilation, w.shape[2:], output_padding, strict=True))  # fmt: skip
    y = _scatter(x, w, size, stride, padding, dilation, groups)
    for b in bias:
        y = y + b.astype(y.dtype)[:, None, None]
    return y.astype(x.dtype)


def _scatter(
    g: Any, w: Any, size: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> Any:
    (n, _, p, q), (kh, kw), (sh, sw), (dh, dw) = g.shape, w.shape[2:], stride, dilation
    (top, _), (left, _) = padding
    gg, ww = _grouped(g, groups, 1), _grouped(w, groups, 0)
    high = max(top + size[0], (p - 1) * sh + (kh - 1) * dh + 1)
    wide = max(left + size[1], (q - 1) * sw + (kw - 1) * dw + 1)
    full = np.zeros((n, w.shape[1] * groups, high, wide), gg.dtype)
    for r in range(kh):
        for s in range(kw):
            part = np.einsum("ngopq,goc->ngcpq", gg, ww[..., r, s], optimize=True)
            rows, columns = (
                slice(r * dh, r * dh + (p - 1) * sh + 1, sh),
                slice(s * dw, s * dw + (q - 1) * sw + 1, sw),
            )
            full[:, :, rows, columns] += part.reshape(n, full.shape[1], p, q)
    return full[:, :, top : top + size[0], left : left + size[1]]
