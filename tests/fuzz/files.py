"""Files that others may have written: whatever is in them, a typed error or a warning, nothing run, little memory."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import clnn
from clnn import io, nn, optim
from clnn.backends.opencl import trust_store, tuning, tuning_store
from clnn.backends.opencl.program_store import Programs
from clnn.cli import tune
from clnn.compat import keydnn
from clnn.compat.keydnn import checkpoint, layers
from clnn.doctor import caches
from clnn.errors import ClnnError
from fuzz.check import Finding
from fuzz.damage import as_json, bytes_of, edited, safetensors_of

FORBIDDEN = {"pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "ctypes.dlopen", "socket.connect",
             "os.remove", "os.rename", "os.chmod", "shutil.rmtree", "runpy.run_path"}  # fmt: skip


@dataclass(frozen=True)
class Damaged:
    """A file for one of the readers."""

    reader: str
    content: bytes

    def __repr__(self) -> str:
        shown = repr(self.content)
        return f"{self.reader}: {shown if len(shown) < 3000 else shown[:1500] + ' ... ' + shown[-1500:]}"


# --- good files, by who reads them ---------------------------------------------------------------------------


def _model() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8, 3),
        nn.Dropout(0.1),
    )


def _keydnn() -> Any:
    """A checkpoint of KeyDNN's, as JSON has it."""
    model = keydnn.Sequential(
        layers.Conv2d(1, 2, (3, 1)), layers.BatchNorm2d(2), layers.Flatten(), layers.Linear(8, 3),
        layers.GRU(3, 2), layers.Bidirectional(layers.LSTM(2, 1)), keydnn.Softmax(),
    )  # fmt: skip
    return checkpoint.to_payload(model)


def _optimizer() -> Any:
    model = nn.Linear(2, 2)
    made = optim.Adam(model.parameters())
    model(clnn.ones(1, 2)).sum().backward()
    made.step()
    return made


def _saved(path: Path, what: Any) -> bytes:
    clnn.save(path, what, {"note": "a", "at": [1, 2.5, None]})
    return path.read_bytes()


def _state() -> Any:
    return {"w": clnn.ones(2, 3, device="cpu"), "n": [1, 2.5, "a", None, True], 7: (clnn.zeros(0, 2, device="cpu"), {"b": clnn.ones(1, device="cpu").to("int64")})}  # fmt: skip


def _entry() -> tuning_store.Entry:
    settings = {"transpose_a": False, "transpose_b": False}
    case = {
        "op": "matmul",
        "specs": [[[64, 64], "float32"], [[64, 64], "float32"]],
        "settings": settings,
    }
    algorithm = tuning.tables()["matmul"].algorithms[-1].name
    return tuning_store.Entry("matmul", "float32 small", algorithm, {"TM": 4}, case, 1e-3, 5e-4)


def _device() -> Any:
    return next((d for d in clnn.devices() if d.info is not None), None)


def _programs() -> tuple[Programs, Path, Any] | None:
    """A store of compiled programs, where it keeps the one of SOURCE, and a context; of a device that has such."""
    for d in clnn.devices():
        if d.info is not None:
            store = Programs(d.info)
            path = store.path(SOURCE)
            if path is not None:
                return store, path, d.backend.rt.context
    return None


SOURCE = "__kernel void nothing(__global float *x) { x[0] = 1.0f; }"


@cache
def good() -> dict[str, Any]:
    """Content of an intact file for each reader: bytes for safetensors and programs, documents else."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or ".")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "good.safetensors"
    out: dict[str, Any] = {
        "state": _saved(path, _state()),
        "model": _saved(path, _model()),
        "optimizer": _saved(path, _optimizer().state_dict()),
    }
    path.unlink()
    out["config"] = (
        nn.module_config(_model())
        if hasattr(nn, "module_config")
        else {"class": "ReLU", "config": {}}
    )
    out["keydnn"] = _keydnn()
    device = _device()
    if device is not None:
        text = tuning_store.profile(
            tuning_store.facts(device.info), [_entry()], tuning.template_hash
        )
        out["profile"] = out["tuning cache"] = json.loads(text)
        out["trust"] = {"format": trust_store.FORMAT, "version": trust_store.VERSION, "device": tuning_store.facts(device.info),
                        "templates": {"matmul": tuning.template_hash("matmul")},
                        "proven": [["matmul", "plain", "float32"]], "failed": [["matmul", "simd", "float16", "off"]]}  # fmt: skip
        out["doctor"] = out["trust"]
    found = _programs()
    if found is not None:
        store, path, context = found
        store.build(context, SOURCE)
        if path.exists():
            out["program"] = path.read_bytes()
    return out


@st.composite
def damaged(draw: Any, reader: str) -> Damaged:
    """A file for that reader which is not as it was written."""
    whole = good()[reader]
    if reader in ("state", "model", "optimizer"):
        return Damaged(reader, draw(safetensors_of(whole)))
    if isinstance(whole, bytes):
        return Damaged(reader, draw(bytes_of(whole)))
    content = as_json(draw(edited(whole))) if draw(st.integers(0, 3)) else as_json(whole)
    if reader != "config" and draw(st.integers(0, 3)) == 0:
        content = draw(bytes_of(content))
    return Damaged(reader, content)


# --- reading them ----------------------------------------------------------------------------------------------


def _config(path: Path) -> None:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    nn.build_module(found)


def _cached(kind: str) -> Callable[[Path], None]:
    """A reader of a cache: it gets the file where it looks for it, and raises nothing at all."""

    def read(path: Path) -> None:
        info = _device().info
        there = tuning_store.device_file(kind, info)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(path.read_bytes())
        try:
            if kind == "trust":
                trust_store.Verdicts(info, keep=True)
            else:
                tuning_store.Store(info).read(tuning.template_hash, tuning.usable)
        finally:
            there.unlink()

    return read


def _doctor(path: Path) -> None:
    for kind, end in (("trust", "json"), ("tuning", "json"), ("kernels", "bin")):
        folder = path.parent / "looked at"
        folder.mkdir(exist_ok=True)
        copy = folder / f"a.{end}"
        copy.write_bytes(path.read_bytes())
        try:
            for line in caches._damaged(folder, kind):
                assert isinstance(line, str)
        finally:
            copy.unlink()


def _program(path: Path) -> None:
    found = _programs()
    if found is not None:
        store, there, context = found
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(path.read_bytes())
        store.build(context, SOURCE)


READERS: dict[str, Callable[[Path], Any]] = {
    "state": lambda path: (io.load(path, "cpu"), io.load_metadata(path)),
    "model": lambda path: io.load_model(path, nn.build_module, "cpu"),
    "optimizer": lambda path: _optimizer().load_state_dict(io.load(path, "cpu")),
    "config": _config,
    "keydnn": keydnn.Sequential.load_json,
    "profile": lambda path: list(tune._imported(path)),
    "tuning cache": _cached("tuning"),
    "trust": _cached("trust"),
    "doctor": _doctor,
    "program": _program,
}
SILENT = {"tuning cache", "trust", "doctor", "program"}  # caches: what is in them may be anything


def check_file(case: Damaged, folder: Path) -> None:
    """Raise Finding unless the reader takes the file, or refuses it by an error of clnn's."""
    path = folder / "file"
    path.write_bytes(case.content)
    try:
        with warnings.catch_warnings(), watched(folder) as seen:
            warnings.simplefilter("ignore")
            READERS[case.reader](path)
    except Finding:
        raise
    except ClnnError as error:
        if case.reader in SILENT:
            raise Finding("error where none may be", f"{error!r} on {case!r}") from error
    except Exception as error:  # the subject of the test
        raise Finding("untyped error", f"{error!r} on {case!r}") from error
    if seen:
        raise Finding("something was run", f"{seen[0]} on {case!r}")


_watching: list[list[str]] = []
_folders: list[Path] = []
_hooked: list[Any] = []


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """What happens inside of the block that reading a file must not do."""
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked.append(True)
    seen: list[str] = []
    _folders[:] = [folder, tuning_store.folder()]
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.pop()


def _audit(event: str, args: Any) -> None:
    if _watching and event in FORBIDDEN:
        with suppress(Exception):
            if event in ("os.remove", "os.rename", "os.chmod") and any(
                str(args[0]).startswith(str(f)) for f in _folders
            ):
                return  # what readers of caches are given here
            _watching[-1].append(f"{event} {args!r:.100}")
