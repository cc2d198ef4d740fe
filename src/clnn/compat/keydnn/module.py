"""Module and Layer: clnn's modules whose tensors are KeyDNN's, and the names they have in checkpoints."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ... import nn
from ...device import Device as AnyDevice
from .device import place
from .tensor import adopted

C = TypeVar("C", bound=type)

MODULES: dict[str, type[Any]] = {}


def register_module(name: str | None = None) -> Callable[[C], C]:
    """Decorate a class that checkpoints may name; its own name unless one is given."""

    def remember(cls: C) -> C:
        MODULES[name or cls.__name__] = cls
        return cls

    return remember


class Module(nn.Module):
    """A clnn.nn.Module; parameters, buffers and results are KeyDNN tensors, devices KeyDNN's."""

    def _register(self, into: dict[str, Any], name: str, value: Any, kind: type) -> None:
        super()._register(into, name, adopted(value), kind)

    def to(self, device: Any, dtype: Any = None) -> Any:  # type: ignore[override]
        """Move everything to a device, in place."""
        return super().to(place(device), dtype)

    to_ = to  # type: ignore[assignment]


class Layer(Module):
    """A layer of KeyDNN's, known to checkpoints by its name."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith(f"{__package__}.") and not cls.__name__.startswith("_"):
            register_module()(cls)

    @property
    def device(self) -> AnyDevice | None:
        """Where its parameters are; None without any."""
        held = (*self._parameters.values(), *self._buffers.values())
        return next((x.device for x in held if x is not None), None)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, in KeyDNN's words: "cpu" is any device that was not asked for as a card."""
        found = super().get_config()
        if "dtype" in found:
            found["dtype"] = str(found["dtype"] or "float32")
        if "device" in inspect.signature(type(self).__init__).parameters:
            found["device"] = named(self.device)
        return found


def named(device: AnyDevice | None) -> str | None:
    """What a checkpoint calls a device."""
    return None if device is None else str(device) if device.is_cuda() else "cpu"
