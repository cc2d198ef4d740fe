"""The convolutions of kernels/_conv_simd*.cl.mako: panels of pixels laid out in cache, filters packed once."""

from __future__ import annotations

from typing import Any

from ...dtypes import DType, accumulator
from ...shapes import Shape, Spec
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
from .gemm import NO_EPILOGUE, Epilogue, ceil_div, lanes, micro, micros, simd_fits
from .runtime import Buffer, Runtime

_SPACE = 2**17  # bytes of local memory for panels: they stay in a core's second-level cache
_PANELS = 16  # of them, at most
_LEAST = 2**15  # bytes of local memory, half of which is for where they come from
_KC = 512  # pixels of the output gradient multiplied at a time
_TILE_FLOPS = 1_000_000  # the least a work-item should have to do
_ONE = (1, 1, 1)


def applies(p: Problem, info: DeviceInfo) -> bool:
    """Where a thread runs a work-item; few channels in a group would leave rows empty."""
    return simd_fits(info, p.kind) and p.whole_lanes and info.local_mem >= _LEAST


def tunables(p: Problem, info: DeviceInfo) -> list[dict[str, int]]:
    """Micro-tiles."""
    flat = [_flat(info, p.kind)] if min(p.C, p.O) <= 4 * p.groups else []
    return [{"MR": mr, "NV": nv} for mr, nv in (*micros(info, p.kind), *flat)]


def conv2d(rt: Runtime, p: Problem, x: Buffer, w: Buffer, end: Epilogue, y: Buffer) -> None:
    """The convolution itself."""
    read, src = _reading(rt, p, x)
    _product(rt, "conv2d", p, forward(read, src), src, w, end, y)


def input_grad(rt: Runtime, p: Problem, g: Buffer, w: Buffer, end: Epilogue, dx: Buffer) -> None:
    """dx from g; also the transposed convolution."""
    sparse = _skips(p) and end == NO_EPILOGUE
    written = _met(p) if sparse else p
    out = rt.empty(Spec((p.N, p.C, p.P, p.Q), p.kind)) if sparse else dx
    src = _source(rt, p, g, grad_border(written))
    for at in phases(written, src):
        _product(rt, "conv2d_input_grad", p, at, src, w, end, out)
    if sparse:
        _planes(rt, p, "spread", out, dx)


def weight_grad(rt: Runtime, p: Problem, g: Buffer, x: Buffer, end: Epilogue, dw: Buffer) -> None:
    """dw from g, in slices of the pixels that are then added."""
    out, pixels, rows = p.O // p.groups, p.N * p.P * p.Q, dw.size // p.O
    shape = rt.tuned("conv2d_weight_grad", "simd", p, micro(rt.info, p.kind, out, rows))
    mr, columns, kind = shape["MR"], shape["NV"] * shape["V"], accumulator(p.kind)
    read, src = _reading(rt, p, x)
    xn, xg, xc, xp, xq, xr, xs, x0 = forward(read, src).x_steps
    panels, workers, space = ceil_div(out, columns), 4 * rt.info.compute_units, _space(rt, p)
    # panels beside each other, for the windows of x come from afar
    wide = ceil_div(panels, ceil_div(panels, max(1, min(4, space // (256 * columns)))))
    across = ceil_div(panels, wide) * p.groups
    slices, depth = slices_of(workers, across, pixels)
    spans = min(ceil_div(rows, 4 * mr), ceil_div(workers, across * max(1, slices)))
    span = ceil_div(ceil_div(rows, spans), mr) * mr
    partial = rt.empty(Spec((slices, p.groups, panels, rows, columns), kind))
    defines = p.defines(engine="simd_grad", SPACE=space, **shape)
    rt.launch("conv", "weight_grad", (ceil_div(rows, span), across, slices), src.mem, g, partial, dw, rows, pixels, out,
              *p.kernel, p.groups, panels, p.P, p.Q, xn, xg, xc, xp, xq, xr, xs, x0, span, wide, depth,
              min(_KC, space // (wide * columns)), group=_ONE, **defines)  # fmt: skip
    if slices != 1:
        parts, v = ceil_div(workers, panels * p.groups), shape["V"]
        span = ceil_div(ceil_div(rows, parts), v) * v
        rt.launch("conv", "reduce", (panels, p.groups, ceil_div(rows, span)), partial, dw, rows, out, slices, span,
                  group=_ONE, **defines)  # fmt: skip


def _skips(p: Problem) -> bool:
    """Whether pixels between those of the stride meet no tap at all."""
    return p.kernel == (1, 1) and p.stride != (1, 1)


def _met(p: Problem) -> Problem:
    """The convolution of the pixels that do."""
    return p._replace(H=p.P, W=p.Q, stride=(1, 1), padding=(0, 0))


def _reading(rt: Runtime, p: Problem, x: Buffer) -> tuple[Problem, Source]:
    """What a forward convolution reads of x, and the convolution of that."""
    if not _skips(p):
        return p, _source(rt, p, x, border(p))
    met = rt.empty(Spec((p.N, p.C, p.P, p.Q), accumulator(p.kind)))
    _planes(rt, p, "pad", x, met)
    return _met(p), Source(met, p.P * p.Q, p.Q)


def _source(rt: Runtime, p: Problem, x: Buffer, at: Window) -> Source:
    (n, c, h, w), (h0, w0, hp, wp, inside), kind = x.shape, at, accumulator(p.kind)
    if inside and p.kind == kind:
        return Source(x, h * w, w)
    padded = rt.empty(Spec((n, c, hp, wp), kind))
    _planes(rt, p, "pad", x, padded, (h0, w0))
    return Source(padded, hp * wp, wp)


def _planes(
    rt: Runtime, p: Problem, kernel: str, x: Buffer, out: Buffer, start: Shape | None = None
) -> None:
    """Copy the planes from `start` on, or the pixels of the stride."""
    (*_, h, w), (n, c, height, width) = x.shape, out.shape
    at = (-p.padding[0], -p.padding[1], *p.stride) if start is None else (*start, 1, 1)
    each = max(1, min(4096 // (height * width), ceil_div(n * c, 4 * rt.info.compute_units)))
    rt.launch("conv", kernel, (ceil_div(n * c, each), 1, 1), x, out, n * c, each, h, w, height, width, *at,
              group=_ONE, **_layout(rt, p, micros(rt.info, p.kind)[0][0]))  # fmt: skip


def _filters(rt: Runtime, p: Problem, at: Product, w: Buffer, mr: int) -> Buffer:
    (r, s), blocks = at.taps, ceil_div(at.out, mr)

    def pack(rt: Runtime, out: Buffer) -> None:
        rt.launch("conv", "pack_filters", (blocks, p.groups, 1), w, out, at.out, at.depth, r, s, *at.w_steps,
                  group=_ONE, **_layout(rt, p, mr))  # fmt: skip

    key = ("conv_simd", mr, at.taps, at.depth, at.out, at.w_steps)
    spec = Spec((p.groups, blocks, at.depth * r * s, mr), accumulator(p.kind))
    return rt.derived(w, key, spec, pack)


def _product(
    rt: Runtime, op: str, p: Problem, at: Product, src: Source, w: Buffer, end: Epilogue, y: Buffer
) -> None:
    mr, nv = _flat(rt.info, p.kind) if at.out <= 4 else micros(rt.info, p.kind)[0]
    shape = rt.tuned(op, "simd", p, {"V": lanes(rt.info, p.kind), "MR": mr, "NV": nv})
    mr, columns, space = shape["MR"], shape["NV"] * shape["V"], _space(rt, p)
    (r, s), (xn, xg, xc, xp, xq, xr, xs, x0), (yn, yo, yp, yq, y0) = at.taps, at.x_steps, at.y_steps
    k, m, blocks = at.depth * r * s, p.N * at.P * at.Q, ceil_div(at.out, mr)
    height, width = at.P, at.Q
    if xp == width * xq and yp == width * yq:  # an image is one row
        height, width, xp, yp = 1, height * width, height * xp, height * yp
    panels, units = ceil_div(m, columns), rt.info.compute_units
    chunk = ceil_div(max(1, k), ceil_div(max(1, k), space // columns))
    # pixels are split as long as work-items have enough to do, then rows, which lay the pixels out again
    work = ceil_div(_TILE_FLOPS, 2 * max(1, k) * columns * blocks * mr)
    each = ceil_div(panels, ceil_div(panels, max(work, panels * p.groups // (8 * units))))
    spans = ceil_div(panels, each)
    rows = ceil_div(blocks, max(1, min(ceil_div(4 * units, spans * p.groups), blocks // 4)))
    splits = ceil_div(blocks, rows)
    waiting = spans * splits * p.groups if k > chunk else 0
    partial = rt.empty(Spec((waiting, rows, mr, columns), accumulator(p.kind)))
    defines = p.defines(engine="simd", STEP=xq if xq < 3 else 0, YSTEP=2 if yq == 2 else 1, SPACE=space,
                        PANELS=_PANELS, **end.defines, **shape)  # fmt: skip
    rt.launch("conv", "conv2d", (spans, splits, p.groups), src.mem, _filters(rt, p, at, w, mr), partial,
              *end.operands, y, m, k, at.out, max(1, r), max(1, s), height, width, xn, xg, xc, xp, xq, xr, xs, x0,
              yn, yo, yp, yq, y0, each, rows, chunk, group=_ONE, **defines)  # fmt: skip


def _flat(info: DeviceInfo, kind: DType) -> tuple[int, int]:
    """The micro-tile for 4 output channels or fewer, as wide as the registers allow."""
    return 4, micros(info, kind)[0][0] // 4 * 2


def _space(rt: Runtime, p: Problem) -> int:
    return min(_SPACE, rt.info.local_mem // 2) // accumulator(p.kind).itemsize


def _layout(rt: Runtime, p: Problem, mr: int) -> dict[str, Any]:
    return p.defines(engine="simd_layout", V=lanes(rt.info, p.kind), MR=mr)
