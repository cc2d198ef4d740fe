"""The user's cache of tuning results: one JSON file per device, shared by processes, never trusted blindly."""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from ...errors import FileFormatError
from .discovery import DeviceInfo

FORMAT, VERSION = "clnn tuning", 1  # the version also counts what the tuner means by its numbers
_FACTS = ("platform", "platform_version", "vendor", "name", "driver", "kind", "compute_units", "max_group",
          "local_mem")  # fmt: skip
_PATIENCE = 10.0  # seconds; nobody writes for longer

Hash = Callable[[str], str]


@dataclass(frozen=True)
class Entry:
    """What won a class of problems of an op, and on what it was found; seconds per call."""

    op: str
    problems: str
    algorithm: str
    values: Mapping[str, Any] = field(default_factory=dict)
    case: Mapping[str, Any] = field(default_factory=dict)
    before: float = 0.0
    after: float = 0.0


def entry(found: Any) -> Entry:
    """An entry from what JSON held; raises ValueError for anything that is none."""
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, got {found!r}")
    try:
        made = Entry(**found)
    except TypeError as error:
        raise ValueError(str(error)) from None
    texts, tables = (made.op, made.problems, made.algorithm), (made.values, made.case)
    if not (
        all(isinstance(t, str) for t in texts)
        and all(isinstance(t, dict) for t in tables)
        and all(isinstance(v, int | str) for v in made.values.values())
        and all(isinstance(t, int | float) for t in (made.before, made.after))
    ):
        raise ValueError(f"expected texts, values and seconds, got {found!r}")
    return made


def facts(info: DeviceInfo) -> dict[str, Any]:
    """What makes a device another one, as far as tuning goes."""
    # looked up and not imported: everything that the package offers stands above this module
    version = sys.modules[__name__.partition(".")[0]].__version__
    return {"clnn": version, **{name: getattr(info, name) for name in _FACTS}}


def folder() -> Path:
    """Where the user's caches lie; for a user without a home, where nothing can be written."""
    nowhere = Path(os.devnull, "clnn")
    try:
        path = Path(user_cache_dir("clnn", appauthor=False))
    except RuntimeError:  # newer versions do not answer with a "~" that nobody has expanded
        return nowhere
    return path if path.is_absolute() else nowhere


def device_file(kind: str, info: DeviceInfo) -> Path:
    """Where what is known of a device lies: `kind` is tuning, or trust."""
    key = sha256(json.dumps(facts(info), sort_keys=True).encode()).hexdigest()[:12]
    stem = re.sub(r"[^A-Za-z0-9]+", "-", info.name).strip("-").lower()
    return folder() / kind / f"{stem}-{key}.json"


class Store:
    """The file of one device."""

    def __init__(self, info: DeviceInfo) -> None:
        """Names the file; touches nothing."""
        self.facts = facts(info)
        self.path = device_file("tuning", info)

    def read(self, hash_of: Hash, usable: Callable[[Entry], bool]) -> list[Entry]:
        """Entries that still hold; what is damaged or of another device is left out with a warning.

        Entries found with other templates than there are now are left out in silence.
        """
        try:
            text = self.path.read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, UnicodeDecodeError) as error:
            _warn(self.path, str(error))
            return []
        try:
            found = parse(text)
        except FileFormatError as error:
            _warn(self.path, str(error))
            return []
        if found["device"] != self.facts:
            _warn(self.path, "it was written for another device; clnn tune --import checks and takes it")  # fmt: skip
            return []
        held, damaged = unpack(found, hash_of, usable)
        if damaged:
            _warn(self.path, f"{len(damaged)} of its entries are damaged: {damaged[0]}")
        return held

    def write(
        self, entries: Sequence[Entry], hash_of: Hash, usable: Callable[[Entry], bool]
    ) -> None:
        """Add `entries`, or replace those of the same class, beside what other processes have added.

        Raises OSError as `open` does.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.with_suffix(".lock")):
            with warnings.catch_warnings():  # what is damaged is about to be replaced
                warnings.simplefilter("ignore")
                held = {(e.op, e.problems): e for e in self.read(hash_of, usable)}
            held.update({(e.op, e.problems): e for e in entries})
            write_whole(self.path, profile(self.facts, list(held.values()), hash_of))


def profile(device: Mapping[str, Any], entries: Sequence[Entry], hash_of: Hash) -> str:
    """The text of a file that holds `entries`."""
    ops = sorted({e.op for e in entries})
    return json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "device": dict(device),
            "ops": {
                op: {
                    "templates": hash_of(op),
                    "entries": [
                        {k: v for k, v in asdict(e).items() if k != "op"}
                        for e in sorted(entries, key=lambda e: e.problems)
                        if e.op == op
                    ],
                }
                for op in ops
            },
        },
        indent=1,
    )


def parse(text: str) -> dict[str, Any]:
    """The object in a file's text; raises FileFormatError unless a tuner of this version wrote it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"tuning: expected JSON, got {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise FileFormatError("tuning: expected a file that clnn tune wrote, got another")
    if found.get("version") != VERSION:
        raise FileFormatError(
            f"tuning: expected version {VERSION} of the format, got {found.get('version')!r}"
        )
    if not isinstance(found.get("ops"), dict) or not isinstance(found.get("device"), dict):
        raise FileFormatError("tuning: expected 'device' and 'ops', got a file without them")
    return found


def unpack(
    found: Mapping[str, Any], hash_of: Hash | None, usable: Callable[[Entry], bool]
) -> tuple[list[Entry], list[str]]:
    """The entries of a parsed file, and what is wrong with the others; hash_of None takes any templates."""
    held, damaged = [], []
    for op, table in found["ops"].items():
        if not isinstance(table, dict) or not isinstance(table.get("entries"), list):
            damaged.append(f"{op}: no list of entries")
            continue
        for each in table["entries"]:
            try:
                made = entry({**each, "op": op} if isinstance(each, dict) else each)
            except ValueError as error:
                damaged.append(f"{op}: {error}")
                continue
            if not usable(made):
                damaged.append(f"{op}: no algorithm {made.algorithm!r}")
            elif hash_of is None or hash_of(op) == table.get("templates"):
                held.append(made)
    return held, damaged


def write_whole(path: Path, data: str | bytes) -> None:
    """Replace a file so that at any moment it holds the old content or the new; raises OSError as `open` does."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(draft, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    _sweep(path)


def _sweep(path: Path) -> None:
    """Remove what writers of this file have left that died in the middle."""
    for draft in path.parent.glob(f".{path.name}.*.tmp"):
        with suppress(OSError):
            if time.time() - draft.stat().st_mtime > _PATIENCE:
                draft.unlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One writer at a time, of all processes and threads; a lock dies with its process.

    Raises TimeoutError, an OSError, when another has held it for long.
    """
    deadline = time.monotonic() + _PATIENCE
    while (held := _try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{path} has been locked for {_PATIENCE:.0f} seconds by another process"
            )
        time.sleep(0.01)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no file that is open
            path.unlink()
        _unlock(held)
        os.close(held)


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock, or None while another does."""
    held = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        _lock(held)
        # who had it before may have removed the file: then this is a lock on nothing
        if os.path.samestat(os.fstat(held), os.stat(path)):
            return held
    except (BlockingIOError, PermissionError, FileNotFoundError):
        pass
    except OSError:
        return held  # a file system without locks: files are replaced whole, an update may be lost
    os.close(held)
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(held: int) -> None:
        msvcrt.locking(held, msvcrt.LK_NBLCK, 1)

    def _unlock(held: int) -> None:
        with suppress(OSError):
            msvcrt.locking(held, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(held: int) -> None:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(held: int) -> None:
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_UN)  # a fork since then has the descriptor too


def _warn(path: Path, why: str) -> None:
    warnings.warn(f"tuning: {path} is not used: {why}", RuntimeWarning, stacklevel=2)
