"""Damaged documents: JSON whose parts are exchanged, safetensors whose header lies, bytes that are cut and flipped."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st


class Repeat(dict):  # type: ignore[type-arg]
    """An object in which every key stands twice."""


def deep(n: int) -> Any:
    """A list in a list in a list ..."""
    out: Any = []
    for _ in range(n):
        out = [out]
    return out


# Values that readers may stumble over; text that a reader must not take for a path, a class or a program.
JUNK: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**53, 2**63, -(2**63), 10**30, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "x", "../../etc/passwd", "/dev/zero", "a\x00b", "\ud800", "é" * 300, "os.system", "__class__", "builtins.eval", "__metadata__",
    "float32", "F32", "conv2d", "cpu", "1", [], {}, [[]], [None], [1, 2, 3], [-1], [2**40, 2**40], {"tensor": "w"}, {"tensor": "none"},
    {"dict": [["a", 1]]}, {"list": 3}, {"tuple": []}, {"class": "Linear", "config": {}}, {"class": "Sequential", "config": {"modules": []}},
)  # fmt: skip


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the parts of a document are."""
    yield at
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*at, key))
    elif isinstance(document, list):
        for k, value in enumerate(document[:20]):
            yield from places(value, (*at, k))


def replaced(document: Any, at: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """The document with one part changed; a part that becomes DELETED goes away."""
    if not at:
        return change(document)
    head, *rest = at
    if isinstance(document, list):
        new = replaced(document[head], tuple(rest), change)
        return [*document[:head], *([] if new is DELETED else [new]), *document[head + 1 :]]
    out = type(document)(document)
    new = replaced(document[head], tuple(rest), change)
    if new is DELETED:
        del out[head]
    else:
        out[head] = new
    return out


DELETED = object()


@st.composite
def edited(draw: Any, document: Any) -> Any:
    """A JSON document with some of its parts exchanged, deleted, renamed or nested."""
    for _ in range(draw(st.integers(1, 3))):
        spots = list(places(document))
        at = spots[draw(st.integers(0, len(spots) - 1))]
        how = draw(st.integers(0, 9))
        junk = draw(st.sampled_from(JUNK))
        if how == 0 and at:
            change: Any = lambda _: DELETED  # noqa: E731
        elif how == 1:
            n = draw(st.sampled_from([10, 500, 100_000]))
            change = lambda _: DEEP * n  # noqa: B023, E731
        elif how == 2:
            change = lambda v: Repeat(v) if isinstance(v, dict) else [v, v]  # noqa: E731
        elif how == 3:
            change = lambda v: {str(junk)[:40]: v, **v} if isinstance(v, dict) else {"x": v}  # noqa: B023, E731
        elif how == 4:
            change = lambda v: v + draw(st.sampled_from([1, -1, 10**9])) if type(v) is int else junk  # noqa: B023, E731
        elif how == 5:
            other = spots[draw(st.integers(0, len(spots) - 1))]
            part = document
            for key in other:
                part = part[key]
            change = lambda _: part  # noqa: B023, E731
        else:
            change = lambda _: junk  # noqa: B023, E731
        document = replaced(document, at, change)
        if document is DELETED:
            document = None
    return document


DEEP = "\ue000"  # stands for a list in a list; as many as there are of it


def as_json(document: Any) -> bytes:
    """The text of a document: what JSON allows, and a little more."""
    return _text(document).encode("utf-8", "surrogatepass")


def _text(value: Any) -> str:
    if isinstance(value, str) and value.startswith(DEEP):
        return "[" * len(value) + "]" * len(value)
    if isinstance(value, dict):
        parts = [f"{json.dumps(str(k))}: {_text(v)}" for k, v in value.items()]
        return "{" + ", ".join(parts * (2 if isinstance(value, Repeat) else 1)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return json.dumps(value)


@st.composite
def bytes_of(draw: Any, whole: bytes) -> bytes:
    """Bytes cut, flipped, repeated, or something else altogether."""
    how = draw(st.integers(0, 6))
    at = draw(st.integers(0, max(len(whole) - 1, 0)))
    if how == 0:
        return whole[:at]
    if how == 1:
        return (
            whole[:at] + bytes([whole[at] ^ (1 << draw(st.integers(0, 7)))]) + whole[at + 1 :]
            if whole
            else b"\xff"
        )
    if how == 2:
        return whole + draw(st.binary(min_size=1, max_size=40))
    if how == 3:
        return whole[:at] + draw(st.binary(min_size=1, max_size=16)) + whole[at:]
    if how == 4:
        return whole[at:]
    if how == 5:
        return draw(st.sampled_from([b"", b"\x00", b"\xff" * 64, b"{}", b"[]", b"null", b'"', b"\xef\xbb\xbf{}", PICKLE, b"PK\x03\x04" + b"\0" * 60]))  # fmt: skip
    return draw(st.binary(max_size=200))


class _Trap:
    def __reduce__(self) -> Any:
        return print, ("executed",)


PICKLE = pickle.dumps(_Trap())


# --- safetensors -------------------------------------------------------------------------------------------


def take_apart(whole: bytes) -> tuple[dict[str, Any], bytes]:
    """The header, its fields as documents too, and the data of a safetensors file."""
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    fields = header["__metadata__"]
    for name in ("state", "architecture", "metadata"):
        fields[name] = json.loads(fields[name])
    return header, whole[8 + size :]


def put_together(header: Any, data: bytes, length: int | None, sealed: bool) -> bytes:
    """A file of a header and data; sealed: with the checksum that belongs to what is in it, if that can be told."""
    if isinstance(header, dict) and isinstance(header.get("__metadata__"), dict):
        fields = {k: v if k in ("format", "version", "sha256") and isinstance(v, str) else as_json(v).decode("utf-8", "replace")
                  for k, v in header["__metadata__"].items()}  # fmt: skip
        header = {**header, "__metadata__": fields}
        if sealed:
            fields["sha256"] = _digest(header, data)
    text = as_json(header)
    size = len(text) if length is None else length
    return size.to_bytes(8, "little") + text + data


def _digest(header: dict[str, Any], data: bytes) -> str:
    """As clnn.io.safe counts it; any other text where the header makes no sense."""
    fields = {k: v for k, v in header["__metadata__"].items() if k != "sha256"}
    sha = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
    kinds = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "U8": "uint8", "BOOL": "bool"}  # fmt: skip
    try:
        for name in sorted(set(header) - {"__metadata__"}):
            entry = header[name]
            start, end = entry["data_offsets"]
            sha.update(json.dumps([name, kinds[entry["dtype"]], list(entry["shape"])]).encode())
            sha.update(np.frombuffer(data[start:end], np.uint8))
    except (KeyError, TypeError, ValueError, IndexError):
        return "0" * 64
    return sha.hexdigest()


@st.composite
def safetensors_of(draw: Any, whole: bytes) -> bytes:
    """A safetensors file that is not what it says."""
    how = draw(st.integers(0, 3))
    if how == 0:
        return draw(bytes_of(whole))
    header, data = take_apart(whole)
    header = draw(edited(header))
    length = draw(st.sampled_from([None, None, None, None, 0, 1, 2**40, 2**63, 2**64 - 1]))
    if draw(st.integers(0, 5)) == 0:
        data = draw(bytes_of(data))
    return put_together(header, data, length, how > 1)
