"""The products of kernels/matmul.cl.mako on CPUs."""

from __future__ import annotations

from math import prod

from ...dtypes import DType, accumulator
from ...shapes import Spec
from .discovery import DeviceInfo
from .gemm import Epilogue, ceil_div, lanes, micro, micros, simd_fits
from .product import Problem
from .runtime import Buffer, Runtime

_KC = 512  # depth of a packed panel: 512 x 32 floats stay in a core's second-level cache
_KCS = (128, 256, 512, 1024)


def applies(p: Problem, info: DeviceInfo) -> bool:
    """Where a thread runs a work-item."""
    return simd_fits(info, p.kind)


def tunables(p: Problem, info: DeviceInfo) -> list[dict[str, int]]:
    """Micro-tiles, and depths of a panel where partial sums may wait in the result."""
    whole = p.kind == accumulator(p.kind)
    depths = [kc for kc in _KCS if kc < 2 * p.K] if whole else []
    return [{"MR": mr, "NV": nv, "KC": kc} for mr, nv in micros(info, p.kind) for kc in depths or [_KC]]  # fmt: skip


def simd(rt: Runtime, p: Problem, a: Buffer, b: Buffer, end: Epilogue, y: Buffer) -> None:
    """Lanes along the columns; B in panels that the kernel packs."""
    kind = accumulator(p.kind)
    at = rt.tuned("matmul", "simd", p, {**micro(rt.info, p.kind, p.N), "KC": _KC})
    panel = at.pop("KC")
    if p.transpose_a or p.kind != kind:
        a = _packed(rt, p, a, kind)
    # partial sums wait in y, which half types would round
    depth = max(1, min(p.K, panel) if p.kind == kind else p.K)
    columns, rows, workers = at["NV"] * at["V"], p.M, 4 * rt.info.compute_units
    panels = ceil_div(p.N, columns)
    while panels * ceil_div(p.M, rows) * p.batches < workers and rows > 4 * at["MR"]:
        rows = ceil_div(ceil_div(rows, 2), at["MR"]) * at["MR"]
    splits = ceil_div(p.M, rows)
    grid = (panels, splits, min(p.batches, max(1, 4 * workers // (panels * splits))))
    scratch = rt.empty(Spec((prod(grid), depth, columns), kind))
    defines = {**p.defines(end), **at, "ta": False, "engine": "simd"}
    rt.launch(
        "matmul",
        "matmul",
        grid,
        a,
        b,
        *end.operands,
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
