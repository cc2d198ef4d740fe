"""The products of kernels/_matmul_thin.cl.mako: CPUs, few rows or columns, the large operand read once."""

from __future__ import annotations

from typing import Any

from ...dtypes import accumulator
from ...shapes import Spec
from .discovery import DeviceInfo
from .gemm import Epilogue, ceil_div, lanes, simd_fits
from .matmul_simd import kept, reduce
from .product import Problem
from .runtime import Buffer, Runtime

_DOTS = 4  # rows or columns beyond which larger micro-tiles win
_UNPACKED = 32  # rows with which packing B for them costs more than what they win
_SUMS = 4  # as many as wait in private memory
_LEAST = (
    1 << 16
)  # elements of the large operand below which it is in the cache, and one kernel serves every batch
_ITEM = 1 << 17  # elements of the large operand that a work-item should at least read
_SLICE = 256  # the least depth of a slice of k
_WIDTHS = (64, 256, 1024, 2048)  # columns of a work-item of sums


def _form(p: Problem) -> tuple[str, bool] | None:
    """The kernel, and whether the large operand is A."""
    if p.axes or p.batches > 1 or max(1 if p.weight else p.M, p.N) * p.K < _LEAST:
        return None
    most = _DOTS if kept(p) or p.K < _SLICE else _UNPACKED
    rows = p.M
    if p.transpose_b and rows <= most and (rows == 1 or not p.transpose_a):
        return "dots", False
    if p.N <= _DOTS and not (p.transpose_a or p.weight) and (p.N == 1 or p.transpose_b):
        return "dots", True
    if p.M <= _SUMS and not p.transpose_b:
        return "sums", False
    if p.N == 1 and p.transpose_a:
        return "sums", True
    return None


def applies(p: Problem, info: DeviceInfo) -> bool:
    """Where a thread runs a work-item, and one side of the product is a few vectors."""
    return simd_fits(info, p.kind) and _form(p) is not None


def thin(rt: Runtime, p: Problem, a: Buffer, b: Buffer, end: Epilogue, y: Buffer) -> None:
    """Dot products of rows, or sums of rows."""
    name, flip = _form(p) or ("dots", False)
    x, few, (large, count) = (a, b, (p.M, p.N)) if flip else (b, a, (p.N, p.M))
    workers, v = 4 * rt.info.compute_units, lanes(rt.info, p.kind)
    wanted = max(1, min(workers, large * p.K // _ITEM))
    defines: dict[str, Any] = {"dtype": p.kind.code, "V": v, "flip": flip, "engine": name}
    args: tuple[int, ...]
    if name == "dots":
        rows = ceil_div(ceil_div(large, wanted), 4) * 4
        spans = ceil_div(large, rows)
        args = (p.N, 1, rows) if flip else (1, p.N, rows)
    else:
        most = max(1, p.K // _SLICE)  # slices of k
        wide = [w for w in _WIDTHS if ceil_div(large, w) * most >= wanted and w < 2 * large]
        width = max(wide, default=_WIDTHS[0])
        spans, defines["W"] = ceil_div(large, width), width
        across = p.M if p.transpose_a and not flip else 1
        args = (across,)
    slices = max(1, min(ceil_div(wanted, spans), p.K // _SLICE))
    depth = ceil_div(p.K, slices)
    slices = ceil_div(p.K, depth)
    # where element k of the q-th of the few lies
    step = 1 if name == "sums" and p.transpose_a and not flip else p.K
    ends = {**end.defines, "split": slices > 1}
    out, operands = y, end.operands
    if slices > 1:
        out, operands = rt.empty(Spec((slices, p.M, p.N), accumulator(p.kind))), ()
        ends.update(act="v", bias=False, residual=False)
    rt.launch("matmul", name, (spans, slices), x, few, *operands, out, large, count, p.K, step, *args, depth,
              group=(1, 1), **defines, **ends)  # fmt: skip
    if slices > 1:
        reduce(rt, p, out, end, y, slices)
