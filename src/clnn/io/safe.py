"""The container: safetensors with a checksum, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  (registers "bfloat16" with NumPy)
import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save_file

from ..errors import FileFormatError

FORMAT, VERSION = "clnn", 1
RESERVED = "__metadata__"  # a key of the header that no tensor can have
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "U8": "uint8",
    "BOOL": "bool",
}
_SIZE = 8  # bytes before the header, which say how long it is


def _digest(fields: Mapping[str, str], arrays: Mapping[str, Any]) -> str:
    """A checksum over everything a reader will believe."""
    sha = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
    for name in sorted(arrays):
        a = arrays[name]
        sha.update(json.dumps([name, a.dtype.name, a.shape]).encode())
        sha.update(a.reshape(-1).view(np.uint8))
    return sha.hexdigest()


def write(path: Path, fields: Mapping[str, str], arrays: Mapping[str, Any]) -> None:
    """Write `arrays` (C-contiguous NumPy) and text `fields` to `path`, as `whole` does."""
    fields = {**fields, "format": FORMAT, "version": str(VERSION)}
    fields["sha256"] = _digest(fields, arrays)
    with whole(path) as draft:
        save_file(dict(arrays), str(draft), metadata=fields)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write in place of `path`, so that at any moment `path` holds the old content or the new.

    The file lies beside `path`, and is flushed to disk and renamed when the block ends without an error.
    Raises OSError as `open` does.
    """
    path = Path(os.path.realpath(path))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        draft.touch(exist_ok=False)  # to learn the permissions a new file has here
        mode = (path if path.exists() else draft).stat().st_mode
        yield draft
        draft.chmod(stat.S_IMODE(mode))
        with open(draft, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable, where folders can be opened (not on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """The fields and arrays of a file that `write` wrote; raises FileFormatError for any other."""
    data = path.read_bytes()
    try:
        found = deserialize(data)  # type: ignore[no-untyped-call]
        size = int.from_bytes(data[:_SIZE], "little")
        fields = json.loads(data[_SIZE : _SIZE + size]).get(RESERVED, {})
    except (SafetensorError, ValueError) as error:
        raise FileFormatError(f"load: expected a safetensors file, got {path}: {error}") from None
    if fields.get("format") != FORMAT:
        raise FileFormatError(
            f"load: expected a file that clnn wrote, got {path}, a safetensors file of format "
            f"{fields.get('format')!r}; read it with safetensors.numpy.load_file"
        )
    if fields.get("version") != str(VERSION):
        raise FileFormatError(
            f"load: expected version {VERSION} of the format, got {fields.get('version')!r} in {path}; "
            "a newer clnn may read it"
        )
    arrays = {}
    for name, entry in found:
        kind = _DTYPES.get(entry["dtype"])
        if kind is None:
            raise FileFormatError(
                f"load: expected dtypes clnn has, got {entry['dtype']} for {name!r} in {path}"
            )
        arrays[name] = np.frombuffer(entry["data"], kind).reshape(entry["shape"])
    checksum = fields.pop("sha256", None)
    if checksum != _digest(fields, arrays):
        raise FileFormatError(f"load: expected intact content, got a checksum error in {path}")
    return fields, arrays
