"""Batch norm: whole channels by kernels/batch_norm.cl.mako, else slices of channels by norm.cl.mako and maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

from ...dtypes import DType, accumulator
from ...shapes import Shape, Spec
from .. import implements
from .activation import EXPRESSIONS
from .algorithms import Algorithm, choose
from .discovery import DeviceInfo
from .elementwise import launch_map
from .norm import ENGINES, Engine, join, slices_of, sums, visit
from .plan import planned
from .runtime import Buffer, Runtime

_PIECE = 4096  # elements of a channel that stay in the first-level cache between two visits
_ITEM = 8192  # elements of the channels that a work-item of a CPU gets, at least
_GROUP = 1 << 15  # elements of a channel that one work-group of a GPU may own


class Problem(NamedTuple):
    """What to do with x as (N, C, L), and with what."""

    view: Shape
    dtype: DType
    weight: Buffer | None
    bias: Buffer | None
    activation: str | None
    residual: Buffer | None


def _owns(p: Problem, info: DeviceInfo) -> bool:
    """Whether there are channels enough for all units, each no longer than it should be."""
    n, channels, inner = p.view
    if info.kind == "cpu":
        return inner > 1 and channels >= 4 * info.compute_units
    return inner > 1 and channels >= 2 * info.compute_units and n * inner <= _GROUP


def _act(p: Problem, back: bool = False) -> dict[str, str | None]:
    """The activation and, if asked for, its derivative as the kernels spell them."""
    name = p.activation
    act = "v" if name is None else EXPRESSIONS[name].replace("a0", "v")
    undone = EXPRESSIONS[f"{name}_grad"] if back and name is not None else None
    return {
        "act": "v" if back else act,
        "back": undone and undone.replace("a0", "g").replace("a1", "y"),
    }


def _channels(
    rt: Runtime, p: Problem, kernel: str, arrays: list[Buffer], *numbers: float, **defines: Any
) -> None:
    """A launch in which every group owns `chunk` channels."""
    n, channels, inner = p.view
    wg, chunk, outer, width = rt.wg if rt.wg > 1 else 1, 1, max(1, n), max(1, inner)
    if rt.info.kind == "cpu":
        wg = 1
        chunk = max(1, min(_ITEM // max(1, n * inner), channels // (4 * rt.info.compute_units)))
        outer = max(1, _PIECE // width)
        parts = max(1, inner // _PIECE)
        width = -(-width // (16 * parts)) * 16
    given = [a for a in (p.weight, p.bias) if a is not None]
    rt.launch(
        "batch_norm", kernel, (-(-channels // chunk) * wg,), *arrays, n, channels, inner, outer, width, chunk, *numbers,
        group=(wg,), kernel=kernel, dtype=p.dtype.code, param=given[0].dtype.code if given else None,
        weight=p.weight is not None, WG=wg, V=16 if wg == 1 else 1, **defines,
    )  # fmt: skip


# --- forward --------------------------------------------------------------------------------------


def _whole(rt: Runtime, p: Problem, x: Buffer, old: list[Buffer], outs: list[Buffer], eps: float,
           momentum: float, correction: int) -> None:  # fmt: skip
    more = [a for a in (p.weight, p.bias) if a is not None]
    rest = [] if p.residual is None else [p.residual]
    _channels(rt, p, "channel_norm", [x, *more, *old, *rest, *outs], eps, momentum, float(correction),
              bias=p.bias is not None, running=old[0].dtype.code if old else None, residual=bool(rest),
              **_act(p))  # fmt: skip


def _sliced(rt: Runtime, engine: Engine, p: Problem, x: Buffer, old: list[Buffer], outs: list[Buffer], eps: float,
            momentum: float, correction: int) -> None:  # fmt: skip
    """Statistics per slice, merged in the order of slices with the running ones moved, then one map."""
    y, *moments = outs
    slices = slices_of((p.view[0], 1, *p.view[1:]), p.view[2] == 1)
    partial = Spec((slices.per_channel, slices.channels), accumulator(p.dtype))
    parts = [rt.empty(partial), rt.empty(partial)]
    visit(rt, engine, "moments", slices, p.dtype, [x, *parts], p.view[2] == 1, per_row=False)
    join(rt, engine, "merge", slices, p.dtype, [*parts, *old, *moments], eps, momentum, float(correction),
         *slices.sizes, per_row=False, param=old[0].dtype if old else None, running=bool(old))  # fmt: skip
    _map(
        rt, p, "({x} - {mean}) * {inverse}", {"x": x, "mean": moments[0], "inverse": moments[1]}, y
    )


def _map(
    rt: Runtime, p: Problem, base: str, names: dict[str, Buffer], y: Buffer, **settings: float
) -> None:
    """y = act(base * weight + bias + residual), where base is in terms of arrays by name."""
    for name, a, operator in (
        ("w", p.weight, "*"),
        ("b", p.bias, "+"),
        ("residual", p.residual, "+"),
    ):
        if a is not None:
            base, names = f"{base} {operator} {{{name}}}", {**names, name: a}
    if p.activation is not None:
        base = EXPRESSIONS[p.activation].replace("a0", f"({base})")
    arrays = [*names.values(), y]
    shapes = [p.view if a.spec.rank > 1 else (p.view[1], 1) for a in arrays]
    expr = base.format(**{name: f"a{k}" for k, name in enumerate(names)})
    launch_map(rt, expr, arrays, shapes, **settings)


def _split(
    p: Problem, affine: tuple[bool, bool], more: Sequence[Buffer], residual: bool
) -> tuple[Problem, list[Buffer]]:
    """The problem with its parameters, which come first in `more`, and residual, which is last; and the others."""
    rest = list(more)
    weight = rest.pop(0) if affine[0] else None
    bias = rest.pop(0) if affine[1] else None
    return p._replace(weight=weight, bias=bias, residual=rest.pop() if residual else None), rest


def _problem(x: Buffer, activation: str | None) -> Problem:
    return Problem((*x.shape[:2], prod(x.shape[2:])), x.dtype, None, None, activation, None)


@implements("batch_norm")
@planned
def batch_norm(
    rt: Runtime, x: Buffer, *more: Buffer, affine: tuple[bool, bool], running: bool, momentum: float, eps: float,
    activation: str | None = None, residual: bool = False, correction: int = 1,
) -> None:  # fmt: skip
    """By the batch's own statistics, which move the running ones."""
    end = len(more) - 3 - 2 * running
    p, old = _split(_problem(x, activation), affine, more[:end], residual)
    _run("batch_norm", rt, p, x, old, list(more[end:]), eps, momentum, correction)


@implements("batch_norm_eval")
@planned
def batch_norm_eval(
    rt: Runtime, x: Buffer, mean: Buffer, var: Buffer, *more: Buffer, affine: tuple[bool, bool], eps: float,
    activation: str | None = None, residual: bool = False,
) -> None:  # fmt: skip
    """One map by the running statistics."""
    p, _ = _split(_problem(x, activation), affine, more[:-1], residual)
    base = "({x} - {mean}) * (1 / sqrt({var} + eps)" + (" * {w})" if p.weight is not None else ")")
    names = {"x": x, "mean": mean, "var": var}
    if p.weight is not None:
        names, p = {**names, "w": p.weight}, p._replace(weight=None)
    _map(rt, p, base, names, more[-1], eps=eps)


# --- backward -------------------------------------------------------------------------------------


def _whole_grad(
    rt: Runtime, p: Problem, g: Buffer, x: Buffer, moments: list[Buffer], y: list[Buffer], outs: list[Buffer]
) -> None:  # fmt: skip
    weight = [] if p.weight is None else [p.weight]
    _channels(rt, p, "channel_norm_grad", [g, x, *moments, *weight, *y, *outs], bias=False, running=None,
              residual=len(outs) == 4, **_act(p, back=True))  # fmt: skip


def _sliced_grad(
    rt: Runtime, engine: Engine, p: Problem, g: Buffer, x: Buffer, moments: list[Buffer], y: list[Buffer],
    outs: list[Buffer],
) -> None:  # fmt: skip
    """The gradient before the activation, then its sums, then one map."""
    gx, *found = outs
    if p.activation is not None:
        before = found.pop() if len(outs) == 4 else rt.empty(g.spec)
        launch_map(rt, EXPRESSIONS[f"{p.activation}_grad"], [g, *y, before], [p.view] * 3)
        g = before
    sums(rt, engine, (p.view[0], 1, *p.view[1:]), False, g, x, moments, found)
    names = {
        "g": g,
        "x": x,
        "mean": moments[0],
        "inverse": moments[1],
        "along": found[0],
        "total": found[1],
    }
    base = "({g} - ({total} + ({x} - {mean}) * ({inverse} * {along})) * share) * {inverse}"
    share = 1 / max(1, p.view[0] * p.view[2])
    _map(rt, p._replace(activation=None), base, names, gx, share=share)


@implements("batch_norm_grad")
@planned
def batch_norm_grad(
    rt: Runtime, g: Buffer, x: Buffer, *more: Buffer, weight: bool, activation: str | None, residual: bool
) -> None:  # fmt: skip
    """By x; the sums that it takes are the gradients of weight and bias."""
    end = len(more) - 3 - residual
    p, y = _split(_problem(x, activation), (weight, False), more[2:end], False)
    _run("batch_norm_grad", rt, p, g, x, list(more[:2]), y, list(more[end:]))


# --- which ----------------------------------------------------------------------------------------


def _run(op: str, rt: Runtime, p: Problem, *args: Any) -> None:
    choose(op, ALGORITHMS[op], p, rt.info).launch(rt, p, *args)


def _in_slices(engine: Algorithm, run: Callable[..., None], rt: Runtime, *args: Any) -> None:
    engine.launch(rt, run, *args)


ALGORITHMS = {
    op: [
        Algorithm("channel", _owns, whole),  # all of a channel by one work-item, or work-group
        *[Algorithm(e.name, e.applies, partial(_in_slices, e, run)) for e in ENGINES],
    ]
    for op, whole, run in (
        ("batch_norm", _whole, _sliced),
        ("batch_norm_grad", _whole_grad, _sliced_grad),
    )
}
