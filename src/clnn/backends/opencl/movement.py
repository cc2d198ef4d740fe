"""Host side of kernels/movement.cl.mako: every movement is one copy between two strided views."""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np

from ...dtypes import DType, Number
from ...shapes import Shape, Spec
from .. import implements
from .algorithms import Algorithm, always, choose
from .discovery import DeviceInfo
from .elementwise import chunking
from .plan import planned
from .runtime import Buffer, Runtime

View = tuple[Shape, Shape, Shape]  # sizes, strides in x, strides in y
_TILE_FROM = 8  # shorter axes would leave most of a tile empty


@lru_cache(4096)
def strides_of(shape: Shape) -> Shape:
    """Strides, in elements, of a contiguous array."""
    out, step = [], 1
    for n in reversed(shape):
        out.append(step)
        step *= n
    return tuple(reversed(out))


@lru_cache(4096)
def merge(sizes: Shape, src: Shape, dst: Shape) -> View:
    """The same copy with the fewest axes: those of size 1 dropped, those adjacent in both views joined."""
    axes: list[tuple[int, int, int]] = []
    for n, s, t in zip(sizes, src, dst, strict=True):
        if n == 1:
            continue
        if axes and axes[-1][1] == s * n and axes[-1][2] == t * n:
            axes[-1] = (axes[-1][0] * n, s, t)
        else:
            axes.append((n, s, t))
    sizes, src, dst = zip(*axes or [(1, 1, 1)], strict=True)
    return sizes, src, dst


def bits(value: Number, kind: DType) -> int:
    """A number as the kernel's `constant`: the bits of an element of `kind`."""
    return int(np.asarray(value).astype(str(kind)).view(f"u{kind.itemsize}"))


def copy(rt: Runtime, x: Buffer | int, y: Buffer, sizes: Shape, src: Shape, dst: Shape,
         x0: int = 0, y0: int = 0) -> None:  # fmt: skip
    """Copy `sizes` elements from a view of x (strides `src` from element x0) to one of y.

    An int for x is the bits of a constant, and `src` is not looked at.
    """
    n = prod(sizes)
    if n == 0:
        return
    constant = not isinstance(x, Buffer)
    sizes, src, dst = merge(sizes, dst if constant else src, dst)
    grid, group, chunk = flat_grid(rt, n)
    views = (*sizes, *dst) if constant else (*sizes, *src, *dst)
    start = (x,) if constant else (x, x0)
    rt.launch(
        "movement", "copy", grid, *start, y, y0, n, chunk, *views, group=group, kind="copy", WG=group[0],
        size=y.dtype.itemsize, rank=len(sizes), constant=constant,
        inner=tuple(s if s in (-1, 0, 1) else None for s in (src[-1], dst[-1])),
    )  # fmt: skip


def ceil_to(n: int, step: int) -> int:
    """The next multiple of `step` that is not below n."""
    return -(-n // step) * step


def flat_grid(rt: Runtime, n: int, per: int = 1) -> tuple[Shape, Shape, int]:
    """(grid, group, chunk) of a launch in which each work-item walks `chunk` of n things of `per` elements."""
    wg, chunk = chunking(rt, n * per)
    chunk = -(-chunk // per)
    return (ceil_to(-(-n // chunk), wg),), (wg,), chunk


def fill(rt: Runtime, y: Buffer, value: Number) -> None:
    """Set every element of y."""
    copy(rt, bits(value, y.dtype), y, (y.size,), (), (1,))


@implements("reshape", aliases=True)
def reshape(rt: Runtime, x: Buffer, out: Spec, *, shape: Shape) -> Buffer:
    """The same memory under another shape."""
    return Buffer(x.mem, out, x.derived)


def _contiguous_axis(view: View) -> int | None:
    """The axis along which neighbours lie side by side in x, if it is not the last one, along which they do in y."""
    sizes, src, dst = view
    axis = next((k for k, s in enumerate(src[:-1]) if s == 1), None)
    worth = axis is not None and dst[-1] == 1 and min(sizes[axis], sizes[-1]) >= _TILE_FROM
    return axis if worth else None


def _transposes(view: View, info: DeviceInfo) -> bool:
    return _contiguous_axis(view) is not None and (
        info.kind == "cpu" or (info.shared_group >= 64 and info.max_items[1] >= 8)
    )


def _transpose(rt: Runtime, x: Buffer, y: Buffer, view: View) -> None:
    """Tile by tile, so that both sides are read and written along lines of memory."""
    axis = _contiguous_axis(view)
    assert axis is not None
    sizes, src, dst = view
    batch = [k for k in range(len(sizes) - 1) if k != axis]
    large = (
        rt.info.max_group >= 256 and rt.info.local_mem >= 16384
    )  # bytes; a tile takes half of that
    lanes, rows = (1, 1) if rt.info.kind == "cpu" else (32, 8) if large else (8, 8)
    tile = 64 if lanes == 1 else lanes
    tiles = -(-sizes[-1] // tile) * -(-sizes[axis] // tile) * prod(sizes[k] for k in batch)
    grid = (tiles * lanes, rows)
    args = [sizes[-1], sizes[axis], src[-1], dst[axis], *(sizes[k] for k in batch)]
    args += [src[k] for k in batch] + [dst[k] for k in batch]
    rt.launch("movement", "transpose", grid, x, y, *args, group=(lanes, rows), kind="transpose",
              size=y.dtype.itemsize, TILE=tile, LANES=lanes, ROWS=rows, batch=len(batch))  # fmt: skip


def _walk(rt: Runtime, x: Buffer, y: Buffer, view: View) -> None:
    copy(rt, x, y, *view)


ALGORITHMS = {
    "permute": [Algorithm("transpose", _transposes, _transpose), Algorithm("walk", always, _walk)]
}


@implements("permute")
@planned
def permute(rt: Runtime, x: Buffer, y: Buffer, *, dims: Shape) -> None:
    """Walk y in order, and x by its strides in y's order of axes."""
    strides = strides_of(x.shape)
    view = merge(y.shape, tuple(strides[d] for d in dims), strides_of(y.shape))
    if y.size:
        choose("permute", ALGORITHMS["permute"], view, rt.info).launch(rt, x, y, view)


@implements("expand")
@planned
def expand(rt: Runtime, x: Buffer, y: Buffer, *, shape: Shape) -> None:
    """Walk x with stride 0 along what it repeats."""
    copy(rt, x, y, shape, _broadcast_strides(x.shape, len(shape)), strides_of(shape))


def _broadcast_strides(shape: Shape, rank: int) -> Shape:
    """Strides with 0 for axes that are broadcast, also the new ones in front."""
    full = (1,) * (rank - len(shape)) + shape
    return tuple(0 if n == 1 else s for n, s in zip(full, strides_of(full), strict=True))


@implements("slice")
@planned
def slice_(rt: Runtime, x: Buffer, y: Buffer, *, starts: Shape, steps: Shape, sizes: Shape) -> None:
    """Walk x from its first element taken, by its strides times the steps."""
    strides = strides_of(x.shape)
    src = tuple(s * k for s, k in zip(strides, steps, strict=True))
    copy(
        rt,
        x,
        y,
        sizes,
        src,
        strides_of(sizes),
        x0=sum(s * k for s, k in zip(strides, starts, strict=True)),
    )


@implements("place")
def place(
    rt: Runtime, x: Buffer, y: Buffer, *, starts: Shape, steps: Shape, shape: Shape, value: Number
) -> None:
    """Fill y, then write x over it."""
    fill(rt, y, value)
    _put(rt, x, y, starts, steps)


def _put(rt: Runtime, x: Buffer, y: Buffer, starts: Shape, steps: Shape) -> None:
    strides = strides_of(y.shape)
    dst = tuple(s * k for s, k in zip(strides, steps, strict=True))
    first = sum(s * k for s, k in zip(strides, starts, strict=True))
    copy(rt, x, y, x.shape, strides_of(x.shape), dst, y0=first)


@implements("cat")
@planned
def cat(rt: Runtime, *arrays: Buffer, dim: int) -> None:
    """One copy per operand, each to its own place in y."""
    *xs, y = arrays
    steps, at = (1,) * len(y.shape), 0
    for x in xs:
        if x.size:
            _put(rt, x, y, (0,) * dim + (at,) + (0,) * (len(y.shape) - dim - 1), steps)
            at += x.shape[dim]


@implements("roll")
@planned
def roll(rt: Runtime, x: Buffer, y: Buffer, *, shift: int, dim: int) -> None:
    """The two parts of x change places."""
    n = x.shape[dim] if x.shape else 1
    if x.size == 0:
        return
    inner = prod(x.shape[dim + 1 :])
    block = n * inner
    moved = shift % n * inner  # elements of each block that go around the end
    outer = x.size // block
    for size, at, to in ((block - moved, 0, moved), (moved, block - moved, 0)):
        copy(rt, x, y, (outer, size), (block, 1), (block, 1), at, to)


@implements("tri")
@planned
def tri(rt: Runtime, x: Buffer, y: Buffer, *, diagonal: int, lower: bool) -> None:
    """Choose per element by its row and column."""
    if not y.size:
        return
    grid, group, chunk = flat_grid(rt, y.size)
    rt.launch("movement", "tri", grid, x, y, y.size, chunk, *x.shape[-2:], diagonal, group=group, kind="tri",
              WG=group[0], size=y.dtype.itemsize, lower=lower)  # fmt: skip


@implements("assign")
def assign(rt: Runtime, x: Buffer, value: Buffer | Number, y: Buffer, *, starts: Shape, steps: Shape,
           sizes: Shape) -> None:  # fmt: skip
    """Copy x, then write the value over a slice of it."""
    copy(rt, x, y, (x.size,), (1,), (1,))
    strides = strides_of(y.shape)
    dst = tuple(s * k for s, k in zip(strides, steps, strict=True))
    y0 = sum(s * k for s, k in zip(strides, starts, strict=True))
    if isinstance(value, Buffer):
        copy(rt, value, y, sizes, _broadcast_strides(value.shape, len(sizes)), dst, y0=y0)
    else:
        copy(rt, bits(value, y.dtype), y, sizes, (), dst, y0=y0)
