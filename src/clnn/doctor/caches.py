"""The folders in which clnn and the OpenCL drivers keep what they have found out or compiled."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_dir

from ..backends.opencl import home, program_store, pruning, trust_store, tuning, tuning_store
from ..errors import FileFormatError
from .report import Cache

_BUDGET = 1.0  # seconds to look at the files of one cache
_DAY = 86400.0
OWN = ("tuning", "trust", "kernels")  # caches of clnn's: what is in them is read, and judged
_COMPILED = "pyopencl-compiler-cache-"


def places() -> dict[str, Path]:
    """Every cache by name, whether it is there or not."""
    return {
        **{kind: tuning_store.folder() / kind for kind in OWN},
        "pyopencl": _pyopencl(),
        "pocl": home.pocl_folder(),
    }


def _pyopencl() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    if sys.platform == "darwin" and base:
        return Path(base) / "pyopencl"
    return Path(user_cache_dir("pyopencl", "pyopencl"))


def look() -> list[Cache]:
    """What each cache holds, and whether it can be used."""
    return [_look(name, path) for name, path in places().items()]


def _look(name: str, path: Path) -> Cache:
    size, entries, complete, times = 0, 0, True, []
    until = time.monotonic() + _BUDGET
    for file in _files(path):
        if time.monotonic() > until:
            complete = False
            break
        try:
            found = file.stat(follow_symlinks=False)
        except OSError:  # another process may have removed it
            continue
        size, entries = size + found.st_size, entries + _counts(name, file.name)
        times.append(found.st_mtime)
    ages = [max(0.0, (time.time() - t) / _DAY) for t in (times and [min(times), max(times)])]
    oldest, newest = ages or (0.0, 0.0)
    damaged = tuple(_damaged(path, name)) if name in OWN else ()
    return Cache(name, str(path), size, entries, round(oldest, 3), round(newest, 3), complete, damaged,
                 writable(path), pruning.MOST if name == "kernels" else 0)  # fmt: skip


def _files(path: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path))
                else:
                    yield entry
    except OSError:  # none, or one that may not be read, which `writable` says
        return


def _counts(cache: str, file: str) -> bool:
    """Whether a file stands for an entry: a compiled program is kept in several."""
    return {"pyopencl": file == "binary", "pocl": file == "program.bc"}.get(
        cache, file.endswith((".json", ".bin"))
    )  # fmt: skip


def writable(path: Path) -> bool:
    """Whether a file can be made there, or a folder where there is none yet, and the disk has room; leaves nothing."""
    if not home.has_room(path):
        return False
    while not path.exists():
        if path == path.parent:
            return False
        path = path.parent
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".clnn-doctor-"):
            return True
    except OSError:
        return False


def _damaged(path: Path, kind: str) -> Iterator[str]:
    until = time.monotonic() + _BUDGET
    ending = ".bin" if kind == "kernels" else ".json"
    for file in (Path(f.path) for f in _files(path) if f.name.endswith(ending)):
        if time.monotonic() > until:
            return
        try:
            if kind == "kernels":
                if program_store.intact(file, file.read_bytes()) is None:
                    yield f"{file.name}: it is not as it was written"
                continue
            text = file.read_text("utf-8")
            if kind == "tuning":
                why = "; ".join(
                    tuning_store.unpack(tuning_store.parse(text), None, tuning.usable)[1]
                )
            else:
                why = _wrong_verdicts(text)
        except (OSError, ValueError, RecursionError, FileFormatError) as error:
            why = str(error)
        if why:
            yield f"{file.name}: {why}"


def _wrong_verdicts(text: str) -> str:
    """What is wrong with a file of verdicts, or nothing; raises ValueError for one that is no JSON."""
    found = json.loads(text)
    if not isinstance(found, dict) or (found.get("format"), found.get("version")) != (
        trust_store.FORMAT, trust_store.VERSION
    ):  # fmt: skip
        return f"expected a file of format {trust_store.FORMAT!r}, version {trust_store.VERSION}"
    for key, texts in (("proven", 3), ("failed", 4)):
        rows = found.get(key)
        if not isinstance(rows, list) or not all(
            isinstance(r, list) and len(r) == texts and all(isinstance(t, str) for t in r) for r in rows
        ):  # fmt: skip
            return f"expected lists of {texts} texts under {key!r}"
    return ""


def clear() -> list[tuple[str, str, int, int]]:
    """Empty every cache; (name, path, entries, bytes) of what was removed.

    Only files that clnn wrote and folders of compiled kernels go; links are removed, never followed.
    """
    return [(name, str(path), *_cleared(name, path)) for name, path in places().items()]


def _cleared(name: str, path: Path) -> tuple[int, int]:
    removed, freed = 0, 0
    for each in _ours(name, path):
        files = [each] if each.is_symlink() or not each.is_dir() else [Path(e.path) for e in _files(each)]  # fmt: skip
        held = [(f.lstat().st_size, _counts(name, f.name)) for f in files if os.path.lexists(f)]
        if each.is_symlink() or not each.is_dir():
            try:
                each.unlink()
            except OSError:
                continue
        else:
            shutil.rmtree(each, ignore_errors=True)
        if not os.path.lexists(each):
            removed, freed = removed + sum(n for _, n in held), freed + sum(s for s, _ in held)
    return removed, freed


def _ours(name: str, path: Path) -> list[Path]:
    """What may be removed from a cache: never the folder itself, nor files of unknown kinds."""
    try:
        found = sorted(path.iterdir())
    except OSError:
        return []
    if name in OWN:
        endings = (".json", ".bin", ".lock", ".tmp")
        return [f for f in found if f.name.endswith(endings) and (f.is_symlink() or f.is_file())]
    if name == "pyopencl":
        return [f for f in found if f.name.startswith(_COMPILED)]
    # PoCL files programs in folders named by two letters of their hash, beside what an end in the middle leaves
    return [
        f for f in found if re.fullmatch(r"[A-Z]{2}|tempfile_\w{6}", f.name) and not f.is_symlink()
    ]
