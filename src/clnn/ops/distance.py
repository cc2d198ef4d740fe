"""Vector norms put to use: normalisation, angles and distances."""

from __future__ import annotations

from math import isnan
from typing import Any

from ..autograd import T, no_grad
from ..dtypes import result_type
from ..errors import SettingError
from ..shapes import Axes, broadcast, normalize_axes, normalize_axis
from .elementwise import add, cast, clamp, div, mul, sub
from .movement import expand
from .reduce import sum
from .rules import check_floating, operand, real
from .statistics import norm


def normalize(input: T, p: float = 2.0, dim: Axes = 1, eps: float = 1e-12, out: None = None) -> T:
    """input / max(norm(input, p, dim), eps): vectors along `dim` of length 1, and zero where they are zero.

    (*) -> (*). Raises DTypeError for integers, IndexOutOfRangeError for a dim that input has not,
    SettingError for `out`, which does not exist here.
    """
    if out is not None:
        raise SettingError("normalize: expected no out, got one; use what is returned")
    operand("normalize", input)
    check_floating("normalize", input.dtype)
    axes = normalize_axes("normalize", dim, input.ndim)
    least = real("normalize", "eps", eps)
    return div(input, clamp(norm(input, p, axes, keepdim=True), min=least))


def cosine_similarity(x1: T, x2: T, dim: int = 1, eps: float = 1e-8) -> T:
    """The cosine of the angle between vectors along `dim`; norms count as eps at least.

    (*, D, *), (*, D, *) -> (*, *); x1 and x2 broadcast first. Gradients are those of norms that eps does not hold,
    as in torch. Raises DTypeError for integers.
    """
    operand("cosine_similarity", x1)
    operand("cosine_similarity", x2)
    axis = normalize_axis("cosine_similarity", dim, max(x1.ndim, x2.ndim))
    eps = real("cosine_similarity", "eps", eps)
    x1, x2 = _alike("cosine_similarity", x1, x2)
    return sum(mul(_directed(x1, axis, eps), _directed(x2, axis, eps)), axis)


def pairwise_distance(x1: T, x2: T, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> T:
    """norm(x1 - x2 + eps, p) over the last axis.

    (N, D), (N, D) -> (N,), or (N, 1) with keepdim; also (D,) -> (). x1 and x2 broadcast.
    """
    operand("pairwise_distance", x1)
    operand("pairwise_distance", x2)
    broadcast("pairwise_distance", x1.shape, x2.shape)
    order = real("pairwise_distance", "p", p)
    least = real("pairwise_distance", "eps", eps)
    if isnan(order):
        raise SettingError(f"pairwise_distance: expected p to be a number, got {p}")
    return norm(add(sub(x1, x2), least), order, -1, keepdim)


def _directed(x: Any, axis: int, eps: float) -> Any:
    """x over its norm along `axis`, which eps lifts without a part in the gradient."""
    length = norm(x, 2.0, axis, keepdim=True)
    with no_grad():
        lift = clamp(sub(eps, length), min=0.0)
    return div(x, add(length, lift))


def _alike(op: str, x1: Any, x2: Any) -> tuple[Any, Any]:
    """Both operands in their common dtype and shape."""
    operand(op, x1)
    operand(op, x2)
    kind = result_type(((x1.dtype, x1.ndim), (x2.dtype, x2.ndim)))
    check_floating(op, kind)
    shape = broadcast(op, x1.shape, x2.shape)
    x1, x2 = cast(x1, kind), cast(x2, kind)
    if x1.shape == x2.shape:
        return x1, x2
    return expand(x1, shape), expand(x2, shape)
