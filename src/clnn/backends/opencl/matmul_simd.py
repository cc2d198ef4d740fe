"""The products of kernels/_matmul_simd.cl.mako: CPUs, lanes along the columns."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from ...dtypes import DType, accumulator
from ...shapes import Spec
from .discovery import DeviceInfo
from .gemm import Epilogue, ceil_div, lanes, micros, simd_fits
from .product import Problem
from .runtime import Buffer, Runtime

_KC = 1024  # depth of a packed panel: 1024 x 64 floats stay in a core's second-level cache
_KCS = (256, 512, 1024)
_ITEM_FLOPS = 500_000  # the least a work-item should have to do: some five microseconds
_ROWS = 16  # micro-tiles of rows that are worth packing a panel for
_SLICE = 256  # the least depth of a slice of k
_IN_PLACE = 256  # columns up to which the rows of B are read where they lie, and sizes with which a transposed A is
_FEW = 64  # rows of a work-item with which any B is read where it lies
_SPAN = 16  # rows, or depths of a transposed A, that a work-item packs
_PANELS_KEPT = 64 << 20  # bytes of a weight that may be kept in panels as well
# elements of a weight below which packing it in passing costs less than a launch
_PANELS_LEAST = 1 << 11
_ONE = (1, 1, 1)


class Split(NamedTuple):
    """How a product is shared out: columns, rows and batches of a work-item, and slices of k."""

    columns: int
    rows: int
    batches: int
    slices: int
    depth: int

    def grid(self, p: Problem) -> tuple[int, int, int]:
        """Work-items along each axis."""
        last = self.slices if self.slices > 1 else ceil_div(p.batches, self.batches)
        return ceil_div(p.N, self.columns), ceil_div(p.M, self.rows), last


def applies(p: Problem, info: DeviceInfo) -> bool:
    """Where a thread runs a work-item."""
    return simd_fits(info, p.kind)


def tunables(p: Problem, info: DeviceInfo) -> list[dict[str, int]]:
    """Micro-tiles, and depths of a panel where partial sums may wait in the result."""
    whole = p.kind == accumulator(p.kind)
    depths = [kc for kc in _KCS if kc < 2 * p.K] if whole else []
    return [{"MR": mr, "NV": nv, "KC": kc} for mr, nv in micros(info, p.kind) for kc in depths or [_KC]]  # fmt: skip


def _micro(p: Problem, info: DeviceInfo) -> dict[str, int]:
    """Defines of the micro-tile: wide ones read A less often, but rows in eights suit the batches of weights."""
    v = lanes(info, p.kind)

    def cost(shape: tuple[int, int]) -> float:
        nv = shape[1]
        more = 0.15 * (nv == 1) if p.weight else 0.15 / nv**2
        return ceil_div(p.N, nv * v) * nv * (1 + more)

    mr, nv = min(micros(info, p.kind), key=cost)
    return {"V": v, "MR": mr, "NV": nv}


def kept(p: Problem) -> bool:
    """Whether B is worth keeping in panels."""
    size = p.N * p.K
    return p.weight and _PANELS_LEAST <= size <= _PANELS_KEPT // accumulator(p.kind).itemsize


def split(p: Problem, info: DeviceInfo, mr: int, nr: int) -> Split:
    """Work-items of enough work each, and enough of them: by columns, then batches, rows, slices of k, rows again."""
    panels, wanted = ceil_div(p.N, nr), 4 * info.compute_units
    unit = max(1, 2 * p.M * min(nr, p.N) * p.K)  # flops of a panel
    each = min(panels, ceil_div(_ITEM_FLOPS, unit))
    spans = ceil_div(panels, each)
    batches = min(p.batches, max(1, _ITEM_FLOPS // (unit * panels))) if each == panels else 1
    items = spans * ceil_div(p.batches, batches)
    rows, slices, depth = p.M, 1, p.K

    def halves(least: int, rows: int) -> int:
        """Rows of a work-item, halved while there are too few of them and each has enough to do."""
        while items * slices * ceil_div(p.M, rows) < wanted and rows >= 2 * least and (
            unit * each // slices * rows // p.M >= 2 * _ITEM_FLOPS
        ):  # fmt: skip
            rows = ceil_div(ceil_div(rows, 2), mr) * mr
        return rows

    rows = halves(_ROWS * mr, rows)
    have = items * ceil_div(p.M, rows)
    if have < wanted and p.batches == 1 and p.K >= 4 * _SLICE:
        work = unit * each * rows // max(1, p.M)
        slices = max(1, min(ceil_div(wanted, have), p.K // _SLICE, work // _ITEM_FLOPS))
        depth = ceil_div(p.K, slices)
        slices = ceil_div(p.K, depth)
    rows = halves(mr, rows)
    return Split(each * nr, rows, batches, slices, depth)


def simd(rt: Runtime, p: Problem, a: Buffer, b: Buffer, end: Epilogue, y: Buffer) -> None:
    """Lanes along the columns; B in panels that the kernel packs, or that are kept with a weight."""
    kind = accumulator(p.kind)
    at = rt.tuned("matmul", "simd", p, {**_micro(p, rt.info), "KC": _KC})
    kc, nr, mr = at.pop("KC"), at["NV"] * at["V"], at["MR"]
    s = split(p, rt.info, mr, nr)
    lda, block = p.M, mr
    if p.kind != kind or (p.transpose_a and min(p.M, p.N, p.K) > _IN_PLACE):
        a, p = _packed(rt, p, a, kind, mr)
        lda, block = mr, mr * p.K
    panels = kept(p)
    if panels:
        b = _panels(rt, p, b, at, kind)
    # partial sums wait in y, which half types would round
    panel = max(1, min(s.depth, kc) if p.kind == kind or s.slices > 1 else p.K)
    few = s.rows <= _FEW or p.N <= _IN_PLACE
    in_place = panels or (few and p.kind == kind and not p.transpose_b and p.N % nr == 0)
    out, grid = y, s.grid(p)
    if s.slices > 1:
        out = rt.empty(Spec((s.slices, p.M, p.N), kind))
    scratch = out if in_place else rt.empty(Spec((prod(grid), panel, nr), kind))
    defines = {**p.defines(end), **at, "panels": panels, "split": s.slices > 1, "engine": "simd"}
    if s.slices > 1:
        defines.update(act="v", bias=False, residual=False)
    operands = end.operands if s.slices == 1 else ()
    rt.launch("matmul", "matmul", grid, a, b, *operands, out, scratch, s.rows, s.columns, panel, s.depth, int(few),
              lda, block, *p.sizes, group=_ONE, **defines)  # fmt: skip
    if s.slices > 1:
        reduce(rt, p, out, end, y, s.slices)


def reduce(rt: Runtime, p: Problem, partial: Buffer, end: Epilogue, y: Buffer, slices: int) -> None:
    """Add the slices of k in order, and end."""
    m, n = (1, p.M) if p.N == 1 and not end.defines["bias"] else (p.M, p.N)
    rows = max(1, min(ceil_div(m, 4 * rt.info.compute_units), ceil_div(65536, n * slices)))
    rt.launch("matmul", "reduce", (ceil_div(m, rows), 1, 1), partial, *end.operands, y, rows, m, n, slices,
              group=_ONE, dtype=p.kind.code, V=lanes(rt.info, p.kind), engine="reduce", **end.defines)  # fmt: skip


def _packed(rt: Runtime, p: Problem, a: Buffer, kind: DType, mr: int) -> tuple[Buffer, Problem]:
    """The matrices of A in the accumulator's type, in panels of `mr` rows if transposed, and their problem."""
    rows = ceil_div(p.M, mr) * mr if p.transpose_a else p.M
    count = a.size // max(1, p.M * p.K)
    out, span = rt.empty(Spec((count, rows, p.K), kind)), _SPAN
    if a.size:
        grid = (ceil_div(p.K if p.transpose_a else p.M, span), count)
        defines = {"dtype": p.kind.code, "ta": p.transpose_a, "V": lanes(rt.info, p.kind), "MR": mr,
                   "engine": "pack"}  # fmt: skip
        rt.launch("matmul", "pack", grid, a, out, p.M, p.K, span, group=(1, 1), **defines)
    axes = (
        tuple((n, sa // (p.M * p.K) * rows * p.K, sb) for n, sa, sb in p.axes) if a.size else p.axes
    )
    return out, p._replace(axes=axes)


def _panels(rt: Runtime, p: Problem, b: Buffer, at: dict[str, Any], kind: DType) -> Buffer:
    """A weight in the panels that the micro-tile `at` reads, kept until it changes."""
    v, nv = at["V"], at["NV"]
    count = ceil_div(p.N, v * nv)

    def fill(rt: Runtime, out: Buffer) -> None:
        grid = (count, ceil_div(p.K, _KC))
        defines = {"dtype": p.kind.code, "tb": p.transpose_b, "V": v, "NV": nv, "engine": "panels"}
        rt.launch("matmul", "panels", grid, b, out, p.N, p.K, _KC, group=(1, 1), **defines)

    spec = Spec((count, p.K, v * nv), kind)
    return rt.derived(b, ("matmul panels", v * nv), spec, fill)
