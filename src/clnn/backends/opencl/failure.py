"""What a driver's error means for the user: too little memory, a kernel it does not take, or a device that is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyopencl as cl

from ...errors import ClnnError, DeviceError, KernelBuildError, OutOfMemoryError

if TYPE_CHECKING:
    from .runtime import Runtime

_status = cl.status_code
_MEMORY = frozenset((
    _status.MEM_OBJECT_ALLOCATION_FAILURE, _status.OUT_OF_HOST_MEMORY, _status.OUT_OF_RESOURCES,
    _status.INVALID_BUFFER_SIZE,
))  # fmt: skip
# what follows from the launch alone and would come again, on this device
_REFUSED = frozenset((
    _status.INVALID_WORK_GROUP_SIZE, _status.INVALID_WORK_ITEM_SIZE, _status.INVALID_WORK_DIMENSION,
    _status.INVALID_GLOBAL_WORK_SIZE, _status.INVALID_KERNEL_ARGS, _status.INVALID_ARG_SIZE,
    _status.INVALID_ARG_VALUE, _status.INVALID_ARG_INDEX, _status.INVALID_KERNEL_NAME,
))  # fmt: skip


def of_memory(error: cl.Error) -> bool:
    """Whether the driver may do it once memory is given back."""
    return error.code in _MEMORY


def meaning(rt: Runtime, what: str, error: cl.Error, asked: int = 0) -> ClnnError:
    """The error to raise when the driver has refused `what`, in bytes `asked` where it is memory."""
    name, code = rt.info.name, str(error).splitlines()[0]
    if of_memory(error):
        return out_of_memory(rt, asked, f"memory that is free for {what} ({code})")
    if error.code in _REFUSED:
        return KernelBuildError(
            f"{what}: expected a launch that {name} takes, got the driver refused it: {code}", log=str(error)
        )  # fmt: skip
    return DeviceError(
        f"{what}: expected {name} to answer, got {code}; a device that was reset, unplugged or stopped by a time "
        "limit of its driver does not come back in this process: save what is on other devices, and start again"
    )


class TooLargeError(OutOfMemoryError):
    """An array that the device never holds, whatever else is freed; another algorithm may do without it."""


def out_of_memory(
    rt: Runtime, asked: int, expected: str, kind: type[OutOfMemoryError] = OutOfMemoryError
) -> OutOfMemoryError:
    """An OutOfMemoryError with the numbers of the pool."""
    held = int(rt.pool.active_bytes)
    free = max(0, rt.info.global_mem - int(rt.pool.managed_bytes))
    got = f"a request for {asked} bytes" if asked else "a refusal"
    return kind(
        f"{rt.info.name}: expected {expected}, got {got} with {held} held by tensors "
        f"and about {free} free; use a smaller batch, or clnn.empty_cache()",
        asked, held, free,
    )  # fmt: skip
