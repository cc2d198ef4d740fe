"""Cross-entropy and negative log-likelihood, of class indices (one fused op) or of probabilities."""

from __future__ import annotations

from typing import Any

from ..autograd import T, apply
from ..dtypes import accumulator, int32, int64, uint8
from ..errors import DTypeError, SettingError, ShapeError
from ..op import Op
from ..shapes import Spec
from .elementwise import add, mul, neg
from .loss import check_reduction, constant, reduced
from .movement import as_ints, reshape
from .reduce import mean, sum
from .rules import check_floating, operand, real
from .softmax import log_softmax


def cross_entropy(input: T, target: T, weight: T | None = None, size_average: None = None,
                  ignore_index: int = -100, reduce: None = None, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> T:  # fmt: skip
    """-log softmax(input) at the target class, times that class's weight.

    input (N, C, *) or (C,); target class indices (N, *) or (), or probabilities of input's shape; weight (C,)
    -> () or, unreduced, (N, *). The mean divides by the sum of the weights of the targets (by the number of
    samples for probabilities). Samples whose target is ignore_index count as nothing; any other index outside
    of [0, C) makes the result NaN. label_smoothing e moves a share e of the target evenly to all classes.
    Source: Szegedy et al., Rethinking the Inception Architecture, 2015 (smoothing).
    """
    name = "cross_entropy"
    check_reduction(name, reduction, size_average, reduce)
    operand(name, input)
    operand(name, target)
    (ignore_index,) = as_ints(name, (ignore_index,))
    if not 0 <= real(name, "label_smoothing", label_smoothing) <= 1:
        raise SettingError(f"{name}: expected label_smoothing in [0, 1], got {label_smoothing}")
    if target.shape == input.shape and target.ndim:
        if ignore_index >= 0:
            raise SettingError(
                f"{name}: expected no ignore_index for a target of probabilities, got {ignore_index}"
            )
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    weights = () if weight is None else (weight,)
    return apply(CROSS_ENTROPY, input, target, *weights, reduction=reduction, ignore_index=ignore_index,
                 label_smoothing=float(label_smoothing))[0]  # fmt: skip


def nll_loss(input: T, target: T, weight: T | None = None, size_average: None = None,
             ignore_index: int = -100, reduce: None = None, reduction: str = "mean") -> T:  # fmt: skip
    """-input at the target class, times that class's weight, for input of log-probabilities.

    input (N, C, *) or (C,), target indices (N, *) or (), weight (C,) -> () or, unreduced, (N, *). Means, ignored
    targets and indices outside of [0, C) as in cross_entropy.
    """
    check_reduction("nll_loss", reduction, size_average, reduce)
    (ignore_index,) = as_ints("nll_loss", (ignore_index,))
    weights = () if weight is None else (weight,)
    return apply(NLL_LOSS, input, target, *weights, reduction=reduction, ignore_index=ignore_index)[
        0
    ]


def _soft_cross_entropy(
    input: Any, target: Any, weight: Any, reduction: str, label_smoothing: float
) -> Any:
    """Cross-entropy with a target of probabilities."""
    name = "cross_entropy"
    check_floating(name, input.dtype)
    if not target.dtype.is_floating_point:
        raise DTypeError(f"{name}: expected probabilities of a floating dtype in a target of input's shape, "
                         f"got {target.dtype}")  # fmt: skip
    axis = 1 if input.ndim > 1 else 0
    classes = input.shape[axis]
    if weight is not None:
        operand(name, weight)
        _check_weight(name, input.spec, weight.spec)
    if label_smoothing:
        target = add(mul(target, 1 - label_smoothing), label_smoothing / classes)
    if weight is not None:
        target = mul(target, reshape(weight, (-1, *(1,) * (input.ndim - axis - 1))))
    losses = neg(sum(mul(log_softmax(input, axis), target), axis))
    if reduction == "mean":
        return mean(losses)
    return reduced(losses, reduction)


def _check_weight(name: str, x: Spec, weight: Spec) -> None:
    classes = x.shape[1] if len(x.shape) > 1 else x.shape[0]
    if weight.shape != (classes,):
        raise ShapeError(f"{name}: expected a weight of shape ({classes},), got {weight.shape}")
    if weight.dtype != x.dtype:
        raise DTypeError(f"{name}: expected a weight of dtype {x.dtype}, got {weight.dtype}")


def _check_classes(name: str, x: Spec, target: Spec, weight: tuple[Spec, ...]) -> None:
    check_floating(name, x.dtype)
    if not x.shape:
        raise ShapeError(f"{name}: expected an input of shape (N, C, ...) or (C,), got ()")
    samples = (x.shape[0], *x.shape[2:]) if len(x.shape) > 1 else ()
    if target.shape != samples:
        raise ShapeError(
            f"{name}: expected a target of shape {samples} for input {x.shape}, got {target.shape}"
        )
    if target.dtype not in (int64, int32, uint8):
        raise DTypeError(
            f"{name}: expected class indices as int64, int32 or uint8, got {target.dtype}"
        )
    for w in weight:
        _check_weight(name, x, w)


def _infer_cross_entropy(
    x: Spec, target: Spec, *weight: Spec, reduction: str, **_: Any
) -> tuple[Spec, ...]:
    _check_classes("cross_entropy", x, target, weight)
    wide = accumulator(x.dtype)
    loss = Spec(target.shape if reduction == "none" else (), x.dtype)
    return loss, Spec(target.shape, wide), Spec((2,), wide)


def _cross_entropy_vjp(
    g: Any, outs: Any, x: Any, target: Any, *weight: Any, needs: Any, **settings: Any
) -> Any:
    constant("cross_entropy", "weight", needs[2:])
    _, lse, totals = outs
    return (
        apply(CROSS_ENTROPY_GRAD, g, x, target, lse, totals, *weight, **settings),
        None,
        *[None] * len(weight),
    )


def _infer_nll_loss(
    x: Spec, target: Spec, *weight: Spec, reduction: str, **_: Any
) -> tuple[Spec, ...]:
    _check_classes("nll_loss", x, target, weight)
    return Spec(target.shape if reduction == "none" else (), x.dtype), Spec(
        (2,), accumulator(x.dtype)
    )


def _nll_loss_vjp(
    g: Any, outs: Any, x: Any, target: Any, *weight: Any, needs: Any, **settings: Any
) -> Any:
    constant("nll_loss", "weight", needs[2:])
    return (apply(NLL_LOSS_GRAD, g, target, outs[1], *weight, shape=x.shape, **settings), None,
            *[None] * len(weight))  # fmt: skip


CROSS_ENTROPY_GRAD = Op("cross_entropy_grad", lambda g, x, *_, **__: x)
CROSS_ENTROPY = Op("cross_entropy", _infer_cross_entropy, _cross_entropy_vjp)
NLL_LOSS_GRAD = Op("nll_loss_grad", lambda g, *_, shape, **__: Spec(shape, g.dtype))
NLL_LOSS = Op("nll_loss", _infer_nll_loss, _nll_loss_vjp)
