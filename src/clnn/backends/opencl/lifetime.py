"""What becomes of open devices when the process forks or ends."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any
from weakref import WeakSet

from ...errors import DeviceError

_open: WeakSet[Any] = WeakSet()


def watch(rt: Any) -> None:
    """Look after a Runtime for as long as somebody else holds it."""
    _open.add(rt)


def _after_fork() -> None:
    for rt in list(_open):
        rt.lock = threading.RLock()
        rt.__class__ = _Forked
    _open.clear()


def _leave() -> None:
    """Keep daemon threads out of the driver: one that is in it when Python ends takes the process down."""
    for rt in list(_open):
        rt.lock.acquire(timeout=5)


class _Forked:
    """What a Runtime becomes in a forked child, where an OpenCL context hangs instead of failing."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        raise DeviceError(
            "device: expected to be used in the process that opened it, got a forked child; start workers with "
            "multiprocessing.get_context('spawn')"
        )


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
