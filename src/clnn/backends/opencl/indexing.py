"""Host side of kernels/indexing.cl.mako: reads where an index points, and ordered sums into there."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, prod
from typing import Any, NamedTuple

from ...dtypes import Number
from ...shapes import Shape, Spec
from .. import implements
from .algorithms import Algorithm, always, choose
from .discovery import DeviceInfo
from .elementwise import compute_dtype, elementwise
from .movement import bits, fill, flat_grid
from .runtime import WIDE, Buffer, Runtime
from .sort import key_dtype, stable_order, starts

IMPLEMENTATIONS = {
    "flat_index": elementwise(
        "a0 < 0 || a1 < -size || a1 >= size ? (T)-1 : a0 * size + (a1 < 0 ? a1 + size : a1)"
    )
}

_WINDOW = (
    128  # elements that one work-item adds up one after the other, however many go to one place
)


class Sums(NamedTuple):
    """Sums of (outer, n, inner) into (outer, rows, inner); `shared` if one index of size n serves all."""

    outer: int
    n: int
    rows: int
    inner: int
    shared: bool


def _around(shape: Shape, dim: int) -> tuple[int, int, int]:
    """`shape` seen as (outer, rows, inner) around axis `dim`; a scalar has one row."""
    return prod(shape[:dim]), prod(shape[dim : dim + 1]), prod(shape[dim + 1 :])


def _launch(rt: Runtime, kind: str, arrays: Sequence[Any], total: int, sizes: Sequence[int],
            code: str, **defines: Any) -> None:  # fmt: skip
    """Launch a kernel that walks `total` elements, with an index of dtype `code`."""
    if total:
        grid, group, chunk = flat_grid(rt, total)
        rt.launch(
            "indexing", kind, grid, *arrays, total, chunk, *sizes,
            group=group, kind=kind, WG=group[0], index=code, **{"size": None, **defines},
        )  # fmt: skip


# --- reading ------------------------------------------------------------------------------------


def _read(rt: Runtime, x: Buffer, index: Buffer, y: Buffer, n: int, dim: int, shared: bool) -> None:
    _, rows, inner = _around(x.shape, dim)
    missing = bits(nan, x.dtype) if x.dtype.is_floating_point else 0
    _launch(rt, "take", (x, index, y), y.size, (n, rows, inner, missing), index.dtype.code,
            size=x.dtype.itemsize, shared=shared)  # fmt: skip


@implements("take")
def take(rt: Runtime, x: Buffer, index: Buffer, y: Buffer, *, dim: int, skip: int) -> None:
    """One index for all rows around the axis."""
    _read(rt, x, index, y, index.size, dim, True)


@implements("gather")
def gather(rt: Runtime, x: Buffer, index: Buffer, y: Buffer, *, dim: int) -> None:
    """An index for every element."""
    _read(rt, x, index, y, _around(index.shape, dim)[1], dim, False)


@implements("one_hot")
def one_hot(rt: Runtime, index: Buffer, y: Buffer, *, num_classes: int) -> None:
    """Compare every class with the index."""
    _launch(rt, "one_hot", (index, y), y.size, (num_classes,), index.dtype.code)


# --- sums, in ascending order of what is summed -------------------------------------------------


def _few(problem: Sums, info: DeviceInfo) -> bool:
    """Whether looking at every element for every row costs less than sorting."""
    size = problem.outer * problem.rows * (1 if problem.shared else problem.inner)
    return problem.n <= 16 or size * problem.n <= 1 << 16


_NOT_GIVEN = dict.fromkeys(("index", "shared", "sorted", "key", "WINDOW", "size"))


def _sum(rt: Runtime, kernel: str, arrays: Sequence[Buffer], rows: int, problem: Sums, *more: int,
         **defines: Any) -> None:  # fmt: skip
    """Launch a kernel over tiles of (outer, rows, inner); the last array is written."""
    outer, n, _, inner, _ = problem
    tile = min(64, 1 << (inner - 1).bit_length()) if rt.info.kind == "cpu" else 1
    items = outer * rows * -(-inner // tile)
    grid, group, chunk = flat_grid(rt, items, per=tile)
    rt.launch(
        "indexing", kernel, grid, *arrays, items, chunk, n, problem.rows, inner, *more, group=group, kind=kernel,
        WG=group[0], dtype=arrays[0].dtype.code, TILE=tile, **{**_NOT_GIVEN, **defines},
    )  # fmt: skip


def _by_scan(rt: Runtime, g: Buffer, index: Buffer, y: Buffer, problem: Sums, skip: int) -> None:
    """Every element of y looks at every index that may point to it."""
    _sum(rt, "sums", (g, index, y), problem.rows, problem, 0, skip, index=index.dtype.code, sorted=False,
         shared=problem.shared)  # fmt: skip


def _by_sort(rt: Runtime, g: Buffer, index: Buffer, y: Buffer, problem: Sums, skip: int) -> None:
    """g is sorted by where it goes; elements of y walk their own part, or add up sums of windows of it."""
    if problem.shared:
        flat, inner = problem, 1
    else:  # every element of y is a row of its own
        flat, inner = Sums(1, index.size, y.size, 1, True), problem.inner
    keys = rt.empty(Spec((index.size,), key_dtype(max(flat.rows, index.size))))
    code = keys.dtype.code
    _launch(rt, "keys", (index, keys), keys.size, (problem.n, problem.rows, inner, flat.rows), index.dtype.code,
            key=code, **({"wide": True} if flat.rows >= WIDE else {}))  # fmt: skip
    keys, order = stable_order(rt, keys, flat.rows + 1)
    start = starts(rt, keys, flat.rows)
    windows = -(-flat.n // _WINDOW)
    part = rt.empty(Spec((flat.outer, windows, 2, flat.inner), compute_dtype(y.dtype)))
    _sum(
        rt,
        "partials",
        (g, order, keys, start, part),
        windows,
        flat,
        windows,
        key=code,
        WINDOW=_WINDOW,
    )
    _sum(rt, "sums", (g, order, start, part, y), flat.rows, flat, windows, skip, sorted=True, key=code,
         WINDOW=_WINDOW)  # fmt: skip


_TABLE = [Algorithm("scan", _few, _by_scan), Algorithm("sort", always, _by_sort)]
ALGORITHMS = {"take_grad": _TABLE, "gather_grad": _TABLE}


def _total(
    op: str, rt: Runtime, g: Buffer, index: Buffer, y: Buffer, problem: Sums, skip: int
) -> None:
    if index.size == 0:
        fill(rt, y, 0)
    elif y.size:
        choose(op, ALGORITHMS[op], problem, rt.info).launch(rt, g, index, y, problem, skip)


@implements("take_grad")
def take_grad(
    rt: Runtime, g: Buffer, index: Buffer, y: Buffer, *, dim: int, size: int, skip: int
) -> None:
    """Rows of g summed by index."""
    outer, rows, inner = _around(y.shape, dim)
    _total("take_grad", rt, g, index, y, Sums(outer, index.size, rows, inner, True), skip)


@implements("gather_grad")
def gather_grad(rt: Runtime, g: Buffer, index: Buffer, y: Buffer, *, dim: int, size: int) -> None:
    """Elements of g summed by index."""
    outer, rows, inner = _around(y.shape, dim)
    _total(
        "gather_grad",
        rt,
        g,
        index,
        y,
        Sums(outer, _around(g.shape, dim)[1], rows, inner, False),
        -1,
    )


# --- scatter ------------------------------------------------------------------------------------


@implements("scatter")
def scatter(rt: Runtime, x: Buffer, index: Buffer, src: Buffer | Number, y: Buffer, winner: Buffer, *,
            dim: int) -> None:  # fmt: skip
    """The largest position wins by an integer maximum, which no order of work-items can change."""
    _, rows, inner = _around(x.shape, dim)
    sizes = (_around(index.shape, dim)[1], rows, inner)
    fill(rt, winner, -1)
    _launch(rt, "claim", (index, winner), index.size, sizes, index.dtype.code)
    constant = not isinstance(src, Buffer)
    value = bits(src, x.dtype) if not isinstance(src, Buffer) else src
    _launch(rt, "settle", (x, value, winner, y), y.size, sizes, index.dtype.code, size=x.dtype.itemsize,
            constant=constant)  # fmt: skip


@implements("scatter_grad")
def scatter_grad(
    rt: Runtime, g: Buffer, winner: Buffer, index: Buffer, y: Buffer, *, dim: int
) -> None:
    """Winners take the gradient of their element of the output."""
    _, rows, inner = _around(g.shape, dim)
    _launch(rt, "settle_grad", (g, winner, index, y), y.size, (_around(index.shape, dim)[1], rows, inner),
            index.dtype.code, size=g.dtype.itemsize)  # fmt: skip
