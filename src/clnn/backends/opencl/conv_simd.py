"""The convolutions of kernels/_conv_simd.cl.mako: lanes are output channels, the image is read in place."""

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
from .gemm import NO_EPILOGUE, Epilogue, ceil_div, micro, simd_fits
from .runtime import Buffer, Runtime

_KC = 256  # pixels of the output gradient multiplied at a time, so that they stay in cache
_TILE_FLOPS = 1_000_000  # the least a work-item should have to do
_ONE = (1, 1, 1)


def applies(p: Problem, info: DeviceInfo) -> bool:
    """Where a thread runs a work-item; few channels in a group would leave lanes empty."""
    return simd_fits(info, p.kind) and p.whole_lanes


def _source(rt: Runtime, p: Problem, x: Buffer, at: Window, layout: dict[str, Any]) -> Source:
    (n, c, h, w), (h0, w0, hp, wp, inside), kind = x.shape, at, accumulator(p.kind)
    if inside and p.kind == kind:
        return Source(x, h * w, w)
    padded = rt.empty(Spec((n, c, hp, wp), kind))
    each = min(max(1, 4096 // (hp * wp)), max(1, ceil_div(n * c, 4 * rt.info.compute_units)))
    rt.launch("conv", "pad", (ceil_div(n * c, each), 1, 1), x, padded, n * c, each, h, w, hp, wp, h0, w0,
              group=_ONE, **layout)  # fmt: skip
    return Source(padded, hp * wp, wp)


def _product(rt: Runtime, p: Problem, at: Product, src: Source, w: Buffer, end: Epilogue, y: Buffer,
                  shape: dict[str, int]) -> None:  # fmt: skip
    (r, s), (xn, xg, xc, xp, xq, xr, xs, x0) = at.taps, at.x_steps
    k, m, columns = at.depth * r * s, p.N * at.P * at.Q, shape["NV"] * shape["V"]
    panels = ceil_div(at.out, columns)
    filters = rt.empty(Spec((p.groups, panels, k, columns), accumulator(p.kind)))
    offsets = p.table(rt, k)
    layout = _layout(p, shape)
    if k and at.w_steps[2:] == (r * s, s, 1, 0):
        rt.launch("conv", "pack_whole_filters", (panels, p.groups, 1), w, filters, offsets, at.out, at.depth, r, s,
                  xc, xr, xs, group=_ONE, **layout)  # fmt: skip
    elif k:
        rt.launch("conv", "pack_filters", (at.depth, panels, p.groups), w, filters, offsets, at.out, at.depth, r, s,
                  *at.w_steps, xc, xr, xs, group=_ONE, **layout)  # fmt: skip
    blocks = ceil_div(m, shape["MR"])
    work = max(1, _TILE_FLOPS // (2 * shape["MR"] * columns * max(k, 1)))
    tiles = max(1, min(work, blocks * panels * p.groups // (8 * rt.info.compute_units)))
    rt.launch("conv", "conv2d", (ceil_div(blocks, tiles), panels, p.groups), src.mem, filters, offsets, *end.operands,
              y, m, k, at.out, at.P, at.Q, xn, xg, xp, xq, x0, *at.y_steps, tiles, group=_ONE,
              **p.defines(engine="simd", layout=False, **end.defines, **shape))  # fmt: skip


def _layout(p: Problem, shape: dict[str, int]) -> dict[str, Any]:
    return p.defines(engine="simd", layout=True, V=shape["V"], NV=shape["NV"])


def conv2d(rt: Runtime, p: Problem, x: Buffer, w: Buffer, end: Epilogue, y: Buffer) -> None:
    """The convolution itself."""
    shape = micro(rt.info, p.kind, p.O // p.groups)
    src = _source(rt, p, x, border(p), _layout(p, shape))
    _product(rt, p, forward(p, src), src, w, end, y, shape)


def input_grad(rt: Runtime, p: Problem, g: Buffer, w: Buffer, end: Epilogue, dx: Buffer) -> None:
    """dx from g; also the transposed convolution."""
    shape = micro(rt.info, p.kind, p.C // p.groups)
    src = _source(rt, p, g, grad_border(p), _layout(p, shape))
    for at in phases(p, src):
        _product(rt, p, at, src, w, end, dx, shape)


def weight_grad(rt: Runtime, p: Problem, g: Buffer, x: Buffer, end: Epilogue, dw: Buffer) -> None:
    """dw from g, in slices of the pixels that are then added."""
    out, pixels, rows = p.O // p.groups, p.N * p.P * p.Q, dw.size // p.O
    shape = micro(rt.info, p.kind, out, rows)
    layout, kind, columns = _layout(p, shape), accumulator(p.kind), shape["NV"] * shape["V"]
    src = _source(rt, p, x, border(p), layout)
    xn, xg, xc, xp, xq, xr, xs, x0 = forward(p, src).x_steps
    panels, workers = ceil_div(out, columns), 4 * rt.info.compute_units
    grads, offsets = (
        rt.empty(Spec((p.O // out, panels, pixels, columns), kind)),
        p.table(rt, pixels),
    )
    rt.launch("conv", "pack_grad", (p.N, panels, p.groups), g, grads, offsets, out, p.P, p.Q, xn, xp, xq,
              group=_ONE, **layout)  # fmt: skip
    spans = min(ceil_div(rows, 4 * shape["MR"]), ceil_div(workers, panels * p.groups))
    span = ceil_div(ceil_div(rows, spans), shape["MR"]) * shape["MR"]
    spans = ceil_div(rows, span)
    slices, depth = slices_of(workers, panels * p.groups * spans, pixels)
    partial = rt.empty(Spec((slices, p.groups, panels, rows, columns), kind))
    rt.launch("conv", "weight_grad", (spans, panels * p.groups, slices), src.mem, grads, offsets, partial, rows, pixels,
              *p.kernel, panels, xg, xc, xr, xs, x0, span, depth, _KC, group=_ONE,
              **p.defines(engine="simd", layout=False, **NO_EPILOGUE.defines, **shape))  # fmt: skip
    rt.launch("conv", "reduce", (panels, p.groups, 1), partial, dw, rows, out, slices, group=_ONE,
              **p.defines(engine="simd", layout=False, **NO_EPILOGUE.defines, **shape))  # fmt: skip
