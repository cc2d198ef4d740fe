"""Indexing in NumPy. Arrays are seen as (outer, rows, inner) around the indexed axis."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import implements
from .elementwise import compute_in


def _around(x: Any, dim: int) -> Any:
    """x as (outer, rows, inner); a scalar has one row."""
    return x.reshape(prod(x.shape[:dim]), prod(x.shape[dim : dim + 1]), prod(x.shape[dim + 1 :]))


def _shared(index: Any, like: Any) -> Any:
    """A flat index for all rows of `like`, as an index for every element."""
    return np.broadcast_to(index.reshape(1, -1, 1), (like.shape[0], index.size, like.shape[2]))


def _inside(index: Any, rows: int) -> tuple[Any, Any]:
    """Where an index is in range, and the index with 0 where it is not."""
    inside = (index >= 0) & (index < rows)
    return inside, np.where(inside, index, 0)


def _read(x: Any, index: Any) -> Any:
    """x[o, index[o, i, d], d]; NaN, or 0 of an integer dtype, where the index is out of range."""
    inside, at = _inside(index, x.shape[1])
    missing = np.asarray(np.nan if x.dtype.kind not in "iub" else 0).astype(x.dtype)
    if not x.shape[1]:
        return np.full(index.shape, missing)
    return np.where(inside, np.take_along_axis(x, at, 1), missing)


def _sum(g: Any, index: Any, rows: int, dtype: Any) -> Any:
    """y[o, index[o, i, d], d] += g[o, i, d], for i in ascending order."""
    y = np.zeros((g.shape[0], rows, g.shape[2]), compute_in(dtype.name))
    o, i, d = np.nonzero((index >= 0) & (index < rows))
    np.add.at(y, (o, index[o, i, d], d), g[o, i, d].astype(y.dtype))
    return y.astype(dtype)


@implements("flat_index")
def flat_index(high: Any, low: Any, *, size: int) -> Any:
    """high * size + low with low counted from the end where negative; -1 where either is out of range."""
    high, low = np.asarray(high, np.int64), np.asarray(low, np.int64)
    outside = (high < 0) | (low < -size) | (low >= size)
    return np.where(outside, -1, high * size + np.where(low < 0, low + size, low))


@implements("take")
def take(x: Any, index: Any, *, dim: int, skip: int) -> Any:
    """x[:, .., index, .., :]."""
    rows = _around(x, dim)
    y = _read(rows, _shared(index, rows))
    return y.reshape(x.shape[:dim] + index.shape + x.shape[dim + 1 :])


@implements("take_grad")
def take_grad(g: Any, index: Any, *, dim: int, size: int, skip: int) -> Any:
    """Rows of g summed by index; the row `skip` stays 0."""
    shape = (*g.shape[:dim], size, *g.shape[dim + index.ndim :])
    flat = g.reshape(prod(shape[:dim]), index.size, prod(shape[dim + 1 :]))
    index = np.where(index == skip, -1, index)
    return _sum(flat, _shared(index, flat), size, g.dtype).reshape(shape)


@implements("gather")
def gather(x: Any, index: Any, *, dim: int) -> Any:
    """x read at `index` along one axis."""
    return _read(_around(x, dim), _around(index, dim)).reshape(index.shape)


@implements("gather_grad")
def gather_grad(g: Any, index: Any, *, dim: int, size: int) -> Any:
    """Elements of g summed by index along one axis."""
    y = _sum(_around(g, dim), _around(index, dim), size, g.dtype)
    return y.reshape((*g.shape[:dim], size, *g.shape[dim + 1 :]) if g.ndim else ())


@implements("scatter")
def scatter(x: Any, index: Any, src: Any, *, dim: int) -> Any:
    """x with src written at `index` along one axis, and which position wrote there last (-1: none)."""
    y, at = _around(x.copy(), dim), _around(index, dim)
    winner = np.full(y.shape, -1, np.int32)
    o, i, d = np.nonzero((at >= 0) & (at < y.shape[1]))
    np.maximum.at(winner, (o, at[o, i, d], d), i.astype(np.int32))
    won = np.nonzero(winner >= 0)
    if isinstance(src, np.ndarray):
        y[won] = _around(src, dim)[won[0], winner[won], won[2]]
    else:
        y[won] = src
    return y.reshape(x.shape), winner.reshape(x.shape)


@implements("scatter_grad")
def scatter_grad(g: Any, winner: Any, index: Any, *, dim: int) -> Any:
    """The gradient of what was written, for those that wrote last."""
    g, winner, at = _around(g, dim), _around(winner, dim), _around(index, dim)
    inside, at = _inside(at, g.shape[1])
    won = inside & (np.take_along_axis(winner, at, 1) == np.arange(at.shape[1])[:, None])
    return np.where(won, np.take_along_axis(g, at, 1), 0).astype(g.dtype).reshape(index.shape)


@implements("one_hot")
def one_hot(index: Any, *, num_classes: int) -> Any:
    """1 at the index, 0 elsewhere."""
    return (index[..., None] == np.arange(num_classes)).astype(np.int64)


@implements("positions")
def positions(mask: Any, *, count: int) -> Any:
    """The flat positions of the set elements."""
    return np.flatnonzero(mask).astype(np.int64)
