"""The products of kernels/matmul.cl.mako on GPUs."""

from __future__ import annotations

from .discovery import DeviceInfo
from .gemm import Epilogue, tile_fits, tile_grid, tiles
from .gemm import tile as tile_shape
from .product import BATCHES, Problem
from .runtime import Buffer, Runtime


def applies(p: Problem, info: DeviceInfo) -> bool:
    """Where the smallest tile fits the local memory."""
    return tile_fits(info, p.kind)


def tunables(p: Problem, info: DeviceInfo) -> list[dict[str, int]]:
    """Tiles that fit the local memory."""
    return tiles(info, p.kind)


def tile(rt: Runtime, p: Problem, a: Buffer, b: Buffer, end: Epilogue, y: Buffer) -> None:
    """Both operands staged in local memory."""
    at = rt.tuned("matmul", "tile", p, tile_shape(rt.info, p.kind, p.M, p.N, p.batches))
    launch = tile_grid(at, p.M, p.N, min(p.batches, BATCHES))
    rt.launch("matmul", "matmul", launch["grid"], a, b, *end.operands, y, *p.sizes, group=launch["group"],
              engine="tile", **at, **p.defines(end))  # fmt: skip
