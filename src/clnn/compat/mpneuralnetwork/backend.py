"""What arrays are: NumPy's, float32. Which device computes is clnn's to say (`clnn.set_default_device`)."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from ...device import Device
from ...tensor import Tensor, tensor

ArrayType: TypeAlias = np.ndarray | Any
BACKEND_TYPE = "numpy"  # the original's MPNN_BACKEND is not read: there is nothing to choose
DTYPE = np.float32
xp: ModuleType = np


def to_device(array: ArrayType) -> ArrayType:
    """`array` as a NumPy array; layers and models move what they are given themselves."""
    return np.asarray(array)


def to_host(array: ArrayType) -> np.ndarray:
    """`array`, or a Tensor, as a NumPy array."""
    return np.asarray(array)


def get_backend() -> ModuleType:
    """NumPy."""
    return xp


def upload(array: ArrayType, device: Device | str | None = None) -> Tensor:
    """`array` in float32 on `device`, else on the default device."""
    return tensor(np.asarray(array, DTYPE), device=device)
