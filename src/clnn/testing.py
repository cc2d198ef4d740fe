"""For tests of code that uses clnn: comparing tensors, and gradients with finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .autograd import enable_grad, no_grad
from .device import Device
from .errors import AutogradError, DTypeError
from .tensor import Tensor, tensor, to_host

# (rtol, atol) by the coarser dtype of the two; torch.testing's defaults.
_TOLERANCES = {
    "float64": (1e-7, 1e-7),
    "float32": (1.3e-6, 1e-5),
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
}


def assert_close(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    *,
    equal_nan: bool = False,
    check_dtype: bool = True,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    Tensors, arrays or numbers, of one shape and dtype; the tolerances follow the dtype, and are 0 for
    integers and bool. The message names the worst element. `equal_nan` lets NaN equal NaN.
    """
    (a, kind_a), (b, kind_b) = to_host(actual), to_host(expected)
    if a.shape != b.shape:
        raise AssertionError(f"assert_close: expected shape {b.shape}, got {a.shape}")
    if check_dtype and kind_a != kind_b:
        raise AssertionError(f"assert_close: expected dtype {kind_b}, got {kind_a}")
    defaults = [_TOLERANCES.get(kind, (0.0, 0.0)) for kind in (kind_a, kind_b)]
    rtol = max(d[0] for d in defaults) if rtol is None else rtol
    atol = max(d[1] for d in defaults) if atol is None else atol
    if not a.size:
        return
    real_a, real_b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf: equal, and seen to be
        off = np.abs(real_a - real_b)
        allowed = atol + rtol * np.abs(real_b)
        excess = np.where(np.isnan(off - allowed), np.inf, off - allowed)
    same = a == b
    if equal_nan:
        same |= np.isnan(real_a) & np.isnan(real_b)
    bad = ~same & ((excess > 0) | (rtol == atol == 0))
    if bad.any():
        worst = np.unravel_index(int(np.where(bad, excess, -np.inf).argmax()), a.shape)
        at = tuple(int(k) for k in worst)
        raise AssertionError(
            f"assert_close: expected {b[at]} at index {at}, got {a[at]}: {off[at]:.3g} apart, allowed "
            f"{allowed[at]:.3g} (rtol {rtol:.3g}, atol {atol:.3g}); {bad.sum()} of {a.size} elements differ"
        )


def check_grads(
    f: Callable[..., Any],
    *inputs: Tensor,
    eps: float = 1e-6,
    tolerance: float = 1e-4,
    directions: int = 3,
    seed: int = 0,
) -> None:
    """Raise AssertionError where a gradient of `f(*inputs)` differs from central differences.

    Runs in float64, on the inputs' device or, if that has none, on the reference. Per floating input and
    random direction v, the derivative of a random combination of f's outputs along v has to agree within
    `tolerance`, relative above 1. f must not draw random numbers, nor have a kink at the inputs.
    """
    if not inputs or not all(isinstance(x, Tensor) for x in inputs):
        raise DTypeError("check_grads: expected Tensors after the function, got something else")
    device = _double_device(inputs[0].device)
    rng = np.random.default_rng(seed)
    points = [x.numpy() for x in inputs]
    points = [
        p.astype(np.float64) if x.dtype.category == 2 else p
        for x, p in zip(inputs, points, strict=True)
    ]
    leaves = [tensor(p, device=device, requires_grad=p.dtype == np.float64) for p in points]
    with enable_grad():
        outs = _floating(f(*leaves))
    if not any(y.requires_grad for y in outs):
        raise AutogradError("check_grads: expected outputs that require grad, got none")
    weights = [rng.standard_normal(y.shape) for y in outs]
    for y, w in zip(outs, weights, strict=True):
        if y.requires_grad:
            y.backward(tensor(w, dtype=y.dtype, device=y.device), retain_graph=True)

    def value(changed: int, point: Any) -> float:
        operands = [
            tensor(point if k == changed else p, device=device) for k, p in enumerate(points)
        ]
        with no_grad():
            return sum(
                float((y.numpy() * w).sum())
                for y, w in zip(_floating(f(*operands)), weights, strict=True)
            )

    for k, (x, leaf) in enumerate(zip(points, leaves, strict=True)):
        if x.dtype != np.float64 or not x.size:
            continue
        g = np.zeros(x.shape) if leaf.grad is None else leaf.grad.numpy()
        for _ in range(directions):
            v = rng.standard_normal(x.shape)
            want = (value(k, x + eps * v) - value(k, x - eps * v)) / (2 * eps)
            got = float((g * v).sum())
            if not abs(got - want) <= tolerance * max(1.0, abs(want)):
                raise AssertionError(
                    f"check_grads: gradient of operand {k}: expected {want:.9g} along a random "
                    f"direction, got {got:.9g} ({abs(got - want):.3g} apart)"
                )


def _double_device(device: Device) -> Device:
    info = device.info
    return device if info is None or info.fp64 else Device("cpu")


def _floating(result: Any) -> list[Tensor]:
    outs = list(result) if isinstance(result, (tuple, list)) else [result]
    return [y for y in outs if isinstance(y, Tensor) and y.dtype.is_floating_point]
