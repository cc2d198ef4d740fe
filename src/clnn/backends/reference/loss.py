"""Losses in NumPy: a formula, and its derivatives times g, by the input and by the target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...dtypes import accumulator, dtype, result_type
from .elementwise import mapped


def _clamped_log(p: Any) -> Any:
    return np.maximum(np.log(p), -100)


def _bce(x: Any, t: Any) -> Any:
    return -(t * _clamped_log(x) + (1 - t) * np.maximum(np.log1p(-x), -100))


def _bce_grad(g: Any, x: Any, t: Any) -> Any:
    return g * (x - t) / np.maximum((1 - x) * x, 1e-12)


def _bce_target_grad(g: Any, x: Any, t: Any) -> Any:
    return g * (np.maximum(np.log1p(-x), -100) - _clamped_log(x))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Any) -> Any:
    return np.logaddexp(0, x)


def _kl(x: Any, t: Any) -> Any:
    return np.where(t == 0, 0, t * np.log(t)) - t * x


def _smooth_l1(x: Any, t: Any, *, beta: float) -> Any:
    d = np.abs(x - t)
    return np.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)


def _smooth_l1_slope(x: Any, t: Any, beta: float) -> Any:
    d = x - t
    return np.where(np.abs(d) < beta, d / beta, np.sign(d))


def _huber(x: Any, t: Any, *, delta: float) -> Any:
    d = np.abs(x - t)
    return np.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))


def _huber_slope(x: Any, t: Any, delta: float) -> Any:
    return np.clip(x - t, -delta, delta)


LOSSES: dict[str, Callable[..., Any]] = {
    "mse_loss": lambda x, t: (x - t) * (x - t),
    "l1_loss": lambda x, t: np.abs(x - t),
    "smooth_l1_loss": _smooth_l1,
    "huber_loss": _huber,
    "binary_cross_entropy": _bce,
    "binary_cross_entropy_with_logits": lambda x, t: (1 - t) * x + _softplus(-x),
    "binary_cross_entropy_pos_weight": lambda x, t, w: (
        (1 - t) * x + (1 + (w - 1) * t) * _softplus(-x)
    ),
    "kl_div": _kl,
    "kl_div_log": lambda x, t: np.exp(t) * (t - x),
}
GRADIENTS: dict[str, Callable[..., Any]] = {
    "mse_loss": lambda g, x, t: 2 * g * (x - t),
    "mse_loss_target": lambda g, x, t: 2 * g * (t - x),
    "l1_loss": lambda g, x, t: g * ((x > t) * 1.0 - (x < t)),
    "l1_loss_target": lambda g, x, t: g * ((t > x) * 1.0 - (t < x)),
    "smooth_l1_loss": lambda g, x, t, *, beta: g * _smooth_l1_slope(x, t, beta),
    "smooth_l1_loss_target": lambda g, x, t, *, beta: g * _smooth_l1_slope(t, x, beta),
    "huber_loss": lambda g, x, t, *, delta: g * _huber_slope(x, t, delta),
    "huber_loss_target": lambda g, x, t, *, delta: g * _huber_slope(t, x, delta),
    "binary_cross_entropy": _bce_grad,
    "binary_cross_entropy_target": _bce_target_grad,
    "binary_cross_entropy_with_logits": lambda g, x, t: g * (_sigmoid(x) - t),
    "binary_cross_entropy_with_logits_target": lambda g, x, t: -g * x,
    "binary_cross_entropy_pos_weight": lambda g, x, t, w: (
        g * ((1 - t) - (1 + (w - 1) * t) * _sigmoid(-x))
    ),
    "binary_cross_entropy_pos_weight_target": lambda g, x, t, w: g * ((w - 1) * _softplus(-x) - x),
    "kl_div": lambda g, x, t: -g * t,
    "kl_div_target": lambda g, x, t: g * (np.log(t) + 1 - x),
    "kl_div_log": lambda g, x, t: -g * np.exp(t),
    "kl_div_log_target": lambda g, x, t: g * np.exp(t) * (t - x + 1),
}


def _reducing(loss: Callable[..., Any]) -> Callable[..., Any]:
    """`loss` with a reduction; what is summed is not rounded to a half type first."""

    def run(*xs: Any, reduction: str, **settings: Any) -> Any:
        kind = result_type((dtype(x.dtype), x.ndim) for x in xs)
        wide = str(accumulator(kind))
        losses = np.asarray(loss(*[x.astype(wide) for x in xs], **settings))
        return _reduce(losses, reduction).astype(str(kind))

    return run


def _reduce(losses: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    total = np.sum(losses)
    return np.asarray(total / losses.size if reduction == "mean" else total)


def _gradient(slope: Callable[..., Any]) -> Callable[..., Any]:
    """The map `slope` of (scale * g, operands)."""
    return mapped(lambda g, *xs, scale, **settings: slope(g * scale, *xs, **settings))


IMPLEMENTATIONS = {
    **{name: _reducing(loss) for name, loss in LOSSES.items()},
    **{f"{name}_grad": _gradient(slope) for name, slope in GRADIENTS.items()},
}
