"""The dtypes clnn knows, and torch's rules for mixing them. Knows nothing of arrays or devices."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from .errors import DTypeError, SettingError

Number = bool | int | float


class DType(str):
    """A dtype: compares equal to its NumPy name, so `x.dtype == "float32"` holds."""

    __slots__ = ("category", "code", "itemsize")

    code: str  # how kernels spell it
    itemsize: int  # bytes
    category: int  # 0 bool, 1 integer, 2 floating

    def __new__(cls, name: str, code: str, itemsize: int, category: int) -> DType:
        """Called for the eight dtypes below and never again; see `dtype` to look one up."""
        self = super().__new__(cls, name)
        self.code, self.itemsize, self.category = code, itemsize, category
        return self

    @property
    def is_floating_point(self) -> bool:
        """Whether values are real numbers."""
        return self.category == 2

    def __repr__(self) -> str:
        return f"clnn.{self!s}"

    def __reduce__(self) -> tuple[Any, ...]:
        return dtype, (str(self),)


float64: Final = DType("float64", "f64", 8, 2)
float32: Final = DType("float32", "f32", 4, 2)
float16: Final = DType("float16", "f16", 2, 2)
bfloat16: Final = DType("bfloat16", "bf16", 2, 2)
int64: Final = DType("int64", "i64", 8, 1)
int32: Final = DType("int32", "i32", 4, 1)
uint8: Final = DType("uint8", "u8", 1, 1)
bool_: Final = DType("bool", "b8", 1, 0)

DTYPES: Final = {
    str(d): d for d in (float64, float32, float16, bfloat16, int64, int32, uint8, bool_)
}
_ALIASES: Final = {
    "float": float32,
    "double": float64,
    "half": float16,
    "int": int32,
    "long": int64,
}
_PYTHON: Final = {bool: bool_, int: int64, float: float32}
_RANGES: Final = {
    uint8: (0, 2**8 - 1),
    int32: (-(2**31), 2**31 - 1),
    int64: (-(2**63), 2**63 - 1),
}
_ORDER: Final = {
    d: i for i, d in enumerate((bool_, uint8, int32, int64, float16, bfloat16, float32, float64))
}


def dtype(name: Any) -> DType:
    """Look up a dtype by name, Python type or NumPy dtype; raises DTypeError for one clnn has not."""
    if isinstance(name, DType):
        return name
    if isinstance(name, type) and name in _PYTHON:
        return _PYTHON[name]
    text = getattr(name, "name", None) or getattr(name, "__name__", None) or str(name)
    found = DTYPES.get(text) or _ALIASES.get(text)
    if found is None:
        raise DTypeError(f"dtype: expected one of {', '.join(DTYPES)}, got {text!r}; convert first")
    return found


@cache
def promote(*types: DType) -> DType:
    """The smallest dtype that holds every value of `types`, by torch's table."""
    wide = max(types, key=_ORDER.__getitem__)
    if wide is bfloat16 and float16 in types:
        return float32
    return wide


def of_number(value: Number) -> DType:
    """The dtype a Python number has when nothing else decides."""
    return _PYTHON[type(value)]


def as_kind(op: str, value: Number, kind: DType) -> Number:
    """`value` as the Python number of `kind`, cut off toward zero; SettingError where that cannot hold it."""
    try:
        number = (bool, int, float)[kind.category](value)
    except (OverflowError, ValueError):  # of infinity and NaN to int, of 10**400 to float
        number = None
    low, high = _RANGES.get(kind, (-1, 1))
    if number is None or (kind.category == 1 and not low <= number <= high):
        raise SettingError(f"{op}: expected a number that {kind} holds, got {value}")
    return number


def result_type(operands: Iterable[tuple[DType, int]]) -> DType:
    """torch's promotion; each operand is (dtype, rank), rank -1 for a Python number.

    Tensors decide; a 0-d tensor, and after it a number, matters only if its category is higher.
    """
    best: DType | None = None
    tiers: list[list[DType]] = [[], [], []]
    for kind, rank in operands:
        tiers[0 if rank > 0 else 1 if rank == 0 else 2].append(kind)
    for tier in tiers:
        if tier:
            here = promote(*tier)
            if best is None or here.category > best.category:
                best = here
    if best is None:
        raise DTypeError("result_type: expected at least one operand, got none")
    return best


def accumulator(kind: DType) -> DType:
    """The dtype sums of `kind` are kept in: float32 for float16 and bfloat16, int64 for integers."""
    if kind.category == 2:
        return float64 if kind is float64 else float32
    return int64
