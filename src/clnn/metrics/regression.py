"""Errors of predicted numbers: torchmetrics' names and formulae, and the short names."""

from __future__ import annotations

import math

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


MAE, MSE, RMSE = MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError
