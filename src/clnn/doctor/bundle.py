"""An archive that reproduces what failed, without anything that tells whose machine it was."""

from __future__ import annotations

import getpass
import io
import json
import os
import re
import socket
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.opencl.program_store import OPTIONS
from ..errors import SettingError
from .report import Evidence, Report

_WHEN = (1980, 1, 1, 0, 0, 0)  # of every file, so that equal findings make equal archives
_HOMES = re.compile(r"(?:/home/|/Users/|[A-Za-z]:\\+Users\\+)[^/\\\s\"':;,]+")
_NUMBER = re.compile(r"^ *\d+  ", re.M)
_README = """What `clnn doctor` found, to be attached to a report of a wrong result.

report.json      devices, drivers, versions, everything that was examined
<device>/<n>-.../ one folder per failure:
  check.json     what was called, and what was wrong
  *.cl           the OpenCL C that ran, as it was given to the driver; options.txt has the build options
  *.npz          operands, the results that were expected, and those that the device gave
  log.txt        what the driver said
"""


def write(path: Path, report: Report) -> int:
    """Write the archive; the number of failures in it. Raises SettingError where no file can be written."""
    scrub = Scrubber()
    count = 0
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            _add(archive, "README.txt", _README.encode())
            _add(archive, "report.json", _json(scrub, report.to_json()))
            for device in report.devices:
                for n, (slug, about, evidence) in enumerate(_failures(device)):
                    folder = f"{_slug(device.name)}/{n:02}-{_slug(slug)}"
                    facts = {"device": device.facts, "versions": report.versions, **about}
                    _add(archive, f"{folder}/check.json", _json(scrub, facts))
                    for name, data in _files(scrub, evidence):
                        _add(archive, f"{folder}/{name}", data)
                    count += 1
    except OSError as error:
        raise SettingError(f"doctor: expected a file to bundle into, got {path}: {error}") from None
    return count


def _failures(device: Any) -> Iterator[tuple[str, dict[str, Any], Evidence]]:
    for probe in device.probes:
        if not probe.ok:
            about = {"probe": probe.name, "claimed": probe.claimed, "works": probe.works, "why": probe.why}  # fmt: skip
            yield probe.name, about, probe.evidence or Evidence()
    for check in device.checks:
        if not check.ok:
            about = {"family": check.family, "call": check.call, "dtype": check.dtype, "algorithm": check.way,
                     "why": check.why}  # fmt: skip
            yield f"{check.way or check.family} {check.dtype}", about, check.evidence or Evidence()


def _files(scrub: Scrubber, evidence: Evidence) -> Iterator[tuple[str, bytes]]:
    for k, (name, source) in enumerate(evidence.kernels):
        numbered = source.startswith("   1  ")
        text = _NUMBER.sub("", source) if numbered else source
        yield f"{k:02}-{_slug(name)}.cl", text.encode()
    yield "options.txt", (" ".join(OPTIONS) + "\n").encode()
    for name in ("inputs", "expected", "got"):
        if arrays := getattr(evidence, name):
            yield f"{name}.npz", _npz(arrays)
    if evidence.log:
        yield "log.txt", scrub(evidence.log).encode()


def _npz(arrays: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **{_slug(name): a for name, a in arrays.items()})
    return out.getvalue()


def _json(scrub: Scrubber, found: Any) -> bytes:
    return (json.dumps(scrub.all(found), indent=1) + "\n").encode()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _WHEN), data, zipfile.ZIP_DEFLATED)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:60]


class Scrubber:
    """Takes names of users and machines, and folders of theirs, out of texts."""

    def __init__(self) -> None:
        """Looks up the names of this user and this machine."""
        homes = {str(Path.home()), os.environ.get("HOME", ""), os.environ.get("USERPROFILE", "")}
        users = {os.environ.get(n, "") for n in ("USER", "LOGNAME", "USERNAME")} | {_user()}
        users |= {Path(h).name for h in homes if h}
        host = socket.gethostname()
        self._texts = [(h, "~") for h in sorted(homes, key=len, reverse=True) if len(h) > 1]
        words = {u: "<user>" for u in users} | {host: "<host>", host.partition(".")[0]: "<host>"}
        self._words = [
            (re.compile(rf"(?<![A-Za-z0-9]){re.escape(w)}(?![A-Za-z0-9])", re.I), by)
            for w, by in sorted(words.items(), key=lambda item: -len(item[0])) if w
        ]  # fmt: skip

    def __call__(self, text: str) -> str:
        """The text without them."""
        for home, by in self._texts:
            text = text.replace(home, by)
        text = _HOMES.sub("~", text)
        for word, by in self._words:
            text = word.sub(by, text)
        return text

    def all(self, found: Any) -> Any:
        """Every text in lists and dicts, values only: keys are ours."""
        if isinstance(found, str):
            return self(found)
        if isinstance(found, Mapping):
            return {k: self.all(v) for k, v in found.items()}
        return [self.all(v) for v in found] if isinstance(found, list | tuple) else found


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name
        return ""
