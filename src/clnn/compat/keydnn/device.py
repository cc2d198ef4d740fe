"""Device: KeyDNN's "cpu" and "cuda:N" as clnn devices."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from ...device import Device as Base
from ...device import default_device
from ...errors import SettingError

_CUDA = re.compile(r"cuda:(\d+)")
_known: dict[tuple[str, int | None], Device] = {}


class DeviceType(StrEnum):
    """What Device.type is."""

    CPU = "cpu"
    CUDA = "cuda"


class Device(Base):
    """`Device("cpu")` is clnn's default device at that moment, `Device("cuda:N")` clnn's "cuda:N".

    KeyDNN's "cpu" is what works everywhere; clnn.set_default_device or CLNN_DEVICE decide what that is here.
    A card is looked for when it is first used. A clnn.Device passes through. Raises SettingError for other names.
    """

    def __new__(cls, device: str | Base) -> Base:  # type: ignore[misc]
        """The same name, and the same default device, always give the same object."""
        if isinstance(device, Base):
            return device
        found = _CUDA.fullmatch(device) if isinstance(device, str) else None
        if found is None and device != "cpu":
            raise SettingError(f"Device: expected 'cpu' or 'cuda:<index>', got {device!r}")
        home = None if found else default_device()
        key = device, None if home is None else home._key
        if key not in _known:
            new = _known[key] = object.__new__(cls)
            new.name, new.type = device, DeviceType.CUDA if found else DeviceType.CPU
            new.index = int(found[1]) if found else None
            if home is not None:
                new.info, new._key = home.info, home._key
        return _known[key]

    def __getattr__(self, name: str) -> Any:
        # Reached for what a card has only once it was looked for.
        if name not in ("info", "_key"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        home = Base(self.name)
        self.info, self._key = home.info, home._key
        return getattr(self, name)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Device):  # equal although neither has to be here
            return self is other
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self.name) if self.type == DeviceType.CUDA else super().__hash__()

    def __reduce__(self) -> tuple[Callable[[str], Base], tuple[str]]:
        return Device, (self.name,)

    def __repr__(self) -> str:
        return f"Device('{self}')"


def place(device: str | Base | None) -> Base:
    """The device that a KeyDNN script means by `device`; None is "cpu"."""
    return Device("cpu" if device is None else device)
