"""The GPU engine of kernels/winograd.cl.mako: transforms through memory, matmul's tiles between them."""

from __future__ import annotations

from typing import Any

from ...dtypes import accumulator
from ...shapes import Spec
from . import matmul_tile, product
from .correlation import Problem
from .gemm import NO_EPILOGUE, Epilogue
from .runtime import Buffer, Runtime
from .winograd_tiling import Pass, backward, forward


def largest(p: Problem) -> int:
    """Elements of the largest scratch array of any of the products."""
    tiles = max(forward(p).tiles(2)[2] * 16, forward(p).tiles(4)[2] * 36,
                backward(p).tiles(2)[2] * 16, backward(p).tiles(4)[2] * 36)  # fmt: skip
    return max(tiles * max(p.C, p.O), 36 * p.C * p.O)


def _multiply(
    rt: Runtime, p: Problem, a: Buffer, b: Buffer, out: Buffer, transpose_b: bool
) -> None:
    points, m, n = out.shape
    k = a.shape[2]
    axes = ((points, m * k, k * n),)
    at = product.Problem(m, n, k, points, accumulator(p.kind), False, transpose_b, axes)
    matmul_tile.tile(rt, at, a, b, NO_EPILOGUE, out)


def _points(rt: Runtime, p: Problem, at: Pass, m: int, name: str, array: Buffer, c: int, h: int, w: int, top: int,
            left: int) -> Buffer:  # fmt: skip
    down, across, tiles = at.tiles(m)
    out = rt.empty(Spec(((m + 2) ** 2, c, tiles), accumulator(p.kind)))
    rt.launch(
        "winograd",
        name,
        (tiles, c),
        array,
        out,
        c,
        h,
        w,
        down,
        across,
        top,
        left,
        tiles,
        **_defines(p, m),
    )
    return out


def _defines(p: Problem, m: int, end: Epilogue = NO_EPILOGUE, flip: bool = False) -> dict[str, Any]:
    return p.defines(engine="phases", M=m, form="same", flip=flip, **end.defines)


def correlate(rt: Runtime, p: Problem, at: Pass, m: int, x: Buffer, w: Buffer, end: Epilogue,
              y: Buffer) -> None:  # fmt: skip
    """y = act(x correlated with w + bias + residual) by tiles of m x m."""
    kind, (down, across, tiles) = accumulator(p.kind), at.tiles(m)

    def transform(rt: Any, out: Buffer) -> None:
        rt.launch("winograd", "filters", (at.C, at.O), w, out, at.C, at.O, *at.filters,
                  **_defines(p, m, flip=at.flip))  # fmt: skip

    spec = Spec(((m + 2) ** 2, at.O, at.C), kind)
    filters = rt.derived(w, ("winograd", m, at.flip), spec, transform)
    image = _points(rt, p, at, m, "image", x, at.C, at.H, at.W, at.top, at.left)
    sums = rt.empty(Spec(((m + 2) ** 2, at.O, tiles), kind))
    _multiply(rt, p, filters, image, sums, False)
    rt.launch("winograd", "output", (tiles, at.O), sums, *end.operands, y, at.O, at.P, at.Q, down, across, tiles,
              **_defines(p, m, end))  # fmt: skip


def weight_grad(
    rt: Runtime, p: Problem, at: Pass, m: int, g: Buffer, x: Buffer, dw: Buffer
) -> None:
    """dw from g and x by tiles of m x m of g."""
    image = _points(rt, p, at, m, "image", x, at.C, at.H, at.W, at.top, at.left)
    grads = _points(rt, p, at, m, "gradient", g, at.O, at.P, at.Q, 0, 0)
    sums = rt.empty(Spec(((m + 2) ** 2, at.O, at.C), accumulator(p.kind)))
    _multiply(rt, p, grads, image, sums, True)
    rt.launch("winograd", "weights", (at.C, at.O), sums, dw, at.C, at.O, **_defines(p, m))
