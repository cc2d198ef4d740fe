"""Host side of kernels/probe.cl.mako: the two limits that speed is measured against."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...dtypes import float32
from ...shapes import Spec
from .runtime import Buffer, Runtime

CHAINS, LANES = 12, 16
COPY_BYTES = 1 << 28  # read plus write; beyond every cache
_ROUNDS = 9


def fma_peak(rt: Runtime) -> float:
    """Floating-point operations per second of fused multiply-adds on float32 in registers."""
    cpu = rt.info.kind == "cpu"
    lanes, group = (LANES, 1) if cpu else (1, rt.wg)
    items = rt.info.compute_units * (4 if cpu else 2048) // group * group
    out = rt.empty(Spec((items,), float32))
    steps = 1 << (18 if cpu else 14)

    def run() -> None:
        rt.launch("probe", "fma_peak", (items,), out, 0.999, 0.001, steps, group=(group,),
                  job="fma", V=lanes, WG=group)  # fmt: skip

    return 2.0 * items * lanes * CHAINS * steps / _best(rt, run)


def copy_bandwidth(rt: Runtime) -> float:
    """Bytes per second, read plus written, of a copy that no cache holds."""
    cpu = rt.info.kind == "cpu"
    lanes, group = (LANES, 1) if cpu else (4, rt.wg)
    size = min(COPY_BYTES // 8, rt.info.max_alloc // 4, rt.info.global_mem // 64) // 64 * 64
    x, y = (rt.empty(Spec((size,), float32)) for _ in range(2))
    vectors = size // lanes
    chunk = 1024 if cpu else group * 4
    grid = -(-vectors // chunk) * group

    def run(a: Buffer = x, b: Buffer = y) -> None:
        rt.launch("probe", "copy_peak", (grid,), a, b, vectors, chunk, group=(group,), job="copy",
                  V=lanes, WG=group)  # fmt: skip

    run(y, x)  # memory that was never written may be one page of zeros, which a cache does hold
    return 8.0 * size / _best(rt, run)


def _best(rt: Runtime, run: Callable[[], None]) -> float:
    """Seconds of the fastest of a few runs: a limit, so interruptions do not count."""
    times = []
    for _ in range(_ROUNDS + 1):
        start = time.perf_counter()
        run()
        rt.finish()
        times.append(time.perf_counter() - start)
    return min(times[1:])
