"""Devices by name: "cpu" (NumPy), "opencl:I" (any OpenCL device), "cuda:I" (NVIDIA's platform)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from .errors import DeviceError
from .switches import DEVICE

if TYPE_CHECKING:
    from .backends import Backend
    from .backends.opencl.discovery import DeviceInfo

_lock = threading.RLock()
_devices: dict[str, Device] = {}
_backends: dict[int, Backend] = {}
_chosen: Device | None = None


class Device:
    """A device as a value: one object per name, equal when two names mean the same hardware.

    `Device("cpu")`, `Device("opencl")`, `Device("opencl:1")`, `Device("opencl:pocl")`,
    `Device("cuda:0")`; raises DeviceError when there is no such device. It is opened at the first
    use of `backend`.
    """

    name: str
    type: str
    index: int | None
    info: DeviceInfo | None
    _key: int  # position in the ranked list, whatever the name; -1 is the reference

    def __new__(cls, name: str | Device) -> Device:
        """Look `name` up; the same name always gives the same object."""
        if isinstance(name, Device):
            return name
        if not isinstance(name, str):
            raise DeviceError(f"device: expected a name like 'opencl:0', got {name!r}")
        # Every creation of a tensor comes by here, so a canonical name is not parsed again.
        known = _devices.get(name)
        return known if known is not None else _intern(*_resolve(name))

    @cached_property
    def backend(self) -> Backend:
        """What runs ops there; opened at first use, one per physical device and process."""
        return _open(self)

    def is_cpu(self) -> bool:
        """Whether this is the NumPy reference; an OpenCL CPU device is not."""
        return self.type == "cpu"

    def is_cuda(self) -> bool:
        """Whether it was asked for by a "cuda" name."""
        return self.type == "cuda"

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Device) else NotImplemented

    def __hash__(self) -> int:
        return hash((Device, self._key))

    def __reduce__(self) -> tuple[Callable[[str], Device], tuple[str]]:
        return Device, (self.name,)

    def __repr__(self) -> str:
        return f"device({self.name!r})"

    def __str__(self) -> str:
        return self.name


def device(name: str | Device | None = None) -> Device:
    """The device of that name, or the default device; raises DeviceError when there is none."""
    return default_device() if name is None else Device(name)


def devices() -> list[Device]:
    """Every device, best first, the NumPy reference last."""
    from .backends.opencl.discovery import discover

    return [*(Device(f"opencl:{info.index}") for info in discover()), Device("cpu")]


def default_device() -> Device:
    """The device of `set_default_device`, else of the variable CLNN_DEVICE, else the best."""
    if _chosen is not None:
        return _chosen
    asked = DEVICE.text()
    if not asked:
        return _devices.get("opencl:0") or devices()[0]
    try:
        return Device(asked)
    except DeviceError as error:
        raise DeviceError(f"CLNN_DEVICE={asked}: {error}") from None


def set_default_device(device: str | Device | None) -> None:
    """Make `device` the default of this process; None goes back to CLNN_DEVICE, or the best."""
    global _chosen
    _chosen = None if device is None else Device(device)


def synchronize(device: str | Device | None = None) -> None:
    """Wait until everything queued on `device` is done."""
    _get(device).backend.synchronize()


def memory_stats(device: str | Device | None = None) -> dict[str, int]:
    """Bytes on `device`: allocated (in use), reserved (held from it), peak (most ever in use)."""
    return _get(device).backend.memory_stats()


def empty_cache(device: str | Device | None = None) -> None:
    """Give memory that clnn holds on `device` but does not use back to it."""
    _get(device).backend.empty_cache()


_get = device  # the functions above have a parameter of that name, as in torch


def _intern(name: str, info: DeviceInfo | None) -> Device:
    with _lock:
        if name not in _devices:
            new = object.__new__(Device)
            kind, _, index = name.partition(":")
            new.name, new.type, new.index = name, kind, int(index) if index else None
            new.info, new._key = info, -1 if info is None else info.index
            _devices[name] = new
        return _devices[name]


def _resolve(asked: str) -> tuple[str, DeviceInfo | None]:
    """The canonical name of what a user wrote, and the device it means."""
    kind, colon, which = asked.strip().partition(":")
    kind, which = kind.strip().lower(), which.strip().lower()
    if kind == "cpu" and not colon:
        return "cpu", None
    if kind == "opencl" and bool(colon) == bool(which):
        return _find_opencl(asked, which or "0")
    if kind == "cuda" and (not colon or which.isdecimal()):
        return _find_cuda(asked, int(which or 0))
    raise DeviceError(
        f"device: expected 'cpu', 'opencl', 'opencl:<index>', 'opencl:<part of a name>', 'cuda' or "
        f"'cuda:<index>', got {asked!r}; {_there_is()}"
    )


def _find_opencl(asked: str, which: str) -> tuple[str, DeviceInfo]:
    from .backends.opencl.discovery import discover, hint

    found = discover()
    if not found:
        raise DeviceError(f"device: expected an OpenCL device for {asked!r}, got none; {hint()}")
    if which.isdecimal():
        matches = list(found[int(which) : int(which) + 1])
    else:
        matches = [
            i
            for i in found
            if which in "\n".join((i.name, i.platform, i.vendor, i.platform_version)).lower()
        ]
    if not matches:
        raise DeviceError(
            f"device: expected one of the OpenCL devices here, got {asked!r}; {_there_is()}"
        )
    return f"opencl:{matches[0].index}", matches[0]


def _find_cuda(asked: str, index: int) -> tuple[str, DeviceInfo]:
    from .backends.opencl.discovery import discover, nvidia_problem

    # By platform and not by vendor: PoCL and Mesa offer NVIDIA cards too, with other compilers.
    cards = sorted(
        (i for i in discover() if "nvidia" in i.platform.lower()), key=lambda i: i.ordinal
    )
    if not cards:
        raise DeviceError(
            f"device: expected a device of NVIDIA's OpenCL platform for {asked!r}, got none: "
            f"{nvidia_problem()}; {_there_is()}"
        )
    if index >= len(cards):
        raise DeviceError(
            f"device: expected a CUDA index below {len(cards)}, got {asked!r}; {_there_is()}"
        )
    return f"cuda:{index}", cards[index]


def _there_is() -> str:
    names = [
        f"'{d}' ({d.info.name}, {d.info.platform})" if d.info else f"'{d}' (NumPy)"
        for d in devices()
    ]
    return f"available: {', '.join(names)}"


def _open(device: Device) -> Backend:
    with _lock:
        if device._key not in _backends:
            _backends[device._key] = _new_backend(device)
        return _backends[device._key]


def _new_backend(device: Device) -> Backend:
    if device.info is None:
        from .backends.reference import Reference

        return Reference()
    from .backends.opencl.discovery import forked

    # Some drivers start threads when looked at; a fork lacks them, and its first call hangs.
    if forked():
        raise DeviceError(
            f"{device}: expected the process that loaded the OpenCL drivers, got a fork of it; "
            "start workers with multiprocessing.get_context('spawn')"
        )
    from .backends.opencl import OpenCL

    return OpenCL(device.info, reference=lambda: _open(Device("cpu")))
