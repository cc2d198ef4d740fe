"""Softmax and log-softmax in NumPy: in float64, rounded once at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import implements


def _shifted(x: Any, axis: int) -> Any:
    """x minus its maximum, in float64; nothing to take a maximum of gives nothing."""
    wide = np.atleast_1d(x).astype(np.float64)
    return wide - wide.max(axis=axis, keepdims=True, initial=-np.inf)


@implements("softmax")
def softmax(x: Any, *, axis: int) -> Any:
    """Exponentials over their sum."""
    e = np.exp(_shifted(x, axis))
    return (e / e.sum(axis=axis, keepdims=True)).reshape(x.shape).astype(x.dtype)


@implements("log_softmax")
def log_softmax(x: Any, *, axis: int) -> Any:
    """The logarithm of softmax, without taking it of a rounded number."""
    d = _shifted(x, axis)
    total = np.exp(d).sum(axis=axis, keepdims=True)
    return (d - np.log(total)).reshape(x.shape).astype(x.dtype)


@implements("softmax_grad")
def softmax_grad(g: Any, y: Any, *, axis: int) -> Any:
    """y * (g - sum(g * y))."""
    wide, out = np.atleast_1d(g).astype(np.float64), np.atleast_1d(y).astype(np.float64)
    dx = out * (wide - (wide * out).sum(axis=axis, keepdims=True))
    return dx.reshape(g.shape).astype(g.dtype)


@implements("log_softmax_grad")
def log_softmax_grad(g: Any, y: Any, *, axis: int) -> Any:
    """g - exp(y) * sum(g)."""
    wide, out = np.atleast_1d(g).astype(np.float64), np.atleast_1d(y).astype(np.float64)
    dx = wide - np.exp(out) * wide.sum(axis=axis, keepdims=True)
    return dx.reshape(g.shape).astype(g.dtype)
