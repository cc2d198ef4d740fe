"""Host side of kernels/random.cl.mako."""

from __future__ import annotations

from math import ceil
from typing import Any

from ...dtypes import DType
from ...shapes import Shape
from .. import implements
from .elementwise import chunking
from .runtime import Buffer, Runtime


def _fill(rt: Runtime, draw: str, args: tuple[Any, ...], y: Buffer, seed: int, offset: int) -> None:
    wg, per = chunking(rt, y.size)
    chunk = max(per // 4, 1)
    items = -(-y.size // (4 * chunk))
    rt.launch(
        "random", "fill", (-(-items // wg) * wg,), *args, y, y.size, chunk, seed, offset,
        group=(wg,), draw=draw, dtype=y.dtype.code, WG=wg,
    )  # fmt: skip


@implements("uniform")
def uniform(rt: Runtime, y: Buffer, *, shape: Shape, dtype: DType, low: float, high: float, seed: int,
            offset: int) -> None:  # fmt: skip
    """Uniform numbers from [low, high)."""
    _fill(rt, "uniform", (low, high - low), y, seed, offset)


@implements("normal")
def normal(rt: Runtime, y: Buffer, *, shape: Shape, dtype: DType, mean: float, std: float, seed: int,
           offset: int) -> None:  # fmt: skip
    """Normal numbers."""
    _fill(rt, "normal", (mean, std), y, seed, offset)


@implements("randint")
def randint(rt: Runtime, y: Buffer, *, shape: Shape, dtype: DType, low: int, high: int, seed: int,
            offset: int) -> None:  # fmt: skip
    """Integers from [low, high)."""
    _fill(rt, "integer", (low, high - low), y, seed, offset)


@implements("dropout")
def dropout(rt: Runtime, x: Buffer, y: Buffer, *, p: float, seed: int, offset: int) -> None:
    """x scaled, or 0; the mask is drawn on the way."""
    threshold = min(ceil(p * 2**32), 2**32 - 1)
    _fill(rt, "dropout", (x, threshold, 1 / (1 - p)), y, seed, offset)


@implements("randperm")
def randperm(rt: Runtime, y: Buffer, *, n: int, dtype: DType, seed: int, offset: int) -> None:
    """0 to n - 1 in random order, each element on its own."""
    wg, chunk = chunking(rt, y.size)
    bits = max((n - 1).bit_length(), 2)
    items = -(-n // chunk)
    rt.launch(
        "random", "permute", (-(-items // wg) * wg,), y, n, chunk, seed, offset, bits // 2, bits - bits // 2,
        group=(wg,), draw="permutation", dtype=dtype.code, WG=wg,
    )  # fmt: skip
