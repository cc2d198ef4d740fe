"""Metrics: metric(y_true, y_pred) is a number; the targets come first."""

from __future__ import annotations

from math import sqrt
from typing import Any

from ... import metrics as ours
from ... import ops
from ...autograd import no_grad
from ...errors import UnsupportedOpError
from ...metrics.metric import aligned
from ...tensor import Tensor
from .backend import ArrayType, upload
from .losses import MSE


class Metric:
    """A number that says how good predictions are. Those here define `measure`; a user's defines __call__ on arrays."""

    def get_config(self) -> dict[str, Any]:
        """The class's name as "type", and the constructor's arguments."""
        return {"type": type(self).__name__, **vars(self)}

    def measure(self, y_true: Tensor, y_pred: Tensor) -> float:
        """The number by clnn's ops; UnsupportedOpError if not defined."""
        raise UnsupportedOpError(f"{type(self).__name__}: expected __call__, got none")

    def __call__(self, y_true: ArrayType, y_pred: ArrayType) -> float:
        """The number for these predictions."""
        with no_grad():
            return self.measure(upload(y_true), upload(y_pred))


class RMSE(Metric):
    """The root of the mean over samples of each one's sum of squared errors.  (N, *), (N, *)."""

    def measure(self, y_true: Tensor, y_pred: Tensor) -> float:
        """(N, *), (N, *)."""
        return self.from_mse(MSE().compute(y_pred, y_true).item())

    def from_mse(self, mse: float) -> float:
        """The root of a value of the loss MSE."""
        return sqrt(mse)


class MAE(Metric):
    """The mean over samples of each one's sum of absolute errors.  (N, *), (N, *)."""

    def measure(self, y_true: Tensor, y_pred: Tensor) -> float:
        """(N, *), (N, *)."""
        target = aligned("MAE", y_pred, y_true)
        return ops.l1_loss(y_pred, target, reduction="sum").item() / max(1, target.shape[0])


class _Smoothed(Metric):
    def __init__(self, epsilon: float = 1e-8) -> None:
        self.epsilon = epsilon


class R2Score(_Smoothed):
    """1 - squared errors / (squared distances from the mean of each column + epsilon), all columns together."""

    def measure(self, y_true: Tensor, y_pred: Tensor) -> float:
        """(N, *), (N, *)."""
        target = aligned("R2Score", y_pred, y_true)
        centre = ops.broadcast_to(ops.mean(target, 0, keepdim=True), target.shape)
        missed, spread = (
            ops.mse_loss(guess, target, reduction="sum").item() for guess in (y_pred, centre)
        )
        return 1 - missed / (spread + self.epsilon)


class Accuracy(Metric):
    """The share of samples whose class is right.  (N, classes) one-hot or (N,) classes, or (N, 1) of 0 and 1."""

    def measure(self, y_true: Tensor, y_pred: Tensor) -> float:
        """The class is the largest of several scores, or whether a single one is above 0.5."""
        return ours.Accuracy()(y_pred, y_true)


class _PerClass(_Smoothed):
    """One score per class and their mean; of a single column only the score of class 1."""

    def __call__(self, y_true: ArrayType, y_pred: ArrayType, num_classes: int = 1,
                 no_check: bool = False) -> float:  # fmt: skip
        """The number; with no_check both are classes (N,) already, num_classes of them."""
        if not no_check:
            return super().__call__(y_true, y_pred)
        return self.score(*(_columns(upload(y), num_classes) for y in (y_true, y_pred)))

    def measure(self, y_true: Tensor, y_pred: Tensor) -> float:
        """The mean over classes."""
        return self.score(*_decided(y_true, y_pred))

    def score(self, true: Tensor, predicted: Tensor) -> float:
        """The mean over the columns of 0 and 1."""
        raise NotImplementedError

    def _share(self, true: Tensor, predicted: Tensor, of: Tensor) -> float:
        hits = ops.sum(ops.mul(true, predicted), 0)
        return ops.mean(ops.div(hits, ops.add(ops.sum(of, 0), self.epsilon))).item()


class Precision(_PerClass):
    """The share of right ones among those predicted to be of a class, averaged over classes."""

    def score(self, true: Tensor, predicted: Tensor) -> float:
        """The mean over the columns."""
        return self._share(true, predicted, predicted)


class Recall(_PerClass):
    """The share of those of a class that were predicted to be, averaged over classes."""

    def score(self, true: Tensor, predicted: Tensor) -> float:
        """The mean over the columns."""
        return self._share(true, predicted, true)


class F1Score(_Smoothed):
    """2 P R / (P + R + epsilon) of the averaged precision P and recall R."""

    def measure(self, y_true: Tensor, y_pred: Tensor) -> float:
        """Of the mean precision and the mean recall."""
        columns = _decided(y_true, y_pred)
        p, r = Precision(self.epsilon).score(*columns), Recall(self.epsilon).score(*columns)
        return 2 * p * r / (p + r + self.epsilon)


class TopKAccuracy(Metric):
    """The share of samples whose class is among the k largest scores.  (N, classes) one-hot or (N,) classes."""

    def __init__(self, k: int) -> None:
        self.k = k

    def measure(self, y_true: Tensor, y_pred: Tensor) -> float:
        """The share."""
        return ours.TopKAccuracy(self.k)(y_pred, y_true)


def _decided(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """True and predicted classes as columns of 0 and 1; of two classes in one column that of class 1."""
    found = ours.Accuracy().decide(y_pred, y_true)
    classes = y_pred.shape[1] if y_pred.ndim > 1 else 1
    return _columns(found.true, classes), _columns(found.predicted, classes)


def _columns(classes: Tensor, count: int) -> Tensor:
    if count == 1:
        return ops.reshape(classes.float(), (-1, 1))
    return ops.one_hot(ops.reshape(classes, (-1,)).long(), count).float()
