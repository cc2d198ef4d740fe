"""Statistics over any axes: variances, the logarithm of a sum of exponentials, norms."""

from __future__ import annotations

from math import inf
from typing import Any

from ..autograd import T, apply, is_grad_enabled, no_grad
from ..dtypes import Number, accumulator, float32
from ..errors import SettingError
from ..op import Op
from ..shapes import Axes, Shape, reduced
from .elementwise import abs, cast, div, isfinite, logical_and, mul, ne, where
from .movement import reshape
from .reduce import (
    LOGSUMEXP,
    NORM,
    STD,
    VAR,
    amax,
    amin,
    check_not_empty,
    floating,
    mean,
    reduced_axes,
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
    return _and_mean("var", VAR, input, dim, unbiased, keepdim, correction)


def std_mean(input: T, dim: Axes = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: Number | None = None) -> tuple[T, T]:  # fmt: skip
    """(std, mean) over the same axes."""
    return _and_mean("std", STD, input, dim, unbiased, keepdim, correction)


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


def _and_mean(
    name: str, op: Op, x: Any, dim: Axes, unbiased: bool | None, keepdim: bool, correction: Any
) -> tuple[Any, Any]:
    """What the op knows of the mean is no result to differentiate, nor a mean of nothing."""
    spread, centre = _moments(name, op, x, dim, unbiased, keepdim, correction)
    if 0 in x.shape or (is_grad_enabled() and x.requires_grad):
        return spread, mean(x, dim, keepdim)
    return spread, cast(centre, spread.dtype)


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
