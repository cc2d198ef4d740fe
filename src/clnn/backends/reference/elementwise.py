"""Elementwise ops in NumPy: one formula each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...dtypes import DType, dtype, of_number, result_type
from .. import implements


def compute_in(kind: DType) -> Any:
    """The NumPy dtype formulas run in: float32 for the half types, else the type itself."""
    return np.dtype("float32" if kind in ("float16", "bfloat16") else str(kind))


def _kind(x: Any) -> tuple[DType, int]:
    """The dtype and rank of an operand, as result_type wants them."""
    return (dtype(x.dtype), x.ndim) if isinstance(x, np.ndarray) else (of_number(x), -1)


def mapped(fn: Callable[..., Any], *, floating: bool = False) -> Callable[..., Any]:
    """`fn` under clnn's dtype rules: promote, compute, round to the promoted dtype (bool results stay)."""

    def run(*xs: Any, **settings: Any) -> Any:
        tensors = [x for x in xs if isinstance(x, np.ndarray)]
        kind = result_type(map(_kind, xs))
        if floating and kind.category < 2:
            kind = dtype("float32")
        work = compute_in(kind)
        got = np.asarray(fn(*[np.asarray(x).astype(work) for x in xs], **settings))
        shape = np.broadcast_shapes(*[x.shape for x in tensors])
        got = np.broadcast_to(got, shape)
        return got if got.dtype == bool else got.astype(str(kind))

    return run


def _floor_divide(a: Any, b: Any) -> Any:
    return np.floor_divide(a, b)


def sign(x: Any) -> Any:
    """-1, 0 or 1; of NaN 0, as in torch."""
    return x if x.dtype == bool else (x > 0).astype(x.dtype) - (x < 0)


def _pow(a: Any, b: Any) -> Any:
    if a.dtype.kind != "i" and a.dtype != np.uint8:
        return np.power(a, b)
    whole = np.power(a, np.maximum(b, 0))
    inverse = np.where(a == 1, 1, np.where(a == -1, np.where(b % 2 == 0, 1, -1), 0))
    return np.where(b < 0, inverse, whole).astype(a.dtype)


def _pow_base_grad(g: Any, a: Any, b: Any) -> Any:
    return np.where(b == 0, 0, g * b * np.power(a, b - 1))


def _pow_exponent_grad(g: Any, a: Any, b: Any) -> Any:
    return np.where((a == 0) & (b >= 0), 0, g * np.power(a, b) * np.log(a))


SAME: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "floor_divide": _floor_divide,
    "remainder": np.remainder,
    "pow": _pow,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "neg": np.negative,
    "abs": np.abs,
    "clamp_min": np.maximum,
    "clamp_max": np.minimum,
    "div_grad": lambda g, a, b: -g * a / (b * b),
    "pow_base_grad": _pow_base_grad,
    "pow_exponent_grad": _pow_exponent_grad,
    "maximum_grad": lambda g, a, b: g * (1 - (a < b) - 0.5 * (a == b)),
    "abs_grad": lambda g, x: g * sign(x),
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "logical_not": np.logical_not,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
}
IMPLEMENTATIONS = {
    "div": mapped(np.true_divide, floating=True),
    **{name: mapped(fn) for name, fn in SAME.items()},
}


@implements("where")
def where(condition: Any, a: Any, b: Any) -> Any:
    """Choose per element; the condition takes no part in promotion."""
    kind = str(result_type(map(_kind, (a, b))))
    return np.where(condition, np.asarray(a).astype(kind), np.asarray(b).astype(kind))


@implements("cast")
def cast(x: Any, *, dtype: Any) -> Any:
    """NumPy's conversion, which cuts floats off toward zero."""
    if x.dtype.name == "bfloat16":
        x = x.astype(np.float32)
    return x.astype(str(dtype))
