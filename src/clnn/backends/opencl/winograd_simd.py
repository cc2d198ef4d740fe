"""The CPU engine of kernels/winograd.cl.mako: one launch from image to output, points in the caches."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...dtypes import accumulator
from ...shapes import Spec
from .correlation import Problem
from .gemm import Epilogue, ceil_div, lanes
from .runtime import Buffer, Runtime
from .winograd_tiling import Pass

_CHUNK = 32  # tiles transformed and multiplied at a time, so that their points stay in cache
_SPAN = 16  # tiles a work-item should have at least, for it reads all filters
_SCRATCH = 2**26  # points kept at a time, about: a device of many cores would need gigabytes
_SHARE = 64  # output channels a work-item should have at least, for it transforms the image
# Rows and vectors of a micro-tile by the lanes of a vector; in a weight gradient rows divide the lanes.
MICRO = {16: (8, 2), 8: (6, 2), 4: (8, 2), 2: (8, 2)}
GRAD_MICRO = {16: (8, 2), 8: (4, 2), 4: (4, 4), 2: (2, 4)}


class _Tiling(NamedTuple):
    """Rows of tiles; a long one falls into segments, `each` at a time fill a chunk."""

    wide: int  # tiles
    segments: int
    rows: int
    each: int


def tiling(at: Pass, m: int, spans: int, chunk: int = _CHUNK) -> _Tiling:
    """Rows of tiles shared out among `spans`, or fewer, in chunks of about `chunk` tiles."""
    outputs = at.tile(m).outputs
    across = ceil_div(at.Q, outputs)
    wide = ceil_div(across, ceil_div(across, 2 * chunk))
    segments = ceil_div(across, wide)
    rows = at.N * ceil_div(at.P, outputs) * segments
    mine = ceil_div(rows, min(spans, rows))
    chunks = ceil_div(mine, max(1, chunk // wide))
    return _Tiling(wide, segments, rows, ceil_div(mine, chunks))


def correlate(
    rt: Runtime, p: Problem, at: Pass, m: int, x: Buffer, w: Buffer, end: Epilogue, y: Buffer
) -> None:
    """y = act(x correlated with w + bias + residual) by tiles of m x m."""
    v, kind = lanes(rt.info, p.kind), accumulator(p.kind)
    mr, nv = MICRO[v]
    nv = min(nv, ceil_div(at.O, v))
    shape, nr = {"V": v, "MR": mr, "NV": nv}, nv * v
    deep, panels, points = ceil_div(at.C, v), ceil_div(at.O, nr), at.tile(m).points ** 2
    chunk = _CHUNK if at.form == "same" else _CHUNK // 2
    defines = p.defines(engine="simd", M=m, form=at.form, **shape)

    def transform(rt: Any, out: Buffer) -> None:
        rt.launch("winograd", "transform_filters", (deep, panels), w, out, at.O, at.C, *at.filters, w.size,
                  group=(1, 1), part="filters", flip=at.flip, **defines)  # fmt: skip

    spec = Spec(((m + 2) ** 2 * (panels * deep * v * nr + v),), kind)
    filters = rt.derived(w, ("winograd", m, at.form, at.flip, *shape.values()), spec, transform)
    workers, tiles = 4 * rt.info.compute_units, at.tiles(m)[2]
    most = _SCRATCH // (points * chunk * (at.C + at.O))
    spans = max(1, min(workers, tiles // _SPAN, most))
    plan = tiling(at, m, spans, chunk)
    spans = min(spans, plan.rows)
    share = ceil_div(panels, max(1, min(ceil_div(workers, spans), at.O // _SHARE)))
    splits, most = ceil_div(panels, share), ceil_div(plan.each * plan.wide, mr)
    items = spans * splits
    lines = rt.empty(Spec((items, *at.lines(m, plan.wide, v)), kind))
    image = rt.empty(Spec((items, points, most * deep * mr * v + v), kind))
    sums = rt.empty(Spec((items, points, most * share * mr * nr + v), kind))
    rt.launch("winograd", "conv2d", (spans, splits), x, filters, *end.operands, y, lines, image, sums, *at.sizes,
              plan.wide, plan.segments, plan.each, panels, share, group=(1, 1), part="conv2d", **end.defines,
              **defines)  # fmt: skip


def weight_grad(
    rt: Runtime, p: Problem, at: Pass, m: int, g: Buffer, x: Buffer, dw: Buffer
) -> None:
    """dw from g and x by tiles of m x m of g, in slices of the tiles that are then added."""
    v, kind = lanes(rt.info, p.kind), accumulator(p.kind)
    mr, nv = GRAD_MICRO[v]
    nv, points = min(nv, ceil_div(at.O, v)), at.tile(m).points ** 2
    own = min(ceil_div(_SHARE, nv * v), ceil_div(at.O, nv * v))
    share = min(ceil_div(_SHARE, v), ceil_div(at.C, v))
    blocks = (ceil_div(at.C, share * v), ceil_div(at.O, own * nv * v))
    tiles = at.tiles(m)[2]
    slices = min(
        ceil_div(4 * rt.info.compute_units, blocks[0] * blocks[1]), max(1, tiles // _CHUNK)
    )
    plan = tiling(at, m, slices)
    slices = min(slices, plan.rows)
    jobs, most = slices * blocks[0] * blocks[1], plan.each * plan.wide
    items = min(jobs, 4 * rt.info.compute_units)
    lines = rt.empty(Spec((items, *at.lines(m, plan.wide, v)), kind))
    image = rt.empty(Spec((items, points, most * share * v + v), kind))
    grads = rt.empty(Spec((items, points, most * own * nv * v + v), kind))
    sums = rt.empty(Spec((items, points, share * own * v * nv * v + v), kind))
    partial = rt.empty(Spec((slices, ceil_div(at.O, v), at.C, 9, v), kind))
    defines = p.defines(engine="grad", M=m, form=at.form, V=v, MR=mr, NV=nv)
    rt.launch("winograd", "weight_grad", (items,), g, x, partial, lines, image, grads, sums, *at.sizes,
              plan.wide, plan.segments, plan.each, share, own, slices, group=(1,), **defines)  # fmt: skip
    each = ceil_div(at.C, 4)
    rt.launch("winograd", "reduce", (ceil_div(at.C, each), ceil_div(at.O, v)), partial, dw, at.C, at.O,
              slices, each, group=(1, 1), **defines)  # fmt: skip
