"""Host side of kernels/conv.cl.mako: convolutions as products over an image that is read in place."""

from __future__ import annotations

from typing import Any

from ...dtypes import accumulator
from ...shapes import Shape, Spec
from .. import implements
from .algorithms import Algorithm, always, choose
from .correlation import (
    Problem,
    Product,
    Source,
    Window,
    border,
    forward,
    grad_border,
    phases,
    problem,
)
from .discovery import DeviceInfo
from .gemm import ceil_div, micro, simd_fits, tile, tile_fits, tile_grid
from .plan import planned
from .runtime import MOST_GROUPS, Buffer, Runtime

_KC = 256  # pixels of the output gradient multiplied at a time, so that they stay in cache
_TILE_FLOPS = 1_000_000  # the least a work-item of the simd engine should have to do
_SLICE = 512  # pixels a slice of the weight gradient sums at least
_ONE = (1, 1, 1)


@implements("conv2d")
@planned
def conv2d(rt: Runtime, x: Buffer, w: Buffer, *rest: Buffer, **at: Any) -> None:
    """y = conv2d(x, w) (+ bias)."""
    *bias, y = rest
    _run("conv2d", rt, problem(x.shape, w.shape, y.shape, y.dtype, **at), x, w, bias, y)


@implements("conv2d_input_grad")
@planned
def input_grad(rt: Runtime, g: Buffer, w: Buffer, dx: Buffer, *, size: Shape, **at: Any) -> None:
    """dx from g = dL/dy."""
    _run("conv2d_input_grad", rt, problem(dx.shape, w.shape, g.shape, dx.dtype, **at), g, w, [], dx)


@implements("conv_transpose2d")
@planned
def conv_transpose2d(
    rt: Runtime, x: Buffer, w: Buffer, *rest: Buffer, output_padding: Shape, **at: Any
) -> None:
    """The data gradient as a forward pass (+ bias)."""
    *bias, y = rest
    _run("conv_transpose2d", rt, problem(y.shape, w.shape, x.shape, y.dtype, **at), x, w, bias, y)


@implements("conv2d_weight_grad")
@planned
def weight_grad(rt: Runtime, g: Buffer, x: Buffer, dw: Buffer, *, kernel: Shape, **at: Any) -> None:
    """dw from g = dL/dy."""
    _run(
        "conv2d_weight_grad", rt, problem(x.shape, dw.shape, g.shape, dw.dtype, **at), g, x, [], dw
    )


def _run(
    op: str, rt: Runtime, p: Problem, a: Buffer, b: Buffer, bias: list[Buffer], out: Buffer
) -> None:
    if out.size:
        choose(op, ALGORITHMS[op], p, rt.info).launch(rt, p, a, b, bias, out)


def _slices(workers: int, products: int, pixels: int) -> tuple[int, int]:
    """How many slices to sum the weight gradient in, and the pixels of each."""
    slices = max(1, min(ceil_div(workers, products), pixels // _SLICE))
    depth = max(1, ceil_div(pixels, slices))
    return ceil_div(pixels, depth), depth


# --- simd ---------------------------------------------------------------------------------------


def _simd_source(rt: Runtime, p: Problem, x: Buffer, at: Window, layout: dict[str, Any]) -> Source:
    (n, c, h, w), (h0, w0, hp, wp, inside), kind = x.shape, at, accumulator(p.kind)
    if inside and p.kind == kind:
        return Source(x, h * w, w)
    padded = rt.empty(Spec((n, c, hp, wp), kind))
    each = min(max(1, 4096 // (hp * wp)), max(1, ceil_div(n * c, 4 * rt.info.compute_units)))
    rt.launch("conv", "pad", (ceil_div(n * c, each), 1, 1), x, padded, n * c, each, h, w, hp, wp, h0, w0,
              group=_ONE, **layout)  # fmt: skip
    return Source(padded, hp * wp, wp)


def _simd_product(rt: Runtime, p: Problem, at: Product, src: Source, w: Buffer, bias: list[Buffer], y: Buffer,
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
    rt.launch("conv", "conv2d", (ceil_div(blocks, tiles), panels, p.groups), src.mem, filters, offsets, *bias, y,
              m, k, at.out, at.P, at.Q, xn, xg, xp, xq, x0, *at.y_steps, tiles, group=_ONE,
              **p.defines(engine="simd", layout=False, bias=bool(bias), **shape))  # fmt: skip


def _layout(p: Problem, shape: dict[str, int]) -> dict[str, Any]:
    return p.defines(engine="simd", layout=True, V=shape["V"], NV=shape["NV"])


def _simd(rt: Runtime, p: Problem, x: Buffer, w: Buffer, bias: list[Buffer], y: Buffer) -> None:
    shape = micro(rt.info, p.kind, p.O // p.groups)
    src = _simd_source(rt, p, x, border(p), _layout(p, shape))
    _simd_product(rt, p, forward(p, src), src, w, bias, y, shape)


def _simd_input_grad(
    rt: Runtime, p: Problem, g: Buffer, w: Buffer, bias: list[Buffer], dx: Buffer
) -> None:
    shape = micro(rt.info, p.kind, p.C // p.groups)
    src = _simd_source(rt, p, g, grad_border(p), _layout(p, shape))
    for at in phases(p, src):
        _simd_product(rt, p, at, src, w, bias, dx, shape)


def _simd_weight_grad(
    rt: Runtime, p: Problem, g: Buffer, x: Buffer, _: list[Buffer], dw: Buffer
) -> None:
    out, pixels, rows = p.O // p.groups, p.N * p.P * p.Q, dw.size // p.O
    shape = micro(rt.info, p.kind, out, rows)
    layout, kind, columns = _layout(p, shape), accumulator(p.kind), shape["NV"] * shape["V"]
    src = _simd_source(rt, p, x, border(p), layout)
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
    slices, depth = _slices(workers, panels * p.groups * spans, pixels)
    partial = rt.empty(Spec((slices, p.groups, panels, rows, columns), kind))
    rt.launch("conv", "weight_grad", (spans, panels * p.groups, slices), src.mem, grads, offsets, partial, rows, pixels,
              *p.kernel, panels, xg, xc, xr, xs, x0, span, depth, _KC, group=_ONE,
              **p.defines(engine="simd", layout=False, bias=False, **shape))  # fmt: skip
    rt.launch("conv", "reduce", (panels, p.groups, 1), partial, dw, rows, out, slices, group=_ONE,
              **p.defines(engine="simd", layout=False, bias=False, **shape))  # fmt: skip


# --- tile ---------------------------------------------------------------------------------------


def _tile_source(rt: Runtime, p: Problem, x: Buffer, at: Window) -> Source:
    (n, c, h, w), (h0, w0, hp, wp, inside) = x.shape, at
    if inside:
        return Source(x, h * w, w)
    padded = rt.empty(Spec((n, c, hp, wp), p.kind))
    grid = (wp, hp, min(n * c, MOST_GROUPS))
    rt.launch("conv", "pad", grid, x, padded, n * c, h, w, hp, wp, h0, w0, **_tile_layout(p))
    return Source(padded, hp * wp, wp)


def _tile_layout(p: Problem) -> dict[str, Any]:
    return p.defines(engine="tile", layout=True)


def _tile_product(rt: Runtime, p: Problem, at: Product, src: Source, w: Buffer, bias: list[Buffer],
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
        **_tile_layout(p),
    )
    shape = tile(rt.info, p.kind, at.out, n, p.groups)
    launch = tile_grid(shape, at.out, n, p.groups)
    rt.launch("conv", "conv2d", launch["grid"], src.mem, w, w_offsets, x_offsets, *bias, y, n, k, at.out, at.P, at.Q,
              *at.w_steps[:2], xn, xg, xp, xq, x0, *at.y_steps, group=launch["group"],
              **p.defines(engine="tile", layout=False, bias=bool(bias), **shape))  # fmt: skip


def _tile(rt: Runtime, p: Problem, x: Buffer, w: Buffer, bias: list[Buffer], y: Buffer) -> None:
    src = _tile_source(rt, p, x, border(p))
    _tile_product(rt, p, forward(p, src), src, w, bias, y)


def _tile_input_grad(
    rt: Runtime, p: Problem, g: Buffer, w: Buffer, bias: list[Buffer], dx: Buffer
) -> None:
    src = _tile_source(rt, p, g, grad_border(p))
    for at in phases(p, src):
        _tile_product(rt, p, at, src, w, bias, dx)


def _tile_weight_grad(
    rt: Runtime, p: Problem, g: Buffer, x: Buffer, _: list[Buffer], dw: Buffer
) -> None:
    out, pixels, rows = p.O // p.groups, p.N * p.P * p.Q, dw.size // p.O
    src = _tile_source(rt, p, x, border(p))
    xn, xg, xc, xp, xq, xr, xs, x0 = forward(p, src).x_steps
    g_offsets, x_offsets, area = p.table(rt, pixels), p.table(rt, pixels), p.P * p.Q
    rt.launch("conv", "pixels", (pixels,), g_offsets, x_offsets, pixels, p.P, p.Q, p.O * area, xn, xp, xq,
              **_tile_layout(p))  # fmt: skip
    shape = tile(rt.info, p.kind, out, rows, p.groups)
    tiles = ceil_div(out, shape["TM"]) * ceil_div(rows, shape["TN"]) * p.groups
    slices, depth = _slices(4 * rt.info.compute_units, tiles, pixels)
    partial = rt.empty(Spec((slices, *dw.shape), accumulator(p.kind)))
    launch = tile_grid(shape, out, rows, p.groups * slices)
    rt.launch("conv", "weight_grad", launch["grid"], g, src.mem, g_offsets, x_offsets, partial, out, rows, pixels,
              *p.kernel, p.groups, out * area, area, xg, xc, xr, xs, x0, depth, group=launch["group"],
              **p.defines(engine="tile", layout=False, bias=False, **shape))  # fmt: skip
    rt.launch("conv", "reduce", (dw.size,), partial, dw, dw.size, slices, **_tile_layout(p))


# --- plain --------------------------------------------------------------------------------------


def _plain_defines(p: Problem, bias: list[Buffer]) -> dict[str, Any]:
    names = ("KH", "KW", "SH", "SW", "DH", "DW", "PH", "PW")
    values = (*p.kernel, *p.stride, *p.dilation, *p.padding)
    return p.defines(engine="plain", bias=bool(bias), **dict(zip(names, values, strict=True)))


def _plain(rt: Runtime, p: Problem, x: Buffer, w: Buffer, bias: list[Buffer], y: Buffer) -> None:
    rt.launch("conv", "conv2d", (p.P * p.Q, p.O, p.N), x, w, *bias, y, p.C, p.H, p.W, p.O, p.P, p.Q, p.groups,
              **_plain_defines(p, bias))  # fmt: skip


def _plain_input_grad(
    rt: Runtime, p: Problem, g: Buffer, w: Buffer, bias: list[Buffer], dx: Buffer
) -> None:
    rt.launch("conv", "input_grad", (p.H * p.W, p.C, p.N), g, w, *bias, dx, p.C, p.H, p.W, p.O, p.P, p.Q, p.groups,
              **_plain_defines(p, bias))  # fmt: skip


def _plain_weight_grad(
    rt: Runtime, p: Problem, g: Buffer, x: Buffer, _: list[Buffer], dw: Buffer
) -> None:
    defines = _plain_defines(p, [])
    each = ceil_div(max(p.N, 1), max(1, min(p.N, 1024 * rt.info.compute_units // dw.size)))
    slices = ceil_div(p.N, each)
    partial = rt.empty(Spec((slices, *dw.shape), accumulator(p.kind)))
    rt.launch("conv", "weight_grad", (dw.size // p.O, p.O, slices), g, x, partial, p.N, p.C, p.H, p.W, p.O, p.P, p.Q,
              p.groups, each, **defines)  # fmt: skip
    rt.launch("conv", "reduce", (dw.size,), partial, dw, dw.size, slices, **defines)


def _whole_lanes(p: Problem) -> bool:
    """Few channels in a group leave lanes and tiles empty; depthwise is then better done directly."""
    return p.groups == 1 or min(p.C, p.O) // p.groups >= 8


def _simd_applies(p: Problem, info: DeviceInfo) -> bool:
    return simd_fits(info, p.kind) and _whole_lanes(p)


def _tile_applies(p: Problem, info: DeviceInfo) -> bool:
    return tile_fits(info, p.kind) and _whole_lanes(p)


def _algorithms(simd: Any, tile: Any, plain: Any) -> list[Algorithm]:
    return [Algorithm("simd", _simd_applies, simd), Algorithm("tile", _tile_applies, tile),
            Algorithm("plain", always, plain)]  # fmt: skip


ALGORITHMS = {
    "conv2d": _algorithms(_simd, _tile, _plain),
    "conv2d_input_grad": _algorithms(_simd_input_grad, _tile_input_grad, _plain_input_grad),
    "conv_transpose2d": _algorithms(_simd_input_grad, _tile_input_grad, _plain_input_grad),
    "conv2d_weight_grad": _algorithms(_simd_weight_grad, _tile_weight_grad, _plain_weight_grad),
}
