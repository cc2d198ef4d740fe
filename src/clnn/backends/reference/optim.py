"""Optimizer steps in NumPy, in place, one tensor after the other; and gradient clipping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...dtypes import accumulator, dtype
from .. import implements


def _wide(x: Any) -> Any:
    """`x` in the dtype it is computed in; float32 and float64 are not copied."""
    return x.astype(str(accumulator(dtype(x.dtype))), copy=False)


def _tensors(
    arrays: tuple[Any, ...], count: int, start: int, sign: float, weight_decay: float
) -> Iterator[tuple[Any, Any, list[Any]]]:
    """Per tensor: the parameter, its gradient with sign and L2 term, its share of the state."""
    params, grads, state = arrays[:count], arrays[count : 2 * count], arrays[2 * count :]
    for p, g in zip(params, grads, strict=True):
        g = sign * _wide(g)
        if weight_decay:
            g = g + weight_decay * _wide(p)
        yield p, g, [s[start : start + p.size].reshape(p.shape) for s in state]
        start += p.size


@implements("sgd_step")
def sgd_step(
    *arrays: Any, count: int, start: int, sign: float, weight_decay: float, lr: float,
    momentum: float, dampening: float, nesterov: bool,
) -> tuple[()]:  # fmt: skip
    """State: the momentum buffer, if there is momentum."""
    for p, g, state in _tensors(arrays, count, start, sign, weight_decay):
        for buffer in state:
            buffer[...] = momentum * buffer + (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        p[...] = _wide(p) - lr * g
    return ()


@implements("adam_step")
def adam_step(
    *arrays: Any, count: int, start: int, sign: float, weight_decay: float, shrink: float,
    beta1: float, beta2: float, step_size: float, root_correction: float, eps: float,
) -> tuple[()]:  # fmt: skip
    """State: means of the gradient and of its square, and the largest such for AMSGrad."""
    for p, g, (mean, square, *largest) in _tensors(arrays, count, start, sign, weight_decay):
        mean[...] = mean + (1 - beta1) * (g - mean)
        square[...] = beta2 * square + (1 - beta2) * g * g
        for top in largest:
            top[...] = np.maximum(top, square)
        root = np.sqrt(largest[0] if largest else square)
        p[...] = shrink * _wide(p) - step_size * mean / (root / root_correction + eps)
    return ()


@implements("rmsprop_step")
def rmsprop_step(
    *arrays: Any, count: int, start: int, sign: float, weight_decay: float, lr: float,
    alpha: float, eps: float, momentum: float, centered: bool,
) -> tuple[()]:  # fmt: skip
    """State: the mean square, then the mean if centered, then the buffer if there is momentum."""
    for p, g, (square, *more) in _tensors(arrays, count, start, sign, weight_decay):
        square[...] = alpha * square + (1 - alpha) * g * g
        spread = square
        if centered:
            mean = more.pop(0)
            mean[...] = mean + (1 - alpha) * (g - mean)
            spread = square - mean * mean
        g = g / (np.sqrt(spread) + eps)
        for buffer in more:
            buffer[...] = momentum * buffer + g
            g = buffer
        p[...] = _wide(p) - lr * g
    return ()


def _norm(x: Any, order: float) -> Any:
    x = np.abs(x.reshape(-1))
    if order == np.inf:
        return x.max(initial=0)
    return (x**order).sum() ** (1 / order)


@implements("total_norm")
def total_norm(*grads: Any, norm_type: float) -> Any:
    """The norm of all gradients as one vector, which is the norm of their norms."""
    kind = np.result_type(np.float32, *[_wide(g).dtype for g in grads])
    norms = np.array([_norm(_wide(g), norm_type) for g in grads], kind)
    return np.asarray(_norm(norms, norm_type), kind)


def _each(grads: tuple[Any, ...], fn: Callable[[Any], Any]) -> tuple[Any, ...]:
    return tuple(fn(_wide(g)).astype(g.dtype) for g in grads)


@implements("clip_norm")
def clip_norm(norm: Any, *grads: Any, max_norm: float) -> tuple[Any, ...]:
    """Scale by max_norm / norm where that is below 1; a NaN norm makes every gradient NaN."""
    scale = np.minimum(max_norm / (norm + 1e-6), 1)
    return _each(grads, lambda g: scale * g)


@implements("clip_value")
def clip_value(*grads: Any, bound: float) -> tuple[Any, ...]:
    """Clamp to [-bound, bound]; NaN stays."""
    return _each(grads, lambda g: np.clip(g, -bound, bound))
