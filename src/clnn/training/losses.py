"""Losses by name, what a model does with any loss, and losses weighted by class."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from .. import nn, ops
from ..errors import DTypeError, SettingError, ShapeError
from ..metrics.classification import class_indices
from ..metrics.metric import aligned
from ..tensor import Tensor, tensor

LossFn = Callable[[Any, Any], Tensor]


class Loss(NamedTuple):
    """A loss ready to use: its mean over a batch, one number per element, and the cut of its decisions.

    each is None for a function that cannot say; threshold is what accuracy compares single scores with.
    """

    mean: LossFn
    each: LossFn | None
    threshold: float | None = None


def _elementwise(fn: Callable[..., Tensor], threshold: float | None = None) -> Callable[[], Loss]:
    """A loss of every element: the target takes the prediction's shape and dtype."""

    def call(pred: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        return fn(pred, aligned(fn.__name__, pred, target), reduction=reduction)

    return lambda: Loss(call, partial(call, reduction="none"), threshold)


def _of_classes(fn: Callable[..., Tensor]) -> Callable[[], Loss]:
    """A loss of class indices; a column of them is flattened, one-hot integers become probabilities."""

    def call(pred: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        if target.shape == pred.shape:
            target = target.to(pred.dtype)
        elif target.ndim == pred.ndim and pred.ndim > 1:
            target = class_indices(fn.__name__, pred, target)
        return fn(pred, target, reduction=reduction)

    return lambda: Loss(call, partial(call, reduction="none"))


LOSSES: dict[str, Callable[[], Loss]] = {
    "cross_entropy": _of_classes(ops.cross_entropy),
    "nll": _of_classes(ops.nll_loss),
    "bce": _elementwise(ops.binary_cross_entropy, 0.5),
    "bce_with_logits": _elementwise(ops.binary_cross_entropy_with_logits, 0.0),
    "mse": _elementwise(ops.mse_loss),
    "l1": _elementwise(ops.l1_loss),
    "mae": _elementwise(ops.l1_loss),
    "smooth_l1": _elementwise(ops.smooth_l1_loss),
    "huber": _elementwise(ops.huber_loss),
    "kl_div": _elementwise(ops.kl_div),
}

_THRESHOLDS = {
    nn.BCELoss: 0.5, nn.BCEWithLogitsLoss: 0.0,
    ops.binary_cross_entropy: 0.5, ops.binary_cross_entropy_with_logits: 0.0,
}  # fmt: skip


def resolve(loss: Any) -> Loss:
    """The loss of a name, a module or a function; raises SettingError or DTypeError for anything else."""
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise SettingError(f"Model: expected loss in {', '.join(LOSSES)}, got {loss!r}")
        return LOSSES[loss]()
    if isinstance(loss, nn.Module):
        return Loss(loss, _unreduced(loss), _THRESHOLDS.get(type(loss)))
    if not callable(loss) or isinstance(loss, type):
        raise DTypeError(
            f"Model: expected loss to be a name, a loss module or a function of (pred, target), got {loss!r}"
        )
    each = partial(loss, reduction="none") if _has_reduction(loss) else None
    return Loss(loss, each, _THRESHOLDS.get(loss))


def _unreduced(loss: nn.Module) -> LossFn | None:
    """The module with reduction "none", sharing its weights; None if it knows no reduction."""
    if not hasattr(loss, "reduction"):
        return None
    each = copy.copy(loss)
    each.__dict__["reduction"] = "none"
    return each


def _has_reduction(fn: Callable[..., Any]) -> bool:
    try:
        return "reduction" in inspect.signature(fn).parameters
    except (TypeError, ValueError):  # a function that does not say what it takes
        return False


def class_weights(given: Any) -> dict[int, float]:
    """{class: weight} of a mapping or a sequence; raises SettingError for other keys or values."""
    if given is None or isinstance(given, str):
        raise DTypeError(
            f"fit: expected class_weight as {{class: weight}} or a sequence, got {given!r}"
        )
    items = given.items() if isinstance(given, Mapping) else enumerate(np.asarray(given).tolist())
    found: dict[int, float] = {}
    for key, value in items:
        index = isinstance(key, int | np.integer) and not isinstance(key, bool) and key >= 0
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not index or not number or not isfinite(value) or value < 0:
            raise SettingError(
                f"fit: expected class_weight of {{class index: number >= 0}}, got {key!r}: {value!r}"
            )
        found[int(key)] = float(value)
    return found


def weighted(loss: Loss, weights: Mapping[int, float]) -> LossFn:
    """The mean over a batch of every sample's loss times the weight of its class, 1 where none is given.

    As in Keras the sum is divided by the number of samples, not by the sum of the weights. Raises
    SettingError for a loss that gives no number per sample.
    """
    each = loss.each
    if each is None:
        raise SettingError(
            "fit: expected a loss with a reduction for class_weight, got one that only gives a mean; "
            "name one, or give the function a parameter `reduction`"
        )
    tables: dict[Any, Tensor] = {}

    def call(pred: Tensor, target: Tensor) -> Tensor:
        several = pred.ndim > 1 and pred.shape[1] > 1
        if several and loss.threshold is not None:
            raise SettingError(
                f"fit: expected one score per sample for class_weight beside a binary loss, got {pred.shape[1]}; "
                "weigh labels by pos_weight of nn.BCEWithLogitsLoss"
            )
        classes = pred.shape[1] if several else 2
        key = classes, pred.device, pred.dtype
        if key not in tables:
            if max(weights, default=0) >= classes:
                raise SettingError(
                    f"fit: expected class_weight of classes below {classes}, got {max(weights)}"
                )
            host = np.array([weights.get(k, 1.0) for k in range(classes)])
            tables[key] = tensor(host, dtype=pred.dtype, device=pred.device)
        true = _classes(pred, target)
        per_sample = ops.index_select(tables[key], 0, true.reshape(-1)).reshape(true.shape)
        losses = each(pred, target)
        if losses.ndim > true.ndim:
            axis = 1 if losses.ndim == pred.ndim else losses.ndim
            per_sample = per_sample.unsqueeze(axis)
        if losses.ndim != per_sample.ndim:
            raise ShapeError(f"fit: expected a loss per sample of {true.shape}, got {losses.shape}")
        return (losses * per_sample).mean()

    return call


def _classes(pred: Tensor, target: Tensor) -> Tensor:
    """True classes of a batch as indices."""
    if pred.ndim > 1 and pred.shape[1] > 1:
        return class_indices("class_weight", pred, target).long()
    return (aligned("class_weight", pred, target) > 0.5).long()
