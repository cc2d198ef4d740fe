"""Activations in NumPy: one formula each, and its derivative times the cotangent g."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...dtypes import dtype
from .. import implements
from .elementwise import compute_in, mapped

_SELU_ALPHA, _SELU_SCALE = (
    1.6732632423543772,
    1.0507009873554805,
)  # fixed point of mean and variance
_SQRT_HALF, _SQRT_2_OVER_PI = math.sqrt(0.5), math.sqrt(2 / math.pi)
_CUBIC = 0.044715
_erf = np.vectorize(math.erf, otypes=[float])


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Any, *, beta: float, threshold: float) -> Any:
    return np.where(x * beta > threshold, x, np.logaddexp(0, x * beta) / beta)


def _normal_cdf(x: Any) -> Any:
    return 0.5 * (1 + _erf(x * _SQRT_HALF))


def _gelu_grad(g: Any, x: Any) -> Any:
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return g * (_normal_cdf(x) + x * density)


def _gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(_SQRT_2_OVER_PI * (x + _CUBIC * x * x * x)))


def _gelu_tanh_grad(g: Any, x: Any) -> Any:
    x = np.clip(x, -30, 30)  # constant from there on, where x * x would overflow
    t = np.tanh(_SQRT_2_OVER_PI * (x + _CUBIC * x * x * x))
    inner = _SQRT_2_OVER_PI * (1 + 3 * _CUBIC * x * x)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)


def _silu_grad(g: Any, x: Any) -> Any:
    s = _sigmoid(x)
    return g * s * (1 + x * (1 - s))


def _mish_grad(g: Any, x: Any) -> Any:
    x = np.minimum(x, 30)  # 1 from there on, and at infinity
    t = np.tanh(np.logaddexp(0, x))
    return g * (t + x * (1 - t * t) * _sigmoid(x))


def _tanhshrink_grad(g: Any, x: Any) -> Any:
    t = np.tanh(x)
    return g * t * t


def _softshrink(x: Any, *, lambd: float) -> Any:
    return np.where(x > lambd, x - lambd, np.where(x < -lambd, x + lambd, x * 0))


def _shrink_grad(g: Any, x: Any, *, lambd: float) -> Any:
    return np.where(np.abs(x) <= lambd, 0, g)


def _elu_grad(g: Any, x: Any, *, alpha: float) -> Any:
    return np.where(x <= 0, g * alpha * np.exp(x), g)


def _selu_grad(g: Any, x: Any) -> Any:
    return g * _SELU_SCALE * np.where(x <= 0, _SELU_ALPHA * np.exp(x), 1)


def _celu_grad(g: Any, x: Any, *, alpha: float) -> Any:
    return np.where(x <= 0, g * np.exp(x / alpha), g)


def _inside(g: Any, y: Any, low: float, high: float) -> Any:
    """g where y is between the limits, 0 where it is at or outside of them."""
    return np.where((y <= low) | (y >= high), 0, g)


def _hardswish_grad(g: Any, x: Any) -> Any:
    return np.where(x <= -3, 0, np.where(x < 3, g * (x / 3 + 0.5), g))


INTEGERS_BECOME_FLOAT32: dict[str, Callable[..., Any]] = {
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanhshrink": lambda x: x - np.tanh(x),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
}
MAPS: dict[str, Callable[..., Any]] = {
    "relu": lambda x: np.maximum(x, 0),
    "relu_grad": lambda g, y: np.where(y <= 0, 0, g),
    "relu6": lambda x: np.clip(x, 0, 6),
    "relu6_grad": lambda g, y: _inside(g, y, 0, 6),
    "leaky_relu": lambda x, *, negative_slope: np.where(x > 0, x, x * negative_slope),
    "leaky_relu_grad": lambda g, x, *, negative_slope: np.where(x > 0, g, g * negative_slope),
    "threshold": lambda x, *, threshold, value: np.where(x <= threshold, value, x),
    "threshold_grad": lambda g, x, *, threshold, value: np.where(x <= threshold, 0, g),
    "hardtanh": lambda x, *, min_val, max_val: np.clip(x, min_val, max_val),
    "hardtanh_grad": lambda g, y, *, min_val, max_val: _inside(g, y, min_val, max_val),
    "prelu": lambda x, w: np.where(x > 0, x, x * w),
    "prelu_grad": lambda g, x, w: np.where(x > 0, g, g * w),
    "prelu_weight_grad": lambda g, x: np.where(x > 0, 0, g * x),
    "elu": lambda x, *, alpha: np.where(x > 0, x, alpha * np.expm1(x)),
    "elu_grad": _elu_grad,
    "selu": lambda x: _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(x)),
    "selu_grad": _selu_grad,
    "celu": lambda x, *, alpha: np.where(x > 0, x, alpha * np.expm1(x / alpha)),
    "celu_grad": _celu_grad,
    "gelu": lambda x: np.maximum(x, -40) * _normal_cdf(x),
    "gelu_grad": _gelu_grad,
    "gelu_tanh": _gelu_tanh,
    "gelu_tanh_grad": _gelu_tanh_grad,
    "silu": lambda x: x * _sigmoid(x),
    "silu_grad": _silu_grad,
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "mish_grad": _mish_grad,
    "softplus": _softplus,
    "softplus_grad": lambda g, x, *, beta, threshold: np.where(
        x * beta > threshold, g, g * _sigmoid(x * beta)
    ),
    "logsigmoid": lambda x: -np.logaddexp(0, -x),
    "logsigmoid_grad": lambda g, x: g * _sigmoid(-x),
    "softsign_grad": lambda g, x: g / (1 + np.abs(x)) / (1 + np.abs(x)),
    "tanhshrink_grad": _tanhshrink_grad,
    "sigmoid_grad": lambda g, y: g * (1 - y) * y,
    "tanh_grad": lambda g, y: g * (1 - y * y),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hardswish_grad": _hardswish_grad,
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardsigmoid_grad": lambda g, x: np.where((x > -3) & (x < 3), g / 6, 0),
    "hardshrink": lambda x, *, lambd: np.where(np.abs(x) <= lambd, 0, x),
    "hardshrink_grad": _shrink_grad,
    "softshrink": _softshrink,
    "softshrink_grad": _shrink_grad,
}
IMPLEMENTATIONS = {
    **{name: mapped(fn, floating=True) for name, fn in INTEGERS_BECOME_FLOAT32.items()},
    **{name: mapped(fn) for name, fn in MAPS.items()},
}


@implements("glu")
def glu(x: Any, *, dim: int) -> Any:
    """The first half times the sigmoid of the second."""
    a, b = np.split(x.astype(compute_in(dtype(x.dtype))), 2, axis=dim)
    return (a * _sigmoid(b)).astype(x.dtype)


@implements("glu_grad")
def glu_grad(g: Any, x: Any, *, dim: int) -> Any:
    """Gradients of both halves, side by side."""
    work = compute_in(dtype(x.dtype))
    a, b = np.split(x.astype(work), 2, axis=dim)
    s = _sigmoid(b)
    g = g.astype(work)
    return np.concatenate([g * s, g * a * s * (1 - s)], axis=dim).astype(x.dtype)
