"""Pooling in NumPy: every output looks at its window, planes side by side."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ...shapes import Shape, window_out
from .. import implements
from .elementwise import compute_in

Window = tuple[range, ...]  # the positions of one window along each spatial axis


def sliding(sizes: Shape, out: Shape, kernel_size: Shape, stride: Shape, padding: Shape,
            dilation: Shape) -> Iterator[Window]:  # fmt: skip
    """The windows of all outputs in order, without positions outside of the input."""
    axes = []
    for n, m, k, s, p, d in zip(sizes, out, kernel_size, stride, padding, dilation, strict=True):
        full = [range(o * s - p, o * s - p + k * d, d) for o in range(m)]
        axes.append([w[sum(i < 0 for i in w) : sum(i < n for i in w)] for w in full])
    return product(*axes)


def adaptive(sizes: Shape, out: Shape) -> Iterator[Window]:
    """Part k of m covers [floor(k*n/m), ceil((k+1)*n/m))."""
    return product(*[
        [range(k * n // m, -(-(k + 1) * n // m)) for k in range(m)]
        for n, m in zip(sizes, out, strict=True)
    ])  # fmt: skip


def _flat(window: Window, sizes: Shape) -> Any:
    """Positions of the window in the flattened spatial plane."""
    return np.ravel_multi_index(np.ix_(*window), sizes).reshape(-1)


def _planes(x: Any, rank: int) -> Any:
    return x.reshape(prod(x.shape[:-rank]), prod(x.shape[-rank:]))


def _maximum(x: Any, out: Shape, windows: Iterator[Window], indices: bool) -> Any:
    rank = len(out)
    planes = _planes(x, rank)
    y = np.empty((len(planes), prod(out)), x.dtype)
    at = np.empty(y.shape, np.int32)
    for o, window in enumerate(windows):
        flat = _flat(window, x.shape[-rank:])
        if not flat.size:
            y[:, o], at[:, o] = -np.inf, -1
            continue
        block = planes[:, flat].astype(compute_in(x.dtype))
        nans = np.isnan(block)
        last_nan = flat.size - 1 - nans[:, ::-1].argmax(axis=1)
        at[:, o] = flat[np.where(nans.any(axis=1), last_nan, block.argmax(axis=1))]
        y[:, o] = planes[np.arange(len(planes)), at[:, o]]
    shape = x.shape[:-rank] + out
    return (y.reshape(shape), at.reshape(shape)) if indices else y.reshape(shape)


def _max_grad(g: Any, indices: Any, shape: Shape, rank: int) -> Any:
    g, at = _planes(g, rank), _planes(indices, rank)
    gx = np.zeros((len(g), prod(shape[-rank:])), compute_in(g.dtype))
    for o in range(g.shape[1]):
        inside = np.flatnonzero(at[:, o] >= 0)
        gx[inside, at[inside, o]] += g[inside, o]
    return gx.astype(g.dtype).reshape(shape)


def _divisors(sizes: Shape, out: Shape, kernel_size: Shape, stride: Shape, padding: Shape,
              count_include_pad: bool, divisor_override: int | None) -> Iterator[int]:  # fmt: skip
    """What the sum of each window is divided by."""
    for at in product(*map(range, out)):
        spans = []
        for o, n, k, s, p in zip(at, sizes, kernel_size, stride, padding, strict=True):
            begin, end = o * s - p, min(o * s - p + k, n + p)
            spans.append(end - begin if count_include_pad else min(end, n) - max(begin, 0))
        yield divisor_override or prod(spans)


def _average(
    x: Any, out: Shape, windows: Iterator[Window], divisors: Iterator[int] | None = None
) -> Any:
    rank = len(out)
    planes = _planes(x, rank)
    y = np.empty((len(planes), prod(out)), compute_in(x.dtype))
    for o, window in enumerate(windows):
        flat = _flat(window, x.shape[-rank:])
        y[:, o] = planes[:, flat].astype(y.dtype).sum(axis=1) / (
            next(divisors) if divisors else flat.size
        )
    return y.astype(x.dtype).reshape(x.shape[:-rank] + out)


def _avg_grad(g: Any, shape: Shape, rank: int, windows: Iterator[Window],
              divisors: Iterator[int] | None = None) -> Any:  # fmt: skip
    g = _planes(g, rank)
    gx = np.zeros((len(g), prod(shape[-rank:])), compute_in(g.dtype))
    for o, window in enumerate(windows):
        flat = _flat(window, shape[-rank:])
        gx[:, flat] += g[:, o, None].astype(gx.dtype) / (next(divisors) if divisors else flat.size)
    return gx.astype(g.dtype).reshape(shape)


def _out(sizes: Shape, ceil_mode: bool, *window: Shape) -> Shape:
    return tuple(window_out(n, k, s, 2 * p, d, ceil_mode=ceil_mode)
                 for n, k, s, p, d in zip(sizes, *window, strict=True))  # fmt: skip


@implements("max_pool1d", "max_pool2d")
def max_pool(x: Any, *, kernel_size: Shape, stride: Shape, padding: Shape, dilation: Shape,
             ceil_mode: bool, indices: bool) -> Any:  # fmt: skip
    """The maximum, and with `indices` where it is: the last NaN, else the first maximum."""
    window = (kernel_size, stride, padding, dilation)
    sizes = x.shape[-len(kernel_size) :]
    out = _out(sizes, ceil_mode, *window)
    return _maximum(x, out, sliding(sizes, out, *window), indices)


@implements("max_pool_grad")
def max_pool_grad(g: Any, indices: Any, *, shape: Shape, kernel_size: Shape, **_: Any) -> Any:
    """Every element of g goes where its window's maximum was."""
    return _max_grad(g, indices, shape, len(kernel_size))


@implements("adaptive_max_pool1d", "adaptive_max_pool2d")
def adaptive_max_pool(x: Any, *, output_size: Shape, indices: bool) -> Any:
    """As max_pool, over adaptive windows."""
    return _maximum(x, output_size, adaptive(x.shape[-len(output_size) :], output_size), indices)


@implements("adaptive_max_pool_grad")
def adaptive_max_pool_grad(g: Any, indices: Any, *, shape: Shape, output_size: Shape) -> Any:
    """Every element of g goes where its window's maximum was."""
    return _max_grad(g, indices, shape, len(output_size))


@implements("avg_pool1d", "avg_pool2d")
def avg_pool(x: Any, *, ceil_mode: bool, kernel_size: Shape, stride: Shape, padding: Shape,
             **how: Any) -> Any:  # fmt: skip
    """The sum of a window divided by what counts as its size."""
    ones = (1,) * len(kernel_size)
    sizes = x.shape[-len(kernel_size) :]
    out = _out(sizes, ceil_mode, kernel_size, stride, padding, ones)
    windows = sliding(sizes, out, kernel_size, stride, padding, ones)
    return _average(x, out, windows, _divisors(sizes, out, kernel_size, stride, padding, **how))


@implements("avg_pool_grad")
def avg_pool_grad(g: Any, *, shape: Shape, kernel_size: Shape, stride: Shape, padding: Shape,
                  **how: Any) -> Any:  # fmt: skip
    """Every element of g is shared out over its window."""
    rank = len(kernel_size)
    sizes, out = shape[-rank:], g.shape[-rank:]
    windows = sliding(sizes, out, kernel_size, stride, padding, (1,) * rank)
    return _avg_grad(
        g, shape, rank, windows, _divisors(sizes, out, kernel_size, stride, padding, **how)
    )


@implements("adaptive_avg_pool1d", "adaptive_avg_pool2d")
def adaptive_avg_pool(x: Any, *, output_size: Shape) -> Any:
    """The mean over adaptive windows."""
    return _average(x, output_size, adaptive(x.shape[-len(output_size) :], output_size))


@implements("adaptive_avg_pool_grad")
def adaptive_avg_pool_grad(g: Any, *, shape: Shape, output_size: Shape) -> Any:
    """Every element of g is shared out over its window."""
    rank = len(output_size)
    return _avg_grad(g, shape, rank, adaptive(shape[-rank:], output_size))
