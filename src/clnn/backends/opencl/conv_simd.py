"""The convolutions of kernels/_conv_simd*.cl.mako: panels of pixels laid out in cache, filters packed once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

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
    meeting,
    phases,
    runs,
)
from .discovery import DeviceInfo
from .gemm import NO_EPILOGUE, Epilogue, ceil_div, lanes, micro, micros, simd_fits
from .runtime import Buffer, Runtime
from .streaming import streams

_SPACE = 2**17  # bytes of local memory for panels: they stay in a core's second-level cache
_PANELS = 16  # of them, at most
# Blocks of rows that are too few for laying pixels out to pay, unless they come in short runs, of many channels.
_FEW, _SHORT, _MANY = 16, 512, 640
_LEAST = 2**15  # bytes of local memory, half of which is for where they come from
_KC = 512  # pixels of the output gradient multiplied at a time
_WIDE = 4  # panels of it, at most
# What work-items cost: cycles of a launch, and to lay a vector out, twice that where it was not fetched before; to
# read a block again, as a part of multiplying it; and how much of a work-item processors wait for each other.
_LAUNCH, _LAYING, _READ, _UNEVEN = 5000, 16, 0.1, 0.15
# The weight gradient's: to turn a vector, to read a tile of x, to keep a vector's sum for later, to add a slice's.
_TURNING, _STREAMING, _KEEPING, _ADDING = 12, 5, 8, 20
_SLICE = 256  # pixels a slice of the weight gradient sums at least
_PAST = (
    2**23
)  # bytes of a result that passes the caches by: writing it there first costs up to a tenth
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
    if p.stride == (1, 1):
        src = _source(rt, p, g, grad_border(p))
        _product(rt, "conv2d_input_grad", p, next(phases(p, src)), src, w, end, dx)
    elif _skips(p) and end == NO_EPILOGUE:
        met = _met(p)
        out = rt.empty(Spec((p.N, p.C, p.P, p.Q), p.kind))
        src = _source(rt, p, g, grad_border(met))
        _product(rt, "conv2d_input_grad", p, next(phases(met, src)), src, w, end, out)
        _planes(rt, p, "spread", out, dx)
    else:
        _merged(rt, p, g, w, end, dx)


class _Phases(NamedTuple):
    """Of a data gradient with a stride, whose rows are the channels of each phase."""

    met: tuple[tuple[tuple[int, int], ...], ...] = ((),)  # runs of the window's taps
    taps: Shape = ()  # stride, kernel, dilation, and the tap that the first output and place of the window meet


_NO_PHASES = _Phases()


def _merged(rt: Runtime, p: Problem, g: Buffer, w: Buffer, end: Epilogue, dx: Buffer) -> None:
    """dx with the phases of the stride as channels of one product, which are then merged."""
    down, across = map(meeting, p.kernel, p.stride, p.padding, p.dilation)
    (sh, sw), depth, channels = p.stride, p.O // p.groups, p.C // p.groups
    height, width = ceil_div(p.H, sh), ceil_div(p.W, sw)
    border = Window(
        down.first, across.first, height + down.taps - 1, width + across.taps - 1, False
    )
    src = _source(rt, p, g, border)
    at = Product(
        height, width, depth, (down.taps, across.taps), channels, (0,) * 6,
        (p.O * src.plane, depth * src.plane, src.plane, src.pitch, 1, src.pitch, 1, 0),
        (p.C * sh * sw * height * width, height * width, width, 1, 0),
    )  # fmt: skip
    starts = (p.padding[0] - sh * down.first, p.padding[1] - sw * across.first)
    each_phase = _Phases(runs(down, across), (*p.stride, *p.kernel, *p.dilation, *starts))
    out = rt.empty(Spec((p.N, sh * sw * p.C, height, width), p.kind))
    _product(rt, "conv2d_input_grad", p, at, src, w, end, out, each_phase)
    planes = p.N * p.C
    each = _planes_each(rt, planes, p.H * p.W)
    rt.launch("conv", "merge", (ceil_div(planes, each), 1, 1), out, dx, planes, each, channels, height, width,
              p.H, p.W, sh, sw, group=_ONE, **_layout(rt, p, micros(rt.info, p.kind)[0][0]))  # fmt: skip


def weight_grad(rt: Runtime, p: Problem, g: Buffer, x: Buffer, end: Epilogue, dw: Buffer) -> None:
    """dw from g, in slices of the pixels that are then added."""
    out, pixels, rows, kind = p.O // p.groups, p.N * p.P * p.Q, dw.size // p.O, accumulator(p.kind)
    read, src = _reading(rt, p, x)
    steps, dl, dm = forward(read, src).x_steps, rows, 1
    turned = g
    area = p.P * p.Q
    if p.kernel == (1, 1) and p.kind == kind and src.plane == area and rows < out:
        # lanes are turned on the fly, rows are not
        src, turned = Source(g, area, p.Q), src.mem
        steps = (p.O * area, out * area, area, p.Q, 1, 0, 0, 0)
        out, rows, dl, dm = rows, out, 1, rows
    shape = rt.tuned("conv2d_weight_grad", "simd", p, micro(rt.info, p.kind, out, rows))
    mr, columns, units = shape["MR"], shape["NV"] * shape["V"], rt.info.compute_units
    panels, space = ceil_div(out, columns), _space(rt, p)
    at = _grad_shares(
        panels, ceil_div(rows, mr), p.groups, units, pixels, mr, shape["NV"], space // columns
    )
    span, depth = at.tiles * mr, max(1, ceil_div(pixels, at.slices))
    slices = ceil_div(pixels, depth)  # none, if there are no pixels
    partial = rt.empty(Spec((slices, p.groups, panels, rows, columns), kind))
    defines = p.defines(engine="simd_grad", SPACE=space, **shape)
    passes = ceil_div(depth, min(_KC, space // (at.wide * columns)))
    chunk = ceil_div(depth, passes)
    grid = (ceil_div(rows, span), ceil_div(panels, at.wide) * p.groups, slices)
    rt.launch("conv", "weight_grad", grid, src.mem, turned, partial, dw, rows, pixels, out, *p.kernel, p.groups, panels,
              p.P, p.Q, *steps, dl, dm, span, at.wide, depth, chunk, group=_ONE, **defines)  # fmt: skip
    if slices != 1:
        parts, v = ceil_div(4 * units, panels * p.groups), shape["V"]
        span = ceil_div(ceil_div(rows, parts), v) * v
        rt.launch("conv", "reduce", (panels, p.groups, ceil_div(rows, span)), partial, dw, rows, out, dl, dm, slices,
                  span, group=_ONE, **defines)  # fmt: skip


class _GradShares(NamedTuple):
    """Panels beside each other and tiles of rows of a work-item, and slices of the pixels."""

    wide: int
    tiles: int
    slices: int


@lru_cache(4096)
def _grad_shares(
    panels: int, tiles: int, groups: int, units: int, pixels: int, mr: int, nv: int, space: int
) -> _GradShares:
    """The least time by a model like that of _shares; `space` pixels of a panel fit."""

    def cost(at: _GradShares) -> float:
        depth = ceil_div(pixels, at.slices)
        kept = ceil_div(depth, min(_KC, space // at.wide)) * at.tiles * at.wide * mr * nv * _KEEPING
        item = kept + depth * (at.wide * nv * (_TURNING + at.tiles * mr) + at.tiles * _STREAMING)
        adding = panels * tiles * mr * nv * groups * at.slices * _ADDING if at.slices > 1 else 0
        items = ceil_div(panels, at.wide) * ceil_div(tiles, at.tiles) * at.slices * groups
        return (ceil_div(items, units) + _UNEVEN) * (_LAUNCH + item) + adding / units

    items = max(1, 8 * units)
    found = []
    for wide in range(1, min(panels, _WIDE, space) + 1):
        across = ceil_div(panels, wide) * groups
        for spans in range(1, max(1, min(tiles, items // across)) + 1):
            for slices in range(1, max(1, min(pixels // _SLICE, items // (across * spans))) + 1):
                depth = max(1, ceil_div(pixels, slices))
                found.append(
                    _GradShares(wide, ceil_div(tiles, spans), max(1, ceil_div(pixels, depth)))
                )
    return min(found, key=cost)


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
    each = _planes_each(rt, n * c, height * width)
    rt.launch("conv", kernel, (ceil_div(n * c, each), 1, 1), x, out, n * c, each, h, w, height, width, *at,
              group=_ONE, **_layout(rt, p, micros(rt.info, p.kind)[0][0]))  # fmt: skip


def _planes_each(rt: Runtime, planes: int, size: int) -> int:
    """Planes that a work-item copies."""
    return max(1, min(4096 // size, ceil_div(planes, 4 * rt.info.compute_units)))


def _filters(rt: Runtime, p: Problem, at: Product, w: Buffer, mr: int, each: _Phases) -> Buffer:
    (r, s), blocks = at.taps, ceil_div(at.out, mr) * len(each.met)

    def pack(rt: Runtime, out: Buffer) -> None:
        layout, grid = _layout(rt, p, mr), (ceil_div(at.out, mr), p.groups, 1)
        if each.taps:
            rt.launch("conv", "pack_phases", grid, w, out, at.out, at.depth, r, s, *each.taps, group=_ONE,
                      **layout)  # fmt: skip
        else:
            rt.launch("conv", "pack_filters", grid, w, out, at.out, at.depth, r, s, *at.w_steps, group=_ONE,
                      **layout)  # fmt: skip

    key = ("conv_simd", mr, at.taps, at.depth, at.out, at.w_steps, each)
    spec = Spec((p.groups, blocks, at.depth * r * s, mr), accumulator(p.kind))
    return rt.derived(w, key, spec, pack)


class _Shares(NamedTuple):
    """Panels and blocks of rows of a work-item, and work-items along each."""

    panels: int
    blocks: int
    spans: int
    splits: int


@lru_cache(4096)
def _shares(
    panels: int, blocks: int, groups: int, units: int, wide: int, cycles: float, laying: float
) -> _Shares:
    """The least time by a model: all processors should end together, having read and laid out little twice.

    `cycles` is what a block costs a panel, `laying` what laying that out does; blocks are read again after every
    `wide` panels.
    """

    def cost(at: _Shares) -> float:
        read = ceil_div(at.panels, wide) * at.blocks * _READ
        laid = at.panels + min(at.panels, wide)
        item = _LAUNCH + cycles * (at.blocks * at.panels + read) + laying * laid
        return (ceil_div(at.spans * at.splits * groups, units) + _UNEVEN) * item

    def share(spans: int, splits: int) -> _Shares:
        each, rows = ceil_div(panels, spans), ceil_div(blocks, splits)
        return _Shares(each, rows, ceil_div(panels, each), ceil_div(blocks, rows))

    most = 8 * units + 48  # shares that are tried: of few processors each may have many
    return min((share(a, b) for a in range(1, min(panels, most) + 1)
                for b in range(1, min(blocks, most // a) + 1)), key=cost)  # fmt: skip


def _product(
    rt: Runtime, op: str, p: Problem, at: Product, src: Source, w: Buffer, end: Epilogue, y: Buffer,
    each_phase: _Phases = _NO_PHASES,
) -> None:  # fmt: skip
    mr, nv = _flat(rt.info, p.kind) if at.out <= 4 else micros(rt.info, p.kind)[0]
    shape = rt.tuned(op, "simd", p, {"V": lanes(rt.info, p.kind), "MR": mr, "NV": nv})
    mr, columns, space = shape["MR"], shape["NV"] * shape["V"], _space(rt, p)
    (r, s), (xn, xg, xc, xp, xq, xr, xs, x0) = at.taps, at.x_steps
    met, times = each_phase.met if each_phase.taps else (), len(each_phase.met)
    k, m, blocks = max(1, at.depth * r * s), p.N * at.P * at.Q, ceil_div(at.out, mr) * times
    inner, steps = ((s, at.depth), (xr, xs, xc)) if each_phase.taps else ((r, s), (xc, xr, xs))
    height, width = at.P, at.Q
    if xp == width * xq:  # an image is one row
        height, width, xp = 1, height * width, height * xp
    chunk = ceil_div(k, ceil_div(k, space // columns))
    few = blocks <= _FEW and r * s == xq == 1 and not each_phase.taps
    most = 1 if few else _PANELS
    wide = max(1, min(most, space // columns // chunk))
    taken = sum(b - a for of in met for a, b in of) / (r * s * times) if met else 1.0
    each, rows, spans, splits = _shares(
        ceil_div(m, columns), blocks, p.groups, rt.info.compute_units, wide,
        taken * k * mr * shape["NV"], k * shape["NV"] * _LAYING,
    )  # fmt: skip
    waiting = spans * splits * p.groups if k > chunk else 0
    partial = rt.empty(Spec((waiting, rows, mr, columns), accumulator(p.kind)))
    defines = p.defines(engine="simd", STEP=xq if xq < 3 else 0, SPACE=space, PANELS=most, PHASES=met,
                        FEW=few, **end.defines, **shape)  # fmt: skip
    direct = [int(k <= _MANY or width >= _SHORT)] if few else []
    rt.launch("conv", "conv2d", (spans, splits, p.groups), src.mem, _filters(rt, p, at, w, mr, each_phase), partial,
              *end.operands, y, m, at.depth * r * s, at.out * times, *(max(1, n) for n in inner), height, width, xn,
              xg, steps[0], xp, xq, *steps[1:], x0, each, rows, chunk,
              int(streams(rt.info, y.spec, _PAST)), *direct, group=_ONE, **defines)  # fmt: skip


def _flat(info: DeviceInfo, kind: DType) -> tuple[int, int]:
    """The micro-tile for 4 output channels or fewer, as wide as the registers allow."""
    return 4, micros(info, kind)[0][0] // 4 * 2


def _space(rt: Runtime, p: Problem) -> int:
    return min(_SPACE, rt.info.local_mem // 2) // accumulator(p.kind).itemsize


def _layout(rt: Runtime, p: Problem, mr: int) -> dict[str, Any]:
    return p.defines(engine="simd_layout", V=lanes(rt.info, p.kind), MR=mr)
