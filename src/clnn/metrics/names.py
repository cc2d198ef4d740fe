"""Metrics by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DTypeError, SettingError
from . import classification, regression
from .metric import Mean, Metric

_NAMED: dict[str, Callable[[str, float | None], Metric]] = {
    "accuracy": lambda name, threshold: classification.Accuracy(threshold, name),
    "acc": lambda name, threshold: classification.Accuracy(threshold, name),
    "mae": lambda name, _: regression.MeanAbsoluteError(name),
    "mse": lambda name, _: regression.MeanSquaredError(name),
    "rmse": lambda name, _: regression.RootMeanSquaredError(name),
}


def get(metric: Any, threshold: float | None = None) -> Metric:
    """The metric that a name stands for; a Metric as it is; a function of (pred, target) as its Mean.

    threshold: what single scores are compared with, for names of metrics of classes. Raises SettingError for
    a name that is not known, DTypeError for anything else.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        if metric not in _NAMED:
            raise SettingError(f"metrics: expected one of {', '.join(_NAMED)}, got {metric!r}")
        return _NAMED[metric](metric, threshold)
    if callable(metric) and not isinstance(metric, type):
        return Mean(metric)
    raise DTypeError(
        f"metrics: expected names, Metrics or functions of (pred, target), got {metric!r}"
    )
