"""Host side of kernels/norm.cl.mako: how a view is cut into rows, or channels into slices."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from ...dtypes import DType, accumulator
from ...shapes import Shape, Spec
from .. import implements
from .algorithms import Algorithm, always, choose
from .discovery import DeviceInfo
from .elementwise import elementwise
from .runtime import WIDE, Buffer, Runtime

Plan = Callable[..., Any]

_SLICE = 4096  # elements of a channel whose statistics one group takes: they stay in the first-level cache
_ITEM = 16384  # elements of the rows that a work-item on a CPU gets


class Engine(NamedTuple):
    """Who adds: WG work-items, or the V lanes of one."""

    WG: int
    V: int


class Launch(NamedTuple):
    """A kernel and all of its arguments but the arrays."""

    kernel: Any
    grid: Shape
    group: Shape
    numbers: tuple[Any, ...]

    def __call__(self, rt: Runtime, *arrays: Buffer) -> None:
        """Enqueue it, unless the grid is empty."""
        if 0 not in self.grid:
            rt.enqueue(
                self.kernel, self.grid, self.group, [*[a.mem for a in arrays], *self.numbers]
            )


def _vector(rt: Runtime, plan: Plan, *key: Any) -> Any:
    return plan(rt, Engine(1, 16), *key)


def _group(rt: Runtime, plan: Plan, *key: Any) -> Any:
    return plan(rt, Engine(rt.wg if rt.wg > 1 else min(64, rt.info.max_group), 1), *key)


def _is_cpu(problem: Any, info: DeviceInfo) -> bool:
    return info.kind == "cpu"


_ENGINES = [Algorithm("vector", _is_cpu, _vector), Algorithm("group", always, _group)]
_OPS = (
    "layer_norm",
    "group_norm",
    "instance_norm",
    "rms_norm",
    "row_norm_grad",
    "batch_norm",
    "channel_sums",
)
ALGORITHMS = {op: _ENGINES for op in _OPS}


def _planned(rt: Runtime, op: str, plan: Plan, *key: Any) -> Any:
    """What `plan` makes of `key` for the engine that the op runs on."""
    return choose(op, _ENGINES, None, rt.info).launch(rt, plan, *key)


def _kernel(rt: Runtime, engine: Engine, name: str, view: Shape, dtype: DType, *, centred: bool = True,
            param: DType | None = None, weight: bool = False, bias: bool = False, columns: bool = False,
            per_row: bool = True, running: bool = False) -> Any:  # fmt: skip
    return rt.kernel("norm", name, {
        "kernel": name, "dtype": dtype.code, "param": param and param.code, "centred": centred, "weight": weight,
        "bias": bias, "runs": view[3] > 1, "columns": columns, "per_row": per_row, "running": running,
        "wide": prod(view) >= WIDE, **engine._asdict(),
    })  # fmt: skip


# --- rows ---------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _row_plan(rt: Runtime, engine: Engine, name: str, view: Shape, dtype: DType, eps: float, centred: bool,
              param: DType | None, affine: tuple[bool, bool]) -> Launch:  # fmt: skip
    n, groups, channels, inner = view
    chunk = max(1, _ITEM // max(1, channels * inner)) if engine.V > 1 else 1
    kernel = _kernel(
        rt,
        engine,
        name,
        view,
        dtype,
        centred=centred,
        param=param,
        weight=affine[0],
        bias=affine[1],
    )
    grid = (-(-n * groups // chunk) * engine.WG,)
    return Launch(kernel, grid, (engine.WG,), (n * groups, chunk, groups, channels, inner, eps))


def _row_norm(op: str, centred: bool = True) -> Callable[..., None]:
    def launch(rt: Runtime, x: Buffer, *more: Buffer, view: Shape, shape: Shape, affine: tuple[bool, bool],
               eps: float) -> None:  # fmt: skip
        param = more[0].dtype if any(affine) else None
        _planned(rt, op, _row_plan, "row_norm", view, x.dtype, eps, centred, param, affine)(
            rt, x, *more
        )

    return launch


@implements("row_norm_grad")
def row_norm_grad(
    rt: Runtime, g: Buffer, x: Buffer, *more: Buffer, view: Shape, centred: bool
) -> None:
    """The gradient by x of a row norm."""
    weight = more[1 + centred : -1]
    param = weight[0].dtype if weight else None
    key = ("row_norm_grad", view, g.dtype, 0.0, centred, param, (bool(weight), False))
    _planned(rt, "row_norm_grad", _row_plan, *key)(rt, g, x, *more)


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


def _slices(view: Shape, columns: bool) -> Slices:
    n, _, _, inner = view
    if columns:
        return Slices(view, max(64, -(-n // 64)), 1, 1)
    parts = max(1, inner // _SLICE)
    return Slices(view, max(1, _SLICE // max(1, inner)), max(1, -(-inner // parts)), parts)


def _visit(
    rt: Runtime, engine: Engine, name: str, slices: Slices, dtype: DType, columns: bool, **how: Any
) -> Launch:
    """Something of every slice of every channel."""
    grid: Shape = (slices.channels * slices.per_channel * engine.WG,)
    group: Shape = (engine.WG,)
    if columns:
        blocks = -(-slices.channels // engine.V)
        grid, group = (-(-blocks // engine.WG) * engine.WG, slices.per_channel), (engine.WG, 1)
    kernel = _kernel(rt, engine, name, slices.view, dtype, columns=columns, **how)
    return Launch(kernel, grid, group, slices.sizes)


def _join(
    rt: Runtime, engine: Engine, name: str, slices: Slices, dtype: DType, *numbers: Any, **how: Any
) -> Launch:
    """One of every channel, from its slices."""
    engine = engine._replace(WG=min(64, engine.WG))
    chunk = 16 if engine.WG == 1 else 1
    kernel = _kernel(rt, engine, name, slices.view, dtype, **how)
    grid = (-(-slices.channels // chunk) * engine.WG,)
    return Launch(kernel, grid, (engine.WG,), (slices.per_channel, chunk, *numbers))


@lru_cache(maxsize=4096)
def _sums_plan(
    rt: Runtime, engine: Engine, view: Shape, dtype: DType, per_row: bool, centred: bool
) -> Any:
    columns = view[3] == 1 and (view[1] == 1 or not per_row)
    slices = _slices(view, columns)
    visit = _visit(rt, engine, "sums", slices, dtype, columns, per_row=per_row, centred=centred)
    partial = Spec((slices.per_channel, slices.channels), accumulator(dtype))
    return partial, visit, _join(rt, engine, "add", slices, dtype, slices.channels, centred=centred)


@implements("channel_sums")
def channel_sums(
    rt: Runtime, g: Buffer, x: Buffer, *more: Buffer, view: Shape, per_row: bool
) -> None:
    """Per channel the sum of g * xhat and, if there is a mean, of g."""
    moments, outs = more[: len(more) // 2], more[len(more) // 2 :]
    partial, visit, join = _planned(
        rt, "channel_sums", _sums_plan, view, g.dtype, per_row, len(outs) == 2
    )
    if partial.shape[0] == 1:
        visit(rt, g, x, *moments, *outs)
        return
    parts = [rt.empty(partial) for _ in outs]
    visit(rt, g, x, *moments, *parts)
    join(rt, *parts, *outs)


# --- batches ------------------------------------------------------------------------------------

_APPLY = {
    (False, False): elementwise("(a0 - a1) * a2"),
    (True, False): elementwise("(a0 - a1) * a2 * a3"),
    (False, True): elementwise("(a0 - a1) * a2 + a3"),
    (True, True): elementwise("(a0 - a1) * a2 * a3 + a4"),
}
_APPLY_EVAL = {
    (False, False): elementwise("(a0 - a1) * (1 / sqrt(a2 + eps))"),
    (True, False): elementwise("(a0 - a1) * (1 / sqrt(a2 + eps) * a3)"),
    (False, True): elementwise("(a0 - a1) * (1 / sqrt(a2 + eps)) + a3"),
    (True, True): elementwise("(a0 - a1) * (1 / sqrt(a2 + eps) * a3) + a4"),
}
_GRAD = {
    False: elementwise("a3 * (a0 - (a5 + (a1 - a2) * (a3 * a4)) * share)"),
    True: elementwise("a3 * a6 * (a0 - (a5 + (a1 - a2) * (a3 * a4)) * share)"),
}


def _view(x: Buffer) -> Buffer:
    """x as (N, C, L)."""
    return Buffer(x.mem, Spec((*x.shape[:2], prod(x.shape[2:])), x.dtype))


def _per_channel(arrays: tuple[Buffer, ...]) -> list[Buffer]:
    """Arrays (C,) as (C, 1), to broadcast against (N, C, L)."""
    return [Buffer(a.mem, Spec((a.size, 1), a.dtype)) for a in arrays]


@lru_cache(maxsize=4096)
def _batch_plan(rt: Runtime, engine: Engine, view: Shape, dtype: DType, param: DType | None, eps: float,
                momentum: float) -> Any:  # fmt: skip
    slices = _slices(view, view[3] == 1)
    visit = _visit(rt, engine, "moments", slices, dtype, view[3] == 1, per_row=False)
    join = _join(rt, engine, "merge", slices, dtype, eps, momentum, *slices.sizes, per_row=False, param=param,
                 running=param is not None)  # fmt: skip
    return Spec((slices.per_channel, slices.channels), accumulator(dtype)), visit, join


@implements("batch_norm")
def batch_norm(rt: Runtime, x: Buffer, *more: Buffer, affine: tuple[bool, bool], running: bool, momentum: float,
               eps: float) -> None:  # fmt: skip
    """Statistics per slice, merged in the order of slices with the running ones moved, then one map."""
    cut = sum(affine)
    params, old = more[:cut], more[cut : cut + 2 * running]
    y, *moments = more[cut + 2 * running :]
    view = (x.shape[0], 1, x.shape[1], prod(x.shape[2:]))
    param = old[0].dtype if old else None
    partial, visit, join = _planned(
        rt, "batch_norm", _batch_plan, view, x.dtype, param, eps, momentum
    )
    parts = [rt.empty(partial), rt.empty(partial)]
    visit(rt, x, *parts)
    join(rt, *parts, *old, *moments)
    _APPLY[affine](rt, _view(x), *_per_channel((*moments[:2], *params)), _view(y))


@implements("batch_norm_eval")
def batch_norm_eval(
    rt: Runtime, x: Buffer, *more: Buffer, affine: tuple[bool, bool], eps: float
) -> None:
    """One map by the running statistics."""
    _APPLY_EVAL[affine](rt, _view(x), *_per_channel(more[:-1]), _view(more[-1]), eps=eps)


@implements("batch_norm_grad")
def batch_norm_grad(rt: Runtime, g: Buffer, x: Buffer, *more: Buffer) -> None:
    """The gradient by x: one map, given the sums."""
    share = 1 / max(1, g.shape[0] * prod(g.shape[2:]))
    _GRAD[len(more) == 6](
        rt, _view(g), _view(x), *_per_channel(more[:-1]), _view(more[-1]), share=share
    )


IMPLEMENTATIONS = {
    **{op: _row_norm(op) for op in ("layer_norm", "group_norm", "instance_norm")},
    "rms_norm": _row_norm("rms_norm", centred=False),
}
