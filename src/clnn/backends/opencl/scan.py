"""Host side of kernels/scan.cl.mako: how the axis is cut, and who walks the slices."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any, NamedTuple

from ...dtypes import accumulator
from ...shapes import Spec
from .. import implements
from .algorithms import Algorithm, always, choose
from .discovery import DeviceInfo
from .reduce import shared
from .runtime import Buffer, Runtime


class Problem(NamedTuple):
    """An array seen as (outer, n, inner), summed along the middle axis."""

    outer: int
    n: int
    inner: int


@implements("cumsum")
def cumsum(rt: Runtime, x: Buffer, y: Buffer, *, axis: int, reverse: bool) -> None:
    """Running sums along `axis`, from its end if `reverse`."""
    if y.size:
        n = x.shape[axis] if x.shape else 1
        problem = Problem(prod(x.shape[:axis]), n, prod(x.shape[axis + 1 :]))
        algorithm = choose("cumsum", ALGORITHMS["cumsum"], problem, rt.info)
        algorithm.launch(rt, problem, x, y, reverse)


def _run(
    engine: str, width: int, rt: Runtime, p: Problem, x: Buffer, y: Buffer, reverse: bool
) -> None:
    """Cut the axis where there are few rows: totals of the slices first, then the sums from them on."""
    group, width = engine == "group", width if p.inner > 1 else 1
    wg = shared(rt.info, p.n)[0] if group else rt.wg
    units = p.outer * -(-p.inner // width)
    enough, least = (1 << 14, 64) if not group and rt.wg > 1 else (256, 8192)
    cut = max(1, min(-(-enough // units), p.n * min(p.inner, width) // least, 256))
    chunk = 1
    if rt.info.kind == "cpu" and not group:
        chunk = max(
            1, min(units * cut // (4 * rt.info.compute_units), 16384 * units * cut // y.size)
        )
    items = -(-units * cut // chunk)
    grid = (items * wg if group else -(-items // wg) * wg,)
    compute = accumulator(x.dtype)
    defines: dict[str, Any] = {"dtype": x.dtype.code, "out": y.dtype.code, "compute": compute.code,
                               "reverse": reverse, "engine": engine, "WG": wg, "W": width}  # fmt: skip
    tail = (*p, cut, chunk)
    if cut == 1:
        rt.launch("scan", engine, grid, x, y, *tail, group=(wg,), part="whole", **defines)
        return
    sums = rt.empty(Spec((p.outer, cut, p.inner), compute))
    rt.launch("scan", engine, grid, x, sums, *tail, group=(wg,), part="totals", **defines)
    rt.launch("scan", engine, grid, x, sums, y, *tail, group=(wg,), part="slices", **defines)


def _is_cpu(problem: Problem, info: DeviceInfo) -> bool:
    return info.kind == "cpu"


def _is_row(problem: Problem, info: DeviceInfo) -> bool:
    return problem.inner == 1 and info.shared_group > 1


ALGORITHMS = {
    "cumsum": [
        Algorithm("vector", _is_cpu, partial(_run, "lanes", 128)),  # neighbours of one work-item
        Algorithm("group", _is_row, partial(_run, "group", 1)),  # a work-group per row
        Algorithm("serial", always, partial(_run, "lanes", 1)),  # a work-item per row or column
    ]
}
