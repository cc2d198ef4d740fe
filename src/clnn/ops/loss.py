"""Losses. `reduction` is "none" (one loss per element or sample), "mean" or "sum".

`size_average` and `reduce`, which torch deprecated in its favour, stand where torch has them and must be None.
"""

from __future__ import annotations

import warnings
from math import prod
from typing import Any

from ..autograd import T, apply
from ..dtypes import bool_, result_type
from ..errors import DTypeError, NotDifferentiableError, SettingError, ShapeError
from ..op import Op
from ..shapes import Spec, broadcast
from .distance import pairwise_distance
from .elementwise import (
    add,
    clamp,
    div,
    eq,
    minimum,
    mul,
    square,
    sub,
    where,
)
from .maths import rsqrt
from .reduce import mean, sum
from .rules import check_floating, operand, real, unbroadcast

# --- declaring ----------------------------------------------------------------------------------


def check_reduction(op: str, reduction: str, size_average: None, reduce: None, *more: str) -> None:
    """Raise SettingError unless `reduction` is one of torch's three, or of `more`, and the others None."""
    for name, value in (("size_average", size_average), ("reduce", reduce)):
        if value is not None:
            raise SettingError(f"{op}: expected {name} None, got {value!r}; use reduction")
    known = ("none", "mean", "sum", *more)
    if reduction not in known:
        raise SettingError(
            f"{op}: expected reduction {', '.join(map(repr, known))}, got {reduction!r}"
        )


def reduced(loss: T, reduction: str) -> T:
    """Losses one by one, their mean or their sum."""
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum(loss)


def _pointwise(name: str, operands: int = 2) -> Op:
    """Declare `name`(input, target, ...), reduced to one number in the same pass over memory.

    Its gradients are the maps `name`_grad and `name`_target_grad of (g, input, target, ...), in which
    g is one number unless the reduction is "none". Operands broadcast; further ones get no gradient.
    """

    def infer(*xs: Spec, reduction: str, **_: Any) -> Spec:
        shape = broadcast(name, *[x.shape for x in xs])
        kind = result_type((x.dtype, x.rank) for x in xs)
        check_floating(name, bool_ if any(x.dtype is bool_ for x in xs) else kind)
        return Spec(shape if reduction == "none" else (), kind)

    def vjp(g: Any, outs: Any, *xs: Any, needs: Any, reduction: str, **settings: Any) -> Any:
        constant(name, "pos_weight", needs[2:])
        count = prod(broadcast(name, *[x.shape for x in xs])) if reduction == "mean" else 1
        scale = 1 / count if count else 0.0
        return (*[unbroadcast(apply(grad, g, *xs, scale=scale, **settings), x) if needed else None
                  for grad, x, needed in zip(grads, xs[:2], needs, strict=False)],
                *[None] * (len(xs) - 2))  # fmt: skip

    def infer_grad(g: Spec, *xs: Spec, **_: Any) -> Spec:
        return Spec(broadcast(name, *[x.shape for x in xs]), g.dtype)

    grads = [Op(f"{name}{which}_grad", infer_grad) for which in ("", "_target")]
    return Op(name, infer, vjp)


def constant(op: str, operand: str, needs: tuple[bool, ...]) -> None:
    """Raise where a gradient is asked for that torch does not define either."""
    if any(needs):
        raise NotDifferentiableError(
            f"{op}: declares no gradient of {operand}; use .detach() on it"
        )


def _warn_broadcast(op: str, input: Any, target: Any) -> None:
    if input.shape != target.shape:
        warnings.warn(
            f"{op}: expected input and target of one shape, got {input.shape} and {target.shape}; they are "
            "broadcast, which is rarely what is meant",
            stacklevel=3,
        )


# --- regression ---------------------------------------------------------------------------------


def mse_loss(input: T, target: T, size_average: None = None, reduce: None = None,
             reduction: str = "mean", weight: T | None = None) -> T:  # fmt: skip
    """(input - target)^2. With `weight`, of input's shape, the mean is weighted.

    (*), (*) -> () or, unreduced, (*). Warns when the shapes differ and are broadcast.
    """
    check_reduction("mse_loss", reduction, size_average, reduce)
    return _regression("mse_loss", MSE_LOSS, input, target, reduction, weight)


def l1_loss(input: T, target: T, size_average: None = None, reduce: None = None,
            reduction: str = "mean", weight: T | None = None) -> T:  # fmt: skip
    """abs(input - target). With `weight`, of input's shape, the mean is weighted.

    (*), (*) -> () or, unreduced, (*). Warns when the shapes differ and are broadcast.
    """
    check_reduction("l1_loss", reduction, size_average, reduce)
    return _regression("l1_loss", L1_LOSS, input, target, reduction, weight)


def smooth_l1_loss(input: T, target: T, size_average: None = None, reduce: None = None,
                   reduction: str = "mean", beta: float = 1.0) -> T:  # fmt: skip
    """d^2 / (2 beta) where d = abs(input - target) is below beta, else d - beta / 2.

    (*), (*) -> () or, unreduced, (*). SettingError for a negative beta. Source: Girshick, 2015.
    """
    check_reduction("smooth_l1_loss", reduction, size_average, reduce)
    beta = real("smooth_l1_loss", "beta", beta)
    if not beta >= 0:
        raise SettingError(f"smooth_l1_loss: expected beta >= 0, got {beta}")
    return _regression("smooth_l1_loss", SMOOTH_L1_LOSS, input, target, reduction, None, beta=beta)


def huber_loss(
    input: T, target: T, reduction: str = "mean", delta: float = 1.0, weight: T | None = None
) -> T:
    """d^2 / 2 where d = abs(input - target) is at most delta, else delta (d - delta / 2).

    (*), (*) -> () or, unreduced, (*). The mean divides by the number of elements, weighted or not.
    SettingError unless delta > 0. Source: Huber, 1964.
    """
    check_reduction("huber_loss", reduction, None, None)
    delta = real("huber_loss", "delta", delta)
    if not delta > 0:
        raise SettingError(f"huber_loss: expected delta > 0, got {delta}")
    return _regression("huber_loss", HUBER_LOSS, input, target, reduction, weight, delta=delta)


def _regression(
    name: str, op: Op, input: Any, target: Any, reduction: str, weight: Any, **settings: Any
) -> Any:
    operand(name, input)
    operand(name, target)
    _warn_broadcast(name, input, target)
    if weight is None:
        return apply(op, input, target, reduction=reduction, **settings)
    operand(name, weight)
    if weight.shape != input.shape:
        raise ShapeError(
            f"{name}: expected a weight of input's shape {input.shape}, got {weight.shape}"
        )
    weighted = mul(apply(op, input, target, reduction="none", **settings), weight)
    if reduction == "mean" and op is not HUBER_LOSS:
        return div(sum(weighted), sum(weight))
    return reduced(weighted, reduction)


# --- probabilities ------------------------------------------------------------------------------


def binary_cross_entropy(input: T, target: T, weight: T | None = None, size_average: None = None,
                         reduce: None = None, reduction: str = "mean") -> T:  # fmt: skip
    """-(target log(input) + (1 - target) log(1 - input)), logarithms no lower than -100.

    (*), (*) -> () or, unreduced, (*); weight broadcasts to them. input must lie in [0, 1]: outside of it
    the result is NaN. Raises ShapeError when input and target differ.
    """
    name = "binary_cross_entropy"
    check_reduction(name, reduction, size_average, reduce)
    return _binary(name, BINARY_CROSS_ENTROPY, (input, target), weight, reduction)


def binary_cross_entropy_with_logits(input: T, target: T, weight: T | None = None, size_average: None = None,
                                     reduce: None = None, reduction: str = "mean",
                                     pos_weight: T | None = None) -> T:  # fmt: skip
    """binary_cross_entropy of sigmoid(input), without overflow; pos_weight multiplies the part of target 1.

    (*), (*) -> () or, unreduced, (*); weight and pos_weight broadcast to them. Raises ShapeError when input
    and target differ.
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction, size_average, reduce)
    if pos_weight is None:
        return _binary(name, BCE_WITH_LOGITS, (input, target), weight, reduction)
    return _binary(name, BCE_POS_WEIGHT, (input, target, pos_weight), weight, reduction)


def _binary(name: str, op: Op, xs: tuple[Any, ...], weight: Any, reduction: str) -> Any:
    for x in xs:
        operand(name, x)
    if xs[0].shape != xs[1].shape:
        raise ShapeError(f"{name}: expected a target of shape {xs[0].shape}, got {xs[1].shape}")
    if broadcast(name, *[x.shape for x in xs]) != xs[0].shape:
        raise ShapeError(
            f"{name}: expected a pos_weight that broadcasts to {xs[0].shape}, got {xs[2].shape}"
        )
    if weight is None:
        return apply(op, *xs, reduction=reduction)
    operand(name, weight)
    if broadcast(name, xs[0].shape, weight.shape) != xs[0].shape:
        raise ShapeError(
            f"{name}: expected a weight that broadcasts to {xs[0].shape}, got {weight.shape}"
        )
    return reduced(mul(apply(op, *xs, reduction="none"), weight), reduction)


def kl_div(input: T, target: T, size_average: None = None, reduce: None = None,
           reduction: str = "mean", log_target: bool = False) -> T:  # fmt: skip
    """target (log(target) - input), for `input` of log-probabilities; 0 where target is 0.

    With log_target the target is given as logarithms too. (*), (*) -> () or, unreduced, the broadcast shape.
    reduction "batchmean" divides the sum by the first size of input, which is the divergence's definition.
    """
    check_reduction("kl_div", reduction, size_average, reduce, "batchmean")
    operand("kl_div", input)
    operand("kl_div", target)
    op = KL_DIV_LOG if log_target else KL_DIV
    if reduction != "batchmean":
        return apply(op, input, target, reduction=reduction)
    total = apply(op, input, target, reduction="sum")
    return div(total, input.shape[0]) if input.ndim else total


# --- distances ----------------------------------------------------------------------------------


def margin_ranking_loss(input1: T, input2: T, target: T, margin: float = 0.0, size_average: None = None,
                        reduce: None = None, reduction: str = "mean") -> T:  # fmt: skip
    """max(0, margin - target (input1 - input2)): target 1 asks for a larger input1, -1 for a larger input2.

    (*), (*), (*) -> () or, unreduced, (*); shapes broadcast.
    """
    name = "margin_ranking_loss"
    check_reduction(name, reduction, size_average, reduce)
    for x in (input1, input2, target):
        operand(name, x)
    margin = real(name, "margin", margin)
    broadcast(name, input1.shape, input2.shape, target.shape)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(f"{name}: expected operands with as many axes, got {input1.shape}, "
                         f"{input2.shape}, {target.shape}")  # fmt: skip
    return reduced(_hinge(sub(margin, mul(target, sub(input1, input2)))), reduction)


def cosine_embedding_loss(input1: T, input2: T, target: T, margin: float = 0.0, size_average: None = None,
                          reduce: None = None, reduction: str = "mean") -> T:  # fmt: skip
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1, else 0.

    (N, D), (N, D), (N,) or (D,), (D,), () -> () or, unreduced, target's shape. Raises ShapeError for others.
    """
    name = "cosine_embedding_loss"
    check_reduction(name, reduction, size_average, reduce)
    for x in (input1, input2, target):
        operand(name, x)
    margin = real(name, "margin", margin)
    if target.dtype in ("uint8", "bool"):
        raise DTypeError(f"{name}: expected a target of a signed dtype, got {target.dtype}")
    if (
        input1.ndim not in (1, 2)
        or input1.ndim != input2.ndim
        or broadcast(name, input1.shape, input2.shape)[:-1] != target.shape
    ):
        raise ShapeError(f"{name}: expected (N, D), (N, D), (N,) or (D,), (D,), (), "
                         f"got {input1.shape}, {input2.shape}, {target.shape}")  # fmt: skip
    squares = mul(add(sum(square(input1), -1), 1e-12), add(sum(square(input2), -1), 1e-12))
    cos = mul(sum(mul(input1, input2), -1), rsqrt(squares))
    apart = where(eq(target, -1), _hinge(sub(cos, margin)), 0.0)
    return reduced(where(eq(target, 1), sub(1.0, cos), apart), reduction)


def triplet_margin_loss(anchor: T, positive: T, negative: T, margin: float = 1.0, p: float = 2.0,
                        eps: float = 1e-6, swap: bool = False, size_average: None = None, reduce: None = None,
                        reduction: str = "mean") -> T:  # fmt: skip
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with d = pairwise_distance.

    (N, D) or (D,) three times -> () or, unreduced, (N,). With `swap` the distance to the negative is the
    smaller of anchor's and positive's. SettingError unless margin > 0. Source: Balntas et al., 2016.
    """
    check_reduction("triplet_margin_loss", reduction, size_average, reduce)
    margin = real("triplet_margin_loss", "margin", margin)
    if not margin > 0:
        raise SettingError(f"triplet_margin_loss: expected margin > 0, got {margin}")
    eps, p = real("triplet_margin_loss", "eps", eps), real("triplet_margin_loss", "p", p)
    for x in (anchor, positive, negative):
        operand("triplet_margin_loss", x)
        if x.dtype is bool_:
            raise DTypeError("triplet_margin_loss: expected numeric dtypes, got bool")
    shapes = (anchor.shape, positive.shape, negative.shape)
    broadcast("triplet_margin_loss", *shapes)
    if len({len(s) for s in shapes}) > 1:
        raise ShapeError(
            f"triplet_margin_loss: expected operands with as many axes, got {', '.join(map(str, shapes))}"
        )
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(_hinge(add(sub(near, far), margin)), reduction)


def _hinge(x: Any) -> Any:
    return clamp(x, min=0.0)


MSE_LOSS = _pointwise("mse_loss")
L1_LOSS = _pointwise("l1_loss")
SMOOTH_L1_LOSS = _pointwise("smooth_l1_loss")
HUBER_LOSS = _pointwise("huber_loss")
BINARY_CROSS_ENTROPY = _pointwise("binary_cross_entropy")
BCE_WITH_LOGITS = _pointwise("binary_cross_entropy_with_logits")
BCE_POS_WEIGHT = _pointwise("binary_cross_entropy_pos_weight")
KL_DIV = _pointwise("kl_div")
KL_DIV_LOG = _pointwise("kl_div_log")
