"""Statistics over any axes: variances, the logarithm of a sum of exponentials, norms."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from ..autograd import T, Variable, apply, no_grad
from ..dtypes import Number, accumulator, float32
from ..errors import SettingError
from ..op import Op
from ..shapes import Axes, Shape, Spec, reduced
from .elementwise import abs, cast, div, isfinite, logical_and, mul, ne, where
from .movement import reshape
from .reduce import (
    amax,
    amin,
    check_not_empty,
    floating,
    infer_floating,
    kept,
    like_x,
    mean,
    reduced_axes,
    reduced_size,
)
from .rules import real


def var(input: T, dim: Axes = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: Number | None = None) -> T:  # fmt: skip
    """The variance over `dim` (all axes if None): squared distances from the mean over max(0, n - correction).

    correction is 1 unless given; unbiased=False means 0. Floats only (DTypeError).
    """
    return _moments("var", VAR, input, dim, unbiased, keepdim, correction)[0]


def std(input: T, dim: Axes = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: Number | None = None) -> T:  # fmt: skip
    """The standard deviation: the root of var with the same arguments; gradient 0 where it is 0."""
    return _moments("std", STD, input, dim, unbiased, keepdim, correction)[0]


def var_mean(input: T, dim: Axes = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: Number | None = None) -> tuple[T, T]:  # fmt: skip
    """(var, mean) over the same axes."""
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


def std_mean(input: T, dim: Axes = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: Number | None = None) -> tuple[T, T]:  # fmt: skip
    """(std, mean) over the same axes."""
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


def logsumexp(input: T, dim: Axes = None, keepdim: bool = False) -> T:
    """log(sum(exp(input))) over `dim` (all axes if None) without overflow; integers give float32."""
    axes = reduced_axes("logsumexp", input, dim)
    x = input if input.dtype.is_floating_point else cast(input, float32)
    return apply(LOGSUMEXP, x, axes=axes, keepdim=bool(keepdim))


def norm(
    input: T, p: float | str = "fro", dim: Axes = None, keepdim: bool = False, *, dtype: Any = None
) -> T:
    """The vector norm sum(|input|^p)^(1/p) over `dim` (all axes if None).

    p may be any float, 0 (how many are not 0), inf or -inf (largest and smallest |input|); "fro" is 2.
    Raises SettingError for another string, DTypeError for integers.
    """
    if isinstance(p, str) and p != "fro":
        raise SettingError(f"norm: expected a number or 'fro', got {p!r}")
    axes, order = (
        reduced_axes("norm", input, dim),
        2.0 if isinstance(p, str) else real("norm", "p", p),
    )
    x = input if dtype is None else cast(input, dtype)
    floating("norm", x.spec)
    if order != order:
        raise SettingError("norm: expected a number or 'fro', got nan")
    if order < 0 or order == inf:
        check_not_empty("norm", x.spec, axes)
    if order in (inf, -inf):
        return (amax if order > 0 else amin)(abs(x), axes, keepdim)
    if order in (0, 1, 2) or 0 in x.shape:
        return apply(NORM, x, p=order, axes=axes, keepdim=bool(keepdim))
    return _scaled_norm(x, order, axes, bool(keepdim))


def _scaled_norm(x: Any, p: float, axes: Shape, keepdim: bool) -> Any:
    """The norm of x / s times s, where s is the largest |x|, or for p < 0 the smallest: no power leaves the range."""
    wide = cast(x, accumulator(x.dtype))
    with no_grad():
        most = (amax if p > 0 else amin)(abs(wide), axes, True)
        scale = where(logical_and(isfinite(most), ne(most, 0)), most, 1.0)
    found = mul(apply(NORM, div(wide, scale), p=p, axes=axes, keepdim=True), scale)
    return cast(found if keepdim else reshape(found, reduced(x.shape, axes, False)), x.dtype)


def _moments(
    name: str, op: Op, x: Any, dim: Axes, unbiased: bool | None, keepdim: bool, correction: Any
) -> Any:
    if unbiased is not None and correction is not None:
        raise SettingError(f"{name}: expected unbiased or correction, got both")
    less = float(1 if unbiased is None else bool(unbiased))
    if correction is not None:
        less = real(name, "correction", correction)
    if less != less:
        raise SettingError(f"{name}: expected a number as correction, got nan")
    return apply(op, x, axes=reduced_axes(name, x, dim), keepdim=bool(keepdim), correction=less)


def _infer_moment(op: str) -> Callable[..., Any]:
    def infer(x: Spec, *, axes: Shape, keepdim: bool, correction: float) -> Any:
        kind = floating(op, x)
        shape = reduced(x.shape, axes, keepdim)
        return Spec(shape, kind), Spec(shape, accumulator(kind))  # and the mean

    return infer


def _freedom(x: Variable, axes: Shape, correction: float) -> float:
    """1 over the degrees of freedom, which may be negative as in torch's gradients along axes."""
    left = reduced_size(x.shape, axes) - correction
    return 1 / left if left else inf


def _var_vjp(
    g: Any, outs: Any, x: Any, *, needs: Any, axes: Shape, keepdim: bool, correction: float
) -> Any:
    scale = 2 * _freedom(x, axes, correction)
    return (apply(VAR_GRAD, kept(g, x, axes), x, kept(outs[1], x, axes), scale=scale),)


def _std_vjp(
    g: Any, outs: Any, x: Any, *, needs: Any, axes: Shape, keepdim: bool, correction: float
) -> Any:
    y, mean = (kept(v, x, axes) for v in outs)
    return (apply(STD_GRAD, kept(g, x, axes), x, mean, y, scale=_freedom(x, axes, correction)),)


def _logsumexp_vjp(g: Any, outs: Any, x: Any, *, needs: Any, axes: Shape, keepdim: bool) -> Any:
    return (apply(LOGSUMEXP_GRAD, kept(g, x, axes), x, kept(outs[0], x, axes)),)


def _norm_vjp(
    g: Any, outs: Any, x: Any, *, needs: Any, p: float, axes: Shape, keepdim: bool
) -> Any:
    if p == 0:
        return (None,)
    return (apply(NORM_GRAD, kept(g, x, axes), x, kept(outs[0], x, axes), p=p),)


VAR_GRAD = Op("var_grad", like_x)
STD_GRAD = Op("std_grad", like_x)
VAR = Op("var", _infer_moment("var"), _var_vjp)
STD = Op("std", _infer_moment("std"), _std_vjp)
LOGSUMEXP_GRAD = Op("logsumexp_grad", like_x)
LOGSUMEXP = Op("logsumexp", infer_floating("logsumexp"), _logsumexp_vjp)
NORM_GRAD = Op("norm_grad", like_x)
NORM = Op("norm", infer_floating("norm"), _norm_vjp)
