"""Whether images work. clnn computes on buffers alone, so nothing else knows images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyopencl as cl

from ..backends.opencl.program import render
from ..backends.opencl.program_store import compiled
from ..errors import DeviceError, KernelBuildError

DEFINES: dict[str, Any] = {
    "WG": 1,
    "SIZE": 1,
}  # of capability.cl.mako, where a job does not say otherwise
_ROWS, _COLUMNS = 4, 8


def doubled_through_an_image(rt: Any) -> None:
    """Read every pixel of an image in a kernel; raises KernelBuildError or DeviceError."""
    source = render("capability", {**DEFINES, "job": "image", "wide": False, "device": rt.info})
    pixels = np.arange(_ROWS * _COLUMNS * 4, dtype=np.float32).reshape(_ROWS, _COLUMNS, 4)
    try:
        program = compiled(rt.context, source)
    except cl.Error as error:
        raise KernelBuildError(str(error), source=source, log=str(error)) from error
    got = np.empty_like(pixels)
    try:
        _double(rt, program, pixels, got)
    except cl.Error as error:
        raise DeviceError(f"images: expected the driver to take one, got {error}") from error
    if not np.array_equal(got, 2 * pixels):
        raise DeviceError("pixels of an image are read wrong")


def _double(rt: Any, program: Any, pixels: Any, got: Any) -> None:
    flags: Any = cl.mem_flags
    kind = cl.ImageFormat(cl.channel_order.RGBA, cl.channel_type.FLOAT)
    image = cl.create_image(rt.context, flags.READ_ONLY | flags.COPY_HOST_PTR, kind, shape=(_COLUMNS, _ROWS),
                            hostbuf=pixels)  # fmt: skip
    out = cl.Buffer(rt.context, flags.WRITE_ONLY, pixels.nbytes)
    kernel = cl.Kernel(program, "image_read")
    kernel.set_arg(0, image)
    kernel.set_arg(1, out)
    cl.enqueue_nd_range_kernel(rt.queue, kernel, (_ROWS * _COLUMNS,), None)
    cl.enqueue_copy(rt.queue, got, out)
