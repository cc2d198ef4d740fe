"""The user's cache of compiled programs: one file each, and none reaches the driver unchecked."""

from __future__ import annotations

import json
import os
import platform
import re
import warnings
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyopencl as cl
from pyopencl.characterize import has_src_build_cache

from .discovery import DeviceInfo
from .pruning import Pruner, used
from .tuning_store import facts, folder, write_whole

OPTIONS = ("-cl-std=CL1.2",)
_MAGIC = b"clnn program 1\n"


class _Invokers(dict[Any, Any]):
    """What pyopencl asks of the place for the Python code that it generates for every kernel."""

    def store_if_not_present(self, key: Any, code: Any) -> None:
        """As of pytools' persistent dictionaries."""
        self.setdefault(key, code)


def _keep_invokers_in_memory() -> None:
    """Have pyopencl keep that code in memory: on disk, it fails where the home is full or read-only.

    Its cache of programs, which others in the process may use, is left as it is.
    """
    before = cl._PYOPENCL_NO_CACHE
    cl._PYOPENCL_NO_CACHE = True  # or the import itself would write
    try:
        from pyopencl import invoker
    finally:
        cl._PYOPENCL_NO_CACHE = before
    in_memory: Any = _Invokers()
    invoker.invoker_cache = in_memory


_keep_invokers_in_memory()


class Programs:
    """Compiles for one device, or takes what an earlier process has compiled.

    A driver may crash on a damaged binary, so each carries a hash of itself. What cannot be read is compiled
    again; what cannot be written is compiled by every process. Drivers that keep their binaries do it alone.
    """

    def __init__(self, info: DeviceInfo) -> None:
        """Touches nothing."""
        self.info = info
        self._pruner = Pruner()
        self.folder: Path | None = (
            None if has_src_build_cache(info.handle) else folder() / "kernels"
        )

    def build(self, context: Any, source: str) -> Any:
        """The program; raises cl.Error as the driver does when the source does not compile."""
        path = self.path(source)
        program = None if path is None else self._kept(context, path)
        if program is None:
            program = compiled(context, source)
            if path is not None:
                self._keep(program, path)
        return program

    def path(self, source: str) -> Path | None:
        """Where the program would lie, if programs for this device are kept here."""
        if self.folder is None:
            return None
        here = _processor() if self.info.kind == "cpu" else ""
        key = json.dumps([facts(self.info), OPTIONS, here, source], sort_keys=True)
        return self.folder / f"{sha256(key.encode()).hexdigest()[:32]}.bin"

    def _kept(self, context: Any, path: Path) -> Any:
        try:
            found = path.read_bytes()
        except OSError:
            return None
        binary = intact(path, found)
        if binary is None:
            return None
        used(path)
        try:
            return cl.Program(context, [self.info.handle], [binary]).build(options=list(OPTIONS))
        except cl.Error:  # a driver that has changed under the same name
            return None

    def _keep(self, program: Any, path: Path) -> None:
        try:
            (binary,) = program.get_info(cl.program_info.BINARIES)
        except cl.Error:
            binary = None
        if not binary:  # a driver that gives none, as OpenCL lets it
            self.folder = None
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, _head(path, binary) + binary)
            self._pruner.wrote(path.parent, len(binary))
        except OSError as error:
            self.folder = None
            warnings.warn(f"kernels: compiled ones are kept for this process only: {error}", RuntimeWarning,
                          stacklevel=2)  # fmt: skip


def compiled(context: Any, source: str) -> Any:
    """The program, compiled anew; raises cl.Error as the driver does when the source does not compile."""
    program = cl.Program(context, source)
    # pyopencl's own cache fails where the home is full or read-only, and runs what it unpickles from it. A program
    # that was asked for anything before its build goes past it, with a warning that says so.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program.get_info(cl.program_info.NUM_DEVICES)
    return program.build(options=list(OPTIONS))


def intact(path: Path, found: bytes) -> bytes | None:
    """The binary in a file's contents, if they are as they were written."""
    head, binary = found[: len(_MAGIC) + 32], found[len(_MAGIC) + 32 :]
    return binary if head == _head(path, binary) else None


def _head(path: Path, binary: bytes) -> bytes:
    """What a file begins with: its name is part of it, so that one renamed is none."""
    return _MAGIC + sha256(path.name.encode() + binary).digest()


@cache
def _processor() -> str:
    """What tells processors of one name apart, for homes that several machines share."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return f"{platform.machine()} {os.environ.get('PROCESSOR_IDENTIFIER', '')}"
    return "\n".join(sorted(set(re.findall(r"(?m)^(?:model name|flags|Features)\s*:.*$", text))))
