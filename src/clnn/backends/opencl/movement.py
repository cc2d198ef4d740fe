"""Host side of kernels/movement.cl.mako: every movement is one copy between two strided views."""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np

from ...dtypes import DType, Number
from ...shapes import Shape, Spec
from .. import implements
from .elementwise import chunking
from .runtime import Buffer, Runtime


def strides_of(shape: Shape) -> Shape:
    """Strides, in elements, of a contiguous array."""
    out, step = [], 1
    for n in reversed(shape):
        out.append(step)
        step *= n
    return tuple(reversed(out))


@lru_cache(4096)
def merge(sizes: Shape, src: Shape, dst: Shape) -> tuple[Shape, Shape, Shape]:
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
    wg, chunk = chunking(rt, n)
    views = (*sizes, *dst) if constant else (*sizes, *src, *dst)
    start = (x,) if constant else (x, x0)
    rt.launch(
        "movement", "copy", (-(-(-(-n // chunk)) // wg) * wg,), *start, y, y0, n, chunk, *views, group=(wg,), WG=wg,
        size=y.dtype.itemsize, rank=len(sizes), constant=constant,
        inner=tuple(s if s in (0, 1) else None for s in (src[-1], dst[-1])),
    )  # fmt: skip


def fill(rt: Runtime, y: Buffer, value: Number) -> None:
    """Set every element of y."""
    copy(rt, bits(value, y.dtype), y, (y.size,), (), (1,))


@implements("reshape", aliases=True)
def reshape(rt: Runtime, x: Buffer, out: Spec, *, shape: Shape) -> Buffer:
    """The same memory under another shape."""
    return Buffer(x.mem, out)


@implements("permute")
def permute(rt: Runtime, x: Buffer, y: Buffer, *, dims: Shape) -> None:
    """Walk y in order, and x by its strides in y's order of axes."""
    strides = strides_of(x.shape)
    copy(rt, x, y, y.shape, tuple(strides[d] for d in dims), strides_of(y.shape))


@implements("expand")
def expand(rt: Runtime, x: Buffer, y: Buffer, *, shape: Shape) -> None:
    """Walk x with stride 0 along what it repeats."""
    full = (1,) * (len(shape) - len(x.shape)) + x.shape
    strides = tuple(0 if n == 1 else s for n, s in zip(full, strides_of(full), strict=True))
    copy(rt, x, y, shape, strides, strides_of(shape))


@implements("slice")
def slice_(rt: Runtime, x: Buffer, y: Buffer, *, starts: Shape, steps: Shape, sizes: Shape) -> None:
    """Walk x from its first element taken, by its strides times the steps."""
    strides = strides_of(x.shape)
    src = tuple(s * k for s, k in zip(strides, steps, strict=True))
    copy(rt, x, y, sizes, src, strides_of(sizes), x0=sum(s * k for s, k in zip(strides, starts, strict=True)))


@implements("place")
def place(rt: Runtime, x: Buffer, y: Buffer, *, starts: Shape, steps: Shape, shape: Shape, value: Number) -> None:
    """Fill y, then write x over it."""
    fill(rt, y, value)
    _put(rt, x, y, starts, steps)


def _put(rt: Runtime, x: Buffer, y: Buffer, starts: Shape, steps: Shape) -> None:
    strides = strides_of(y.shape)
    dst = tuple(s * k for s, k in zip(strides, steps, strict=True))
    first = sum(s * k for s, k in zip(strides, starts, strict=True))
    copy(rt, x, y, x.shape, strides_of(x.shape), dst, y0=first)


@implements("cat")
def cat(rt: Runtime, *arrays: Buffer, dim: int) -> None:
    """One copy per operand, each to its own place in y."""
    *xs, y = arrays
    steps, at = (1,) * len(y.shape), 0
    for x in xs:
        if x.size:
            _put(rt, x, y, (0,) * dim + (at,) + (0,) * (len(y.shape) - dim - 1), steps)
            at += x.shape[dim]
