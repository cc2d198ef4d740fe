"""Files from the network: checked, resumed where a connection broke, in place whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ..errors import DatasetError

_CHUNK = 1 << 16
_TRIES = 5  # of one mirror, as long as each brings a part
_TIMEOUT = 30.0  # seconds without a byte
# A draft whose process was killed is anyone's after these seconds, which no living one leaves it untouched.
_ABANDONED = 300.0


class Remote(NamedTuple):
    """A file that mirrors have: its name behind each of their addresses, its bytes and their sha256."""

    name: str
    size: int
    sha256: str


class _RefusedError(Exception):
    """Why a mirror did not give the file."""


def fetch(who: str, remote: Remote, mirrors: Sequence[str], folder: Path) -> Path:
    """The path of `remote` in `folder`, downloaded from the first mirror that has it unless it is there.

    What a broken download left is continued, by another mirror if need be. Processes that fetch the same
    file do not disturb each other. Raises DatasetError with what every mirror said; OSError as `open` does.
    """
    place = folder / remote.name
    if _intact(place, remote):
        return place
    folder.mkdir(parents=True, exist_ok=True)
    draft = _claimed(folder, remote.name)
    said = []
    try:
        with _bar(remote) as report:
            for mirror in mirrors:
                try:
                    _from_mirror(mirror + remote.name, remote, draft, report)
                except _RefusedError as reason:
                    said.append(f"{mirror + remote.name}: {reason}")
                else:
                    os.replace(draft, place)
                    return place
    finally:
        _release(draft)
    raise DatasetError(
        f"{who}: expected one of {len(said)} mirrors to have {remote.name}, got "
        f"{'; '.join(said)}; put the file into {folder} if you have it"
    )


def _intact(path: Path, remote: Remote) -> bool:
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size != remote.size:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == remote.sha256
    except FileNotFoundError:
        return False


# --- one mirror ---------------------------------------------------------------------------------


def _from_mirror(url: str, remote: Remote, draft: Path, report: Callable[[int], None]) -> None:
    """Make `draft` the whole file, or raise _RefusedError."""
    for _ in range(_TRIES):
        start = draft.stat().st_size
        os.utime(draft)
        try:
            _transfer(url, remote, draft, report)
        except _RefusedError as reason:
            broken = reason
            if draft.stat().st_size <= start:  # nothing came
                break
        else:
            if _intact(draft, remote):
                return
            os.truncate(draft, 0)
            broken = _RefusedError(f"content with another sha256 than {remote.sha256}")
            if not start:  # all of it came from this mirror
                break
    raise broken


def _transfer(url: str, remote: Remote, draft: Path, report: Callable[[int], None]) -> None:
    """Append to `draft` what is missing; raises _RefusedError where the server does not send it all."""
    have = draft.stat().st_size
    if have >= remote.size:
        return
    headers = {"User-Agent": "clnn"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with _opened(url, headers) as answer:
        partial = answer.status == 206
        if partial and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise _RefusedError(f"another range than the one from {have}")
        with open(draft, "ab" if partial else "wb") as file:
            have = file.tell()
            while have < remote.size and (part := _read(answer, min(_CHUNK, remote.size - have))):
                have += file.write(part)
                report(have)
            file.flush()
            os.fsync(file.fileno())
    if have < remote.size:
        raise _RefusedError(f"{have} of {remote.size} bytes")


def _opened(url: str, headers: dict[str, str]) -> Any:
    try:
        return urlopen(Request(url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        error.close()
        raise _RefusedError(f"HTTP {error.code} {error.reason}") from None
    except (OSError, HTTPException, ValueError) as error:  # ValueError: an address that is none
        raise _RefusedError(str(error) or type(error).__name__) from None


def _read(answer: Any, size: int) -> bytes:
    try:
        found: bytes = answer.read(size)
    except (OSError, HTTPException) as error:
        raise _RefusedError(str(error) or type(error).__name__) from None
    return found


@contextlib.contextmanager
def _bar(remote: Remote) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, and nothing anywhere else."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(remote.name, total=remote.size)
        yield lambda done: bar.update(task, completed=done)


# --- drafts -------------------------------------------------------------------------------------


def _claimed(folder: Path, name: str) -> Path:
    """A draft of this process's own: the largest that another one left, or an empty one."""
    mine = folder / f".{name}.{secrets.token_hex(4)}.part"
    for left in sorted(_left(folder, name), key=lambda pair: -pair[0]):
        with contextlib.suppress(OSError):  # another process took it
            os.utime(left[1])  # before it has its new name, so that it is never seen as abandoned
            left[1].rename(mine)
            return mine
    mine.touch(exist_ok=False)
    return mine


def _left(folder: Path, name: str) -> list[tuple[int, Path]]:
    found = []
    for path in folder.glob(f".{glob.escape(name)}.*.part"):
        with contextlib.suppress(OSError):
            state = path.stat()
            if time.time() - state.st_mtime > _ABANDONED:
                found.append((state.st_size, path))
    return found


def _release(draft: Path) -> None:
    """Leave a draft to whoever comes next; one that holds nothing goes."""
    with contextlib.suppress(FileNotFoundError):
        if draft.stat().st_size:
            os.utime(draft, (0, 0))
        else:
            draft.unlink()
