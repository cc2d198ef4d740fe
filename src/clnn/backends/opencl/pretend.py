"""Devices that are not here: facts of others, under which the devices that are here can be opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import SettingError
from ...switches import PRETEND

if TYPE_CHECKING:
    from .discovery import DeviceInfo

_LOW: dict[str, Any] = {
    "kind": "gpu", "integrated": True, "max_group": 12, "max_items": (12, 1, 1), "local_mem": 8192,
    "fp16": False, "fp64": False, "max_alloc": 128 << 20,
}  # fmt: skip

# What runs differently on another device follows from DeviceInfo alone, so a processor can do it all.
PROFILES: Mapping[str, Mapping[str, Any]] = {
    "gpu": {"kind": "gpu", "vendor": "nobody", "integrated": False},
    "big": {"kind": "gpu", "vendor": "nobody", "integrated": False, "compute_units": 132, "local_mem": 49152},
    "small": {
        "kind": "gpu", "integrated": True, "max_group": 64, "max_items": (64, 64, 64), "local_mem": 16384,
        "fp16": False, "fp64": False,
    },
    "tiny": {"kind": "gpu", "integrated": True, "max_group": 12, "max_items": (12, 1, 1), "local_mem": 2048},
    "low": _LOW,
    "least": {**_LOW, "local_mem": 0},
    "lone": {**_LOW, "kind": "cpu", "max_group": 1, "max_items": (1, 1, 1), "local_mem": 0},
}  # fmt: skip


def profile() -> str | None:
    """CLNN_PRETEND; None where it is not set, SettingError unless it is one of PROFILES."""
    asked = PRETEND.text().lower()
    if asked and asked not in PROFILES:
        raise SettingError(f"{PRETEND.name}: expected one of {', '.join(PROFILES)}, got {asked!r}")
    return asked or None


def pretended(info: DeviceInfo, name: str) -> DeviceInfo:
    """The device with the facts of a profile; its name says so, which keeps caches apart."""
    return replace(info, name=f"{info.name} as {name}", **PROFILES[name])
