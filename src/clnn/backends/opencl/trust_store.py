"""The user's cache of verdicts on algorithms: one JSON file per device, shared by processes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from . import tuning
from .discovery import DeviceInfo
from .tuning_store import device_file, facts, locked, write_whole

FORMAT, VERSION = "clnn trust", 1


class Variant(NamedTuple):
    """What is trusted or not: one algorithm of an op, in one dtype."""

    op: str
    algorithm: str
    dtype: str

    def __str__(self) -> str:
        return ".".join(self)


class Verdicts:
    """Variants that have passed, and why others have failed; with `keep` shared through the user's cache.

    A verdict holds for the templates it was found with. A file that cannot be read or written is no error:
    what it would have said is found out again.
    """

    def __init__(self, info: DeviceInfo, *, keep: bool) -> None:
        """Read what is known of the device."""
        self.path: Path | None = device_file("trust", info) if keep else None
        self.facts = facts(info)
        self.proven: set[Variant] = set()
        self.failed: dict[Variant, str] = {}
        self._read()

    def prove(self, variant: Variant) -> None:
        """Remember that it computes right."""
        self.proven.add(variant)
        self._write()

    def fail(self, variant: Variant, why: str) -> None:
        """Remember that it does not."""
        self.failed[variant] = why
        self.proven.discard(variant)
        self._write()

    def _read(self) -> None:
        if self.path is None:
            return
        try:
            proven, failed = _unpack(json.loads(self.path.read_text("utf-8")), self.facts)
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError, RecursionError) as error:
            warnings.warn(f"trust: {self.path} is not used: {error}", RuntimeWarning, stacklevel=2)
            return
        self.failed = {**failed, **self.failed}
        self.proven = (
            self.proven | proven
        ) - self.failed.keys()  # one failure outweighs what passed

    def _write(self) -> None:
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.with_suffix(".lock")):
                with warnings.catch_warnings():  # what is damaged is about to be replaced
                    warnings.simplefilter("ignore")
                    self._read()  # what other processes have found since
                write_whole(self.path, self._packed())
        except OSError as error:
            self.path = None
            warnings.warn(
                f"trust: verdicts are kept for this process only: {error}", RuntimeWarning, stacklevel=2
            )  # fmt: skip

    def _packed(self) -> str:
        ops = sorted({v.op for v in (*self.proven, *self.failed)})
        return json.dumps({
            "format": FORMAT, "version": VERSION, "device": self.facts,
            "templates": {op: tuning.template_hash(op) for op in ops},
            "proven": sorted(self.proven), "failed": sorted([*v, why] for v, why in self.failed.items()),
        }, indent=1)  # fmt: skip


def _unpack(found: Any, device: dict[str, Any]) -> tuple[set[Variant], dict[Variant, str]]:
    """What a file says of today's templates; raises ValueError for a file that is none."""
    if not isinstance(found, dict) or (found.get("format"), found.get("version")) != (FORMAT, VERSION):  # fmt: skip
        raise ValueError(f"expected a file of format {FORMAT!r}, version {VERSION}")
    if found.get("device") != device:
        raise ValueError("it was written for another device")
    hashes = found.get("templates")
    good, bad = found.get("proven"), found.get("failed")
    if not (isinstance(hashes, dict) and isinstance(good, list) and isinstance(bad, list)):
        raise ValueError("expected templates and verdicts")
    current = {op for op in hashes if op in tuning.tables() and hashes[op] == tuning.template_hash(op)}  # fmt: skip

    def texts(rows: Iterable[Any], n: int) -> list[list[str]]:
        for row in rows:
            if not isinstance(row, list) or len(row) != n or not all(isinstance(t, str) for t in row):  # fmt: skip
                raise ValueError(f"expected {n} texts, got {row!r}")
        return [row for row in rows if row[0] in current]

    proven = {Variant(*row) for row in texts(good, 3)}
    return proven, {Variant(*row[:3]): row[3] for row in texts(bad, 4)}
