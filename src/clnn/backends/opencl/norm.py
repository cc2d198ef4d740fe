"""Host side of kernels/norm.cl.mako: how a view is cut into rows, or channels into slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...dtypes import DType, accumulator
from ...shapes import Shape, Spec
from .. import implements
from .algorithms import Algorithm, always, choose
from .discovery import DeviceInfo
from .plan import planned
from .runtime import Buffer, Runtime
from .streaming import streams

Run = Callable[..., None]

_SLICE = 4096  # elements of a channel whose statistics one group takes: they stay in the first-level cache
_SIDE = 4  # vectors of neighbouring channels that a work-item on a CPU takes at once
_ROWS = 16  # whose sums by neighbouring channels a work-item on a CPU keeps, at least
_ITEM = 16384  # elements of the rows that a work-item on a CPU gets


class Engine(NamedTuple):
    """Who adds: WG work-items, or the V lanes of one."""

    WG: int
    V: int


def _vector(rt: Runtime, run: Run, *args: Any) -> None:
    run(rt, Engine(1, 16), *args)


def _group(rt: Runtime, run: Run, *args: Any) -> None:
    run(rt, Engine(rt.wg if rt.wg > 1 else min(64, rt.info.shared_group), 1), *args)


def _is_cpu(problem: Any, info: DeviceInfo) -> bool:
    return info.kind == "cpu"


ENGINES = [Algorithm("vector", _is_cpu, _vector), Algorithm("group", always, _group)]
_OPS = ("layer_norm", "group_norm", "instance_norm", "rms_norm", "row_norm_grad", "channel_sums")
ALGORITHMS = {op: ENGINES for op in _OPS}


def _run(rt: Runtime, op: str, run: Run, *args: Any) -> None:
    """Call `run` with the engine that the op runs on, and then args."""
    choose(op, ENGINES, None, rt.info).launch(rt, run, *args)


def _launch(rt: Runtime, engine: Engine, name: str, view: Shape, dtype: DType, grid: Shape, arrays: Sequence[Buffer],
            *numbers: float, group: Shape | None = None, centred: bool = True, param: DType | None = None,
            weight: bool = False, bias: bool = False, columns: int = 0, per_row: bool = True,
            running: bool = False, partial: bool = False, streamed: bool = False) -> None:  # fmt: skip
    rt.launch("norm", name, grid, *arrays, *numbers, group=group or (engine.WG,), kernel=name, dtype=dtype.code,
              param=param and param.code, centred=centred, weight=weight, bias=bias, runs=view[3] > 1,
              columns=columns, per_row=per_row, running=running, partial=partial,
              streamed=streamed, **engine._asdict())  # fmt: skip


# --- rows ---------------------------------------------------------------------------------------


def _rows(rt: Runtime, engine: Engine, name: str, view: Shape, arrays: Sequence[Buffer], eps: float, centred: bool,
          params: Sequence[Buffer], affine: tuple[bool, bool], partial: bool = False,
          chunk: int = 0) -> None:  # fmt: skip
    n, groups, channels, inner = view
    chunk = chunk or (max(1, _ITEM // max(1, channels * inner)) if engine.V > 1 else 1)
    _launch(rt, engine, name, view, arrays[0].dtype, (-(-n * groups // chunk) * engine.WG,), arrays,
            n * groups, chunk, groups, channels, inner, eps, centred=centred,
            param=params[0].dtype if params else None, weight=affine[0], bias=affine[1], partial=partial,
            streamed=engine.V > 1 and streams(rt.info, arrays[0].spec))  # fmt: skip


def _row_norm(op: str, centred: bool = True) -> Callable[..., None]:
    @planned
    def launch(rt: Runtime, x: Buffer, *more: Buffer, view: Shape, shape: Shape, affine: tuple[bool, bool],
               eps: float) -> None:  # fmt: skip
        params = more[: sum(affine)]
        _run(rt, op, _rows, "row_norm", view, (x, *more), eps, centred, params, affine)

    return launch


@implements("row_norm_grad")
@planned
def row_norm_grad(rt: Runtime, g: Buffer, x: Buffer, *more: Buffer, view: Shape, centred: bool,
                  sums: bool) -> None:  # fmt: skip
    """The gradient by x of a row norm, and if `sums` what channel_sums gives."""
    at = len(more) - 1 - sums * (1 + centred)
    moments, weight, outs = more[: 1 + centred], more[1 + centred : at], more[at:]
    _run(rt, "row_norm_grad", _row_grads, view, g, x, moments, weight, outs)


def _row_grads(rt: Runtime, engine: Engine, view: Shape, g: Buffer, x: Buffer, moments: Sequence[Buffer],
               weight: Sequence[Buffer], outs: Sequence[Buffer]) -> None:  # fmt: skip
    gx, *totals = outs
    n, groups, _, inner = view
    # on a CPU a work-item has the sums of channels at hand: a row's, or of neighbouring ones those of its rows
    slices = Slices(view, 1 if inner > 1 else max(_ROWS, -(-n // 64)), inner, 1)
    partial = bool(totals) and engine.V > 1 and (inner > 1 or (inner == 1 and groups == 1))
    single = slices.per_channel == 1
    parts = totals
    if partial and not single:
        shape = (slices.per_channel, slices.channels)
        parts = [rt.empty(Spec(shape, t.dtype)) for t in totals]
    arrays = (g, x, *moments, *weight, gx, *(parts if partial else ()))
    _rows(rt, engine, "row_norm_grad", view, arrays, 0.0, len(moments) == 2, weight, (bool(weight), False), partial,
          slices.outer if partial and inner == 1 else 0)  # fmt: skip
    if totals and not partial:
        sums(rt, engine, view, True, g, x, moments, totals)
    elif totals and not single:
        join(rt, engine, "add", slices, g.dtype, (*parts, *totals), slices.channels,
             centred=len(totals) == 2)  # fmt: skip


# --- channels -----------------------------------------------------------------------------------


class Slices(NamedTuple):
    """Slices of the channels of a view: `outer` samples by `inner` elements, `parts` of them side by side."""

    view: Shape
    outer: int
    inner: int
    parts: int

    @property
    def per_channel(self) -> int:
        """Slices of a channel."""
        return -(-self.view[0] // self.outer) * self.parts

    @property
    def channels(self) -> int:
        """Channels of the view."""
        return self.view[1] * self.view[2]

    @property
    def sizes(self) -> Shape:
        """What the kernels need to know."""
        return (*self.view, self.outer, self.inner, self.parts)


def slices_of(view: Shape, columns: bool) -> Slices:
    """The slices of the channels of a view; columns: of neighbouring channels side by side."""
    n, _, _, inner = view
    if columns:
        return Slices(view, max(64, -(-n // 64)), 1, 1)
    parts = max(1, inner // _SLICE)
    return Slices(view, max(1, _SLICE // max(1, inner)), max(1, -(-inner // parts)), parts)


def visit(rt: Runtime, engine: Engine, name: str, slices: Slices, dtype: DType, arrays: Sequence[Buffer],
          columns: bool, **how: Any) -> None:  # fmt: skip
    """Something of every slice of every channel."""
    grid: Shape = (slices.channels * slices.per_channel * engine.WG,)
    group: Shape = (engine.WG,)
    vectors = columns and (_SIDE if engine.V > 1 else 1)
    if columns:
        blocks = -(-slices.channels // (engine.V * vectors))
        grid, group = (-(-blocks // engine.WG) * engine.WG, slices.per_channel), (engine.WG, 1)
    _launch(
        rt,
        engine,
        name,
        slices.view,
        dtype,
        grid,
        arrays,
        *slices.sizes,
        group=group,
        columns=vectors,
        **how,
    )


def join(rt: Runtime, engine: Engine, name: str, slices: Slices, dtype: DType, arrays: Sequence[Buffer],
         *numbers: float, **how: Any) -> None:  # fmt: skip
    """One of every channel, from its slices."""
    engine = engine._replace(WG=min(64, engine.WG))
    chunk = max(16, -(-slices.channels // (4 * rt.info.compute_units))) if engine.WG == 1 else 1
    grid = (-(-slices.channels // chunk) * engine.WG,)
    _launch(
        rt,
        engine,
        name,
        slices.view,
        dtype,
        grid,
        arrays,
        slices.per_channel,
        chunk,
        *numbers,
        **how,
    )


def sums(rt: Runtime, engine: Engine, view: Shape, per_row: bool, g: Buffer, x: Buffer, moments: Sequence[Buffer],
         outs: Sequence[Buffer]) -> None:  # fmt: skip
    """Per channel the sum of g * xhat and, if there is a mean, of g."""
    columns, how = view[3] == 1 and (view[1] == 1 or not per_row), {"centred": len(outs) == 2}
    slices = slices_of(view, columns)
    single = slices.per_channel == 1
    partial = Spec((slices.per_channel, slices.channels), accumulator(g.dtype))
    parts = outs if single else [rt.empty(partial) for _ in outs]
    visit(
        rt,
        engine,
        "sums",
        slices,
        g.dtype,
        (g, x, *moments, *parts),
        columns,
        per_row=per_row,
        **how,
    )
    if not single:
        join(rt, engine, "add", slices, g.dtype, (*parts, *outs), slices.channels, **how)


@implements("channel_sums")
@planned
def channel_sums(
    rt: Runtime, g: Buffer, x: Buffer, *more: Buffer, view: Shape, per_row: bool
) -> None:
    """Per channel the sum of g * xhat and, if there is a mean, of g."""
    half = len(more) // 2
    _run(rt, "channel_sums", sums, view, per_row, g, x, more[:half], more[half:])


IMPLEMENTATIONS = {
    **{op: _row_norm(op) for op in ("layer_norm", "group_norm", "instance_norm")},
    "rms_norm": _row_norm("rms_norm", centred=False),
}
