"""The convolutions of kernels/_conv_tile.cl.mako: both operands staged in local memory."""

from __future__ import annotations

from typing import Any

from ...dtypes import accumulator
from ...shapes import Spec
from .correlation import (
    Problem,
    Product,
    Source,
    Window,
    border,
    forward,
    grad_border,
    phases,
    slices_of,
)
from .discovery import DeviceInfo
from .gemm import NO_EPILOGUE, Epilogue, ceil_div, tile_fits, tile_grid
from .gemm import tile as tile_shape
from .runtime import MOST_GROUPS, Buffer, Runtime


def applies(p: Problem, info: DeviceInfo) -> bool:
    """Where the smallest tile fits the local memory; few channels in a group would leave tiles empty."""
    return tile_fits(info, p.kind) and p.whole_lanes


def _source(rt: Runtime, p: Problem, x: Buffer, at: Window) -> Source:
    (n, c, h, w), (h0, w0, hp, wp, inside) = x.shape, at
    if inside:
        return Source(x, h * w, w)
    padded = rt.empty(Spec((n, c, hp, wp), p.kind))
    grid = (wp, hp, min(n * c, MOST_GROUPS))
    rt.launch("conv", "pad", grid, x, padded, n * c, h, w, hp, wp, h0, w0, **_layout(p))
    return Source(padded, hp * wp, wp)


def _layout(p: Problem) -> dict[str, Any]:
    return p.defines(engine="tile", layout=True)


def _product(rt: Runtime, p: Problem, at: Product, src: Source, w: Buffer, end: Epilogue,
                  y: Buffer) -> None:  # fmt: skip
    (r, s), (xn, xg, xc, xp, xq, xr, xs, x0) = at.taps, at.x_steps
    k, n = at.depth * r * s, p.N * at.P * at.Q
    w_offsets, x_offsets = p.table(rt, k), p.table(rt, k)
    rt.launch(
        "conv",
        "taps",
        (k,),
        w_offsets,
        x_offsets,
        k,
        r,
        s,
        *at.w_steps[2:],
        xc,
        xr,
        xs,
        **_layout(p),
    )
    shape = tile_shape(rt.info, p.kind, at.out, n, p.groups)
    launch = tile_grid(shape, at.out, n, p.groups)
    rt.launch("conv", "conv2d", launch["grid"], src.mem, w, w_offsets, x_offsets, *end.operands, y, n, k, at.out, at.P,
              at.Q, *at.w_steps[:2], xn, xg, xp, xq, x0, *at.y_steps, group=launch["group"],
              **p.defines(engine="tile", layout=False, **end.defines, **shape))  # fmt: skip


def conv2d(rt: Runtime, p: Problem, x: Buffer, w: Buffer, end: Epilogue, y: Buffer) -> None:
    """The convolution itself."""
    src = _source(rt, p, x, border(p))
    _product(rt, p, forward(p, src), src, w, end, y)


def input_grad(rt: Runtime, p: Problem, g: Buffer, w: Buffer, end: Epilogue, dx: Buffer) -> None:
    """dx from g; also the transposed convolution."""
    src = _source(rt, p, g, grad_border(p))
    for at in phases(p, src):
        _product(rt, p, at, src, w, end, dx)


def weight_grad(rt: Runtime, p: Problem, g: Buffer, x: Buffer, end: Epilogue, dw: Buffer) -> None:
    """dw from g, in slices of the pixels that are then added."""
    out, pixels, rows = p.O // p.groups, p.N * p.P * p.Q, dw.size // p.O
    src = _source(rt, p, x, border(p))
    xn, xg, xc, xp, xq, xr, xs, x0 = forward(p, src).x_steps
    g_offsets, x_offsets, area = p.table(rt, pixels), p.table(rt, pixels), p.P * p.Q
    rt.launch("conv", "pixels", (pixels,), g_offsets, x_offsets, pixels, p.P, p.Q, p.O * area, xn, xp, xq,
              **_layout(p))  # fmt: skip
    shape = tile_shape(rt.info, p.kind, out, rows, p.groups)
    tiles = ceil_div(out, shape["TM"]) * ceil_div(rows, shape["TN"]) * p.groups
    slices, depth = slices_of(4 * rt.info.compute_units, tiles, pixels)
    partial = rt.empty(Spec((slices, *dw.shape), accumulator(p.kind)))
    launch = tile_grid(shape, out, rows, p.groups * slices)
    rt.launch("conv", "weight_grad", launch["grid"], g, src.mem, g_offsets, x_offsets, partial, out, rows, pixels,
              *p.kernel, p.groups, out * area, area, xg, xc, xr, xs, x0, depth, group=launch["group"],
              **p.defines(engine="tile", layout=False, **NO_EPILOGUE.defines, **shape))  # fmt: skip
    rt.launch("conv", "reduce", (dw.size,), partial, dw, dw.size, slices, **_layout(p))
