"""Host side of kernels/spatial.cl.mako: unfold, fold, and resampling by tables made once per axis."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ...shapes import Shape
from .. import implements
from .movement import flat_grid
from .runtime import Buffer, Runtime


def _launch(rt: Runtime, kind: str, arrays: tuple[Buffer, ...], image: Shape, places: Shape, *more: int,
            **defines: Any) -> None:  # fmt: skip
    """Launch over the elements of the last array; image and places are (rows, columns)."""
    y = arrays[-1]
    if y.size:
        grid, group, chunk = flat_grid(rt, y.size)
        rt.launch("spatial", kind, grid, *arrays, y.size, chunk, *image, *places, *more, group=group, kind=kind,
                  WG=group[0], size=y.dtype.itemsize, **defines)  # fmt: skip


@implements("unfold")
def unfold(rt: Runtime, x: Buffer, y: Buffer, *, kernel: Shape, dilation: Shape, padding: Shape, stride: Shape,
           out: Shape) -> None:  # fmt: skip
    """Copy a row of places at a time."""
    _launch(rt, "unfold", (x, y), x.shape[-2:], out, *padding, K=kernel, S=stride, D=dilation)


@implements("fold")
def fold(rt: Runtime, g: Buffer, y: Buffer, *, size: Shape, kernel: Shape, dilation: Shape, padding: Shape,
         stride: Shape, out: Shape) -> None:  # fmt: skip
    """Sum, for every pixel, what the windows over it hold."""
    _launch(
        rt, "fold", (g, y), size, out, *padding, dtype=y.dtype.code, K=kernel, S=stride, D=dilation
    )


@lru_cache(64)
def _table(rt: Runtime, n: int, out: int, scale: float | None, linear: bool, align: bool,
           kind: str) -> tuple[Buffer, Buffer]:  # fmt: skip
    """For an axis of n elements made `out`: the two sources of each place and the places of each source; weights.

    torch's rules: corners aligned, place p is at p * (n - 1) / (out - 1), else at (p + 1/2) * n / out - 1/2
    (nearest: p * n / out), where a scale factor replaces out / n. In the precision of the weights.
    """
    real = np.dtype(kind).type
    place = np.arange(out, dtype=kind)
    step = real(1 / scale) if scale else real(n) / real(out)
    if not linear:
        low = high = np.minimum(np.floor(place * step), n - 1).astype(np.int32)
        weight = np.zeros(out, kind)
    else:
        if align:
            source = place * (real(n - 1) / real(max(out - 1, 1)))
        else:
            source = np.maximum((place + real(0.5)) * step - real(0.5), 0)
        low = np.minimum(source.astype(np.int32), n - 1)
        high = np.minimum(low + 1, n - 1)
        weight = np.clip(source - low.astype(kind), 0, 1).astype(kind)
    inputs = np.arange(n)
    first, end = np.searchsorted(high, inputs, "left"), np.searchsorted(low, inputs, "right")
    table = np.concatenate([low, high, first, end]).astype(np.int32)
    return rt.upload(table), rt.upload(weight)


def _tables(rt: Runtime, x: Buffer, image: Shape, out: Shape, scales: tuple[float | None, ...], linear: bool,
            align: bool) -> tuple[Buffer, ...]:  # fmt: skip
    """Sources per axis; of linear resampling also the weights."""
    kind = "float64" if x.dtype == "float64" else "float32"
    axes = [
        _table(rt, n, m, s, linear, align, kind) for n, m, s in zip(image, out, scales, strict=True)
    ]
    return tuple(
        part for parts in list(zip(*axes, strict=True))[: 2 if linear else 1] for part in parts
    )


@implements("resample")
def resample(rt: Runtime, x: Buffer, y: Buffer, *, out: Shape, scales: tuple[float | None, ...], linear: bool,
             align: bool) -> None:  # fmt: skip
    """Mix four neighbours, or take one."""
    if y.size:
        tables = _tables(rt, x, x.shape[-2:], out, scales, linear, align)
        dtype = {"dtype": y.dtype.code} if linear else {}
        _launch(rt, "resample", (x, *tables, y), x.shape[-2:], out, linear=linear, **dtype)


@implements("resample_grad")
def resample_grad(rt: Runtime, g: Buffer, y: Buffer, *, size: Shape, scales: tuple[float | None, ...], linear: bool,
                  align: bool) -> None:  # fmt: skip
    """Sum the places that an element has a share in."""
    if prod(g.shape):
        out = g.shape[-2:]
        tables = _tables(rt, g, size, out, scales, linear, align)
        _launch(rt, "resample_grad", (g, *tables, y), size, out, linear=linear, dtype=y.dtype.code)
