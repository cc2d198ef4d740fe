"""Arrays that live on a device and that users see, and change, as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeError
from ...nn.parameter import Parameter
from ...tensor import Tensor
from .backend import DTYPE, ArrayType, upload


class Held:
    """A parameter with its gradient, or a running statistic; on the host it exists once somebody asked for it.

    From then on the host's array, always the same one, counts wherever the device's is not newer: what is
    written into it is there at the next forward pass, and the optimizer writes its updates into it.
    """

    __slots__ = ("_gradient", "_newer", "_seen", "shape", "tensor", "trained")

    def __init__(self, array: ArrayType, *, trained: bool = True, flat: bool = False) -> None:
        """`flat`: on the device it has one axis, as clnn's layers have it."""
        host = np.asarray(array, DTYPE)
        self.shape, self.trained = host.shape, trained
        made = upload(host.reshape(-1) if flat else host)
        self.tensor: Tensor = Parameter(made) if trained else made
        self._seen: np.ndarray | None = None
        self._gradient: np.ndarray | None = None
        self._newer = False  # the device's array, than the one that was seen

    @classmethod
    def around(cls, array: np.ndarray) -> Held:
        """One whose array on the host is `array` itself: a parameter of a layer that somebody else wrote."""
        held = cls(array)
        held._seen = array
        return held

    @property
    def host(self) -> np.ndarray:
        """The array, to read and to change in place."""
        if self._seen is None:
            self._seen = self.tensor.numpy().reshape(self.shape)
        self.refresh()
        return self._seen

    @host.setter
    def host(self, array: ArrayType) -> None:
        given = np.asarray(array, DTYPE)
        if given.shape != self.shape:
            raise ShapeError(
                f"load_params: expected an array of shape {self.shape}, got {given.shape}"
            )
        self._newer = False
        np.copyto(self.host, given)

    @property
    def gradient(self) -> np.ndarray:
        """That of the last backward pass, to read and to change in place before the optimizer's step."""
        if self._gradient is None:
            known = self.tensor.grad
            self._gradient = (
                np.zeros(self.shape, DTYPE) if known is None else known.numpy().reshape(self.shape)
            )
        return self._gradient

    @gradient.setter
    def gradient(self, array: ArrayType) -> None:
        self._gradient = np.array(array, DTYPE)

    def settle(self) -> None:
        """Take over what was written into the host's array."""
        if self._seen is not None and not self._newer:
            self.tensor.data = upload(self._seen, self.tensor.device).reshape(self.tensor.shape)

    def settle_gradient(self) -> None:
        """Take over what was written into the gradient."""
        if self._gradient is not None:
            self.tensor.grad = upload(self._gradient, self.tensor.device).reshape(self.tensor.shape)

    def forget_gradient(self) -> None:
        """Another one follows."""
        self.tensor.grad = self._gradient = None

    def changed(self) -> None:
        """The device's array has been updated."""
        self._newer = True

    def refresh(self) -> None:
        """Bring the host's array up to date, if somebody has seen it."""
        if self._seen is not None and self._newer:
            np.copyto(self._seen, self.tensor.numpy().reshape(self.shape))
        self._newer = False


class Value:
    """An attribute of a layer that is what it holds under this name (no attribute before it is built)."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def find(self, layer: Any) -> Held:
        """What `layer` holds; raises AttributeError."""
        held: Held | None = layer.held.get(self.name)
        if held is None:
            raise AttributeError(f"{type(layer).__name__}: expected a built layer with {self.name}")
        return held

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        return self if layer is None else self.find(layer).host

    def __set__(self, layer: Any, array: ArrayType) -> None:
        self.find(layer).host = array


class Gradient(Value):
    """The gradient of what a layer holds under a name that ends without "_gradient"."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.removesuffix("_gradient")

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        return self if layer is None else self.find(layer).gradient

    def __set__(self, layer: Any, array: ArrayType) -> None:
        self.find(layer).gradient = array
