"""Errors of predicted numbers: torchmetrics' names and formulae, and the short names."""

from __future__ import annotations

import math

import numpy as np

from .. import ops
from ..autograd import no_grad
from ..tensor import Tensor
from .metric import Metric, Total, aligned, wide


class _MeanOfElements(Metric):
    """A mean over all elements; a subclass says of what.  (*), (*) -> ()."""

    larger_is_better = False
    short: str

    def __init__(self, name: str | None = None) -> None:
        super().__init__(self.short if name is None else name)

    def reset(self) -> None:
        """Forget all batches."""
        self._total, self._count = Total(), 0

    def update(self, pred: Tensor, target: Tensor) -> None:
        """Add a batch; raises ShapeError unless the target fits."""
        with no_grad():
            pred = wide(pred)
            self._total = self._total.plus(self._sum(pred, aligned(self.name, pred, target)))
        self._count += pred.spec.size

    def _sum(self, pred: Tensor, target: Tensor) -> Tensor:
        raise NotImplementedError

    def compute(self) -> float:
        """The mean; waits for the device."""
        return float(self._total.read()) / self._count if self._count else math.nan


class MeanAbsoluteError(_MeanOfElements):
    """The mean of |pred - target| over all elements.  (*), (*) -> ()."""

    short = "mae"

    def _sum(self, pred: Tensor, target: Tensor) -> Tensor:
        return ops.l1_loss(pred, target, reduction="sum")


class MeanSquaredError(_MeanOfElements):
    """The mean of (pred - target)^2 over all elements.  (*), (*) -> ()."""

    short = "mse"

    def _sum(self, pred: Tensor, target: Tensor) -> Tensor:
        return ops.mse_loss(pred, target, reduction="sum")


class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean of (pred - target)^2 over all elements of all batches.  (*), (*) -> ()."""

    short = "rmse"

    def compute(self) -> float:
        """The root of the mean; waits for the device."""
        return math.sqrt(super().compute())


class R2Score(Metric):
    """1 - (sum of squared errors) / (sum of squared deviations from the mean), averaged over outputs.

    (N, *), (N, *) -> (). Of a constant target it is 1 if every error is 0 and else 0, of fewer than two samples
    NaN, as in scikit-learn. Deviations of batches are merged, and nothing is the difference of two large sums.
    Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", 1979.
    """

    larger_is_better = True

    def __init__(self, name: str = "r2") -> None:
        super().__init__(name)

    def reset(self) -> None:
        """Forget all batches."""
        self._errors, self._count = Total(), 0
        self._origin: Tensor | None = None  # a target near which the others are counted on to be
        self._mean: Tensor | None = None
        self._deviations: Tensor | None = None

    def update(self, pred: Tensor, target: Tensor) -> None:
        """Add a batch; raises ShapeError unless the target fits."""
        pred = wide(pred)
        if not pred.ndim or not pred.shape[0]:
            return
        n, before = pred.shape[0], self._count
        with no_grad():
            p, t = (x.reshape(n, -1) for x in (pred, aligned(self.name, pred, target)))
            self._errors = self._errors.plus(ops.square(p - t).sum(0))
            self._origin = t[:1] if self._origin is None else self._origin
            variance, mean = ops.var_mean(t - self._origin, dim=0, correction=0)
            if self._mean is None or self._deviations is None:
                self._mean, self._deviations = mean, variance * n
            else:
                step = mean - self._mean
                self._mean = self._mean + step * (n / (n + before))
                between: Tensor = ops.square(step) * (n * before / (n + before))
                self._deviations = self._deviations + variance * n + between
        self._count += n

    def compute(self) -> float:
        """The score; waits for the device."""
        if self._count < 2 or self._deviations is None:
            return math.nan
        errors, spread = self._errors.read(), self._deviations.numpy().astype(np.float64)
        constant = spread == 0
        scores = np.where(constant, errors == 0, 1 - errors / np.where(constant, 1, spread))
        return float(scores.mean())


MAE, MSE, RMSE = MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError
