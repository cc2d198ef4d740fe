"""Precision, recall and F1: what counts of right and wrong decisions per class say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import ops
from ..autograd import no_grad
from ..errors import SettingError, ShapeError
from ..tensor import Tensor
from .classification import Classifier
from .metric import Total, aligned

AVERAGES = ("macro", "micro", "weighted", "binary")


class _Counted(Classifier):
    """Base of metrics of three counts per class: right, predicted and true. `Precision` says how."""

    def __init__(self, name: str, average: str, threshold: float | None) -> None:
        if average not in AVERAGES:
            raise SettingError(
                f"{name}: expected average in {', '.join(AVERAGES)}, got {average!r}"
            )
        super().__init__(name, threshold)
        self.average = average

    def reset(self) -> None:
        """Forget all batches."""
        self._counts, self._samples = Total(), 0
        self._kind: tuple[int, bool] | None = None  # number of classes, and whether they are labels

    def update(self, pred: Tensor, target: Tensor) -> None:
        """Add a batch; raises ShapeError unless the target fits, SettingError unless the average does."""
        labels = self.threshold is not None and pred.ndim > 1 and pred.shape[1] > 1
        classes = pred.shape[1] if pred.ndim > 1 and pred.shape[1] > 1 else 2
        if self.average == "binary" and (labels or classes > 2):
            kind = "labels" if labels else "classes"
            raise SettingError(
                f"{self.name}: expected average 'macro', 'micro' or 'weighted' for {classes} {kind}, "
                f"got 'binary'"
            )
        if self._kind not in (None, (classes, labels)):
            raise ShapeError(
                f"{self.name}: expected as many classes as before, got {classes}; reset() first"
            )
        with no_grad():
            decided, true = self._by_label(pred, target) if labels else self._by_class(pred, target)
            each = ops.stack([decided * true, decided, true])
            self._counts = self._counts.plus(each.sum(1))
        self._kind = classes, labels
        self._samples += true.shape[0]

    def _by_class(self, pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """One-hot predictions and targets, (samples, classes)."""
        predicted, true, classes = self.decide(pred, target)
        return (
            ops.one_hot(predicted.long().reshape(-1), classes),
            ops.one_hot(true.long().reshape(-1), classes),
        )

    def _by_label(self, pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Decisions and targets of 0 and 1, (samples, labels)."""
        predicted, true, _ = self.decide(pred, aligned(self.name, pred, target))
        found = [ops.movedim(x.int(), 1, -1).reshape(-1, pred.shape[1]) for x in (predicted, true)]
        return found[0], found[1]

    def compute(self) -> float:
        """The average; waits for the device."""
        if self._kind is None or not self._samples:
            return math.nan
        right, predicted, true = self._counts.read()
        if self.average == "binary":
            return float(self._score(right, predicted, true)[1])
        if self.average == "micro":
            return float(self._score(right.sum(), predicted.sum(), true.sum()))
        scores = self._score(right, predicted, true)
        if self.average == "weighted":
            return float(_quotient((scores * true).sum(), true.sum()))
        occurs = (predicted + true > 0) | self._kind[1]
        return float(scores[occurs].mean())

    def _score(self, right: Any, predicted: Any, true: Any) -> Any:
        raise NotImplementedError


class Precision(_Counted):
    """How many of the predictions of a class are right.  Shapes and `threshold` as `Accuracy`.

    average: "macro", the mean over the classes that occur among predictions or targets; "weighted", the same
    weighted by how often each is true; "micro", of all counts together; "binary", class 1 of two. With a
    threshold and several scores per sample every score is a label of its own, and all labels count. A
    quotient without a denominator is 0, scikit-learn's zero_division=0. Raises SettingError for others.
    """

    def __init__(
        self, average: str = "macro", threshold: float | None = None, name: str = "precision"
    ) -> None:
        super().__init__(name, average, threshold)

    def _score(self, right: Any, predicted: Any, true: Any) -> Any:
        return _quotient(right, predicted)


class Recall(_Counted):
    """How many of the samples of a class are found; see `Precision` for its arguments."""

    def __init__(
        self, average: str = "macro", threshold: float | None = None, name: str = "recall"
    ) -> None:
        super().__init__(name, average, threshold)

    def _score(self, right: Any, predicted: Any, true: Any) -> Any:
        return _quotient(right, true)


class F1Score(_Counted):
    """The harmonic mean of precision and recall, per class and then averaged; see `Precision`."""

    def __init__(
        self, average: str = "macro", threshold: float | None = None, name: str = "f1"
    ) -> None:
        super().__init__(name, average, threshold)

    def _score(self, right: Any, predicted: Any, true: Any) -> Any:
        return _quotient(2 * right, predicted + true)


def _quotient(a: Any, b: Any) -> Any:
    """a / b, and 0 where b is 0."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)
