"""Unfold, fold and resampling in NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import implements
from .elementwise import compute_in


def _taps(
    kernel: Any, dilation: Any, stride: Any, out: Any
) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Per tap its number, and the part of a padded image that it reads at every place."""
    for t in range(kernel[0] * kernel[1]):
        begin = (t // kernel[1] * dilation[0], t % kernel[1] * dilation[1])
        part = [
            slice(b, b + s * (n - 1) + 1, s) for b, s, n in zip(begin, stride, out, strict=True)
        ]
        yield t, (part[0], part[1])


@implements("unfold")
def unfold(x: Any, *, kernel: Any, dilation: Any, padding: Any, stride: Any, out: Any) -> Any:
    """One row per tap, one column per place."""
    n, c = x.shape[:2]
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    y = np.zeros((n, c, kernel[0] * kernel[1], *out), x.dtype)
    for t, (rows, columns) in _taps(kernel, dilation, stride, out):
        y[:, :, t] = padded[:, :, rows, columns]
    return y.reshape(n, c * kernel[0] * kernel[1], out[0] * out[1])


@implements("fold")
def fold(
    g: Any, *, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any, out: Any
) -> Any:
    """The adjoint of unfold."""
    n, c = g.shape[0], g.shape[1] // (kernel[0] * kernel[1])
    g = g.reshape(n, c, kernel[0] * kernel[1], *out)
    padded = np.zeros(
        (n, c, *(s + 2 * p for s, p in zip(size, padding, strict=True))), compute_in(g.dtype.name)
    )
    for t, (rows, columns) in _taps(kernel, dilation, stride, out):
        padded[:, :, rows, columns] += g[:, :, t].astype(padded.dtype)
    (top, left), (h, w) = padding, size
    return padded[:, :, top : top + h, left : left + w].astype(g.dtype)


def _sources(
    n: int, out: int, scale: Any, linear: bool, align: bool, kind: Any
) -> list[tuple[Any, Any]]:
    """For every place of an axis the elements it mixes, and their weights; in the precision of `kind`."""
    real = kind.type
    place = np.arange(out).astype(kind)
    step = real(1 / scale) if scale else real(n) / real(out)
    if not linear:
        return [(np.minimum(np.floor(place * step), n - 1).astype(int), np.ones(out, kind))]
    if align:
        at = place * (real(n - 1) / real(max(out - 1, 1)))
    else:
        at = np.maximum((place + real(0.5)) * step - real(0.5), 0)
    low = np.minimum(np.floor(at).astype(int), n - 1)
    share = np.clip(at - low.astype(kind), 0, 1).astype(kind)
    return [(low, 1 - share), (np.minimum(low + 1, n - 1), share)]


def _axes(image: Any, out: Any, scales: Any, linear: bool, align: bool, kind: Any) -> list[Any]:
    return [
        _sources(n, m, s, linear, align, kind) for n, m, s in zip(image, out, scales, strict=True)
    ]


@implements("resample")
def resample(x: Any, *, out: Any, scales: Any, linear: bool, align: bool) -> Any:
    """Weighted sums of the neighbours; nearest moves elements as they are."""
    kind = compute_in(x.dtype.name)
    places = kind if kind.kind == "f" else np.dtype("float32")
    rows, columns = _axes(x.shape[-2:], out, scales, linear, align, places)
    if not linear:
        return x[..., rows[0][0][:, None], columns[0][0]]
    dtype, x = x.dtype, x.astype(kind)
    mixed = [sum(x[..., at[:, None], c] * u for c, u in columns) * v[:, None] for at, v in rows]
    return sum(mixed).astype(dtype)


@implements("resample_grad")
def resample_grad(g: Any, *, size: Any, scales: Any, linear: bool, align: bool) -> Any:
    """Every place gives its neighbours their share."""
    kind = compute_in(g.dtype.name)
    rows, columns = _axes(size, g.shape[-2:], scales, linear, align, kind)
    y = np.zeros((*g.shape[:-2], *size), kind)
    planes = (slice(None),) * (g.ndim - 2)
    for at, v in rows:
        for c, u in columns:
            np.add.at(y, (*planes, at[:, None], c), g.astype(kind) * v[:, None] * u)
    return y.astype(g.dtype)
