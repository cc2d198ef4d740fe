"""Whether there is a card."""

from __future__ import annotations

from ...device import Device
from ...errors import DeviceError


def cuda_available() -> bool:
    """Whether Device("cuda:0") is here: a card of NVIDIA's OpenCL platform. Other devices are "cpu"."""
    try:
        Device("cuda:0")
    except DeviceError:
        return False
    return True


__all__ = ["cuda_available"]
