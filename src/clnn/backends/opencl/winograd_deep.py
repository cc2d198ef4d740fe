"""Winograd on CPUs for deep images, of more filters than tiles: filters are transformed where they are multiplied."""

from __future__ import annotations

from ...dtypes import accumulator
from ...shapes import Spec
from .correlation import Problem
from .discovery import DeviceInfo
from .gemm import NO_EPILOGUE, Epilogue, ceil_div, lanes, simd_fits
from .runtime import Buffer, Runtime
from .winograd import applies as winograd_applies
from .winograd import grad_applies as winograd_grad_applies
from .winograd import worth
from .winograd_simd import GRAD_MICRO, MICRO, tiling
from .winograd_tiling import Pass, backward, forward

_M = 4  # outputs of a tile along each axis
_WORTH = 2**21  # tiles times filters
_MOST = 36 * 2**20  # points of all tiles and channels
_DEPTH = 64  # channels whose filters are transformed at a time: with the sums they fill a second-level cache
_TILES = 128  # of a span, about
_SHARE = 64  # channels of a work-item of the weight gradient
_TURN = 32  # tiles that meet the same filters in turn, a multiple of every MR


def applies(p: Problem, info: DeviceInfo) -> bool:
    """What winograd takes, on CPUs, as long as its points are hundreds of megabytes at most."""
    at = forward(p)
    small = at.tiles(_M)[2] * at.tile(_M).points ** 2 * max(p.C, p.O) <= _MOST
    return simd_fits(info, p.kind) and winograd_applies(p, info) and small


def grad_applies(p: Problem, info: DeviceInfo) -> bool:
    """For the data gradient."""
    return applies(p, info) and winograd_grad_applies(p, info)


def worth_conv2d(p: Problem, info: DeviceInfo) -> bool:
    """As the data gradient, unless there is little to do: in inference others keep their filters transformed."""
    tiles = forward(p).tiles(_M)[2]
    return _WORTH // max(1, p.C * p.O) <= tiles and _deep(p, info, tiles)


def worth_input_grad(p: Problem, info: DeviceInfo) -> bool:
    """Where there are more filters than tiles."""
    return _deep(p, info, backward(p).tiles(_M)[2])


def _deep(p: Problem, info: DeviceInfo, tiles: int) -> bool:
    # of stride 2 a tile has twice the points
    return worth(p, info) and tiles * (1 if p.stride == (1, 1) else 4) < min(p.C, p.O)


def worth_weight_grad(p: Problem, info: DeviceInfo) -> bool:
    """The same, though filters count more: the other engine adds up sums of all their points in slices."""
    return worth(p, info) and forward(p).tiles(_M)[2] < 4 * min(p.C, p.O)


def conv2d(rt: Runtime, p: Problem, x: Buffer, w: Buffer, end: Epilogue, y: Buffer) -> None:
    """y = act(conv2d(x, w) + bias + residual)."""
    _correlate(rt, p, forward(p), x, w, end, y)


def input_grad(rt: Runtime, p: Problem, g: Buffer, w: Buffer, end: Epilogue, dx: Buffer) -> None:
    """The data gradient, also the transposed convolution."""
    _correlate(rt, p, backward(p), g, w, end, dx)


def _correlate(
    rt: Runtime, p: Problem, at: Pass, x: Buffer, w: Buffer, end: Epilogue, y: Buffer
) -> None:
    m, v, kind, points = _M, lanes(rt.info, p.kind), accumulator(p.kind), at.tile(_M).points ** 2
    mr, nv = MICRO[v]
    nv = min(nv, ceil_div(at.O, v))
    panels, nr = ceil_div(at.O, nv * v), nv * v
    workers, tiles = 4 * rt.info.compute_units, at.tiles(m)[2]
    depth = min(ceil_div(at.C, v), ceil_div(_DEPTH, v))
    groups = ceil_div(at.C, depth * v)
    spans = max(ceil_div(tiles, _TILES), min(ceil_div(workers, panels), tiles // 16))
    plan = tiling(at, m, spans, _TILES)
    spans, most = ceil_div(plan.rows, plan.each), ceil_div(plan.each * plan.wide, mr)
    parts = min(ceil_div(workers, groups), plan.rows)
    defines = p.defines(engine="deep", M=m, form=at.form, V=v, MR=mr, NV=nv)
    image = rt.empty(Spec((spans, most, groups, points, depth * mr * v + v), kind))
    lines = rt.empty(Spec((parts * groups, *at.lines(m, plan.wide, v)), kind))
    rt.launch("winograd", "cut", (groups, parts), x, image, lines, at.N, at.C, at.H, at.W, at.P, at.Q, at.top, at.left,
              plan.wide, plan.segments, plan.each, depth, group=(1, 1), part="cut", **defines)  # fmt: skip
    items, out = panels * spans, at.tile(m).outputs
    filters = rt.empty(Spec((items, (m + 2) ** 2, depth * v * nr + v), kind))
    sums = rt.empty(Spec((items, most, points, mr * nr + v), kind))
    lines = rt.empty(Spec((items, plan.wide + 1, out, out, v), kind))
    rt.launch("winograd", "conv2d", (panels, spans), image, w, *end.operands, y, filters, sums, lines, at.N, at.C,
              at.P, at.Q, at.O, *at.filters, w.size, plan.wide, plan.segments, plan.each, depth, _TURN, group=(1, 1),
              part="conv2d", flip=at.flip, **end.defines, **defines)  # fmt: skip


def weight_grad(rt: Runtime, p: Problem, g: Buffer, x: Buffer, end: Epilogue, dw: Buffer) -> None:
    """dw from g and x, where tiles of the gradient are the filters."""
    at = forward(p)
    m, v, kind, points = _M, lanes(rt.info, p.kind), accumulator(p.kind), at.tile(_M).points ** 2
    mr, nv = GRAD_MICRO[v]
    nv = min(nv, ceil_div(at.O, v))
    panels, plan = ceil_div(at.O, nv * v), tiling(at, m, 1)
    defines = p.defines(engine="deep_grad", M=m, form=at.form, V=v, MR=mr, NV=nv)

    def cut(what: str, array: Buffer, blocks: int, *sizes: int) -> Buffer:
        parts = min(ceil_div(4 * rt.info.compute_units, blocks), plan.rows)
        out = rt.empty(Spec((blocks, points, plan.rows * plan.wide + 1, v), kind))
        lines = rt.empty(Spec((parts * blocks, *at.lines(m, plan.wide, v)), kind))
        rt.launch("winograd", "cut", (blocks, parts), array, out, lines, at.N, *sizes, plan.wide, plan.segments,
                  group=(1, 1), part="cut", what=what, **defines)  # fmt: skip
        return out

    deep = ceil_div(at.C, v)
    image = cut("image", x, deep, at.C, at.H, at.W, at.P, at.top, at.left)
    grads = cut("points", g, panels * nv, at.O, at.P, at.Q, at.P, 0, 0)
    share = min(deep, ceil_div(_SHARE, v))
    grid = (ceil_div(deep, share), panels)
    sums = rt.empty(Spec((*grid, points, v * nv * v + v), kind))
    lines = rt.empty(Spec((*grid, nv, share * 9 * v + v, v), kind))
    rt.launch("winograd", "weight_grad", grid, image, grads, dw, sums, lines, at.C, at.O, plan.rows * plan.wide, share,
              group=(1, 1), part="weight_grad", **NO_EPILOGUE.defines, **defines)  # fmt: skip
