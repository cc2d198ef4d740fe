"""How the cache of compiled kernels stays small: what was not used for long goes, and what is used least recently."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from math import inf
from pathlib import Path

MOST = 512 << 20  # bytes in the folder, and DISUSE in seconds; both are promised in docs/trust.md
DISUSE = 365 * 86400.0
_LEFT = MOST * 3 // 4  # bytes that stay when there were too many
_DAY = 86400.0  # how exactly use is remembered, and how often a folder is looked at
_WRITTEN = 32 << 20  # bytes by one process, after which it looks again
_LIFE = {".bin": DISUSE, ".tmp": _DAY}  # by ending; other files are nobody's
_STAMP = ".pruned"


def used(path: Path) -> None:
    """Remember that a file was used today: its time of change is what tells."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _DAY:
            os.utime(path)


class Pruner:
    """Looks after one folder of .bin files, now and then."""

    def __init__(self) -> None:
        self._written: int | None = None  # since the last look; None before the first

    def wrote(self, folder: Path, size: int) -> None:
        """Note a new file, and prune where it is time: once a day, and after much was written."""
        due = self._written is None and _looked(folder) > _DAY
        self._written = (self._written or 0) + size
        if due or self._written > _WRITTEN:
            self._written = 0
            prune(folder)


def _looked(folder: Path) -> float:
    """Seconds since any process pruned the folder."""
    try:
        return time.time() - (folder / _STAMP).stat().st_mtime
    except OSError:
        return inf


def prune(folder: Path) -> int:
    """Remove what is too old or too much, and what writers left that died; gives the number of files.

    Several processes may do so at once, and others read and write meanwhile: a file that is gone is compiled again.
    """
    now, kept, removed = time.time(), [], 0
    try:
        (folder / _STAMP).touch()
        with os.scandir(folder) as found:
            for file in found:
                with suppress(OSError):
                    facts = file.stat(follow_symlinks=False)
                    limit = _LIFE.get(os.path.splitext(file.name)[1], inf)
                    if now - facts.st_mtime > limit:
                        removed += _gone(file.path)
                    elif limit == DISUSE:
                        kept.append((facts.st_mtime, facts.st_size, file.path))
    except OSError:
        return removed
    size = sum(s for _, s, _ in kept)
    if size > MOST:
        for _, own, path in sorted(kept):
            if size <= _LEFT:
                break
            removed += _gone(path)
            size -= own
    return removed


def _gone(path: str) -> bool:
    """Remove a file; another process may have been faster, and Windows keeps one that is open."""
    with suppress(OSError):
        os.unlink(path)
        return True
    return False
