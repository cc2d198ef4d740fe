"""Metrics by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DTypeError, SettingError
from . import classification, counts, regression
from .metric import Mean, Metric

_Maker = Callable[[str, float | None], Metric]


def _counted(kind: Any) -> _Maker:
    # A loss that says what is true has two classes, of which 1 is asked for.
    def make(name: str, threshold: float | None) -> Metric:
        metric: Metric = kind("macro" if threshold is None else "binary", threshold, name)
        return metric

    return make


METRICS: dict[str, _Maker] = {
    "accuracy": lambda name, threshold: classification.Accuracy(threshold, name),
    "acc": lambda name, threshold: classification.Accuracy(threshold, name),
    "top_k_accuracy": lambda name, _: classification.TopKAccuracy(name=name),
    "precision": _counted(counts.Precision),
    "recall": _counted(counts.Recall),
    "f1": _counted(counts.F1Score),
    "mae": lambda name, _: regression.MeanAbsoluteError(name),
    "mse": lambda name, _: regression.MeanSquaredError(name),
    "rmse": lambda name, _: regression.RootMeanSquaredError(name),
    "r2": lambda name, _: regression.R2Score(name),
}


def get(metric: Any, threshold: float | None = None) -> Metric:
    """The metric that a name stands for; a Metric as it is; a function of (pred, target) as its Mean.

    threshold: what single scores are compared with, for names of metrics of classes. Raises SettingError for
    a name that is not known, DTypeError for anything else.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        if metric not in METRICS:
            raise SettingError(f"metrics: expected one of {', '.join(METRICS)}, got {metric!r}")
        return METRICS[metric](metric, threshold)
    if callable(metric) and not isinstance(metric, type):
        return Mean(metric)
    raise DTypeError(
        f"metrics: expected names, Metrics or functions of (pred, target), got {metric!r}"
    )
