"""What launchers remember of calls that may come again."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar

from ...op import Call

PLANS = 4096  # launches remembered per device: each keeps a kernel object of some kilobytes
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def remember(table: dict[K, V], key: K, value: V) -> V:
    """Note a value, and give it; a table that is full starts anew."""
    if len(table) >= PLANS:
        table.clear()
    table[key] = value
    return value


class Plans(dict[Hashable, Any]):
    """Plans by specs and settings, as launchers make them; `calls`: the same by the calls that they answered."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[Call, Any] = {}

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self.calls = {}  # another one: what a run under way notes in the old one is forgotten with it
