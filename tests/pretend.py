"""Devices that are not here: the OpenCL devices that are, under the facts of others.

What a backend does differently on GPUs follows from DeviceInfo alone, and a CPU's OpenCL can do all of it:
work-groups, local memory, barriers. So what would run on a GPU runs here, only slowly.
"""

import dataclasses
import functools

from clnn.backends.opencl import OpenCL
from clnn.device import Device
from kernel_lint import refuse

VARIANTS = {
    "gpu": {"kind": "gpu", "integrated": False},
    "big": {"kind": "gpu", "integrated": False, "compute_units": 132, "local_mem": 49152},
    "small": {
        "kind": "gpu", "integrated": True, "max_group": 64, "max_items": (64, 64, 64), "local_mem": 16384,
        "fp16": False, "fp64": False,
    },
    "tiny": {"kind": "gpu", "integrated": True, "max_group": 12, "max_items": (12, 1, 1), "local_mem": 2048},
}  # fmt: skip


@functools.cache
def pretend(name: str, variant: str) -> Device:
    """The device of that name with the facts of a variant, opened a second time; nothing finds it by name."""
    real = Device(name)
    device = object.__new__(Device)
    device.name, device.type, device.index = f"{name} as {variant}", real.type, real.index
    device.info = dataclasses.replace(real.info, **VARIANTS[variant])
    device._key = (real._key, variant)
    device.backend = OpenCL(device.info)
    device.backend.rt.poison = True
    refuse(device.backend.rt)
    return device
