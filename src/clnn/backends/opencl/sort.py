"""Host side of kernels/sort.cl.mako: stable order of keys, and the positions of set elements."""

from __future__ import annotations

from typing import Any

from ...dtypes import int32, int64
from ...shapes import Spec
from .. import implements
from .runtime import Buffer, Runtime


def key_dtype(most: int) -> Any:
    """The dtype of keys and element numbers up to `most`."""
    return int32 if most < 2**31 else int64


def _chunks(rt: Runtime, n: int) -> tuple[int, int]:
    """(elements per chunk, number of chunks): few on CPUs, many on GPUs."""
    cpu = rt.info.kind == "cpu"
    chunk = max(-(-n // (4 * rt.info.compute_units)), 1024) if cpu else 128
    return chunk, -(-n // chunk)


def _scan(rt: Runtime, hist: Buffer) -> None:
    rt.launch(
        "sort",
        "scan",
        (rt.wg,),
        hist,
        hist.size,
        group=(rt.wg,),
        kind="scan",
        key=hist.dtype.code,
        WG=rt.wg,
    )


def stable_order(rt: Runtime, keys: Buffer, limit: int) -> tuple[Buffer, Buffer]:
    """Sorted keys, all in [0, limit), and the element each came from; equal keys keep their order."""
    n, code = keys.size, keys.dtype.code
    bits = 8 if rt.info.kind == "cpu" else 4
    chunk, chunks = _chunks(rt, n)
    hist = rt.empty(Spec((chunks << bits,), keys.dtype))
    order = keys  # not read before it has been written
    for shift in range(0, max((limit - 1).bit_length(), 1), bits):
        size = (n, chunk, chunks, shift)
        rt.launch(
            "sort", "histogram", (chunks,), keys, hist, *size, kind="histogram", key=code, BITS=bits
        )
        _scan(rt, hist)
        to_keys, to_order = rt.empty(keys.spec), rt.empty(keys.spec)
        rt.launch("sort", "move", (chunks,), keys, order, to_keys, to_order, hist, *size, kind="move", key=code,
                  BITS=bits, first=shift == 0)  # fmt: skip
        keys, order = to_keys, to_order
    return keys, order


def starts(rt: Runtime, keys: Buffer, count: int) -> Buffer:
    """For r up to `count`, it included, how many of the sorted keys are below r."""
    start = rt.empty(Spec((count + 1,), keys.dtype))
    rt.launch(
        "sort",
        "bounds",
        (count + 1,),
        keys,
        start,
        count + 1,
        keys.size,
        kind="bounds",
        key=keys.dtype.code,
    )
    return start


@implements("positions")
def positions(rt: Runtime, mask: Buffer, y: Buffer, *, count: int) -> None:
    """Count per chunk, sum up, then write each chunk's positions behind those of the chunks before."""
    if not count:
        return
    chunk, chunks = _chunks(rt, mask.size)
    hist = rt.empty(Spec((chunks,), key_dtype(mask.size)))
    size = (mask.size, chunk, chunks)
    rt.launch("sort", "count", (chunks,), mask, hist, *size, kind="count", key=hist.dtype.code)
    _scan(rt, hist)
    rt.launch(
        "sort", "positions", (chunks,), mask, hist, y, *size, kind="positions", key=hist.dtype.code
    )
