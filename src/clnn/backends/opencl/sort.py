"""Host side of kernels/sort.cl.mako: stable order of keys, and the positions of set elements."""

from __future__ import annotations

from typing import Any

from ...dtypes import int32, int64
from ...shapes import Spec
from .. import implements
from .movement import ceil_to, flat_grid
from .runtime import Buffer, Runtime


def key_dtype(most: int) -> Any:
    """The dtype of keys and element numbers up to `most`."""
    return int32 if most < 2**31 else int64


def _chunks(rt: Runtime, n: int) -> tuple[int, int]:
    """(elements per chunk, number of chunks): few on CPUs, many on GPUs."""
    cpu = rt.info.kind == "cpu"
    chunk = max(-(-n // (4 * rt.info.compute_units)), 1024) if cpu else 128
    return chunk, -(-n // chunk)


def _launch(rt: Runtime, kind: str, items: int, key: Any, *args: Any, **defines: Any) -> None:
    """Launch over `items`, with keys of dtype `key`."""
    rt.launch(
        "sort", kind, (ceil_to(items, rt.wg),), *args, group=(rt.wg,), kind=kind, key=key.code, WG=rt.wg, **defines
    )  # fmt: skip


def stable_order(rt: Runtime, keys: Buffer, limit: int) -> tuple[Buffer, Buffer]:
    """Sorted keys, all in [0, limit), and the element each came from; equal keys keep their order."""
    n, key = keys.size, keys.dtype
    bits = 8 if rt.info.kind == "cpu" else 4
    chunk, chunks = _chunks(rt, n)
    hist = rt.empty(Spec((chunks << bits,), key))
    order = keys  # not read before it has been written
    for shift in range(0, max((limit - 1).bit_length(), 1), bits):
        size = (n, chunk, chunks, shift)
        _launch(rt, "histogram", chunks, key, keys, hist, *size, BITS=bits)
        _launch(rt, "scan", 1, key, hist, hist.size)
        moved = rt.empty(keys.spec), rt.empty(keys.spec)
        _launch(
            rt, "move", chunks, key, keys, order, *moved, hist, *size, BITS=bits, first=shift == 0
        )
        keys, order = moved
    return keys, order


def starts(rt: Runtime, keys: Buffer, count: int) -> Buffer:
    """For r up to `count`, it included, how many of the sorted keys are below r."""
    start = rt.empty(Spec((count + 1,), keys.dtype))
    grid, _, chunk = flat_grid(rt, start.size)
    _launch(rt, "bounds", *grid, keys.dtype, keys, start, start.size, chunk, keys.size)
    return start


@implements("positions")
def positions(rt: Runtime, mask: Buffer, y: Buffer, *, count: int) -> None:
    """Count per chunk, sum up, then write each chunk's positions behind those of the chunks before."""
    if not count:
        return
    chunk, chunks = _chunks(rt, mask.size)
    hist = rt.empty(Spec((chunks,), key_dtype(mask.size)))
    _launch(rt, "count", chunks, hist.dtype, mask, hist, mask.size, chunk, chunks)
    _launch(rt, "scan", 1, hist.dtype, hist, chunks)
    _launch(rt, "positions", chunks, hist.dtype, mask, hist, y, mask.size, chunk, chunks)
