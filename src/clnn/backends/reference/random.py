"""Random numbers in NumPy: Philox, and what is made of its words."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import implements
from .elementwise import compute_in

_LOW = 0xFFFFFFFF
_ROUNDS = 12  # of the Feistel network


def philox(block: Any, c2: Any, c3: Any, seed: int) -> Any:
    """The four words of each counter (block low, block high, c2, c3); Salmon et al., SC 2011."""
    block = np.asarray(block, np.uint64)
    c0, c1 = block & _LOW, block >> np.uint64(32)
    c2, c3 = (np.broadcast_to(np.asarray(c, np.uint64), block.shape) for c in (c2, c3))
    k0, k1 = seed & _LOW, seed >> 32
    for _ in range(10):
        a, b = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & _LOW, (a >> 32) ^ c3 ^ k1, a & _LOW
        k0, k1 = (k0 + 0x9E3779B9) & _LOW, (k1 + 0xBB67AE85) & _LOW
    return np.stack([c0, c1, c2, c3], axis=-1)


def words(n: int, seed: int, offset: int, stream: int = 0) -> Any:
    """The first n words from block `offset` on, as uint64, filled up to whole blocks."""
    blocks = np.arange(-(-n // 4), dtype=np.uint64) + np.uint64(offset)
    return philox(blocks, stream, 0, seed).reshape(-1)


def unit(high: Any, low: Any, dtype: Any) -> Any:
    """Numbers in [0, 1) with as many bits as the mantissa of `dtype`, so that none rounds to 1."""
    if dtype == "float64":
        return (high >> 5) * 2.0**-27 + (low >> 6) * 2.0**-53
    bits = {"float16": 11, "bfloat16": 8}.get(dtype, 24)
    return ((high >> (32 - bits)) * 2.0**-bits).astype(np.float32)


@implements("uniform")
def uniform(*, shape: Any, dtype: Any, low: float, high: float, seed: int, offset: int) -> Any:
    """low + (high - low) * u, rounded after each operation."""
    n, real = int(np.prod(shape)), compute_in(dtype).type
    u = unit(words(n, seed, offset), words(n, seed, offset, 1), dtype)[:n]
    return (real(low) + real(high - low) * u).astype(str(dtype)).reshape(shape)


@implements("normal")
def normal(*, shape: Any, dtype: Any, mean: float, std: float, seed: int, offset: int) -> Any:
    """Two normal numbers from each pair of uniform ones (Box and Muller 1958)."""
    n, real = int(np.prod(shape)), compute_in(dtype).type
    a, b = (words(n, seed, offset, stream).reshape(-1, 2) for stream in (0, 1))
    if dtype == "float64":
        u, v = unit(a[:, 0], b[:, 0], dtype) + 2.0**-54, unit(a[:, 1], b[:, 1], dtype)
    else:
        u = a[:, 0].astype(np.float32) * np.float32(2**-32) + np.float32(2**-33)
        v = unit(a[:, 1], b[:, 1], "float32")
    radius = np.sqrt(-2 * np.log(u.astype(np.float64)))
    angle = 2 * np.pi * v.astype(np.float64)
    z = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1)[:n]
    return (real(mean) + real(std) * z.astype(real)).astype(str(dtype)).reshape(shape)


@implements("randint")
def randint(*, shape: Any, dtype: Any, low: int, high: int, seed: int, offset: int) -> Any:
    """low + 64 random bits modulo the number of values; the bias is below one in 2^64 / that number."""
    n = int(np.prod(shape))
    drawn = words(n, seed, offset) << np.uint64(32) | words(n, seed, offset, 1)
    values = (drawn[:n] % np.uint64(high - low)).astype(np.int64) + np.int64(low)
    return values.astype(compute_in(dtype)).astype(str(dtype)).reshape(shape)


@implements("randperm")
def randperm(*, n: int, dtype: Any, seed: int, offset: int) -> Any:
    """A Feistel network with Philox as round function, walked until the result is below n."""
    bits = max((n - 1).bit_length(), 2)
    left_bits, right_bits = bits // 2, bits - bits // 2
    out = np.arange(n, dtype=np.uint64)
    todo = np.arange(n)
    while todo.size:
        left, right = out[todo] >> right_bits, out[todo] & (2**right_bits - 1)
        block = np.full(todo.shape, offset, np.uint64)
        for r in range(0, _ROUNDS, 2):
            left = left ^ philox(block, right, r + 1, seed)[:, 0] & (2**left_bits - 1)
            right = right ^ philox(block, left, r + 2, seed)[:, 0] & (2**right_bits - 1)
        out[todo] = left << right_bits | right
        todo = todo[out[todo] >= n]
    return out.astype(compute_in(dtype)).astype(str(dtype))


@implements("dropout")
def dropout(x: Any, *, p: float, seed: int, offset: int) -> Any:
    """x / (1 - p) where a random word reaches the fraction p of its range, else 0."""
    real = compute_in(x.dtype.name).type
    keep = (words(x.size, seed, offset)[: x.size] >= p * 2**32).reshape(x.shape)
    return np.where(keep, x.astype(real) * real(1 / (1 - p)), real(0)).astype(x.dtype)
