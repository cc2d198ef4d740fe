"""Host side of kernels/reduce.cl.mako: which axes merge, how a reduction is cut, which engine runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from math import prod
from typing import Any, NamedTuple

from ...dtypes import accumulator, int32, int64
from ...shapes import Shape, Spec
from .. import implements
from .algorithms import Algorithm, always, choose
from .discovery import DeviceInfo
from .elementwise import chunking, compute_dtype, elementwise
from .plan import planned
from .runtime import WIDE, Buffer, Runtime

_SUMS = ("sum", "mean", "prod")  # of integers: kept in int64
_PLACES = ("max", "min", "argmax", "argmin")  # keep where the extreme is
_STATES = dict.fromkeys((*_PLACES, "logsumexp", "shares"), 2) | dict.fromkeys(("var", "std"), 3)
_ELEMENTS = 1 << 16  # that a work-item of a CPU reads: some ten microseconds
_PLANS = 4096  # remembered; a plan is small, and shapes repeat


class Problem(NamedTuple):
    """A reduction on the fewest axes that describe it: (size, stride) of each, outermost first."""

    kept: tuple[Shape, ...]
    reduced: tuple[Shape, ...]
    inner_reduced: bool

    @property
    def length(self) -> int:
        """Elements that make one output."""
        return prod(n for n, _ in self.reduced)

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return prod(n for n, _ in self.kept)

    @property
    def inner(self) -> int:
        """Neighbouring outputs that neighbouring elements go to, if the last axis is kept."""
        return self.kept[-1][0] if self.kept else 1


@lru_cache(maxsize=_PLANS)
def merged(shape: Shape, axes: Shape) -> Problem:
    """Merge neighbouring axes that are alike; drop those of size 1."""
    found: list[tuple[bool, int, int]] = []
    stride = 1
    for axis in reversed(range(len(shape))):
        n, gone = shape[axis], axis in axes
        if n == 1:
            continue
        if found and found[-1][0] == gone:
            found[-1] = (gone, found[-1][1] * n, found[-1][2])
        else:
            found.append((gone, n, stride))
        stride *= n
    inner_reduced = not found or found[0][0]
    found.reverse()
    kept = tuple((n, s) for gone, n, s in found if not gone)
    reduced = tuple((n, s) for gone, n, s in found if gone) or ((1, 1),)
    return Problem(kept, reduced, inner_reduced)


class Engine(NamedTuple):
    """How outputs are dealt to work-items, and when a reduction is worth cutting into slices."""

    name: str
    WG: int
    W: int
    span: int  # work-items that share an output
    least: int  # elements of a slice
    enough: int  # work-items (vector, lanes) or work-groups (group) that keep a device busy


def slices(problem: Problem, engine: Engine) -> int:
    """Into how many parts to cut every reduction: a function of the shape and the engine alone."""
    workers = -(-problem.inner // engine.W) * (problem.outputs // problem.inner)
    wanted = -(-engine.enough // workers)
    useful = problem.length * min(engine.W, problem.inner) // engine.least
    return max(1, min(wanted, useful, 1024))


def reduce(
    rt: Runtime, op: str, x: Buffer, *outs: Buffer, axes: Shape, u: float = 1, kind: str = ""
) -> None:
    """outs = `op` (spelled `kind` in the kernel) of x over `axes`; u is the number its formula takes."""
    if outs[0].size:
        problem = merged(x.shape, axes)
        run = choose(op, ALGORITHMS[op], problem, rt.info).launch
        run(rt, kind or op, problem, x, outs, u)


def _run(deal: Callable[[Runtime, Problem, int], Engine], rt: Runtime, op: str, problem: Problem, x: Buffer,
         outs: Sequence[Buffer], u: float) -> None:  # fmt: skip
    """One pass, or where reductions are cut into slices a second one that combines them."""
    states = _STATES.get(op, min(len(outs), 2))
    engine = deal(rt, problem, states)
    n, inner = problem.outputs, problem.inner
    cut = slices(problem, engine)
    compute = accumulator(x.dtype) if op in _SUMS else compute_dtype(x.dtype)
    wide = x.size >= WIDE
    kinds = [compute] * states
    if op in _PLACES:
        kinds[1] = int64 if wide else int32
    codes = tuple(y.dtype.code for y in outs)
    between = tuple(k.code for k in kinds)
    defines: dict[str, Any] = {
        "op": op, "dtype": x.dtype.code, "compute": compute.code, "wide": wide,
        "kept": len(problem.kept), "reduced": len(problem.reduced),
        "states": len(kinds), "planes": between,
    }  # fmt: skip
    partial = [rt.empty(Spec((cut, n), k)) for k in kinds] if cut > 1 else []
    units = -(-inner // engine.W) * (n // inner) * cut
    chunk = 1 if engine.name == "group" else _chunk(rt, units, n * problem.length)
    run = problem.reduced[-1][0]
    axes = [number for axis in (*problem.kept, *problem.reduced) for number in axis]
    rt.launch(
        "reduce", engine.name, (_rounded(-(-units // chunk) * engine.span, engine.WG),),
        x, *(partial or outs), u, n, cut, chunk, problem.length, *axes, group=(engine.WG,),
        **defines, engine=engine.name, WG=engine.WG, W=engine.W, span=engine.span, partial=cut > 1,
        outs=between if cut > 1 else codes,
        flat=engine.span > 1 and run < 4 * engine.span < problem.length,
    )  # fmt: skip
    if cut > 1:
        wg = min(64, engine.WG)
        lanes = 16 if rt.info.kind == "cpu" and wg == 1 else 1
        chunk = 1 if wg > 1 else _rounded(_chunk(rt, n, n * cut), lanes)
        rt.launch(
            "reduce", "combine", (-(-n // chunk) * wg,), *partial, *outs, u, n, cut, chunk, group=(wg,),
            **defines, engine="combine", WG=wg, W=lanes, span=1, partial=False, flat=False, outs=codes,
        )  # fmt: skip


def _rounded(n: int, to: int) -> int:
    return -(-n // to) * to


def _chunk(rt: Runtime, units: int, elements: int) -> int:
    """Units of a work-item that reads `elements` in all: on a CPU enough to outweigh its start."""
    if rt.info.kind != "cpu":
        return 1
    fair = -(-units // (4 * rt.info.compute_units))
    return max(1, min(fair, _ELEMENTS * units // max(elements, 1)))


def _vector(rt: Runtime, problem: Problem, states: int) -> Engine:
    if problem.inner_reduced:
        return Engine("vector", 1, 1, 1, 8192, 128)
    # wide blocks are read nearly in the order of memory; what is known of their columns stays in cache
    wide = 1024 if states == 1 else 512
    return Engine("lanes", 1, 128 if problem.inner < 2048 else wide, 1, 8192, 128)


def shared(info: DeviceInfo, length: int) -> tuple[int, int]:
    """(work-group size, work-items per row) for rows of `length` elements: three classes, few kernels."""
    wg = min(256 if length >= 1024 else 64, 1 << info.shared_group.bit_length() - 1)
    return wg, min(wg, 16) if length <= 16 else wg


def shares(rt: Runtime, x: Buffer, tops: Buffer, sums: Buffer, shape: Shape) -> None:
    """The largest of x, seen as (outer, n, inner), along n and the sum of exp(x - largest), on CPUs."""
    _run(_vector, rt, "shares", merged(shape, (1,)), x, (tops, sums), 1)


def _group(rt: Runtime, problem: Problem, states: int) -> Engine:
    wg, span = shared(rt.info, problem.length)
    return Engine("group", wg, 1, span, 4096, 1024 * wg // span)


def _serial(rt: Runtime, problem: Problem, states: int) -> Engine:
    return Engine("lanes", rt.wg, 1, 1, 64, 1 << 16)


def _is_cpu(problem: Problem, info: DeviceInfo) -> bool:
    return info.kind == "cpu"


def _is_row(problem: Problem, info: DeviceInfo) -> bool:
    return problem.inner_reduced and problem.length > 1


_NAMES = (
    "sum",
    "mean",
    "prod",
    "amax",
    "amin",
    "any",
    "all",
    "norm",
    "var",
    "std",
    "logsumexp",
    *_PLACES,
)
ALGORITHMS = {op: [
    Algorithm("vector", _is_cpu, partial(_run, _vector)),  # 16 or more lanes of one work-item
    Algorithm("group", _is_row, partial(_run, _group)),  # a work-group per output
    Algorithm("serial", always, partial(_run, _serial)),  # a work-item per output
] for op in _NAMES}  # fmt: skip


def _axes_op(op: str) -> Callable[..., None]:
    @planned
    def launch(rt: Runtime, x: Buffer, *outs: Buffer, axes: Shape, keepdim: bool) -> None:
        reduce(rt, op, x, *outs, axes=axes)

    return launch


def _moment_op(op: str) -> Callable[..., None]:
    @planned
    def launch(
        rt: Runtime, x: Buffer, *outs: Buffer, axes: Shape, keepdim: bool, correction: float
    ) -> None:
        n = merged(x.shape, axes).length
        reduce(rt, op, x, *outs, axes=axes, u=max(0.0, n - correction) if n else 0.0)

    return launch


def _axis_op(op: str) -> Callable[..., None]:
    @planned
    def launch(rt: Runtime, x: Buffer, *outs: Buffer, axis: int | None, keepdim: bool) -> None:
        reduce(rt, op, x, *outs, axes=tuple(range(len(x.shape))) if axis is None else (axis,))

    return launch


IMPLEMENTATIONS: dict[str, Callable[..., None]] = {
    **{op: _axes_op(op) for op in ("sum", "prod", "amax", "amin", "any", "all", "logsumexp")},
    **{op: _moment_op(op) for op in ("var", "std")},
    **{op: _axis_op(op) for op in _PLACES},
    "extreme_grad": elementwise("a0 / a3 * (a1 == a2 ? (T)1 : (T)0)"),
    "prod_grad": elementwise("a3 == 0 ? a0 * a2 / a1 : a3 == 1 && a1 == 0 ? a0 * a2 : (T)0"),
    "var_grad": elementwise("a0 * (a1 - a2) * scale"),
    "std_grad": elementwise("a3 == 0 ? (T)0 : a0 * (a1 - a2) / a3 * scale"),
    "logsumexp_grad": elementwise("a0 * exp(a1 - a2)"),
    "spread": elementwise("a0 * scale", unread=("shape",)),  # repeated along the axes of 1
}


@implements("sum_to")
@planned
def sum_to(rt: Runtime, x: Buffer, y: Buffer, *, shape: Shape) -> None:
    """Sum over the axes along which `shape` was broadcast to x, straight into y's memory."""
    full = (1,) * (len(x.shape) - len(shape)) + shape
    reduce(rt, "sum", x, y, axes=tuple(a for a, n in enumerate(full) if n == 1))


@implements("mean")
@planned
def mean(rt: Runtime, x: Buffer, y: Buffer, *, axes: Shape, keepdim: bool) -> None:
    """The sum over `axes`, divided as it is stored."""
    reduce(rt, "mean", x, y, axes=axes, u=merged(x.shape, axes).length)


@implements("norm")
@planned
def norm(rt: Runtime, x: Buffer, y: Buffer, *, p: float, axes: Shape, keepdim: bool) -> None:
    """The p-norm; p = 1 and p = 2 without powers."""
    kind = {0.0: "norm0", 1.0: "norm1", 2.0: "norm2"}.get(p, "normp")
    reduce(rt, "norm", x, y, axes=axes, u=p, kind=kind)


_norm2_grad = elementwise("a1 == 0 || a2 == 0 ? (T)0 : a0 * (a1 / a2)")
_normp_grad = elementwise("a1 == 0 || a2 == 0 ? (T)0 : a0 * sign(a1) * pow(fabs(a1) / a2, p - 1)")


@implements("norm_grad")
def norm_grad(rt: Runtime, g: Buffer, x: Buffer, y: Buffer, dx: Buffer, *, p: float) -> None:
    """The derivative of |x|^p over that of the norm."""
    if p == 2:
        _norm2_grad(rt, g, x, y, dx)
    else:
        _normp_grad(rt, g, x, y, dx, p=p)


@implements("place_grad")
def place_grad(
    rt: Runtime, g: Buffer, places: Buffer, y: Buffer, *, axis: int, shape: Shape
) -> None:
    """g at its place along the axis, 0 elsewhere."""
    if y.size:
        size, inner = (shape[axis] if shape else 1), prod(shape[axis + 1 :])
        wg, chunk = chunking(rt, y.size)
        grid = (_rounded(-(-y.size // chunk), wg),)
        rt.launch("place", "place", grid, g, places, y, y.size, chunk, size, inner, group=(wg,),
                  dtype=g.dtype.code, row=inner == 1, WG=wg)  # fmt: skip
