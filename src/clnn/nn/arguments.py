"""Checks of what a layer's constructor is given, and of inputs whose shape it reads itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd import Variable
from ..device import Device
from ..dtypes import DType
from ..dtypes import dtype as as_dtype
from ..errors import DTypeError, SettingError, ShapeError
from ..shapes import pair

DeviceLike = str | Device | None
DTypeLike = Any  # a DType, its name, a Python type or a NumPy dtype
Size = int | Sequence[int]


def count(layer: str, name: str, value: int, *, least: int = 1) -> int:
    """`value`, an int of at least `least`; raises DTypeError or SettingError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise DTypeError(f"{layer}: expected {name} to be an int, got {value!r}")
    if value < least:
        raise SettingError(f"{layer}: expected {name} >= {least}, got {value}")
    return value


def sizes(layer: str, name: str, value: Size, rank: int, *, least: int = 1) -> tuple[int, ...]:
    """One int of at least `least` per spatial axis; raises DTypeError, ShapeError, SettingError."""
    out = pair(layer, name, value, rank)
    for n in out:
        count(layer, name, n, least=least)
    return out


def divides(layer: str, name: str, value: int, by: str, divisor: int) -> None:
    """Raise SettingError unless `divisor` divides `value`."""
    if value % divisor:
        raise SettingError(f"{layer}: expected {name} divisible by {by} {divisor}, got {value}")


def choice(layer: str, name: str, value: str, options: Sequence[str]) -> str:
    """`value`, one of `options`; raises SettingError."""
    if value not in options:
        raise SettingError(f"{layer}: expected {name} in {', '.join(options)}, got {value!r}")
    return value


def probability(layer: str, value: float) -> float:
    """`value`, a number in [0, 1]; raises DTypeError or SettingError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DTypeError(f"{layer}: expected p to be a number, got {value!r}")
    if not 0 <= value <= 1:
        raise SettingError(f"{layer}: expected p in [0, 1], got {value}")
    return float(value)


def kind_of(dtype: DTypeLike) -> DType | None:
    """The DType a layer was asked for, None if it was not; raises DTypeError."""
    return None if dtype is None else as_dtype(dtype)


def check_tensor(layer: str, x: Any) -> None:
    """Raise DTypeError unless `x` is a Tensor."""
    if not isinstance(x, Variable):
        hint = "; make one with clnn.tensor(array)" if hasattr(x, "__array__") else ""
        raise DTypeError(f"{layer}: expected a Tensor, got {type(x).__name__}{hint}")


def check_rank(layer: str, x: Any, *ranks: int) -> None:
    """Raise DTypeError unless `x` is a Tensor, ShapeError unless it has as many axes as one of `ranks`."""
    check_tensor(layer, x)
    if x.ndim not in ranks:
        names = " or ".join(map(str, ranks))
        raise ShapeError(f"{layer}: expected x with {names} axes, got shape {x.shape}")
