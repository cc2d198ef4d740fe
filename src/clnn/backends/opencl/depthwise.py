"""Host side of kernels/depthwise.cl.mako: convolutions whose groups have few channels."""

from __future__ import annotations

from math import prod
from typing import Any

from ...dtypes import accumulator
from ...shapes import Shape, Spec
from .correlation import Problem
from .discovery import DeviceInfo
from .gemm import Epilogue, ceil_div, lanes
from .runtime import MOST_GROUPS, Buffer, Runtime

_UNROLLED = 32  # taps written out; more make for more code than it gains
_WIDEST = 64  # taps of a row, and all taps of a strided gradient: always written out
_SUMS = 25  # taps that a weight gradient sums at a time: they stay in registers
_BLOCK = 7  # rows of a block, whose inputs are loaded once
_ITEM_FLOPS = 200_000  # a work-item of a CPU does no less, or starting it costs more


def applies(p: Problem, info: DeviceInfo) -> bool:
    """Whether groups have too few channels to fill lanes with, and the taps can be written out."""
    strided = prod(p.kernel) if p.stride != (1, 1) else p.kernel[1]
    few = p.groups > 1 and min(p.C, p.O) // p.groups < 8
    return few and p.kind.is_floating_point and strided <= _WIDEST


def conv2d(rt: Runtime, p: Problem, x: Buffer, w: Buffer, end: Epilogue, y: Buffer) -> None:
    """The convolution itself."""
    at = {"top": -p.padding[0], "left": -p.padding[1]}
    _images(rt, "conv2d", p, x, w, end, y, (p.P, p.Q), **at, phase=(0, 0))


def input_grad(rt: Runtime, p: Problem, g: Buffer, w: Buffer, end: Epilogue, dx: Buffer) -> None:
    """dx from g; also the transposed convolution."""
    (ph, pw), (sh, sw) = p.padding, p.stride
    blocks = (ceil_div(p.H, sh), ceil_div(p.W, sw))
    _images(
        rt, "input_grad", p, g, w, end, dx, blocks, ph // sh, pw // sw, phase=(ph % sh, pw % sw)
    )


def _images(rt: Runtime, what: str, p: Problem, x: Buffer, w: Buffer, end: Epilogue, y: Buffer, blocks: Shape,
            top: int, left: int, **more: Any) -> None:  # fmt: skip
    planes, channels = y.shape[0] * y.shape[1], y.shape[1]
    outs, ins, taps = channels // p.groups, x.shape[1] // p.groups, prod(p.kernel)
    tall = taps > _UNROLLED and (what == "conv2d" or p.stride == (1, 1))
    v, r = _lanes(rt, p, blocks[1]), _rows(blocks[0], 1 if what == "conv2d" else p.stride[0], taps)
    items = planes * blocks[1] * ceil_div(blocks[0], r)
    each, grid = 1, (ceil_div(items, rt.wg) * rt.wg, 1, 1)
    if v > 1:
        each, spans = _share(rt, planes, 2 * y.size // planes * taps * ins, blocks[0] // r)
        grid = (ceil_div(planes, each), spans, 1)
    rt.launch("depthwise", what, grid, x, w, *end.operands, y, planes, each, x.size, channels, outs, ins,
              *x.shape[2:], *y.shape[2:], *blocks, top, left, group=(rt.wg, 1, 1),
              **_defines(rt, p, what, v, R=r, deep=ins > 1, tall=tall, **end.defines, **more))  # fmt: skip


def weight_grad(rt: Runtime, p: Problem, g: Buffer, x: Buffer, end: Epilogue, dw: Buffer) -> None:
    """dw from g, in slices of the rows of all images that are then added."""
    (kh, kw), rows, v = p.kernel, p.N * p.P, _lanes(rt, p, p.Q)
    taps = p.kernel if kh * kw <= _SUMS else (max(1, _SUMS // min(kw, 8)), min(kw, 8))
    tiles, filters = ceil_div(kh, taps[0]) * ceil_div(kw, taps[1]), dw.size // (kh * kw)
    r = _BLOCK // p.stride[0] if v > 1 and prod(taps) <= 9 and p.P > 1 else 1
    slices = max(1, min(ceil_div(4 * rt.info.compute_units, filters * tiles), rows * p.Q // 2048))
    depth = max(1, ceil_div(rows, slices))
    slices = max(1, ceil_div(rows, depth))
    each = _share(rt, filters, 2 * depth * p.Q * prod(taps), 1)[0] if v > 1 else 1
    whole = slices == 1 and accumulator(p.kind) is p.kind
    out = dw if whole else rt.empty(Spec((slices, *dw.shape), accumulator(p.kind)))
    rt.launch("depthwise", "weight_grad", (ceil_div(filters, each) * rt.wg, slices, tiles), g, x, out, filters, each,
              x.size, g.size, p.O, p.O // p.groups, dw.shape[1], rows, depth, p.H, p.W, p.P, p.Q, -p.padding[0],
              -p.padding[1], group=(rt.wg, 1, 1),
              **_defines(rt, p, "weight_grad", v, R=r, taps=taps))  # fmt: skip
    if not whole:
        rt.launch(
            "depthwise", "sum", (dw.size,), out, dw, dw.size, slices, what="sum", dtype=p.kind.code
        )


def _defines(rt: Runtime, p: Problem, what: str, v: int, **more: Any) -> dict[str, Any]:
    return p.defines(what=what, K=p.kernel, S=p.stride, D=p.dilation, V=v, WG=rt.wg, **more)


def _lanes(rt: Runtime, p: Problem, columns: int) -> int:
    """Lanes for rows of so many columns: no more than half of them idle, where there is a choice."""
    if rt.info.kind != "cpu":
        return 1
    v = lanes(rt.info, p.kind)
    while v > 4 and columns <= v // 2:
        v //= 2
    return v


def _rows(rows: int, stride: int, taps: int) -> int:
    """Rows of a block, whose inputs are loaded once."""
    return 1 if rows == 1 or stride > 1 or taps > _UNROLLED else _BLOCK


def _share(rt: Runtime, things: int, flops: int, spans: int) -> tuple[int, int]:
    """How many things a work-item of a CPU does, and in how many spans each is split."""
    wanted = 8 * rt.info.compute_units
    each = max(1, min(things // wanted, _ITEM_FLOPS // max(flops, 1)))
    most = max(1, min(spans, things * flops // _ITEM_FLOPS, MOST_GROUPS))
    return each, max(1, min(most, ceil_div(wanted, things)))
