"""Movement: the same elements in another shape, order or place. Only reshape shares memory."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

from ..autograd import T, apply
from ..dtypes import Number, promote
from ..errors import DTypeError, IndexOutOfRangeError, ShapeError
from ..op import Op
from ..shapes import (
    Axes,
    Shape,
    Spec,
    broadcast,
    check_shape,
    infer_reshape,
    normalize_axes,
    normalize_axis,
)
from .elementwise import cast
from .rules import operand, unbroadcast

Ints = int | Sequence[int]


def as_ints(op: str, first: Any, more: tuple[Any, ...] = ()) -> Shape:
    """A tuple of ints from one int, a sequence, or ints one by one; raises DTypeError."""
    given = (first, *more) if more or hasattr(first, "__index__") else first
    try:
        out = tuple(map(index, given))
    except TypeError:
        raise DTypeError(f"{op}: expected ints, got {given!r}") from None
    if not all(-(2**63) <= n < 2**63 for n in out):
        raise ShapeError(f"{op}: expected ints of 64 bits, got {given!r}")
    return out


# --- the primitives -----------------------------------------------------------------------------


def _infer_cat(*xs: Spec, dim: int) -> Spec:
    rows = [x for x in xs if x.shape != (0,)] or xs
    first = rows[0].shape
    for x in rows:
        if x.rank != len(first) or any(
            a != b for k, (a, b) in enumerate(zip(first, x.shape, strict=True)) if k != dim
        ):
            raise ShapeError(
                f"cat: expected shapes that agree except on axis {dim}, got {' and '.join(str(x.shape) for x in xs)}"
            )
    return Spec((*first[:dim], sum(x.shape[dim] for x in rows), *first[dim + 1 :]), xs[0].dtype)


def _cat_vjp(g: Any, outs: Any, *xs: Any, needs: Any, dim: int) -> Any:
    grads, at = [], 0
    for x in xs:
        skipped = x.shape == (0,)
        size = 0 if skipped else x.shape[dim]
        part = narrow(g, dim, at, size)
        grads.append(reshape(part, (0,)) if skipped else part)
        at += size
    return grads


def _permute_vjp(g: Any, outs: Any, x: Any, *, needs: Any, dims: Shape) -> Any:
    return (apply(PERMUTE, g, dims=tuple(sorted(range(len(dims)), key=dims.__getitem__))),)


def _slice_vjp(
    g: Any, outs: Any, x: Any, *, needs: Any, starts: Shape, steps: Shape, sizes: Shape
) -> Any:
    return (apply(PLACE, g, starts=starts, steps=steps, shape=x.shape, value=0),)


def _place_vjp(g: Any, outs: Any, x: Any, *, needs: Any, starts: Shape, steps: Shape, shape: Shape,
               value: Number) -> Any:  # fmt: skip
    return (apply(SLICE, g, starts=starts, steps=steps, sizes=x.shape),)


def _infer_roll(x: Spec, *, shift: int, dim: int) -> Spec:
    return x


def _roll_vjp(g: Any, outs: Any, x: Any, *, needs: Any, shift: int, dim: int) -> Any:
    return (apply(ROLL, g, shift=-shift, dim=dim),)


def _infer_tri(x: Spec, *, diagonal: int, lower: bool) -> Spec:
    if x.rank < 2:
        raise ShapeError(
            f"{'tril' if lower else 'triu'}: expected at least 2 axes, got shape {x.shape}"
        )
    return x


def _tri_vjp(g: Any, outs: Any, x: Any, *, needs: Any, diagonal: int, lower: bool) -> Any:
    return (apply(TRI, g, diagonal=diagonal, lower=lower),)


def _infer_assign(x: Spec, value: Spec, *, starts: Shape, steps: Shape, sizes: Shape) -> Spec:
    if value.rank >= 0 and broadcast("setitem", value.shape, sizes) != sizes:
        raise ShapeError(
            f"setitem: expected a value that broadcasts to {sizes}, got shape {value.shape}"
        )
    return x


def _assign_vjp(g: Any, outs: Any, x: Any, value: Any, *, needs: Any, starts: Shape, steps: Shape,
                sizes: Shape) -> Any:  # fmt: skip
    region = {"starts": starts, "steps": steps, "sizes": sizes}
    return (apply(ASSIGN, g, 0, **region) if needs[0] else None,
            unbroadcast(apply(SLICE, g, **region), value) if needs[1] else None)  # fmt: skip


RESHAPE = Op("reshape", lambda x, *, shape: Spec(shape, x.dtype),
             lambda g, outs, x, *, needs, shape: (reshape(g, x.shape),))  # fmt: skip
PERMUTE = Op(
    "permute", lambda x, *, dims: Spec(tuple(x.shape[d] for d in dims), x.dtype), _permute_vjp
)
EXPAND = Op("expand", lambda x, *, shape: Spec(shape, x.dtype),
            lambda g, outs, x, *, needs, shape: (unbroadcast(g, x),))  # fmt: skip
SLICE = Op("slice", lambda x, *, starts, steps, sizes: Spec(sizes, x.dtype), _slice_vjp)
PLACE = Op("place", lambda x, *, starts, steps, shape, value: Spec(shape, x.dtype), _place_vjp)
CAT = Op("cat", _infer_cat, _cat_vjp)
ROLL = Op("roll", _infer_roll, _roll_vjp)
TRI = Op("tri", _infer_tri, _tri_vjp)
ASSIGN = Op("assign", _infer_assign, _assign_vjp)  # x with a slice of it replaced


# --- another shape ------------------------------------------------------------------------------


def reshape(input: T, shape: Ints, *more: int) -> T:
    """The same elements in another shape; one size may be -1. Shares memory with input.

    Raises ShapeError when the numbers of elements differ.
    """
    operand("reshape", input)
    to = infer_reshape("reshape", input.shape, as_ints("reshape", shape, more))
    return input if to == input.shape else apply(RESHAPE, input, shape=to)


def view(input: T, shape: Ints, *more: int) -> T:
    """The same as reshape, which never needs to copy here."""
    return reshape(input, shape, *more)


def flatten(input: T, start_dim: int = 0, end_dim: int = -1) -> T:
    """Axes start_dim to end_dim, both included, joined into one. Raises ShapeError if they are in the wrong order."""
    operand("flatten", input)
    first = normalize_axis("flatten", start_dim, input.ndim)
    last = normalize_axis("flatten", end_dim, input.ndim)
    if first > last:
        raise ShapeError(f"flatten: expected start_dim <= end_dim, got {start_dim} and {end_dim}")
    joined = 1
    for n in input.shape[first : last + 1]:
        joined *= n
    return reshape(input, (*input.shape[:first], joined, *input.shape[last + 1 :]))


def squeeze(input: T, dim: Axes = None) -> T:
    """Without the axes of size 1, or without those in `dim` that have size 1."""
    operand("squeeze", input)
    gone = normalize_axes("squeeze", dim if dim is None else as_ints("squeeze", dim), input.ndim)
    return reshape(input, tuple(n for k, n in enumerate(input.shape) if n != 1 or k not in gone))


def unsqueeze(input: T, dim: int) -> T:
    """With a new axis of size 1 at `dim` of the result."""
    operand("unsqueeze", input)
    at = normalize_axis("unsqueeze", dim, input.ndim + 1)
    return reshape(input, (*input.shape[:at], 1, *input.shape[at:]))


def expand(input: T, size: Ints, *more: int) -> T:
    """Axes of size 1 repeated to `size`; -1 keeps an axis, and new axes may come in front.

    Raises ShapeError where an axis has neither size 1 nor the one asked for.
    """
    return _expand("expand", input, as_ints("expand", size, more))


def broadcast_to(input: T, shape: Ints) -> T:
    """The same as expand."""
    return _expand("broadcast_to", input, as_ints("broadcast_to", shape))


def _expand(op: str, input: T, size: Shape) -> T:
    operand(op, input)
    new = len(size) - input.ndim
    full = tuple(input.shape[k - new] if n == -1 and k >= new else n for k, n in enumerate(size))
    to = check_shape(op, full)
    if new < 0 or any(
        a not in (1, b) for a, b in zip(input.shape, to[max(new, 0) :], strict=False)
    ):
        raise ShapeError(f"{op}: expected a shape that {input.shape} broadcasts to, got {size}")
    return input if to == input.shape else apply(EXPAND, input, shape=to)


# --- another order ------------------------------------------------------------------------------


def permute(input: T, dims: Ints, *more: int) -> T:
    """Axis k of the result is axis dims[k] of input; raises ShapeError unless dims names each axis once."""
    operand("permute", input)
    given = as_ints("permute", dims, more)
    order = tuple(normalize_axis("permute", d, input.ndim) for d in given)
    if sorted(order) != list(range(input.ndim)):
        raise ShapeError(f"permute: expected each of the {input.ndim} axes once, got {given}")
    return input if order == tuple(range(input.ndim)) else apply(PERMUTE, input, dims=order)


def transpose(input: T, dim0: int, dim1: int) -> T:
    """Axes dim0 and dim1 exchanged."""
    operand("transpose", input)
    a, b = (normalize_axis("transpose", d, input.ndim) for d in (dim0, dim1))
    order = list(range(input.ndim))
    if order:
        order[a], order[b] = b, a
    return permute(input, order)


def swapaxes(input: T, axis0: int, axis1: int) -> T:
    """The same as transpose."""
    return transpose(input, axis0, axis1)


def t(input: T) -> T:
    """The transpose of a matrix; a vector or a scalar stays as it is. Raises ShapeError above 2 axes."""
    operand("t", input)
    if input.ndim > 2:
        raise ShapeError(
            f"t: expected at most 2 axes, got shape {input.shape}; use transpose or permute"
        )
    return permute(input, tuple(reversed(range(input.ndim))))


def movedim(input: T, source: Ints, destination: Ints) -> T:
    """Axes `source` moved to the places `destination`; the others keep their order.

    Raises ShapeError unless both name as many axes, each once.
    """
    operand("movedim", input)
    pair = [
        tuple(normalize_axis("movedim", d, input.ndim) for d in as_ints("movedim", ds))
        for ds in (source, destination)
    ]
    if len(pair[0]) != len(pair[1]) or any(len(set(ds)) != len(ds) for ds in pair):
        raise ShapeError(
            f"movedim: expected as many distinct axes on both sides, got {source} and {destination}"
        )
    rest = iter(k for k in range(input.ndim) if k not in pair[0])
    moved = dict(zip(pair[1], pair[0], strict=True))
    return permute(input, tuple(moved[k] if k in moved else next(rest) for k in range(input.ndim)))


def flip(input: T, dims: Ints, *more: int) -> T:
    """The elements along `dims` in reverse order."""
    operand("flip", input)
    axes = normalize_axes("flip", as_ints("flip", dims, more), input.ndim)
    return take_slice(input, {k: (input.shape[k] - 1, input.shape[k], -1) for k in axes})


def roll(input: T, shifts: Ints, dims: Ints | None = None) -> T:
    """Element i moved to i + shift, around the end, along each of `dims`; without dims in row-major order.

    Raises ShapeError unless there is one shift per axis.
    """
    operand("roll", input)
    by = as_ints("roll", shifts)
    if dims is None and len(by) == 1:
        return reshape(roll(reshape(input, -1), by, 0), input.shape)
    axes = () if dims is None else as_ints("roll", dims)
    if len(by) != len(axes):
        raise ShapeError(f"roll: expected one shift per axis, got shifts {shifts} and dims {dims}")
    if axes and not input.ndim:
        raise IndexOutOfRangeError(f"roll: expected no dims for a tensor of shape (), got {dims}")
    axes = tuple(normalize_axis("roll", d, input.ndim) for d in axes)
    for shift, d in zip(by, axes, strict=True):
        input = apply(ROLL, input, shift=shift, dim=d)
    return input


def tril(input: T, diagonal: int = 0) -> T:
    """The lower triangle of the last two axes, up to `diagonal` above the main one; zero elsewhere."""
    return _tri("tril", input, diagonal)


def triu(input: T, diagonal: int = 0) -> T:
    """The upper triangle of the last two axes, from `diagonal` above the main one on; zero elsewhere."""
    return _tri("triu", input, diagonal)


def _tri(op: str, input: T, diagonal: int) -> T:
    (diagonal,) = as_ints(op, (diagonal,))
    diagonal = max(
        -(2**31) + 1, min(diagonal, 2**31 - 1)
    )  # kernels take 32 bits, and no axis is longer
    result: T = apply(TRI, input, diagonal=diagonal, lower=op == "tril")
    return result


# --- parts, and the sum of parts ------------------------------------------------------------------


def narrow(input: T, dim: int, start: int, length: int) -> T:
    """`length` elements of axis `dim` from `start` on, which may be negative to count from the end.

    Raises IndexOutOfRangeError when that reaches outside of the axis.
    """
    axis, n = axis_of("narrow", input, dim)
    (start, length) = as_ints("narrow", (start, length))
    first = start + n if start < 0 else start
    if length < 0 or not 0 <= first <= n - length:
        raise IndexOutOfRangeError(
            f"narrow: expected a range inside of size {n}, got start {start}, length {length}"
        )
    return take_slice(input, {axis: (first, length, 1)})


def take_slice(input: T, cuts: dict[int, tuple[int, int, int]]) -> T:
    """Per axis in `cuts` the elements (start, count, step); the step may be negative. Checks nothing."""
    full = [cuts.get(k, (0, n, 1)) for k, n in enumerate(input.shape)]
    if all(cut == (0, n, 1) for cut, n in zip(full, input.shape, strict=True)):
        return input
    starts, sizes, steps = zip(*full, strict=True)
    return apply(SLICE, input, starts=starts, steps=steps, sizes=sizes)


def axis_of(op: str, input: T, dim: int) -> tuple[int, int]:
    """The axis counted from the front, and its size; raises ShapeError for a scalar."""
    operand(op, input)
    if not input.ndim:
        raise ShapeError(f"{op}: expected a tensor with at least one axis, got shape ()")
    axis = normalize_axis(op, dim, input.ndim)
    return axis, input.shape[axis]


def listed(op: str, tensors: Any) -> list[Any]:
    """A list of Tensors from a sequence of them; raises DTypeError for anything else."""
    if not isinstance(tensors, Sequence):
        raise DTypeError(f"{op}: expected a sequence of Tensors, got {type(tensors).__name__}")
    for x in tensors:
        operand(op, x)
    return list(tensors)


def cat(tensors: Sequence[T], dim: int = 0) -> T:
    """Tensors one after the other along an axis; dtypes are promoted.

    Their shapes agree on every other axis (a tensor of shape (0,) fits all), else ShapeError.
    """
    xs = listed("cat", tensors)
    if not xs or not all(x.ndim for x in xs):
        got = "none" if not xs else "one of shape ()"
        raise ShapeError(
            f"cat: expected tensors with at least one axis, got {got}; stack joins scalars"
        )
    kind = promote(*[x.dtype for x in xs])
    axis = normalize_axis("cat", dim, max(x.ndim for x in xs))
    _infer_cat(*[x.spec for x in xs], dim=axis)  # before any is converted
    result: T = apply(CAT, *[cast(x, kind) for x in xs], dim=axis)
    return result
