"""How the commands are told how long they may take."""

from __future__ import annotations

import re

from ..errors import SettingError


def seconds(text: str, command: str) -> float:
    """A time like 90, 90s, 1.5m, given to a command; raises SettingError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*(s|m|min|h)?\s*", text)
    if match is None or float(match[1]) == 0:
        raise SettingError(f"{command}: expected a --budget like 60s or 5m, got {text!r}")
    return float(match[1]) * {"m": 60, "min": 60, "h": 3600}.get(match[2], 1)
