"""Functions of one number in NumPy: one formula each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .elementwise import mapped, sign

_erf = np.vectorize(math.erf, otypes=[float])
_TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)

FLOATING: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "erf": _erf,
}
SAME: dict[str, Callable[..., Any]] = {
    "sign": sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "exp_grad": lambda g, y: g * y,
    "expm1_grad": lambda g, y: g * (y + 1),
    "log_grad": lambda g, x: g / x,
    "log1p_grad": lambda g, x: g / (x + 1),
    "log2_grad": lambda g, x: g / (x * math.log(2)),
    "log10_grad": lambda g, x: g / (x * math.log(10)),
    "sqrt_grad": lambda g, y: g / (2 * y),
    "rsqrt_grad": lambda g, y: -0.5 * g * y * y * y,
    "reciprocal_grad": lambda g, y: -g * y * y,
    "sin_grad": lambda g, x: g * np.cos(x),
    "cos_grad": lambda g, x: -g * np.sin(x),
    "tan_grad": lambda g, y: g * (1 + y * y),
    "erf_grad": lambda g, x: g * _TWO_OVER_SQRT_PI * np.exp(-x * x),
}
IMPLEMENTATIONS = {
    **{name: mapped(fn, floating=True) for name, fn in FLOATING.items()},
    **{name: mapped(fn) for name, fn in SAME.items()},
}
