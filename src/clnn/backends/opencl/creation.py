"""Creation as elementwise expressions of the index `i`, of which there are `n`."""

from __future__ import annotations

from ...dtypes import DType, Number
from ...shapes import Shape
from .. import implements
from .elementwise import elementwise
from .runtime import Buffer, Runtime

_arange = elementwise("first + i * stride")
_linspace = elementwise("i <= (n - 1) / 2 ? first + stride * i : last - stride * (n - 1 - i)")
# A setting has the compute type, and float32 is exact up to 2^24 only: the width comes in two halves.
_eye = elementwise(
    "i % ((index_t)high * 65536 + (index_t)low) == i / ((index_t)high * 65536 + (index_t)low)"
)
IMPLEMENTATIONS = {
    "full": elementwise("value", unread=("shape", "dtype")),
    "clone": elementwise("a0"),
}


@implements("empty")
def empty(rt: Runtime, y: Buffer, *, shape: Shape, dtype: DType) -> None:
    """The memory is there already."""


@implements("arange")
def arange(
    rt: Runtime, y: Buffer, *, start: Number, end: Number, step: Number, dtype: DType
) -> None:
    """start + i * step."""
    _arange(rt, y, first=start, stride=step)


@implements("linspace")
def linspace(rt: Runtime, y: Buffer, *, start: float, end: float, steps: int, dtype: DType) -> None:
    """Half of the points from either end."""
    _linspace(rt, y, first=start, last=end, stride=(end - start) / max(steps - 1, 1))


@implements("eye")
def eye(rt: Runtime, y: Buffer, *, rows: int, columns: int, dtype: DType) -> None:
    """Ones on the main diagonal."""
    _eye(rt, y, high=columns >> 16, low=columns & 0xFFFF)
