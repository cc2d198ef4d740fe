"""Errors of maps in float32 against float64, in units in the last place, on all magnitudes of operands."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

import clnn
from clnn import ops

SMALLEST = 2.0**-126  # normal number; devices may take what is below it for 0
LARGEST = float(np.finfo(np.float32).max)

# Largest error in units in the last place: what OpenCL asks of a device, and what follows from it for the last rows.
BOUNDS: dict[str, float] = {
    "add": 0.5, "sub": 0.5, "mul": 0.5, "square": 0.5, "div": 2.5, "reciprocal": 2.5, "remainder": 0.5, "sqrt": 3,
    "rsqrt": 2, "exp": 3, "expm1": 3, "log": 3, "log1p": 2, "log2": 3, "log10": 3, "pow": 16, "sin": 4, "cos": 4,
    "tan": 5, "tanh": 5, "erf": 4, "sigmoid": 6, "softplus": 6, "logsigmoid": 6, "softsign": 4, "elu": 4, "celu": 4,
    "selu": 5, "leaky_relu": 1, "hardsigmoid": 4, "softshrink": 0.5,
    **dict.fromkeys(("maximum", "minimum", "neg", "abs", "sign", "floor", "ceil", "round", "clamp", "relu", "relu6",
                     "hardtanh", "hardshrink"), 0),
}  # fmt: skip


class Worst(NamedTuple):
    """The largest error of a map, and the operands it has it at."""

    ulp: float
    at: tuple[float, ...]


def ulps(got: Any, exact: Any) -> Any:
    """Distance from the exact result in units of its last place, those of the smallest normal number at least."""
    _, exponent = np.frexp(np.maximum(np.abs(exact), SMALLEST))
    off = np.abs(got.astype(np.float64) - exact) * np.exp2(24.0 - exponent)
    over = np.isinf(got) & (np.abs(exact) > LARGEST * (1 - 2**-20))
    under = (np.abs(exact) < SMALLEST) & (np.abs(got) <= SMALLEST)
    return np.where(over | under, 0, off)


@cache
def _operands(positive: bool, count: int) -> tuple[Any, Any]:
    """Two lists of numbers of all magnitudes, subnormal ones among them, and of everyday ones."""
    rng = np.random.default_rng(0)

    def draw() -> Any:
        wide = np.exp2(rng.uniform(-149, 128, count))
        sign = np.where(positive, 1, rng.choice([-1, 1], count))
        near = [rng.uniform(0 if positive else -r, r, count) for r in (1.0, 4.0, 100.0)]
        around = 1 + rng.uniform(-1e-3, 1e-3, count)
        found = np.concatenate([wide * sign, *near, around]).astype(np.float32)
        return np.where(np.isfinite(found), found, np.float32(1))

    x, y = draw(), draw()
    y[:count:2] = np.clip(
        x[:count:2].astype(float) * rng.uniform(0.5, 2, count // 2), -LARGEST, LARGEST
    )
    return x, rng.permutation(y) if positive else y


_POSITIVE = {"log", "log2", "log10", "sqrt", "rsqrt", "pow"}
_TWO = {"add", "sub", "mul", "div", "maximum", "minimum", "remainder", "pow"}


def worst(op: str, device: Any, count: int = 1 << 13) -> Worst:
    """The largest error of one op on a device."""
    x, y = _operands(op in _POSITIVE, count)
    if op == "log1p":
        x = np.where(x > -1, x, -x)
    if op == "pow":
        y = (y % 16 - 8).astype(np.float32)
    operands = (x, y) if op in _TWO else (x,)
    more = {"min": -1.5, "max": 2.5} if op == "clamp" else {}

    def call(where: Any, dtype: str) -> Any:
        fn = getattr(ops, op)
        return fn(*(clnn.tensor(a.astype(dtype), device=where) for a in operands), **more).numpy()

    with np.errstate(all="ignore"):
        off = ulps(call(device, "float32"), call("cpu", "float64"))
    k = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
    return Worst(float(off[k]), tuple(float(a[k]) for a in operands))
