"""Host side of kernels/softmax.cl.mako: rows along the last axis, columns along any other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, NamedTuple

from ...dtypes import DType, accumulator
from ...shapes import Shape, Spec
from .algorithms import Algorithm, always, choose
from .discovery import DeviceInfo
from .plan import planned
from .reduce import shared, shares
from .runtime import WIDE, Buffer, Runtime
from .streaming import streams

_STASH = 8192  # elements of a row that a work-item of a CPU has room for; two stay in its second-level cache
_WIDTH = 512  # columns of a block: rows are read in runs, and few enough of them stay in cache
_BLOCK = 16384  # elements of a block of columns: with the next one and its exponentials they stay in that cache
_PART = 1 << 18  # elements whose results a work-item writes
_SHORT = 16  # elements of a row of which the last vector would be most
_HELD = 16  # elements of a row that a work-item keeps in registers
Deal = tuple[Shape, Shape, Shape, dict[str, Any]]  # grid, group, sizes for the kernel, defines


class Problem(NamedTuple):
    """An array seen as (outer, n, inner); the middle axis sums to one."""

    outer: int
    n: int
    inner: int


def softmax(op: str) -> Callable[..., None]:
    """The launcher of one op of the family."""

    @planned
    def launch(rt: Runtime, *arrays: Buffer, axis: int) -> None:
        shape = arrays[-1].shape
        if arrays[-1].size:
            n = shape[axis] if shape else 1
            problem = Problem(prod(shape[:axis]), n, prod(shape[axis + 1 :]))
            choose(op, ALGORITHMS[op], problem, rt.info).launch(rt, op, problem, arrays)

    return launch


def _run(
    plan: Callable[..., Any], rt: Runtime, op: str, problem: Problem, arrays: tuple[Buffer, ...]
) -> None:
    grid, group, tail, defines = plan(rt, op, problem, arrays[-1].dtype)
    rt.launch("softmax", defines["engine"], grid, *arrays, *tail, group=group, **defines)


def _defines(op: str, problem: Problem, kind: DType, **more: Any) -> dict[str, Any]:
    return {"op": op, "dtype": kind.code, "wide": prod(problem) >= WIDE, "stash": "", "STASH": _STASH,
            "streamed": False, "span": 1, "held": 0, "W": 1, "short": False, **more}  # fmt: skip


def _vector(rt: Runtime, op: str, problem: Problem, kind: DType) -> Deal:
    stash = "result" if op == "softmax" and kind.itemsize >= 4 else ""
    outer, n, inner = problem
    if inner == 1 and n > _SHORT:
        chunk = _chunk(rt, outer, n)
        streamed = streams(rt.info, Spec(problem, kind))
        if op == "softmax" and n <= _STASH:
            stash = "own"
        elif streamed:
            stash = ""  # what is stored past the caches is better computed again than read back
        defines = _defines(op, problem, kind, engine="vector", WG=1, stash=stash, streamed=streamed)
        return (-(-outer // chunk),), (1,), (outer, n, chunk), defines
    return _columns(rt, op, problem, kind)


def _columns(rt: Runtime, op: str, problem: Problem, kind: DType) -> Deal:
    """Blocks of neighbouring columns, or short rows sixteen at a time."""
    outer, n, inner = problem
    if inner == 1:
        chunk = _chunk(rt, -(-outer // 16), 16 * n)
        defines = _defines(op, problem, kind, engine="columns", WG=1, short=True)
        return (-(-outer // (16 * chunk)),), (1,), (outer, n, 1, 1, chunk), defines
    vectors = -(-inner // 16)
    fair = -(-outer * vectors // (4 * rt.info.compute_units))
    per = max(1, min(_WIDTH // 16, max(fair, 4), vectors))
    cached = n <= _BLOCK // 32 and not op.endswith("_grad")
    if cached:
        per = min(per, _BLOCK // (16 * n))
    blocks = outer * -(-vectors // per)
    chunk = _chunk(rt, blocks, n * per if cached else 16 * n * per)
    defines = _defines(op, problem, kind, engine="columns", WG=1, W=_WIDTH,
                       stash="own" if cached else "", STASH=_BLOCK if cached else _STASH,
                       streamed=streams(rt.info, Spec(problem, kind)))  # fmt: skip
    return (-(-blocks // chunk),), (1,), (outer, n, inner, per, chunk), defines


def _sweeps(rt: Runtime, op: str, problem: Problem, arrays: tuple[Buffer, ...]) -> None:
    """Maxima and sums of all columns in the order of memory, then the results."""
    x, y = arrays
    outer, n, inner = problem
    tops, sums = (rt.empty(Spec((outer, inner), accumulator(x.dtype))) for _ in range(2))
    shares(rt, x, tops, sums, problem)
    rows = min(max(1, _PART // inner), -(-outer * n // (4 * rt.info.compute_units)))
    defines = _defines(
        op, problem, x.dtype, engine="spread", WG=1, W=2 * _WIDTH, streamed=streams(rt.info, y.spec)
    )
    rt.launch("softmax", "spread", (outer * -(-n // rows),), x, y, tops, sums, *problem, rows,
              group=(1,), **defines)  # fmt: skip


def _group(rt: Runtime, op: str, problem: Problem, kind: DType) -> Deal:
    wg, span = shared(rt.info, problem.n)
    held = 1 << (-(-problem.n // span) - 1).bit_length()
    defines = _defines(
        op, problem, kind, engine="group", WG=wg, span=span, held=held if held <= _HELD else 0
    )
    grid = (-(-problem.outer * span // wg) * wg,)
    return grid, (wg,), (problem.outer, problem.n, 1), defines


def _serial(rt: Runtime, op: str, problem: Problem, kind: DType) -> Deal:
    outer, n, inner = problem
    chunk = _chunk(rt, outer * inner, n)
    items = -(-outer * inner // chunk)
    grid = (-(-items // rt.wg) * rt.wg,)
    defines = _defines(op, problem, kind, engine="lanes", WG=rt.wg)
    return grid, (rt.wg,), (outer, n, inner, chunk), defines


def _chunk(rt: Runtime, units: int, elements: int) -> int:
    """Units of `elements` each for one work-item: on a CPU enough to outweigh its start."""
    if rt.info.kind != "cpu":
        return 1
    return max(1, min(-(-units // (4 * rt.info.compute_units)), 65536 // elements))


def _is_cpu(problem: Problem, info: DeviceInfo) -> bool:
    return info.kind == "cpu"


def _is_deep(problem: Problem, info: DeviceInfo) -> bool:
    """Columns of which no cache of a core holds enough for runs of memory."""
    deep = problem.n > _BLOCK // 32 and problem.inner >= 256
    return deep and problem.n * problem.inner >= 1 << 17 and info.kind == "cpu"


def _is_row(problem: Problem, info: DeviceInfo) -> bool:
    return problem.inner == 1 and problem.n > 1


_NAMES = ("softmax", "log_softmax", "softmax_grad", "log_softmax_grad")
ALGORITHMS = {
    op: [
        *([] if op.endswith("_grad") else [Algorithm("sweeps", _is_deep, _sweeps)]),
        Algorithm("vector", _is_cpu, partial(_run, _vector)),  # 16 or more lanes of one work-item
        Algorithm("group", _is_row, partial(_run, _group)),  # work-items share a row
        Algorithm("serial", always, partial(_run, _serial)),  # a work-item per row or column
    ]
    for op in _NAMES
}
IMPLEMENTATIONS = {op: softmax(op) for op in _NAMES}
