"""Host side of kernels/pool.cl.mako, pool_lines, adaptive_pool: where windows are whole, and who walks what."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any, NamedTuple

from ...dtypes import DType
from ...shapes import Shape, Spec
from .. import implements
from .algorithms import Algorithm, always, choose
from .discovery import DeviceInfo
from .plan import planned
from .runtime import Buffer, Runtime
from .streaming import streams

_TAPS_PER_ITEM = 32768  # loads of a work-item that walks rows: some ten microseconds
_CELLS_PER_ITEM = 65536  # the same for adaptive windows, where a work-item starts with tables
_MOST_COLUMNS = 1024  # of those tables
_MOST_OF_BANDS = 4096  # elements in all rows of a window, with 16 more that vectors reach
_MOST_OF_LINES = 512  # columns of rows that a work-item keeps, as many as a window has


class Problem(NamedTuple):
    """One of the four kernels on planes of size to planes of out; every pair is (rows, columns)."""

    op: str
    kernel: str
    dtype: DType
    planes: int
    size: Shape
    out: Shape
    K: Shape = (1, 1)
    S: Shape = (1, 1)
    padding: Shape = (0, 0)
    D: Shape = (1, 1)
    adaptive: str | None = None
    divisor: str = "inside"
    given: int = 0

    @property
    def result(self) -> Shape:
        """Rows and columns of a plane of the result."""
        return self.size if self.kernel.endswith("_grad") else self.out

    def middle(self) -> Shape:
        """First and last column (block of stride columns in a gradient) whose windows are all whole."""
        if self.D[0] > self.size[0]:  # a row window may miss the input altogether
            return (0, 0)
        n, m, k, s, p, d = (
            axis[1] for axis in (self.size, self.out, self.K, self.S, self.padding, self.D)
        )
        span = (k - 1) * d + 1
        first, last = -(-p // s), min(m, (n + p - span) // s + 1)  # whole windows
        if self.kernel.endswith("_grad"):
            reach = (span - 1) // s  # of a block, over which windows of earlier blocks touch it
            first, last = first + reach, min(last, (n + p) // s)
        return (first, last) if first < last else (0, 0)


def _walk(walk: str, rt: Runtime, p: Problem, *arrays: Buffer) -> None:
    height, width = p.result
    count, rows, wg = p.planes * height, 1, 1
    middle: Shape = (0, 0)
    if walk == "rows":
        rows = max(1, _TAPS_PER_ITEM // (width * prod(p.K)))
        middle = p.middle()
    elif walk in ("planes", "bands"):
        count, rows = p.planes, max(1, _TAPS_PER_ITEM // (height * width))
    else:
        count, wg = count * width, max(rt.wg, min(64, rt.info.max_group))
    items = -(-count // rows)
    rt.launch(
        "pool", p.kernel, (-(-items // wg) * wg,), *arrays, count, rows, *middle, *p.size, *p.out, *p.padding, p.given,
        group=(wg,), dtype=p.dtype.code, kernel=p.kernel, adaptive=p.adaptive, indices=len(arrays) == 3, K=p.K, S=p.S,
        D=p.D, divisor=p.divisor, walk=walk, WG=wg, MOST=_MOST_OF_BANDS,
        streamed=walk == "bands" and streams(rt.info, arrays[-1].spec),
    )  # fmt: skip


def _lines(rt: Runtime, p: Problem, *arrays: Buffer) -> None:
    """Maxima of windows along whole rows."""
    count = p.planes * p.out[0]
    fair = -(-count // (4 * rt.info.compute_units))
    rows = max(1, min(fair, _CELLS_PER_ITEM // (p.size[1] * p.S[0])))
    rt.launch("pool_lines", p.kernel, (-(-count // rows),), *arrays, count, rows, *p.size, *p.out, *p.padding,
              group=(1,), dtype=p.dtype.code, indices=len(arrays) == 3, K=p.K, S=p.S, V=16,
              MOST=_MOST_OF_LINES, streamed=streams(rt.info, arrays[-1].spec))  # fmt: skip


def _cells(rt: Runtime, p: Problem, *arrays: Buffer) -> None:
    """Adaptive windows along rows of the result."""
    height, _ = p.result
    count = p.planes * height
    fair = -(-count // (4 * rt.info.compute_units))
    rows = max(1, min(fair, _CELLS_PER_ITEM * height // max(1, prod(p.size))))
    rt.launch("adaptive_pool", p.kernel, (-(-count // rows),), *arrays, count, rows, *p.size, *p.out, group=(1,),
              dtype=p.dtype.code, kernel=p.kernel, indices=len(arrays) == 3, products=p.adaptive, V=16,
              MOST=_MOST_COLUMNS)  # fmt: skip


def _on_cpu(problem: Problem, info: DeviceInfo) -> bool:
    return info.kind == "cpu"


def _dense(p: Problem, info: DeviceInfo) -> bool:
    """Whether windows of a CPU have no holes, and rows fit what a work-item has room for."""
    small = all(k <= 8 and s <= 8 for k, s in zip(p.K, p.S, strict=True))
    return info.kind == "cpu" and p.D == (1, 1) and small and p.size[1] <= _MOST_OF_LINES


def _overlap(p: Problem, info: DeviceInfo) -> bool:
    """Whether a row is in several windows, so that reducing it once saves anything."""
    return p.K[0] > p.S[0]


def _shrinks(p: Problem, info: DeviceInfo) -> bool:
    """Whether windows of a CPU are cells, of which no element is in more than two along an axis."""
    smaller = all(0 < m <= n for n, m in zip(p.size, p.out, strict=True))
    return info.kind == "cpu" and smaller and p.size[1] <= _MOST_COLUMNS


def _owns(p: Problem, info: DeviceInfo) -> bool:
    """Whether there are planes enough for all units of a CPU, in what may be added to in memory."""
    return info.kind == "cpu" and p.planes >= 4 * info.compute_units and p.dtype.itemsize >= 4


def _slides(p: Problem, info: DeviceInfo) -> bool:
    """Whether the rows of a window, and of the step to the next, have room in the first-level cache of a CPU."""
    span = max((p.K[0] - 1) * p.D[0] + 1, p.S[0])
    return _owns(p, info) and span * p.size[1] + 16 <= _MOST_OF_BANDS


def _past_caches(p: Problem, info: DeviceInfo) -> bool:
    """Whether no cache keeps the result: then bands, which cost more, need not be read before they are written."""
    return streams(info, Spec((p.planes, *p.result), p.dtype))


_POINTS = Algorithm("points", always, partial(_walk, "points"))  # a work-item per element
_WALKS = [Algorithm("rows", _on_cpu, partial(_walk, "rows")), _POINTS]
_PLANES = Algorithm("planes", _owns, partial(_walk, "planes"))  # clear a plane, then add to it
# the same a window's rows at a time
_BANDS = Algorithm("bands", _slides, partial(_walk, "bands"), default=_past_caches)
_CELLS = [Algorithm("cells", _shrinks, _cells), _POINTS]
_MAXIMA = [Algorithm("lines", _dense, _lines, default=_overlap), *_WALKS]  # rows first, each once
ALGORITHMS = {
    **dict.fromkeys(("max_pool1d", "max_pool2d"), _MAXIMA),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool_grad"), _WALKS),
    **dict.fromkeys((f"adaptive_{kind}_pool{rank}d" for kind in ("max", "avg") for rank in (1, 2)), _CELLS),
    "adaptive_avg_pool_grad": _CELLS,
    "max_pool_grad": [_BANDS, _PLANES, *_WALKS],
    "adaptive_max_pool_grad": [_PLANES, _POINTS],
}  # fmt: skip


def _run(rt: Runtime, problem: Problem, *arrays: Buffer) -> None:
    if arrays[-1].size:
        choose(problem.op, ALGORITHMS[problem.op], problem, rt.info).launch(rt, problem, *arrays)


def _two(axes: Shape, default: int) -> Shape:
    """(rows, columns) of a pair, or of the one number that 1-D pooling has."""
    return axes if len(axes) == 2 else (default, *axes)


def _problem(
    kernel: str, like: Spec, full: Shape, pooled: Shape, rank: int, prefix: str = "", **more: Any
) -> Problem:
    """What `kernel` does between planes of the shapes `full` and `pooled`."""
    op = prefix + kernel + ("" if kernel.endswith("_grad") else f"{rank}d")
    size, out = _two(full[-rank:], 1), _two(pooled[-rank:], 1)
    return Problem(op, kernel, like.dtype, prod(full[:-rank]), size, out, **more)


def _sliding(kernel: str, like: Spec, full: Shape, pooled: Shape, kernel_size: Shape, stride: Shape, padding: Shape,
             dilation: Shape = (1, 1), **more: Any) -> Problem:  # fmt: skip
    return _problem(
        kernel, like, full, pooled, len(kernel_size), K=_two(kernel_size, 1), S=_two(stride, 1),
        padding=_two(padding, 0), D=_two(dilation, 1), **more,
    )  # fmt: skip


def _average(kernel: str, like: Spec, full: Shape, pooled: Shape, count_include_pad: bool,
             divisor_override: int | None, **window: Shape) -> Problem:  # fmt: skip
    divisor = "given" if divisor_override else "padded" if count_include_pad else "inside"
    given: dict[str, Any] = {"divisor": divisor, "given": divisor_override or 0}
    return _sliding(kernel, like, full, pooled, **window, **given)


def _adaptive(kernel: str, like: Spec, full: Shape, pooled: Shape, output_size: Shape) -> Problem:
    problem = _problem(kernel, like, full, pooled, len(output_size), "adaptive_")
    products = max((n + 1) * (m + 1) for n, m in zip(problem.size, problem.out, strict=True))
    return problem._replace(adaptive="uint" if products < 2**32 else "long")


@implements("max_pool1d", "max_pool2d")
@planned
def max_pool(
    rt: Runtime, x: Buffer, y: Buffer, *at: Buffer, ceil_mode: bool, indices: bool, **window: Shape
) -> None:
    """The maximum, and with `indices` where it is."""
    _run(rt, _sliding("max_pool", x.spec, x.shape, y.shape, **window), x, *at, y)


@implements("max_pool_grad")
@planned
def max_pool_grad(
    rt: Runtime, g: Buffer, at: Buffer, y: Buffer, *, shape: Shape, **window: Shape
) -> None:
    """Every element gathers from the windows whose maximum it was."""
    _run(rt, _sliding("max_pool_grad", g.spec, shape, g.shape, **window), g, at, y)


@implements("avg_pool1d", "avg_pool2d")
@planned
def avg_pool(rt: Runtime, x: Buffer, y: Buffer, *, ceil_mode: bool, **how: Any) -> None:
    """The sum of a window divided by what counts as its size."""
    _run(rt, _average("avg_pool", x.spec, x.shape, y.shape, **how), x, y)


@implements("avg_pool_grad")
@planned
def avg_pool_grad(rt: Runtime, g: Buffer, y: Buffer, *, shape: Shape, **how: Any) -> None:
    """Every element gathers its share from the windows it is in."""
    _run(rt, _average("avg_pool_grad", g.spec, shape, g.shape, **how), g, y)


@implements("adaptive_max_pool1d", "adaptive_max_pool2d")
@planned
def adaptive_max_pool(
    rt: Runtime, x: Buffer, y: Buffer, *at: Buffer, output_size: Shape, indices: bool
) -> None:
    """As max_pool, over adaptive windows."""
    _run(rt, _adaptive("max_pool", x.spec, x.shape, y.shape, output_size), x, *at, y)


@implements("adaptive_max_pool_grad")
@planned
def adaptive_max_pool_grad(
    rt: Runtime, g: Buffer, at: Buffer, y: Buffer, *, shape: Shape, output_size: Shape
) -> None:
    """Every element gathers from the windows whose maximum it was."""
    _run(rt, _adaptive("max_pool_grad", g.spec, shape, g.shape, output_size), g, at, y)


@implements("adaptive_avg_pool1d", "adaptive_avg_pool2d")
@planned
def adaptive_avg_pool(rt: Runtime, x: Buffer, y: Buffer, *, output_size: Shape) -> None:
    """The mean over adaptive windows."""
    _run(rt, _adaptive("avg_pool", x.spec, x.shape, y.shape, output_size), x, y)


@implements("adaptive_avg_pool_grad")
@planned
def adaptive_avg_pool_grad(
    rt: Runtime, g: Buffer, y: Buffer, *, shape: Shape, output_size: Shape
) -> None:
    """Every element gathers its share from the windows it is in."""
    _run(rt, _adaptive("avg_pool_grad", g.spec, shape, g.shape, output_size), g, y)
