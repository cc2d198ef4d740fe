"""Reductions in NumPy: floats in float64, integers in int64, rounded once at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...dtypes import accumulator, dtype
from ...shapes import Shape, reduced
from .. import implements
from .elementwise import compute_in


def _wide(x: Any) -> Any:
    return x.astype(np.float64 if _is_float(x) else np.int64)


def _saved(x: Any, like: Any) -> Any:
    """A residual: in the dtype that kernels reduce `like` in."""
    return x.astype(str(accumulator(dtype(like.dtype))))


def _is_float(x: Any) -> bool:
    return dtype(x.dtype).is_floating_point


def _over(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn(x, axis, keepdims)` on the wide type, back in x's type if that is a floating one."""

    def run(x: Any, *, axes: Shape, keepdim: bool) -> Any:
        y = fn(_wide(x), axis=axes, keepdims=keepdim)
        return y.astype(x.dtype) if _is_float(x) else y

    return run


def _logic(fn: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any, *, axes: Shape, keepdim: bool) -> Any:
        y = fn(x != 0, axis=axes, keepdims=keepdim)
        return y.astype(np.uint8 if x.dtype == np.uint8 else bool)

    return run


def _extreme(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The extreme, and for floats how many elements tie for it."""

    def run(x: Any, *, axes: Shape, keepdim: bool) -> Any:
        wide = x.astype(compute_in(dtype(x.dtype)))
        y = fn(wide, axis=axes, keepdims=True)
        shape = reduced(x.shape, axes, keepdim)
        values = y.reshape(shape).astype(x.dtype)
        if not _is_float(x):
            return values
        return values, _saved((wide == y).sum(axis=axes).reshape(shape), x)

    return run


def _place(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Indices of the first extremes (NumPy too takes the first NaN for one), int64."""

    def run(x: Any, *, axis: int | None, keepdim: bool) -> Any:
        wide = x.astype(compute_in(dtype(x.dtype)))
        flat = wide.reshape(-1) if axis is None or not x.ndim else wide
        at = fn(flat, axis=0 if flat is not wide else axis)
        axes = tuple(range(x.ndim)) if axis is None else (axis,)
        return np.asarray(at, np.int64).reshape(reduced(x.shape, axes, keepdim))

    return run


def _extreme_along(fn: Callable[..., Any]) -> Callable[..., Any]:
    place = _place(fn)

    def run(x: Any, *, axis: int, keepdim: bool) -> Any:
        at = place(x, axis=axis, keepdim=keepdim)
        if not x.ndim:
            return x, at
        whole = at if keepdim else np.expand_dims(at, axis)
        return np.take_along_axis(x, whole, axis).reshape(at.shape), at

    return run


def _graded(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A formula in g and what broadcasts against it, in g's type."""

    def run(g: Any, *saved: Any, **settings: Any) -> Any:
        return np.asarray(fn(_wide(g), *map(_wide, saved), **settings)).astype(g.dtype)

    return run


def _norm_grad(g: Any, x: Any, y: Any, *, p: float) -> Any:
    return np.where((x == 0) | (y == 0), 0, g * np.sign(x) * (np.abs(x) / y) ** (p - 1))


IMPLEMENTATIONS = {
    "sum": _over(np.sum),
    "amax": _extreme(np.max),
    "amin": _extreme(np.min),
    "max": _extreme_along(np.argmax),
    "min": _extreme_along(np.argmin),
    "argmax": _place(np.argmax),
    "argmin": _place(np.argmin),
    "any": _logic(np.any),
    "all": _logic(np.all),
    "extreme_grad": _graded(lambda g, x, y, ties: g / ties * (x == y)),
    "prod_grad": _graded(lambda g, x, others, zeros: np.where(
        zeros == 0, g * others / x, np.where((zeros == 1) & (x == 0), g * others, 0))),
    "var_grad": _graded(lambda g, x, mean, *, scale: g * (x - mean) * scale),
    "std_grad": _graded(lambda g, x, mean, y, *, scale: np.where(y == 0, 0, g * (x - mean) / y * scale)),
    "logsumexp_grad": _graded(lambda g, x, y: g * np.exp(x - y)),
    "norm_grad": _graded(_norm_grad),
}  # fmt: skip


@implements("sum_to")
def sum_to(x: Any, *, shape: Shape) -> Any:
    """Sum over the axes along which `shape` was broadcast to x."""
    full = (1,) * (x.ndim - len(shape)) + shape
    axes = tuple(a for a, n in enumerate(full) if n == 1)
    return _wide(x).sum(axis=axes).reshape(shape).astype(x.dtype)


@implements("spread")
def spread(g: Any, *, shape: Shape, scale: float) -> Any:
    """scale * g, repeated along its axes of 1."""
    return np.broadcast_to((_wide(g) * scale).astype(g.dtype), shape)


@implements("mean")
def mean(x: Any, *, axes: Shape, keepdim: bool) -> Any:
    """The sum over the number of elements, 0 / 0 where there are none."""
    n = np.float64(np.prod([x.shape[a] for a in axes]))
    return (_wide(x).sum(axis=axes, keepdims=keepdim) / n).astype(x.dtype)


@implements("prod")
def prod(x: Any, *, axes: Shape, keepdim: bool) -> Any:
    """The product; for floats also the product of what is not 0, and how many zeros there are."""
    wide = _wide(x)
    y = wide.prod(axis=axes, keepdims=keepdim)
    if not _is_float(x):
        return y
    others = np.where(wide == 0, 1, wide).prod(axis=axes, keepdims=keepdim)
    zeros = (wide == 0).sum(axis=axes, keepdims=keepdim)
    return y.astype(x.dtype), _saved(others, x), _saved(zeros, x)


@implements("place_grad")
def place_grad(g: Any, places: Any, *, axis: int, shape: Shape) -> Any:
    """g at its place along the axis, 0 elsewhere."""
    kept = reduced(shape, (axis,), True)
    n = shape[axis] if shape else 1
    along = np.arange(n).reshape([n if a == axis else 1 for a in range(len(shape))])
    return np.where(places.reshape(kept) == along, g.reshape(kept), 0).astype(g.dtype)


def _moments(x: Any, axes: Shape, keepdim: bool, correction: float) -> tuple[Any, Any]:
    wide = _wide(x)
    n = np.float64(np.prod([x.shape[a] for a in axes]))
    mean = wide.sum(axis=axes, keepdims=True) / n
    total = np.square(wide - mean).sum(axis=axes, keepdims=keepdim)
    return total / (np.maximum(n - correction, 0) if n else 0), _saved(mean.reshape(total.shape), x)


@implements("var")
def var(x: Any, *, axes: Shape, keepdim: bool, correction: float) -> Any:
    """Squared distances from the mean over the degrees of freedom; and the mean."""
    y, mean = _moments(x, axes, keepdim, correction)
    return y.astype(x.dtype), mean


@implements("std")
def std(x: Any, *, axes: Shape, keepdim: bool, correction: float) -> Any:
    """The root of the variance; and the mean."""
    y, mean = _moments(x, axes, keepdim, correction)
    return np.sqrt(y).astype(x.dtype), mean


@implements("logsumexp")
def logsumexp(x: Any, *, axes: Shape, keepdim: bool) -> Any:
    """The logarithm of summed exponentials, taken relative to a finite maximum."""
    wide = _wide(x)
    top = wide.max(axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isinf(top), 0, top)
    y = np.log(np.exp(wide - top).sum(axis=axes, keepdims=True)) + top
    return y.reshape(reduced(x.shape, axes, keepdim)).astype(x.dtype)


@implements("norm")
def norm(x: Any, *, p: float, axes: Shape, keepdim: bool) -> Any:
    """The p-norm; p = 0 counts what is not 0. Powers are of the accumulator's range, as in kernels."""
    if p == 0:
        return (x != 0).sum(axis=axes, keepdims=keepdim).astype(x.dtype)
    powers = np.abs(_saved(x, x)) ** p
    return (_wide(powers).sum(axis=axes, keepdims=keepdim) ** (1 / p)).astype(x.dtype)
