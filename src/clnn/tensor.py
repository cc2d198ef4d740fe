"""Tensor: a Variable with operators, methods and a way in from NumPy."""

from __future__ import annotations

from typing import Any

import ml_dtypes  # noqa: F401  (registers "bfloat16" with NumPy)
import numpy as np

from . import autograd, ops
from .autograd import Variable
from .device import Device
from .device import device as open_device
from .dtypes import DType, float32
from .dtypes import dtype as as_dtype
from .errors import AutogradError, ShapeError
from .shapes import Spec


class Tensor(Variable):
    """An n-dimensional array on a device, with gradients on request."""

    __slots__ = ()
    __hash__ = object.__hash__
    __array_priority__ = (
        1000  # NumPy leaves `array + tensor` to us, where it is an error that explains itself
    )
    __array_ufunc__ = None

    def __repr__(self) -> str:
        body = np.array2string(
            self.numpy(), separator=", ", prefix="tensor(", threshold=100, precision=4
        )
        extra = "" if self.dtype == float32 else f", dtype={self.dtype}"
        extra += ", requires_grad=True" if self.requires_grad else ""
        return f"tensor({body}, device='{self.device}'{extra})"

    def numpy(self) -> Any:
        """The contents as a new NumPy array; waits for the device. bfloat16 comes as ml_dtypes.bfloat16."""
        return self.device.backend.download(self.array)

    def item(self) -> Any:
        """The only element as a Python number; raises ShapeError if there is not exactly one."""
        if self.spec.size != 1:
            raise ShapeError(f"item: expected a tensor of one element, got shape {self.shape}")
        return self.numpy().item()

    def detach(self) -> Tensor:
        """The same memory outside of the graph."""
        return Tensor(self.array, self.spec, self.device)

    def backward(self, gradient: Tensor | None = None, *, retain_graph: bool = False) -> None:
        """Add the gradient of this tensor to `.grad` of every leaf it depends on.

        `gradient` has this tensor's shape; it may be left out for a single element. The graph is freed
        unless `retain_graph`. Raises AutogradError when there is no graph to walk.
        """
        if gradient is None:
            if self.spec.size != 1:
                raise AutogradError(
                    f"backward: expected a gradient for a tensor of shape {self.shape}, got none; "
                    "reduce it to one element or pass gradient="
                )
            gradient = tensor(np.ones(self.shape), dtype=self.dtype, device=self.device)
        autograd.backward(self, gradient, retain_graph=retain_graph)

    __add__ = ops.add
    __sub__ = ops.sub
    __mul__ = ops.mul
    __truediv__ = ops.div
    __neg__ = ops.neg


def tensor(
    data: Any, *, dtype: Any = None, device: str | Device | None = None, requires_grad: bool = False
) -> Tensor:
    """Copy `data` (numbers, nested sequences, a NumPy array or a Tensor) to a new tensor.

    Python floats become float32 and ints int64; arrays keep their dtype. device None is the default
    device. Raises DTypeError for data clnn has no dtype for.
    """
    host, kind = to_host(data, dtype)
    dev = open_device(device)
    return Tensor(
        dev.backend.upload(host), Spec(host.shape, kind), dev, requires_grad=requires_grad
    )


def to_host(data: Any, dtype: Any = None) -> tuple[Any, DType]:
    """`data` as a C-contiguous NumPy array of a dtype clnn has, and that dtype."""
    if isinstance(data, Tensor):
        data = data.numpy()
    host = np.asarray(data)
    if dtype is None and not hasattr(data, "dtype"):
        dtype = float32 if host.dtype == np.float64 else host.dtype
    kind = as_dtype(host.dtype if dtype is None else dtype)
    return np.asarray(host.astype(str(kind)), order="C"), kind
