"""How often predicted classes are right; classes from scores, from one score, or from a threshold each."""

from __future__ import annotations

import math
from typing import NamedTuple

from .. import ops
from ..autograd import no_grad
from ..errors import DTypeError, SettingError, ShapeError
from ..tensor import Tensor
from .metric import Metric, Total, aligned


class Decisions(NamedTuple):
    """Predicted and true classes of a batch, in one shape, and how many classes there are."""

    predicted: Tensor
    true: Tensor
    classes: int


class Classifier(Metric):
    """Base of metrics of classes.  (N, C, *) scores with (N, *) indices or (N, C, *) one-hot; or (*), (*).

    Without `threshold` the class is the largest of C > 1 scores. With one, or for a single score per
    sample, it is whether the score is above the threshold (0.5 unless given; 0 for logits), compared with
    a target of 0 and 1. Raises ShapeError for a target that fits neither.
    """

    larger_is_better = True

    def __init__(self, name: str, threshold: float | None = None) -> None:
        number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
        if threshold is not None and not number:
            raise DTypeError(
                f"{name}: expected threshold to be a number or None, got {threshold!r}"
            )
        super().__init__(name)
        self.threshold = threshold

    def decide(self, pred: Tensor, target: Tensor) -> Decisions:
        """The classes of a batch."""
        if self.threshold is None and pred.ndim > 1 and pred.shape[1] > 1:
            return Decisions(pred.argmax(1), class_indices(self.name, pred, target), pred.shape[1])
        cut = 0.5 if self.threshold is None else self.threshold
        return Decisions(pred > cut, aligned(self.name, pred, target) > 0.5, 2)


def class_indices(where: str, pred: Tensor, target: Tensor) -> Tensor:
    """True classes (N, *) of a target of indices (N, *) or (N, 1), or one-hot (N, C, *) as `pred` is."""
    shape = (pred.shape[0], *pred.shape[2:])
    if target.shape == pred.shape:
        return (target if target.dtype.category else target.int()).argmax(1)
    if target.shape not in (shape, (*shape, 1), (shape[0], 1, *shape[1:])):
        raise ShapeError(
            f"{where}: expected class indices of shape {shape} or one-hot of {pred.shape}, got {target.shape}"
        )
    return target.reshape(shape)


class Accuracy(Classifier):
    """The share of samples whose class is right; see `Classifier` for shapes and `threshold`."""

    def __init__(self, threshold: float | None = None, name: str = "accuracy") -> None:
        super().__init__(name, threshold)

    def reset(self) -> None:
        """Forget all batches."""
        self._right, self._count = Total(), 0

    def update(self, pred: Tensor, target: Tensor) -> None:
        """Add a batch; raises ShapeError unless the target fits."""
        with no_grad():
            predicted, true, _ = self.decide(pred, target)
            self._right = self._right.plus(ops.eq(predicted, true).sum())
        self._count += predicted.spec.size

    def compute(self) -> float:
        """The share; waits for the device."""
        return float(self._right.read()) / self._count if self._count else math.nan


class TopKAccuracy(Metric):
    """The share of samples whose true class is among the k largest scores.  (N, C, *), (N, *) or one-hot -> ().

    Scores equal to that of the true class do not push it out, as in Keras (scikit-learn takes the first ones);
    a true class whose score is NaN is never right.
    """

    larger_is_better = True

    def __init__(self, k: int = 5, name: str = "top_k_accuracy") -> None:
        if isinstance(k, bool) or not isinstance(k, int):
            raise DTypeError(f"{name}: expected k to be an int, got {k!r}")
        if k < 1:
            raise SettingError(f"{name}: expected k >= 1, got {k}")
        super().__init__(name)
        self.k = k

    def reset(self) -> None:
        """Forget all batches."""
        self._right, self._count = Total(), 0

    def update(self, pred: Tensor, target: Tensor) -> None:
        """Add a batch; raises ShapeError unless the target fits."""
        if pred.ndim < 2:
            raise ShapeError(f"{self.name}: expected scores of shape (N, C, *), got {pred.shape}")
        with no_grad():
            true = class_indices(self.name, pred, target)
            own = ops.gather(pred, 1, true.long().unsqueeze(1))
            not_larger = ops.le(pred, own).sum(1)  # a comparison with NaN is false
            right = ops.gt(not_larger, max(pred.shape[1] - self.k, 0))
            self._right = self._right.plus(right.sum())
        self._count += true.spec.size

    def compute(self) -> float:
        """The share; waits for the device."""
        return float(self._right.read()) / self._count if self._count else math.nan
