"""The products of kernels/_matmul_tile.cl.mako and _matmul_split.cl.mako on GPUs: tiles, whole or in slices of K."""

from __future__ import annotations

from typing import Any

from ...dtypes import accumulator
from ...shapes import Spec
from . import gemm_tile
from .discovery import DeviceInfo
from .gemm import Epilogue, ceil_div
from .product import Problem
from .runtime import MOST_GROUPS, Buffer, Runtime


def applies(p: Problem, info: DeviceInfo) -> bool:
    """Where the smallest tile fits the device."""
    return gemm_tile.applies(info, p.kind)


def split_applies(p: Problem, info: DeviceInfo) -> bool:
    """Where whole sums would leave compute units idle."""
    return applies(p, info) and _best(p, info).slices > 1


def tunables(p: Problem, info: DeviceInfo) -> list[dict[str, int]]:
    """Tiles that fit the device."""
    return gemm_tile.tiles(info, p.kind)


def split_tunables(p: Problem, info: DeviceInfo) -> list[dict[str, int]]:
    """Tiles that fit the device, each with several numbers of slices."""
    slices = [n for n in (2, 4, 8, 16, 32, 64) if n * 64 <= p.K]
    return [{**at, "slices": n} for at in gemm_tile.tiles(info, p.kind) for n in slices or [1]]


def tile(rt: Runtime, p: Problem, a: Buffer, b: Buffer, end: Epilogue, y: Buffer) -> None:
    """Both operands staged in local memory."""
    at = rt.tuned("matmul", "tile", p, gemm_tile.whole(rt.info, p.kind, p.M, p.N, p.batches))
    launch = gemm_tile.launch(at, p.M, p.N, min(p.batches, MOST_GROUPS))
    rt.launch("matmul", "matmul", launch["grid"], a, b, *end.operands, y, *p.sizes, group=launch["group"],
              engine="tile", split=False, **_vectors(p), **at, **p.defines(end))  # fmt: skip


def split(rt: Runtime, p: Problem, a: Buffer, b: Buffer, end: Epilogue, y: Buffer) -> None:
    """The same in slices of K, which are then added in their order."""
    best = _best(p, rt.info)
    at = rt.tuned("matmul", "split", p, {**best.tile, "slices": best.slices})
    slices = at.pop("slices")
    depth = ceil_div(max(p.K, 1), slices * at["TK"]) * at["TK"]
    slices = ceil_div(max(p.K, 1), depth)
    partial = rt.empty(Spec((slices, p.batches, p.M, p.N), accumulator(p.kind)))
    launch = gemm_tile.launch(at, p.M, p.N, min(slices * p.batches, MOST_GROUPS))
    rt.launch("matmul", "matmul", launch["grid"], a, b, partial, slices, depth, *p.sizes, group=launch["group"],
              engine="tile", split=True, **_vectors(p), **at, **p.defines(end))  # fmt: skip
    reduce(rt, p, partial, end, y, slices)


def reduce(rt: Runtime, p: Problem, partial: Buffer, end: Epilogue, y: Buffer, slices: int) -> None:
    """y = act(the sum of the slices + bias + residual)."""
    vc, group = gemm_tile.vector(p.N), min(256, rt.info.max_group)
    items = ceil_div(ceil_div(p.batches * p.M * p.N, vc), group) * group
    rt.launch("matmul", "reduce", (items,), partial, *end.operands, y, p.M, p.N, p.batches, slices, group=(group,),
              engine="split", vc=vc, dtype=p.kind.code, **end.defines)  # fmt: skip


def _vectors(p: Problem) -> dict[str, Any]:
    va, vb = p.M if p.transpose_a else p.K, p.K if p.transpose_b else p.N
    return {"va": gemm_tile.vector(va), "vb": gemm_tile.vector(vb), "vc": gemm_tile.vector(p.N)}


def _best(p: Problem, info: DeviceInfo) -> gemm_tile.Split:
    return gemm_tile.split(info, p.kind, p.M, p.N, p.K, p.batches)
