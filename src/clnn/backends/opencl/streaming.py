"""Which results are stored past the caches of a CPU (see kernels/_stream.cl.mako)."""

from __future__ import annotations

from ...shapes import Spec
from .discovery import DeviceInfo

LEAST = 1 << 25  # bytes of a result, most of which a cache has dropped before anybody reads it


def streams(info: DeviceInfo, result: Spec, least: int | None = None) -> bool:
    """Whether nothing is lost if no cache keeps the result: then it need not be read before it is written."""
    large = result.nbytes >= (LEAST if least is None else least)
    return large and info.kind == "cpu" and result.dtype in ("float32", "float64")
