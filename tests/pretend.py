"""A device opened a second time, under the facts of one of the library's profiles."""

import functools

from clnn.backends.opencl import OpenCL
from clnn.backends.opencl.pretend import pretended
from clnn.device import Device
from kernel_lint import refuse


@functools.cache
def pretend(name: str, profile: str) -> Device:
    """The device of that name as the profile says; nothing finds it by name."""
    real = Device(name)
    device = object.__new__(Device)
    device.name, device.type, device.index = f"{name} as {profile}", real.type, real.index
    device.info = pretended(real.info, profile)
    device._key = (real._key, profile)
    device.backend = OpenCL(device.info)
    device.backend.rt.poison = True
    refuse(device.backend.rt)
    return device
