"""Shape arithmetic on plain ints. Knows nothing of arrays, devices or ops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import NamedTuple

from .dtypes import DType, Number, float32, of_number
from .errors import DTypeError, IndexOutOfRangeError, ShapeError

Shape = tuple[int, ...]
Axes = int | Sequence[int] | None

_LARGEST = 2**31  # kernels take windows as numbers of 32 bits


class Spec(NamedTuple):
    """What an array is before it exists: its shape and its dtype."""

    shape: Shape
    dtype: DType = float32

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes the elements take."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def rank(self) -> int:
        """Number of axes; -1 for a Python number."""
        return len(self.shape)


class NumberSpec(Spec):
    """The spec of a Python number among operands: 0-d, and weak in dtype promotion."""

    __slots__ = ()
    __hash__ = Spec.__hash__

    def __eq__(self, other: object) -> bool:
        """There is one for each kind of number, and none equals the spec of a 0-d tensor."""
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    @property
    def rank(self) -> int:
        """Always -1: a number yields to every tensor of its category."""
        return -1


_NUMBER_SPECS = {kind: NumberSpec((), of_number(kind())) for kind in (bool, int, float)}


def number_spec(value: Number) -> NumberSpec:
    """The spec of a Python number."""
    return _NUMBER_SPECS[type(value)]


def broadcast(op: str, *shapes: Shape) -> Shape:
    """NumPy broadcasting; raises ShapeError naming the op."""
    if len(shapes) == 2 and shapes[0] == shapes[1]:
        return shapes[0]
    out: list[int] = []
    for axis in range(max(map(len, shapes))):
        dims = {s[-1 - axis] for s in shapes if axis < len(s)} - {1}
        if len(dims) > 1:
            names = " and ".join(map(str, shapes))
            raise ShapeError(f"{op}: expected broadcastable shapes, got {names}")
        out.append(dims.pop() if dims else 1)
    return tuple(reversed(out))


def normalize_axis(op: str, axis: int, rank: int) -> int:
    """A non-negative axis; raises IndexOutOfRangeError. A 0-d tensor has the axes 0 and -1, as in torch."""
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise DTypeError(f"{op}: expected an int axis, got {axis!r}")
    n = max(rank, 1)
    if not -n <= axis < n:
        raise IndexOutOfRangeError(f"{op}: expected an axis in [{-n}, {n - 1}], got {axis}")
    return axis % n


def normalize_axes(op: str, axes: Axes, rank: int) -> Shape:
    """Sorted, distinct, non-negative axes; None means all. Raises on repeats and on what is outside."""
    if axes is None:
        return tuple(range(rank))
    if not isinstance(axes, Iterable):
        axes = (axes,)
    out = sorted(normalize_axis(op, a, rank) for a in axes)
    if len(set(out)) != len(out):
        raise ShapeError(f"{op}: expected distinct axes, got {tuple(axes)}")
    return tuple(a for a in out if a < rank)


def reduced(shape: Shape, axes: Iterable[int], keepdim: bool) -> Shape:
    """The shape left after reducing `axes`."""
    gone = set(axes)
    if keepdim:
        return tuple(1 if a in gone else n for a, n in enumerate(shape))
    return tuple(n for a, n in enumerate(shape) if a not in gone)


def check_shape(op: str, shape: Iterable[int]) -> Shape:
    """A shape of non-negative ints; raises DTypeError or ShapeError."""
    out = tuple(shape)
    for n in out:
        if isinstance(n, bool) or not isinstance(n, int):
            raise DTypeError(f"{op}: expected a shape of ints, got {out!r}")
    if any(n < 0 for n in out):
        raise ShapeError(f"{op}: expected sizes >= 0, got {out}")
    if prod(n or 1 for n in out) >= 2**63:
        raise ShapeError(f"{op}: expected fewer than 2**63 elements, got {out}")
    return out


def infer_reshape(op: str, shape: Shape, to: Sequence[int]) -> Shape:
    """`to` with its one -1 worked out; raises ShapeError when the element counts differ."""
    unknown = [i for i, n in enumerate(to) if n == -1]
    out = list(check_shape(op, (1 if n == -1 else n for n in to)))
    size, rest = prod(shape), prod(out)
    if len(unknown) > 1:
        raise ShapeError(f"{op}: expected at most one -1, got {tuple(to)}")
    if unknown and rest and size % rest == 0:
        out[unknown[0]] = size // rest
    if prod(out) != size or (unknown and not rest):
        raise ShapeError(
            f"{op}: expected a shape of {size} elements to match {shape}, got {tuple(to)}"
        )
    return tuple(out)


def pair(op: str, name: str, value: int | Sequence[int], rank: int = 2) -> Shape:
    """One int per spatial axis from an int or a sequence, as torch's stride and padding arguments."""
    if type(value) is int and -_LARGEST <= value < _LARGEST:
        return (value,) * rank
    out = (value,) * rank if not isinstance(value, Iterable) else tuple(value)
    if isinstance(value, bytes) or any(type(n) is bool or not isinstance(n, int) for n in out):
        raise DTypeError(f"{op}: expected {name} to be an int or {rank} ints, got {value!r}")
    if len(out) == 1:
        out *= rank
    if len(out) != rank:
        raise ShapeError(f"{op}: expected {name} to be an int or {rank} ints, got {value!r}")
    if not all(-_LARGEST <= n < _LARGEST for n in out):
        raise ShapeError(f"{op}: expected {name} of 32 bits, got {value!r}")
    return out


def extents(op: str, name: str, value: int | Sequence[int], rank: int) -> Shape:
    """One int per spatial axis as `pair` gives it, but from one alone in a sequence for one axis only."""
    if rank > 1 and isinstance(value, Sequence) and len(value) == 1:
        raise ShapeError(f"{op}: expected {name} to be an int or {rank} ints, got {value!r}")
    return pair(op, name, value, rank)


def window_out(size: int, kernel: int, stride: int, padding: int, dilation: int = 1, *,
               ceil_mode: bool = False) -> int:  # fmt: skip
    """Length of one spatial axis after a sliding window; `padding` is the total of both ends.

    With ceil_mode a last window may stick out, but must start inside the input or left padding.
    """
    span = size + padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return span // stride + 1
    out = -(-span // stride) + 1
    if (out - 1) * stride >= size + padding // 2:
        out -= 1
    return out
