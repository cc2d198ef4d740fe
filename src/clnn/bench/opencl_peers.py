"""Other libraries on OpenCL: they run the products and convolutions of the suites, where they have them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any

import numpy as np

from ..device import Device
from .case import Case, Job

Calls = dict[str, Callable[..., Any]]


class Tinygrad:
    """tinygrad's OpenCL device: the first of the first platform, which its version here names."""

    name = "tinygrad"

    def __init__(self, device: Device, threads: int) -> None:
        tinygrad = import_module("tinygrad")
        self.tensor: Any = tinygrad.Tensor
        self.cl: Any = tinygrad.Device["CL"]
        self.version = f"{metadata.version('tinygrad')} on {self.cl.device_name}"
        self.calls: Calls = {
            "matmul": lambda a, b: a @ b,
            "linear": lambda x, w, b: x.linear(w.T, b),
            "conv2d": lambda x, w, **at: x.conv2d(w, **at),
        }

    def job(self, case: Case) -> Job | None:
        """Products, linear layers and convolutions, each compiled once before it is timed."""
        call = self.calls.get(case.op)
        if call is None:
            return None
        xs = [self.tensor(a, device="CL").realize() for a in case.operands()]

        def run() -> tuple[Any]:
            return (call(*xs, **case.settings).realize(),)

        return Job(run, self.cl.synchronize, lambda y: np.asarray(y.numpy()))


class NetCL:
    """netcl on clnn's own device and queue."""

    name = "netcl"

    def __init__(self, device: Device, threads: int) -> None:
        self.version = metadata.version("netcl")
        self.queue = _queue(device)
        self.tensor: Any = import_module("netcl.core.tensor").Tensor
        ops: Any = import_module("netcl.ops")

        def conv2d(x: Any, w: Any, *, stride: int, padding: int, groups: int) -> Any:
            call = ops.depthwise_conv2d if groups > 1 else ops.conv2d
            return call(x, w, stride=stride, pad=padding)

        self.calls: Calls = {"matmul": ops.matmul, "conv2d": conv2d}

    def job(self, case: Case) -> Job | None:
        """Products of two matrices, convolutions and depthwise convolutions."""
        call = self.calls.get(case.op)
        if call is None or self.queue is None or (case.op == "matmul" and len(case.shapes[0]) != 2):
            return None
        xs = [self.tensor.from_host(self.queue, a) for a in case.operands()]
        return Job(
            lambda: (call(*xs, **case.settings),),
            self.queue.finish,
            lambda y: np.asarray(y.to_host()),
        )


class CLBlast:
    """CLBlast through pyclblast, on clnn's own device and queue, with the parameters it comes with."""

    name = "pyclblast"

    def __init__(self, device: Device, threads: int) -> None:
        self.version = metadata.version("pyclblast")
        self.queue = _queue(device)
        self.array: Any = import_module("pyopencl.array")
        self.gemm: Any = import_module("pyclblast").gemm

    def job(self, case: Case) -> Job | None:
        """Products of two matrices."""
        if self.queue is None or case.op != "matmul" or len(case.shapes[0]) != 2:
            return None
        (m, k), (_, n) = case.shapes
        a, b = [self.array.to_device(self.queue, x) for x in case.operands()]
        c = self.array.empty(self.queue, (m, n), np.float32)

        def run() -> tuple[Any]:
            self.gemm(self.queue, m, n, k, a, b, c, a_ld=k, b_ld=n, c_ld=n)
            return (c,)

        return Job(run, self.queue.finish, lambda y: np.asarray(y.get(self.queue)))


def _queue(device: Device) -> Any:
    """That of an OpenCL device; the reference has none, and then these peers have no jobs."""
    backend: Any = device.backend
    return None if device.info is None else backend.rt.queue
