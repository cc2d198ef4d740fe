"""from_keras: clnn's import of Keras models, as a KeyDNN model."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import SettingError
from .module import Module


class _Wrapped(Module):
    """A layer that KeyDNN has not, as it is."""


def from_keras(
    model_or_path: Any, *, device: Any = "cpu", dtype: Any = np.float32, strict: bool = True,
    allow_non_linear_activation: bool = False,
) -> Any:  # fmt: skip
    """A Sequential of KeyDNN's layers with the weights of a Keras model, live or in a .keras or .h5 file."""
    raise SettingError("from_keras: not yet")
