"""Movement in NumPy: views, which the backend makes contiguous."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import implements


def _region(starts: Any, steps: Any, sizes: Any) -> tuple[slice, ...]:
    """The slices that take `sizes` elements from `starts` by `steps`, which may be negative."""
    out = []
    for start, step, size in zip(starts, steps, sizes, strict=True):
        stop = start + step * size
        out.append(slice(start, stop if stop >= 0 else None, step) if size else slice(0, 0))
    return tuple(out)


@implements("reshape")
def reshape(x: Any, *, shape: Any) -> Any:
    """The same memory under another shape."""
    return x.reshape(shape)


@implements("permute")
def permute(x: Any, *, dims: Any) -> Any:
    """Axis k of the result is axis dims[k] of x."""
    return x.transpose(dims)


@implements("expand")
def expand(x: Any, *, shape: Any) -> Any:
    """NumPy's broadcasting."""
    return np.broadcast_to(x, shape)


@implements("slice")
def slice_(x: Any, *, starts: Any, steps: Any, sizes: Any) -> Any:
    """Every step-th element."""
    return x[_region(starts, steps, sizes)]


@implements("place")
def place(x: Any, *, starts: Any, steps: Any, shape: Any, value: Any) -> Any:
    """x as that slice of an array which holds `value` elsewhere."""
    out = np.full(shape, value).astype(x.dtype)
    out[_region(starts, steps, x.shape)] = x
    return out


@implements("cat")
def cat(*xs: Any, dim: int) -> Any:
    """One after the other; empty vectors count for nothing."""
    return np.concatenate([x for x in xs if x.shape != (0,)] or xs, axis=dim)


@implements("roll")
def roll(x: Any, *, shift: int, dim: int) -> Any:
    """Element i goes to i + shift, around the end; a scalar stays."""
    return np.roll(x, shift, dim) if x.ndim else x


@implements("tri")
def tri(x: Any, *, diagonal: int, lower: bool) -> Any:
    """One triangle of each matrix."""
    return (np.tril if lower else np.triu)(x, diagonal)


@implements("assign")
def assign(x: Any, value: Any, *, starts: Any, steps: Any, sizes: Any) -> Any:
    """x, with `value` in that slice of it."""
    out = x.copy()
    out[_region(starts, steps, sizes)] = value
    return out
