"""Host side of kernels/matmul.cl.mako."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from ...dtypes import DType, accumulator
from ...shapes import Shape, Spec
from .. import implements
from .algorithms import Algorithm, always, choose
from .discovery import DeviceInfo
from .elementwise import merge
from .gemm import ceil_div, lanes, micro, simd_fits, tile, tile_fits, tile_grid
from .plan import planned
from .runtime import MOST_GROUPS, Buffer, Runtime

_KC = 512  # depth of a packed panel: 512 x 32 floats stay in a core's second-level cache
_BATCHES = 64  # work-groups along the batch axis; each strides over the rest


class Problem(NamedTuple):
    """A batch of products (M, K) x (K, N) and how to walk it."""

    M: int
    N: int
    K: int
    batches: int
    kind: DType
    transpose_a: bool
    transpose_b: bool
    axes: tuple[tuple[int, int, int], ...]  # per merged batch axis: size, step in A, step in B

    @property
    def sizes(self) -> Shape:
        """The integers every kernel takes, in order."""
        return (self.M, self.N, self.K, self.batches, *(n for axis in self.axes for n in axis))

    def defines(self, bias: list[Buffer]) -> dict[str, Any]:
        """What every engine is compiled for."""
        return {"dtype": self.kind.code, "ta": self.transpose_a, "tb": self.transpose_b,
                "rank": len(self.axes), "bias": bool(bias), "act": "v"}  # fmt: skip


@implements("matmul")
@planned
def matmul(
    rt: Runtime, a: Buffer, b: Buffer, *rest: Buffer, transpose_a: bool, transpose_b: bool
) -> None:
    """a @ b (+ bias)."""
    *bias, y = rest
    if y.size == 0:
        return
    (m, n), k = y.shape[-2:], a.shape[-2 if transpose_a else -1]
    batch = y.shape[:-2]
    axes: tuple[tuple[int, int, int], ...] = ()
    if prod(batch) > 1:
        sizes, _, (sa, sb) = merge([a.shape[:-2], b.shape[:-2]], batch)
        axes = tuple(zip(sizes, (s * m * k for s in sa), (s * k * n for s in sb), strict=True))
        if (
            len(axes) == 1 and axes[0][2] == 0 and not transpose_a
        ):  # one B for all: the batches are rows
            m, axes = m * axes[0][0], ()
    batches = prod(n for n, _, _ in axes)
    _run(
        "matmul",
        rt,
        Problem(m, n, k, batches, y.dtype, transpose_a, transpose_b, axes),
        a,
        b,
        bias,
        y,
    )


@implements("linear")
@planned
def linear(rt: Runtime, x: Buffer, w: Buffer, *rest: Buffer) -> None:
    """x @ w.T (+ bias); all axes of x but the last are rows."""
    *bias, y = rest
    if y.size == 0:
        return
    n, k = w.shape
    _run("linear", rt, Problem(y.size // n, n, k, 1, y.dtype, False, True, ()), x, w, bias, y)


def _run(
    op: str, rt: Runtime, p: Problem, a: Buffer, b: Buffer, bias: list[Buffer], y: Buffer
) -> None:
    choose(op, ALGORITHMS[op], p, rt.info).launch(rt, p, a, b, bias, y)


def _simd(rt: Runtime, p: Problem, a: Buffer, b: Buffer, bias: list[Buffer], y: Buffer) -> None:
    at, kind = micro(rt.info, p.kind, p.N), accumulator(p.kind)
    if p.transpose_a or p.kind != kind:
        a = _packed(rt, p, a, kind)
    # partial sums wait in y, which half types would round
    depth = max(1, min(p.K, _KC) if p.kind == kind else p.K)
    columns, rows, workers = at["NV"] * at["V"], p.M, 4 * rt.info.compute_units
    panels = ceil_div(p.N, columns)
    while panels * ceil_div(p.M, rows) * p.batches < workers and rows > 4 * at["MR"]:
        rows = ceil_div(ceil_div(rows, 2), at["MR"]) * at["MR"]
    splits = ceil_div(p.M, rows)
    grid = (panels, splits, min(p.batches, max(1, 4 * workers // (panels * splits))))
    scratch = rt.empty(Spec((prod(grid), depth, columns), kind))
    defines = {**p.defines(bias), **at, "ta": False, "engine": "simd"}
    rt.launch(
        "matmul",
        "matmul",
        grid,
        a,
        b,
        *bias,
        y,
        scratch,
        rows,
        depth,
        *p.sizes,
        group=(1, 1, 1),
        **defines,
    )


def _packed(rt: Runtime, p: Problem, a: Buffer, kind: DType) -> Buffer:
    """The matrices of A in the accumulator's type, rows together."""
    out, v = rt.empty(Spec(a.shape, kind)), lanes(rt.info, p.kind)
    if a.size:
        grid = (ceil_div(p.K if p.transpose_a else p.M, v), a.size // (p.M * p.K))
        defines = {"dtype": p.kind.code, "ta": p.transpose_a, "V": v, "engine": "pack"}
        rt.launch("matmul", "pack", grid, a, out, p.M, p.K, group=(1, 1), **defines)
    return out


def _tile(rt: Runtime, p: Problem, a: Buffer, b: Buffer, bias: list[Buffer], y: Buffer) -> None:
    at = tile(rt.info, p.kind, p.M, p.N, p.batches)
    launch = tile_grid(at, p.M, p.N, min(p.batches, _BATCHES))
    rt.launch("matmul", "matmul", launch["grid"], a, b, *bias, y, *p.sizes, group=launch["group"],
              engine="tile", **at, **p.defines(bias))  # fmt: skip


def _plain(rt: Runtime, p: Problem, a: Buffer, b: Buffer, bias: list[Buffer], y: Buffer) -> None:
    grid = (p.N, min(p.M, MOST_GROUPS), min(p.batches, _BATCHES))
    rt.launch("matmul", "matmul", grid, a, b, *bias, y, *p.sizes, engine="plain", **p.defines(bias))


def _simd_applies(p: Problem, info: DeviceInfo) -> bool:
    return simd_fits(info, p.kind)


def _tile_applies(p: Problem, info: DeviceInfo) -> bool:
    return tile_fits(info, p.kind)


_ENGINES = [
    Algorithm("simd", _simd_applies, _simd),
    Algorithm("tile", _tile_applies, _tile),
    Algorithm("plain", always, _plain),
]
ALGORITHMS = {"matmul": _ENGINES, "linear": _ENGINES}
