"""Cross-entropy and negative log-likelihood of class indices in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtypes import accumulator, dtype
from .. import implements


def _by_class(x: Any, target: Any) -> tuple[Any, Any]:
    """(samples, classes, positions) and (samples, positions) views of an input and its target."""
    classes = x.shape[1] if x.ndim > 1 else x.shape[0]
    samples = x.shape[0] if x.ndim > 1 else 1
    positions = int(np.prod(x.shape[2:]))
    wide = x.astype(str(accumulator(dtype(x.dtype))))
    return wide.reshape(samples, classes, positions), target.reshape(samples, positions)


def _class_weights(x: Any, weight: tuple[Any, ...]) -> Any:
    return weight[0].astype(x.dtype) if weight else np.ones(x.shape[1], x.dtype)


def _chosen(x: Any, target: Any, w: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """Per sample: a valid index to read, the weight (0 if ignored, NaN if out of range), and a one-hot target."""
    classes = x.shape[1]
    known = (target >= 0) & (target < classes)
    ignored = target == ignore_index
    safe = np.where(known, target, 0).astype(np.int64)
    own = w[safe] if classes else np.zeros(target.shape, x.dtype)
    weights = np.where(ignored, 0, np.where(known, own, np.nan)).astype(x.dtype)
    hot = np.arange(classes)[:, None] == safe[:, None, :]
    return safe, weights, hot


def _picked(x: Any, safe: Any) -> Any:
    if not x.shape[1]:
        return np.zeros(safe.shape, x.dtype)
    return np.take_along_axis(x, safe[:, None, :], 1)[:, 0]


def _finish(losses: Any, weights: Any, reduction: str, shape: Any, kind: Any) -> tuple[Any, Any]:
    """The loss, and the sum of the weights with a place for the sum over classes."""
    total = np.sum(weights)
    if reduction == "none":
        return losses.reshape(shape).astype(kind), total
    loss = np.sum(losses) / total if reduction == "mean" else np.sum(losses)
    return np.asarray(loss).astype(kind), total


@implements("cross_entropy")
def cross_entropy(
    x: Any, target: Any, *weight: Any, reduction: str, ignore_index: int, label_smoothing: float
) -> Any:
    """The loss; log-sum-exp per sample; the sums of the weights of all targets and of all classes."""
    z, t = _by_class(x, target)
    w = _class_weights(z, weight)
    safe, weights, _ = _chosen(z, t, w, ignore_index)
    top = np.max(z, 1, initial=-np.inf)
    lse = top + np.log(np.sum(np.exp(z - top[:, None]), 1))
    losses = np.where(t == ignore_index, 0, weights * (lse - _picked(z, safe)))
    if label_smoothing:
        even = np.sum(w[:, None] * (lse[:, None] - z), 1) / z.shape[1]
        even = np.where(t == ignore_index, 0, even)
        losses = (1 - label_smoothing) * losses + label_smoothing * even
    loss, total = _finish(losses, weights, reduction, target.shape, x.dtype)
    return loss, lse.reshape(target.shape), np.stack([total, np.sum(w)])


@implements("cross_entropy_grad")
def cross_entropy_grad(g: Any, x: Any, target: Any, lse: Any, totals: Any, *weight: Any, reduction: str,
                       ignore_index: int, label_smoothing: float) -> Any:  # fmt: skip
    """g times the weighted difference between softmax and target."""
    z, t = _by_class(x, target)
    w = _class_weights(z, weight)
    _, weights, hot = _chosen(z, t, w, ignore_index)
    p = np.exp(z - lse.reshape(t.shape)[:, None])
    even = (np.sum(w) * p - w[:, None]) * (t != ignore_index)[:, None] / max(z.shape[1], 1)
    slope = (1 - label_smoothing) * weights[:, None] * (p - hot) + label_smoothing * even
    used = (t != ignore_index)[:, None] | np.isnan(p)
    slope = np.where(used, _per_sample(g, t, totals, reduction)[:, None] * slope, 0)
    return slope.reshape(x.shape).astype(x.dtype)


@implements("nll_loss")
def nll_loss(x: Any, target: Any, *weight: Any, reduction: str, ignore_index: int) -> Any:
    """The loss, and the sums of the weights of all targets and of all classes."""
    z, t = _by_class(x, target)
    w = _class_weights(z, weight)
    safe, weights, _ = _chosen(z, t, w, ignore_index)
    losses = np.where(t == ignore_index, 0, -weights * _picked(z, safe))
    loss, total = _finish(losses, weights, reduction, target.shape, x.dtype)
    return loss, np.stack([total, np.sum(w)])


@implements("nll_loss_grad")
def nll_loss_grad(
    g: Any, target: Any, totals: Any, *weight: Any, shape: Any, reduction: str, ignore_index: int
) -> Any:
    """-g times the weight at the target class, 0 elsewhere; NaN where the index is out of range."""
    z, t = _by_class(np.zeros(shape, g.dtype), target)
    _, weights, hot = _chosen(z, t, _class_weights(z, weight), ignore_index)
    slope = -_per_sample(g, t, totals, reduction) * weights
    read = (hot & (t != ignore_index)[:, None]) | np.isnan(weights)[:, None]
    return np.where(read, slope[:, None], 0).reshape(shape).astype(g.dtype)


def _per_sample(g: Any, target: Any, totals: Any, reduction: str) -> Any:
    """The cotangent of every sample's loss."""
    g = g.astype(totals.dtype)
    if reduction == "mean":
        g = g / totals[0]
    return np.broadcast_to(g.reshape(target.shape) if reduction == "none" else g, target.shape)
