"""Drivers that write into the user's home, and what they are shown where nothing can be written."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import error as struct_error
from struct import unpack_from

_ROOM = 32 << 20  # bytes; an hour of compiling writes less


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Set for the moment in which a driver or loader reads it; child processes must not inherit it."""
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


@contextmanager
def shelter() -> Iterator[None]:
    """Let PoCL compile in a temporary folder where the home is missing, read-only or full.

    It reads the variable when loader or devices are first asked. Without a folder it has no device, and with a
    full one its compiler ends the process.
    """
    folder = pocl_folder()
    place = None if os.environ.get("POCL_CACHE_DIR") or has_room(folder) else _temporary()
    if place is None and folder.is_dir():
        mend(folder)
    if place is None:
        yield
        return
    atexit.register(_remove, place, os.getpid())
    with variable("POCL_CACHE_DIR", place):
        yield


def has_room(path: Path) -> bool:
    """Whether a folder, or the nearest one above it that exists, can be written to and is not full."""
    if sys.platform == "win32":
        return True
    try:
        there = next(p for p in (path, *path.parents) if p.exists())
        disk = os.statvfs(there)
    except OSError:
        return False
    free = disk.f_bavail * disk.f_frsize
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK) and free >= _ROOM


def pocl_folder() -> Path:
    """Where PoCL keeps what it has compiled."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(os.environ.get("POCL_CACHE_DIR") or Path(base, "pocl", "kcache"))


def mend(folder: Path) -> int:
    """Remove the programs of PoCL's cache that a crash of the machine has cut short; gives their number.

    PoCL trusts its files and ends the process on a bad one. They are looked at once after each start of the
    machine, which takes about 0.2 s per thousand programs.
    """
    stamp, removed = folder / "clnn-checked", 0
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
        if stamp.is_file() and stamp.read_text("ascii", "replace") == boot:
            return 0
        for program in folder.glob("*/*/"):
            if not all(map(_whole, (*program.glob("*.bc"), *program.glob("*/*/*.so")))):
                shutil.rmtree(program, ignore_errors=True)
                removed += 1
        stamp.write_text(boot, "ascii")
    except OSError:
        pass  # no boots to tell apart, or nothing may be changed here
    return removed


def _whole(path: Path) -> bool:
    """Whether a library or LLVM bitcode ends where its header says."""
    with open(path, "rb") as file:
        data = file.read(64 if path.suffix == ".so" else -1)
    try:
        if path.suffix == ".so":  # section headers come last
            (start,), (size, count) = unpack_from("<Q", data, 40), unpack_from("<HH", data, 58)
            return data[:4] == b"\x7fELF" and start + size * count <= path.stat().st_size
        at = 4
        while at < len(data):  # blocks: a word that names it, a word with its length in words
            at += 8 + 4 * unpack_from("<I", data, at + 4)[0]
        return data[:4] == b"BC\xc0\xde" and at == len(data)
    except struct_error:
        return False


def _temporary() -> str | None:
    for base in (tempfile.gettempdir(), "/dev/shm"):
        if has_room(Path(base)):
            return tempfile.mkdtemp(prefix="clnn-pocl-", dir=base)
    return None


def _remove(place: str, process: int) -> None:
    if os.getpid() == process:  # a fork runs this too
        shutil.rmtree(place, ignore_errors=True)
