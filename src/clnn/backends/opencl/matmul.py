"""Host side of kernels/matmul.cl.mako: which engine runs a product."""

from __future__ import annotations

from math import prod

from .. import implements
from . import matmul_simd, matmul_skinny, matmul_thin, matmul_tile
from .algorithms import Algorithm, always, choose, not_on_cpus
from .elementwise import merge
from .gemm import Epilogue, epilogue
from .plan import planned
from .product import BATCHES, Problem
from .runtime import MOST_GROUPS, Buffer, Runtime


@implements("matmul")
@planned
def matmul(
    rt: Runtime, a: Buffer, b: Buffer, *rest: Buffer, transpose_a: bool, transpose_b: bool,
    activation: str | None = None, residual: bool = False,
) -> None:  # fmt: skip
    """act(a @ b + bias + residual)."""
    *operands, y = rest
    if y.size == 0:
        return
    (m, n), k = y.shape[-2:], a.shape[-2 if transpose_a else -1]
    batch = y.shape[:-2]
    axes: tuple[tuple[int, int, int], ...] = ()
    if prod(batch) > 1:
        sizes, _, (sa, sb) = merge([a.shape[:-2], b.shape[:-2]], batch)
        axes = tuple(zip(sizes, (s * m * k for s in sa), (s * k * n for s in sb), strict=True))
        if (
            len(axes) == 1 and axes[0][2] == 0 and not transpose_a
        ):  # one B for all: the batches are rows
            m, axes = m * axes[0][0], ()
    batches = prod(n for n, _, _ in axes)
    p = Problem(m, n, k, batches, y.dtype, transpose_a, transpose_b, axes)
    _run("matmul", rt, p, a, b, epilogue(operands, activation, residual), y)


@implements("linear")
@planned
def linear(
    rt: Runtime, x: Buffer, w: Buffer, *rest: Buffer, activation: str | None = None,
    residual: bool = False,
) -> None:  # fmt: skip
    """act(x @ w.T + bias + residual); all axes of x but the last are rows."""
    *operands, y = rest
    if y.size == 0:
        return
    n, k = w.shape
    p = Problem(y.size // n, n, k, 1, y.dtype, False, True, (), weight=True)
    _run("linear", rt, p, x, w, epilogue(operands, activation, residual), y)


def _run(op: str, rt: Runtime, p: Problem, a: Buffer, b: Buffer, end: Epilogue, y: Buffer) -> None:
    choose(op, ALGORITHMS[op], p, rt.info, rt.tuning).launch(rt, p, a, b, end, y)


def _plain(rt: Runtime, p: Problem, a: Buffer, b: Buffer, end: Epilogue, y: Buffer) -> None:
    grid = (p.N, min(p.M, MOST_GROUPS), min(p.batches, BATCHES))
    rt.launch(
        "matmul", "matmul", grid, a, b, *end.operands, y, *p.sizes, engine="plain", **p.defines(end)
    )


_ENGINES = [
    Algorithm("thin", matmul_thin.applies, matmul_thin.thin),
    Algorithm("simd", matmul_simd.applies, matmul_simd.simd, matmul_simd.tunables),
    Algorithm(
        "skinny", matmul_skinny.applies, matmul_skinny.skinny, matmul_skinny.tunables, not_on_cpus
    ),
    Algorithm(
        "split",
        matmul_tile.split_applies,
        matmul_tile.split,
        matmul_tile.split_tunables,
        not_on_cpus,
    ),
    Algorithm("tile", matmul_tile.applies, matmul_tile.tile, matmul_tile.tunables, not_on_cpus),
    Algorithm("plain", always, _plain),
]
ALGORITHMS = {"matmul": _ENGINES, "linear": _ENGINES}
