"""The products of kernels/_matmul_skinny.cl.mako: one large matrix, read once, and few rows or columns."""

from __future__ import annotations

from typing import Any

from ...dtypes import accumulator, float64
from ...shapes import Spec
from . import gemm_tile, matmul_tile
from .discovery import DeviceInfo
from .gemm import Epilogue, ceil_div
from .product import Problem
from .runtime import MOST_GROUPS, Buffer, Runtime

FEW = 16  # rows or columns at most: their sums are all in registers
_SUMS = 8  # of each item that are added up at a time, in local memory
_SHAPES = ((128, 32), (128, 16), (256, 64), (256, 32), (64, 32), (64, 16))  # WG, LK


def applies(p: Problem, info: DeviceInfo) -> bool:
    """Where one side has few rows or columns and a sum is long enough to be shared."""
    return (
        p.kind.is_floating_point and min(p.M, p.N) <= FEW and p.K >= 32 and bool(_fitting(p, info))
    )


def tunables(p: Problem, info: DeviceInfo) -> list[dict[str, int]]:
    """Shapes of a group that fit the device."""
    return [{"WG": wg, "LK": lk} for wg, lk in _fitting(p, info)]


def _fitting(p: Problem, info: DeviceInfo) -> list[tuple[int, int]]:
    nbytes = 8 if p.kind is float64 else 4
    most = min(info.max_group, info.max_items[0], info.local_mem // (_SUMS * nbytes))
    return [(wg, lk) for wg, lk in _SHAPES if wg <= most]


def skinny(rt: Runtime, p: Problem, a: Buffer, b: Buffer, end: Epilogue, y: Buffer) -> None:
    """Every work-item reads its share of the large matrix; K in slices where columns are few."""
    at = rt.tuned(
        "matmul", "skinny", p, dict(zip(("WG", "LK"), _fitting(p, rt.info)[0], strict=True))
    )
    rows = p.M <= p.N  # the few
    few, large = (p.M, p.N) if rows else (p.N, p.M)
    along_k, small_k = (
        (p.transpose_b, not p.transpose_a) if rows else (not p.transpose_a, p.transpose_b)
    )
    f = 1 << (few - 1).bit_length()
    vw = gemm_tile.vector(p.K if along_k else large)
    each = min(4, 32 // f) if along_k else vw
    groups = ceil_div(large, at["WG"] // at["LK"] * each)
    slices, depth = gemm_tile.slice_up(
        p.K, 2 * rt.info.compute_units // (groups * p.batches), 4 * at["LK"]
    )
    vectors = {"vw": vw, "vx": gemm_tile.vector(p.K) if small_k else 1}
    defines: dict[str, Any] = {
        **p.defines(end),
        **at,
        **vectors,
        "engine": "skinny",
        "split": slices > 1,
    }
    defines |= {"few": "m" if rows else "n", "F": f}
    grid, group = (groups * at["WG"], slices, min(p.batches, MOST_GROUPS)), (at["WG"], 1, 1)
    if slices == 1:
        rt.launch(
            "matmul", "matmul", grid, a, b, *end.operands, y, *p.sizes, group=group, **defines
        )
        return
    partial = rt.empty(Spec((slices, p.batches, p.M, p.N), accumulator(p.kind)))
    rt.launch("matmul", "matmul", grid, a, b, partial, depth, *p.sizes, group=group, **defines)
    matmul_tile.reduce(rt, p, partial, end, y, slices)
