"""What a measurement was taken on: the machine, versions, and the device's own limits."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import __version__
from ..device import Device


class Limits(NamedTuple):
    """Operations and bytes per second that small kernels reach on the device; 0 where nobody can say."""

    flops: float
    bandwidth: float


def limits(device: Device) -> Limits:
    """Measure the device; the NumPy reference has no kernels to measure it with."""
    if device.info is None:
        return Limits(0.0, 0.0)
    from ..backends.opencl import probe

    rt: Any = device.backend.rt  # type: ignore[attr-defined]
    return Limits(probe.fma_peak(rt), probe.copy_bandwidth(rt))


def facts(device: Device) -> dict[str, Any]:
    """Names and versions that a table needs to be read."""
    info = device.info
    return {
        "clnn": __version__,
        "device": device.name,
        "device_name": info.name if info else "NumPy reference",
        "platform": info.platform if info else "NumPy",
        "driver": info.driver if info else np.__version__,
        "compute_units": info.compute_units if info else threads(),
        "cpu": _cpu_name(),
        "cores": threads(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def threads() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
