"""Arrays to tensors, seeds, and determinism."""

from __future__ import annotations

import random
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import ops
from ...errors import DTypeError, IndexOutOfRangeError, SettingError
from ...tensor import tensor
from .tensor import Tensor

_seed: int | None = None
_state: DeterminismState | None = None


def numpy_to_tensor(arr: Any, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A float32 Tensor of an array; warns unless told a device."""
    if device is None:
        warnings.warn(
            "numpy_to_tensor: expected a device, got None; it is Device('cpu')", stacklevel=2
        )
    return Tensor._from_numpy(arr, device=device, requires_grad=requires_grad)


def one_hot(labels: Any, num_classes: int) -> Any:
    """Labels as a float32 NumPy array of ones and zeros.  (*) -> (prod(*), num_classes).

    Raises IndexOutOfRangeError for a label that is no class.
    """
    host = np.asarray(labels, dtype=np.int64).reshape(-1)
    if host.size and not 0 <= host.min() <= host.max() < num_classes:
        raise IndexOutOfRangeError(
            f"one_hot: expected labels in [0, {num_classes}), got {host.min()} to {host.max()}"
        )
    return ops.one_hot(tensor(host, device="cpu"), num_classes).numpy().astype(np.float32)


def seed(seed: int) -> None:
    """Seed Python's, NumPy's and clnn's generators; weights, masks and orders come from clnn's."""
    global _seed
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise DTypeError(f"seed: expected an int, got {seed!r}")
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (a script may draw from it)
    ops.manual_seed(seed)
    _seed = seed


def get_seed() -> int | None:
    """What `seed` was last given."""
    return _seed


@dataclass(frozen=True)
class DeterminismState:
    """What `set_deterministic` was told."""

    enabled: bool
    cpu_threads: int | None


def set_deterministic(enabled: bool, *, cpu_threads: int | None = 1) -> DeterminismState:
    """Remember and return the arguments: clnn repeats its results bit for bit whatever they are."""
    global _state
    if not isinstance(enabled, bool):
        raise DTypeError(f"set_deterministic: expected enabled to be a bool, got {enabled!r}")
    if cpu_threads is not None and (not isinstance(cpu_threads, int) or cpu_threads < 1):
        raise SettingError(
            f"set_deterministic: expected cpu_threads None or >= 1, got {cpu_threads!r}"
        )
    _state = DeterminismState(enabled, cpu_threads)
    return _state


def get_deterministic() -> DeterminismState | None:
    """What `set_deterministic` last returned."""
    return _state


__all__ = [
    "get_deterministic", "get_seed", "numpy_to_tensor", "one_hot", "seed", "set_deterministic",
]  # fmt: skip
