"""Parts of a tensor, and tensors made of parts: all composed of slices, expand, cat and place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..autograd import T, apply
from ..dtypes import Number
from ..errors import SettingError, ShapeError
from ..shapes import Shape, check_shape, normalize_axis
from .movement import (
    PLACE,
    Ints,
    as_ints,
    axis_of,
    cat,
    expand,
    listed,
    reshape,
    take_slice,
    unsqueeze,
)
from .rules import as_number, operand


def split(tensor: T, split_size_or_sections: Ints, dim: int = 0) -> tuple[T, ...]:
    """Parts of that size along an axis, the last one smaller if need be, or parts of those sizes.

    Raises ShapeError when sections do not add up to the axis, or a size is not positive.
    """
    axis, n = axis_of("split", tensor, dim)
    sections = as_ints("split", split_size_or_sections)
    if hasattr(split_size_or_sections, "__index__"):
        size = sections[0]
        if size < 0 or (size == 0 and n):
            raise ShapeError(f"split: expected a positive size, got {size}")
        count = max(-(-n // size), 1) if size else 1
        sections = (size,) * (count - 1) + (n - size * (count - 1),)
    if sum(sections) != n or any(k < 0 for k in sections):
        raise ShapeError(f"split: expected sizes that add up to {n}, got {sections}")
    parts, at = [], 0
    for k in sections:
        parts.append(take_slice(tensor, {axis: (at, k, 1)}))
        at += k
    return tuple(parts)


def chunk(input: T, chunks: int, dim: int = 0) -> tuple[T, ...]:
    """At most `chunks` parts of equal size along an axis, the last one smaller if need be."""
    axis, n = axis_of("chunk", input, dim)
    (count,) = as_ints("chunk", (chunks,))
    if count <= 0:
        raise ShapeError(f"chunk: expected at least one chunk, got {chunks}")
    return split(input, -(-n // count), axis) if n else split(input, (0,) * count, axis)


def unbind(input: T, dim: int = 0) -> tuple[T, ...]:
    """The parts along an axis, each without it."""
    axis, n = axis_of("unbind", input, dim)
    rest = input.shape[:axis] + input.shape[axis + 1 :]
    return tuple(reshape(take_slice(input, {axis: (k, 1, 1)}), rest) for k in range(n))


def repeat(input: T, repeats: Ints, *more: int) -> T:
    """Copies of input side by side, `repeats` times along each axis; new axes may come in front.

    Raises ShapeError for fewer repeats than axes, or negative ones.
    """
    return _repeat("repeat", input, as_ints("repeat", repeats, more))


def tile(input: T, dims: Ints, *more: int) -> T:
    """The same as repeat, but axes that `dims` leaves out, in front, are not repeated."""
    operand("tile", input)
    counts = as_ints("tile", dims, more)
    return _repeat("tile", input, (1,) * (input.ndim - len(counts)) + counts)


def _repeat(op: str, input: T, counts: Shape) -> T:
    operand(op, input)
    if len(counts) < input.ndim:
        raise ShapeError(
            f"{op}: expected at least {input.ndim} repeats for {input.shape}, got {counts}"
        )
    check_shape(op, counts)
    shape = (1,) * (len(counts) - input.ndim) + input.shape
    apart = reshape(input, [n for size in shape for n in (1, size)])
    whole = expand(apart, [n for pair in zip(counts, shape, strict=True) for n in pair])
    return reshape(whole, tuple(k * n for k, n in zip(counts, shape, strict=True)))


def stack(tensors: Sequence[T], dim: int = 0) -> T:
    """Tensors of one shape along a new axis at `dim` of the result; raises ShapeError if shapes differ."""
    xs = listed("stack", tensors)
    if len({x.shape for x in xs}) != 1:
        got = " and ".join(str(x.shape) for x in xs) or "none"
        raise ShapeError(f"stack: expected tensors of one shape, got {got}")
    axis = normalize_axis("stack", dim, xs[0].ndim + 1)
    return cat([unsqueeze(x, axis) for x in xs], axis)


# --- padding ------------------------------------------------------------------------------------


def pad(input: T, pad: Sequence[int], mode: str = "constant", value: Number | None = None) -> T:
    """More elements around input: pad = (before, after) of the last axis, then of the one before it, ...

    mode "constant" adds `value` (0) on any axes; "reflect", "replicate" and "circular" continue the
    input on one, two or three axes behind the channels. Negative numbers crop. Raises ShapeError for a
    pad that does not fit the shape.
    """
    operand("pad", input)
    given = as_ints("pad", pad)
    if len(given) % 2 or len(given) > 2 * input.ndim:
        raise ShapeError(
            f"pad: expected two numbers for each of at most {input.ndim} axes, got {given}"
        )
    pairs = {input.ndim - 1 - k: (given[2 * k], given[2 * k + 1]) for k in range(len(given) // 2)}
    for axis, (before, after) in pairs.items():
        if input.shape[axis] + before + after < 0:
            raise ShapeError(f"pad: expected sizes >= 0, got {input.shape} cropped by {given}")
    if mode == "constant":
        fill = as_number("pad", 0 if value is None else value, input.dtype)
        return _pad_constant(input, pairs, fill)
    if not isinstance(mode, str) or mode not in _EDGES:
        raise SettingError(
            f"pad: expected mode 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}"
        )
    if value:
        raise SettingError(f"pad: expected no value in mode {mode!r}, got {value}")
    if not 1 <= len(pairs) <= 3 or input.ndim - len(pairs) not in (1, 2):
        raise ShapeError(f"pad: expected 1 or 2 axes in front of the padded ones in mode {mode!r}, "
                         f"got shape {input.shape} and pad {given}")  # fmt: skip
    for axis, ends in pairs.items():
        _check_edges(input.shape[axis], *ends, mode)
    for axis, (before, after) in pairs.items():
        input = _pad_edges(input, axis, before, after, mode)
    return input


def _pad_constant(input: T, pairs: dict[int, tuple[int, int]], value: Number) -> T:
    cuts = {
        k: (max(-a, 0), input.shape[k] + min(a, 0) + min(b, 0), 1) for k, (a, b) in pairs.items()
    }
    inner = take_slice(input, cuts)
    around = {k: (max(a, 0), max(b, 0)) for k, (a, b) in pairs.items()}
    if not any(map(any, around.values())):
        return inner
    starts = tuple(around.get(k, (0, 0))[0] for k in range(input.ndim))
    shape = tuple(n + sum(around.get(k, (0, 0))) for k, n in enumerate(inner.shape))
    result: T = apply(
        PLACE, inner, starts=starts, steps=(1,) * input.ndim, shape=shape, value=value
    )
    return result


# What continues an axis of n elements by k of them: (start, step) of the part in front and behind.
_Ends = tuple[tuple[int, int], tuple[int, int]]
_EDGES: dict[str, Callable[[int, int], _Ends]] = {
    "reflect": lambda n, k: ((k, -1), (n - 2, -1)),
    "replicate": lambda n, k: ((0, 0), (n - 1, 0)),
    "circular": lambda n, k: ((n - k, 1), (0, 1)),
}


def _continued(n: int, before: int, after: int, mode: str) -> int:
    """Size of what is continued: torch crops first where it is circular, else last."""
    return n + (min(before, 0) + min(after, 0) if mode == "circular" else 0)


def _check_edges(size: int, before: int, after: int, mode: str) -> None:
    n = _continued(size, before, after, mode)
    most = {"reflect": n - 1, "circular": n}.get(mode, max(before, after, 0) if n else 0)
    if max(before, after) > most:
        raise ShapeError(
            f"pad: expected at most {most} for an axis of size {n} in mode {mode!r}, "
            f"got {(before, after)}"
        )


def _pad_edges(input: T, axis: int, before: int, after: int, mode: str) -> T:
    """One axis continued at both ends and cropped."""
    circular = mode == "circular"
    n = _continued(input.shape[axis], before, after, mode)
    input = _crop(input, axis, before, after) if circular else input
    parts = [input]
    for k, side in ((before, 0), (after, 1)):
        if k > 0:
            start, step = _EDGES[mode](n, k)[side]
            part = take_slice(input, {axis: (start, k if step else 1, step or 1)})
            if not step:
                part = expand(part, [*input.shape[:axis], k, *input.shape[axis + 1 :]])
            parts.insert(0 if side == 0 else len(parts), part)
    whole = cat(parts, axis) if len(parts) > 1 else input
    return whole if circular else _crop(whole, axis, before, after)


def _crop(input: T, axis: int, before: int, after: int) -> T:
    start = max(-before, 0)
    return take_slice(input, {axis: (start, input.shape[axis] - start - max(-after, 0), 1)})
