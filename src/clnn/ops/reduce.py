"""Reductions over any axes: sums, extremes and where they are, logic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from math import prod as product
from types import NoneType
from typing import Any, NamedTuple

from ..autograd import T, Variable, apply
from ..dtypes import DType, accumulator, bool_, int64, uint8
from ..errors import DTypeError, IndexOutOfRangeError, ShapeError
from ..op import Op
from ..shapes import Axes, Shape, Spec, broadcast, normalize_axes, normalize_axis, reduced
from .elementwise import (
    cast,
    maximum,
    minimum,
)
from .movement import reshape
from .rules import check_floating, operand


class Extremes(NamedTuple):
    """What max and min along one axis return."""

    values: Any
    indices: Any


def reduced_axes(op: str, x: Any, dim: Axes) -> Shape:
    """The axes to reduce; None and () mean all."""
    operand(op, x)
    if not isinstance(dim, (int, Sequence, NoneType)):
        raise DTypeError(f"{op}: expected dim to be an int, ints or None, got {dim!r}")
    return normalize_axes(op, dim if isinstance(dim, int) else dim or None, x.ndim)


def _some_axes(op: str, x: Any, dim: Axes) -> Shape:
    """The axes to reduce; None means all, and () means none: torch's rule for logic alone."""
    axes = reduced_axes(op, x, dim)
    return () if isinstance(dim, Sequence) and not dim else axes


def _keep(small: Any, x: Variable, axes: Shape) -> Any:
    """A reduced tensor with the reduced axes back as ones, to broadcast against x."""
    return reshape(small, reduced(x.shape, axes, True))


# --- sums and products --------------------------------------------------------------------------


def sum(input: T, dim: Axes = None, keepdim: bool = False, *, dtype: Any = None) -> T:
    """The sum over `dim` (all axes if None); integers and bool give int64."""
    axes = reduced_axes("sum", input, dim)
    return apply(
        SUM, input if dtype is None else cast(input, dtype), axes=axes, keepdim=bool(keepdim)
    )


def mean(input: T, dim: Axes = None, keepdim: bool = False, *, dtype: Any = None) -> T:
    """The arithmetic mean over `dim`; of no elements NaN. Floats only (DTypeError)."""
    axes = reduced_axes("mean", input, dim)
    return apply(
        MEAN, input if dtype is None else cast(input, dtype), axes=axes, keepdim=bool(keepdim)
    )


def prod(input: T, dim: Axes = None, keepdim: bool = False, *, dtype: Any = None) -> T:
    """The product over `dim` (all axes if None); integers and bool give int64. Zeros have right gradients."""
    axes = reduced_axes("prod", input, dim)
    return _first(
        apply(
            PROD, input if dtype is None else cast(input, dtype), axes=axes, keepdim=bool(keepdim)
        )
    )


def _first(got: Any) -> Any:
    return got[0] if isinstance(got, tuple) else got


def _size(shape: Shape, axes: Shape) -> int:
    """Elements that make one output."""
    return product(shape[a] for a in axes)


def _infer_sum(x: Spec, *, axes: Shape, keepdim: bool) -> Spec:
    return Spec(reduced(x.shape, axes, keepdim), x.dtype if x.dtype.is_floating_point else int64)


def _infer_sum_to(x: Spec, *, shape: Shape) -> Spec:
    if broadcast("sum_to", x.shape, shape) != x.shape:
        raise ShapeError(f"sum_to: expected a shape that broadcasts to {x.shape}, got {shape}")
    return Spec(shape, x.dtype)


def floating(op: str, x: Spec) -> DType:
    """The dtype of x, which must be a float (DTypeError)."""
    check_floating(op, x.dtype, hint="convert with .to()")
    return x.dtype


def _infer_floating(op: str) -> Callable[..., Spec]:
    return lambda x, *, axes, keepdim, **_: Spec(reduced(x.shape, axes, keepdim), floating(op, x))


def _infer_prod(x: Spec, *, axes: Shape, keepdim: bool) -> Any:
    y = _infer_sum(x, axes=axes, keepdim=keepdim)
    rest = Spec(y.shape, accumulator(x.dtype))  # the product of what is not 0, the number of zeros
    return (y, rest, rest) if x.dtype.is_floating_point else y


def _prod_vjp(g: Any, outs: Any, x: Any, *, needs: Any, axes: Shape, keepdim: bool) -> Any:
    _, others, zeros = (_keep(y, x, axes) for y in outs)
    return (apply(PROD_GRAD, _keep(g, x, axes), x, others, zeros),)


def _like_x(g: Spec, x: Spec, *_: Spec, **__: Any) -> Spec:
    return Spec(x.shape, g.dtype)


SPREAD = Op(
    "spread", lambda g, *, shape, scale: Spec(shape, g.dtype)
)  # scale * g, repeated along axes of 1
SUM = Op("sum", _infer_sum, lambda g, outs, x, *, needs, axes, keepdim: (
    apply(SPREAD, _keep(g, x, axes), shape=x.shape, scale=1.0),))  # fmt: skip
SUM_TO = Op("sum_to", _infer_sum_to)
MEAN = Op("mean", _infer_floating("mean"), lambda g, outs, x, *, needs, axes, keepdim: (
    apply(SPREAD, _keep(g, x, axes), shape=x.shape, scale=1 / (_size(x.shape, axes) or 1)),))  # fmt: skip
PROD_GRAD = Op("prod_grad", _like_x)
PROD = Op("prod", _infer_prod, _prod_vjp)


# --- extremes and logic -------------------------------------------------------------------------


def amax(input: T, dim: Axes = None, keepdim: bool = False) -> T:
    """The largest value over `dim` (all axes if None); NaN wins. Ties share the gradient evenly.

    Raises IndexOutOfRangeError where a reduced axis is empty.
    """
    return _first(apply(AMAX, input, axes=reduced_axes("amax", input, dim), keepdim=bool(keepdim)))


def amin(input: T, dim: Axes = None, keepdim: bool = False) -> T:
    """The smallest value over `dim` (all axes if None); NaN wins. Ties share the gradient evenly.

    Raises IndexOutOfRangeError where a reduced axis is empty.
    """
    return _first(apply(AMIN, input, axes=reduced_axes("amin", input, dim), keepdim=bool(keepdim)))


def max(
    input: T, dim: int | T | None = None, keepdim: bool = False, *, other: T | None = None
) -> Any:
    """The largest value; with a `dim` (values, indices) along it; with another tensor maximum(input, other).

    NaN counts as the largest and the first of equals wins; its place alone gets the gradient.
    """
    return _extreme("max", MAX, maximum, amax, input, dim, keepdim, other)


def min(
    input: T, dim: int | T | None = None, keepdim: bool = False, *, other: T | None = None
) -> Any:
    """The smallest value; with a `dim` (values, indices) along it; with another tensor minimum(input, other).

    NaN counts as the smallest and the first of equals wins; its place alone gets the gradient.
    """
    return _extreme("min", MIN, minimum, amin, input, dim, keepdim, other)


def argmax(input: T, dim: int | None = None, keepdim: bool = False) -> T:
    """Where the largest value is, int64: along `dim`, or in the flattened input. NaN is largest, the first wins."""
    operand("argmax", input)
    axis = None if dim is None else normalize_axis("argmax", dim, input.ndim)
    return apply(ARGMAX, input, axis=axis, keepdim=bool(keepdim))


def argmin(input: T, dim: int | None = None, keepdim: bool = False) -> T:
    """Where the smallest value is, int64: along `dim`, or in the flattened input. NaN is smallest, the first wins."""
    operand("argmin", input)
    axis = None if dim is None else normalize_axis("argmin", dim, input.ndim)
    return apply(ARGMIN, input, axis=axis, keepdim=bool(keepdim))


def any(input: T, dim: Axes = None, keepdim: bool = False) -> T:
    """Whether some element over `dim` (None: all, (): no axes) is not 0: bool, or uint8 of uint8; of nothing False."""
    return apply(ANY, input, axes=_some_axes("any", input, dim), keepdim=bool(keepdim))


def all(input: T, dim: Axes = None, keepdim: bool = False) -> T:
    """Whether no element over `dim` (None: all, (): no axes) is 0: bool, or uint8 of uint8; of nothing True."""
    return apply(ALL, input, axes=_some_axes("all", input, dim), keepdim=bool(keepdim))


def _extreme(
    name: str,
    op: Op,
    pairwise: Any,
    over_axes: Any,
    input: Any,
    dim: Any,
    keepdim: bool,
    other: Any,
) -> Any:
    if isinstance(dim, Variable):
        other, dim = dim, None
    if other is not None:
        return pairwise(input, other)
    operand(name, input)
    if dim is None:
        check_not_empty(name, input.spec, tuple(range(input.ndim)))
        return over_axes(input, keepdim=bool(keepdim))
    return Extremes(
        *apply(op, input, axis=normalize_axis(name, dim, input.ndim), keepdim=bool(keepdim))
    )


def check_not_empty(op: str, x: Spec, axes: Shape) -> None:
    """Raise IndexOutOfRangeError where an axis to reduce has no element."""
    for a in axes:
        if a < len(x.shape) and not x.shape[a]:
            raise IndexOutOfRangeError(
                f"{op}: expected at least one element along axis {a}, got shape {x.shape}"
            )


def _infer_extreme(op: str) -> Callable[..., Any]:
    def infer(x: Spec, *, axes: Shape, keepdim: bool) -> Any:
        check_not_empty(op, x, axes)
        y = Spec(reduced(x.shape, axes, keepdim), x.dtype)
        return (
            (y, Spec(y.shape, accumulator(x.dtype))) if x.dtype.is_floating_point else y
        )  # and the number of ties

    return infer


def _infer_place(op: str, values: bool) -> Callable[..., Any]:
    def infer(x: Spec, *, axis: int | None, keepdim: bool) -> Any:
        if x.dtype is bool_ and not values:
            raise DTypeError(f"{op}: expected a numeric dtype, got bool; convert with .to()")
        axes = tuple(range(len(x.shape))) if axis is None else (axis,)
        check_not_empty(op, x, axes)
        places = Spec(reduced(x.shape, axes, keepdim), int64)
        return (Spec(places.shape, x.dtype), places) if values else places

    return infer


def _extreme_vjp(g: Any, outs: Any, x: Any, *, needs: Any, axes: Shape, keepdim: bool) -> Any:
    y, ties = (_keep(v, x, axes) for v in outs)
    return (apply(EXTREME_GRAD, _keep(g, x, axes), x, y, ties),)


def _place_vjp(g: Any, outs: Any, x: Any, *, needs: Any, axis: int, keepdim: bool) -> Any:
    return (apply(PLACE_GRAD, g, outs[1], axis=axis, shape=x.shape),)


def _infer_logic(x: Spec, *, axes: Shape, keepdim: bool) -> Spec:
    return Spec(reduced(x.shape, axes, keepdim), uint8 if x.dtype is uint8 else bool_)


EXTREME_GRAD = Op("extreme_grad", _like_x)
AMAX = Op("amax", _infer_extreme("amax"), _extreme_vjp)
AMIN = Op("amin", _infer_extreme("amin"), _extreme_vjp)
PLACE_GRAD = Op("place_grad", lambda g, places, *, axis, shape: Spec(shape, g.dtype))
MAX = Op("max", _infer_place("max", True), _place_vjp)
MIN = Op("min", _infer_place("min", True), _place_vjp)
ARGMAX = Op("argmax", _infer_place("argmax", False))
ARGMIN = Op("argmin", _infer_place("argmin", False))
ANY = Op("any", _infer_logic)
ALL = Op("all", _infer_logic)


# --- what statistics are made of ------------------------------------------------------------------


def _infer_moment(op: str) -> Callable[..., Any]:
    def infer(x: Spec, *, axes: Shape, keepdim: bool, correction: float) -> Any:
        kind = floating(op, x)
        shape = reduced(x.shape, axes, keepdim)
        return Spec(shape, kind), Spec(shape, accumulator(kind))  # and the mean

    return infer


def _freedom(x: Variable, axes: Shape, correction: float) -> float:
    """1 over the degrees of freedom, which may be negative as in torch's gradients along axes."""
    left = _size(x.shape, axes) - correction
    return 1 / left if left else inf


def _var_vjp(
    g: Any, outs: Any, x: Any, *, needs: Any, axes: Shape, keepdim: bool, correction: float
) -> Any:
    scale = 2 * _freedom(x, axes, correction)
    return (apply(VAR_GRAD, _keep(g, x, axes), x, _keep(outs[1], x, axes), scale=scale),)


def _std_vjp(
    g: Any, outs: Any, x: Any, *, needs: Any, axes: Shape, keepdim: bool, correction: float
) -> Any:
    y, mean = (_keep(v, x, axes) for v in outs)
    return (apply(STD_GRAD, _keep(g, x, axes), x, mean, y, scale=_freedom(x, axes, correction)),)


def _logsumexp_vjp(g: Any, outs: Any, x: Any, *, needs: Any, axes: Shape, keepdim: bool) -> Any:
    return (apply(LOGSUMEXP_GRAD, _keep(g, x, axes), x, _keep(outs[0], x, axes)),)


def _norm_vjp(
    g: Any, outs: Any, x: Any, *, needs: Any, p: float, axes: Shape, keepdim: bool
) -> Any:
    if p == 0:
        return (None,)
    return (apply(NORM_GRAD, _keep(g, x, axes), x, _keep(outs[0], x, axes), p=p),)


VAR_GRAD = Op("var_grad", _like_x)
STD_GRAD = Op("std_grad", _like_x)
VAR = Op("var", _infer_moment("var"), _var_vjp)
STD = Op("std", _infer_moment("std"), _std_vjp)
LOGSUMEXP_GRAD = Op("logsumexp_grad", _like_x)
LOGSUMEXP = Op("logsumexp", _infer_floating("logsumexp"), _logsumexp_vjp)
NORM_GRAD = Op("norm_grad", _like_x)
NORM = Op("norm", _infer_floating("norm"), _norm_vjp)
