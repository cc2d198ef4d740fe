"""The convolutions of kernels/_conv_tile.cl.mako: both operands staged in local memory."""

from __future__ import annotations

from typing import Any

from ...dtypes import accumulator, int32, int64
from ...shapes import Spec
from . import gemm_tile
from .correlation import Problem, Product, Source, Window, border, forward, grad_border, phases
from .discovery import DeviceInfo
from .gemm import Epilogue, ceil_div
from .gemm_tile import vector
from .runtime import MOST_GROUPS, Buffer, Runtime

_SLICES = (1, 2, 4, 8, 16, 32)


def applies(p: Problem, info: DeviceInfo) -> bool:
    """Where the smallest tile fits the local memory; few channels in a group would leave tiles empty."""
    return gemm_tile.applies(info, p.kind, windows=True) and p.whole_lanes


def tunables(p: Problem, info: DeviceInfo) -> list[dict[str, int]]:
    """Tiles that fit the device, each with several numbers of slices."""
    return [
        {**at, "slices": n} for at in gemm_tile.tiles(info, p.kind, windows=True) for n in _SLICES
    ]


def conv2d(rt: Runtime, p: Problem, x: Buffer, w: Buffer, end: Epilogue, y: Buffer) -> None:
    """The convolution itself."""
    src = _source(rt, p, x, border(p))
    _product(rt, "conv2d", p, forward(p, src), src, w, end, y)


def input_grad(rt: Runtime, p: Problem, g: Buffer, w: Buffer, end: Epilogue, dx: Buffer) -> None:
    """dx from g; also the transposed convolution."""
    src = _source(rt, p, g, grad_border(p))
    for at in phases(p, src):
        _product(rt, "conv2d_input_grad", p, at, src, w, end, dx)


def weight_grad(rt: Runtime, p: Problem, g: Buffer, x: Buffer, end: Epilogue, dw: Buffer) -> None:
    """dw from g, in slices of the pixels that are then added."""
    out, pixels, rows = p.O // p.groups, p.N * p.P * p.Q, dw.size // p.O
    src = _source(rt, p, x, border(p))
    xn, xg, xc, xp, xq, xr, xs, x0 = forward(p, src).x_steps
    area, across, down = p.P * p.Q, p.Q, p.P
    if xp == across * xq:  # the pixels of an image are one row
        down, across, xp = 1, area, 0
    flat = p.kernel == (1, 1) and xq == 1
    at, slices, depth = _sliced(rt, "conv2d_weight_grad", p, out, rows, pixels)
    sums = dw if slices == 1 else rt.empty(Spec((slices, *dw.shape), accumulator(p.kind)))
    launch = gemm_tile.launch(at, out, rows, p.groups * slices)
    rt.launch("conv", "weight_grad", launch["grid"], g, src.mem, sums, out, rows, pixels, down, across, *p.kernel,
              p.groups, depth, p.O * area, xn, xg, xc, xp, xq, xr, xs, x0, group=launch["group"],
              **_stage(p, "weight_grad", split=slices > 1, va=vector(area), vc=vector(rows),
                       vb=vector(across, xp, xn, xg, xc, x0) if flat else 1, **at))  # fmt: skip
    if slices > 1:
        _flat(rt, "add", (dw.size, 1, 1), sums, dw, dw.size, slices, **_stage(p, "layout"))


def _source(rt: Runtime, p: Problem, x: Buffer, at: Window) -> Source:
    (n, c, h, w), (h0, w0, hp, wp, inside) = x.shape, at
    if inside:
        return Source(x, h * w, w)
    padded = rt.empty(Spec((n, c, hp, wp), p.kind))
    _flat(rt, "pad", (hp * wp, min(n * c, MOST_GROUPS), 1), x, padded, n * c, h, w, hp, wp, h0, w0,
          **_stage(p, "layout"))  # fmt: skip
    return Source(padded, hp * wp, wp)


def _product(
    rt: Runtime, op: str, p: Problem, at: Product, src: Source, w: Buffer, end: Epilogue, y: Buffer
) -> None:
    (r, s), (xn, xg, xc, xp, xq, xr, xs, x0), (yn, yo, yp, yq, y0) = at.taps, at.x_steps, at.y_steps
    k, n, rows = at.depth * r * s, p.N * at.P * at.Q, ceil_div(at.out, 4) * 4
    layout, area = _stage(p, "layout"), at.P * at.Q

    def pack(rt: Runtime, packed: Buffer) -> None:
        _flat(
            rt, "pack", (rows, k, p.groups), w, packed, at.out, rows, k, r, s, *at.w_steps, **layout
        )

    def taps(rt: Runtime, offsets: Buffer) -> None:
        _flat(rt, "taps", (k, 1, 1), offsets, k, r, s, xc, xr, xs, **layout)

    key = ("conv_tile", at.out, at.depth, at.taps, at.w_steps)
    filters = rt.derived(w, key, Spec((p.groups, k, rows), p.kind), pack)
    table = Spec((k,), int64 if p.wide else int32)
    offsets = rt.derived(w, ("conv_tile taps", at.taps, at.depth, xc, xr, xs), table, taps)
    tile, slices, depth = _sliced(rt, op, p, at.out, n, k)
    launch, split = gemm_tile.launch(tile, at.out, n, p.groups * slices), slices > 1
    side_by_side = at.taps == (1, 1) and xq == 1 and xp == at.Q  # the inputs of neighbouring pixels
    vc = vector(area, yn, yo, y0) if yq == 1 and yp == at.Q else 1
    sums: tuple[Any, ...] = (*end.operands, y)
    if split:
        sums = (rt.empty(Spec((slices, p.groups, at.out, n), accumulator(p.kind))), p.groups, depth)
    rt.launch("conv", "conv2d", launch["grid"], src.mem, filters, offsets, *sums, n, k, at.out, rows, at.P, at.Q,
              xn, xg, xp, xq, x0, *at.y_steps, group=launch["group"],
              **_stage(p, "conv2d", split=split, vb=vector(area, xn, xg, xc, x0) if side_by_side else 1, vc=vc,
                       **end.defines, **tile))  # fmt: skip
    if split:
        _flat(rt, "finish", (n // vc, at.out, p.groups), sums[0], *end.operands, y, slices, n, at.out, at.P, at.Q,
              *at.y_steps, **_stage(p, "finish", vc=vc, **end.defines))  # fmt: skip


def _sliced(
    rt: Runtime, op: str, p: Problem, rows: int, columns: int, depth: int
) -> tuple[dict[str, int], int, int]:
    """The tile, how many slices of the depth, and what each sums."""
    depth = max(depth, 1)
    best = gemm_tile.split(rt.info, p.kind, rows, columns, depth, p.groups, windows=True)
    at = rt.tuned(op, "tile", p, {**best.tile, "slices": best.slices})
    each = ceil_div(depth, at.pop("slices") * at["TK"]) * at["TK"]
    return at, ceil_div(depth, each), each


def _flat(rt: Runtime, kernel: str, size: tuple[int, int, int], *args: Any, **defines: Any) -> None:
    """One work-item per element; the first axis in whole groups."""
    group = min(256, rt.info.max_group, rt.info.max_items[0])
    items = ceil_div(size[0], group) * group
    if 0 not in size:
        rt.launch("conv", kernel, (items, *size[1:]), *args, group=(group, 1, 1), **defines)


def _stage(p: Problem, stage: str, **more: Any) -> dict[str, Any]:
    return p.defines(engine="tile", stage=stage, **more)
