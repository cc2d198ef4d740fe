"""save and load: nested dicts of tensors, numbers and strings; models with their architecture."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..device import Device
from ..device import device as open_device
from ..errors import ClnnError, DTypeError, FileFormatError, SettingError
from ..tensor import Tensor, tensor, to_host
from . import safe

Where = str | os.PathLike[str]


def save(path: Where, obj: Any, metadata: Mapping[str, Any] | None = None) -> None:
    """Write `obj` to `path` as a safetensors file, whole or not at all; nothing is ever pickled.

    obj: a module or anything else with `state_dict`, or dicts (keys str or int), lists and tuples of
    Tensors, NumPy arrays, numbers, strings, None and such objects, nested at will. Of a module the
    architecture is kept too. metadata: further values for `load_metadata`.
    Raises DTypeError for values of other types; OSError as `open` does.
    """
    fields, arrays = {}, dict[str, Any]()
    describe = getattr(obj, "architecture", None)
    for name, value in (
        ("state", obj),
        ("architecture", describe() if callable(describe) else None),
        ("metadata", {} if metadata is None else dict(metadata)),
    ):
        fields[name] = json.dumps(_pack(value, "", arrays))
    safe.write(Path(path), fields, arrays)


def load(path: Where, device: str | Device | None = None) -> Any:
    """What was saved, arrays as Tensors on `device` (None: the default device); of a module its state.

    Raises FileFormatError for a file that is damaged or that clnn did not write; OSError as `open` does.
    """
    return _read(path, "state", device)


def load_metadata(path: Where) -> dict[str, Any]:
    """The metadata that was saved; raises as `load`."""
    found: dict[str, Any] = _read(path, "metadata", "cpu")
    return found


def load_model(path: Where, build: Any, device: str | Device | None = None) -> Any:
    """The module that was saved, with its weights, on `device` (None: the default device).

    build: clnn.nn.build_module, or the module's class, or any function that makes a module of an
    architecture. Raises SettingError if the file holds no module; and as `load`.
    """
    fields, arrays = safe.read(Path(path))
    target = open_device(device)
    architecture = _unpack_field(path, fields, "architecture", arrays, target)
    if architecture is None:
        raise SettingError(f"load_model: expected a file with a module, got {path}; use load")
    make: Callable[[Any], Any] = build
    if isinstance(build, type):
        make, architecture = getattr(build, "from_config"), architecture["config"]  # noqa: B009
    module = make(architecture)
    module.load_state_dict(_unpack_field(path, fields, "state", arrays, open_device("cpu")))
    return module.to(target)


def _read(path: Where, name: str, device: str | Device | None) -> Any:
    fields, arrays = safe.read(Path(path))
    return _unpack_field(path, fields, name, arrays, open_device(device))


def _unpack_field(
    path: Where, fields: Mapping[str, str], name: str, arrays: Mapping[str, Any], device: Device
) -> Any:
    try:
        return _unpack(json.loads(fields[name]), arrays, device)
    except ClnnError:
        raise
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise FileFormatError(
            f"load: expected a readable {name!r}, got {path}: {error!r}"
        ) from None


def _pack(value: Any, at: str, arrays: dict[str, Any]) -> Any:
    """`value` as JSON: plain values as they are, the rest as {kind: content}; arrays go to `arrays`."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Tensor | np.ndarray):
        host, _ = to_host(value)
        name = at or "tensor"
        while name in arrays or name == safe.RESERVED:
            name += "#"
        arrays[name] = host
        return {"tensor": name}
    if hasattr(value, "state_dict"):
        return _pack(value.state_dict(), at, arrays)
    dot = f"{at}." if at else ""
    if isinstance(value, Mapping):
        for key in value:
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise DTypeError(f"save: expected keys to be str or int, got {key!r} at {at!r}")
        return {"dict": [[key, _pack(v, f"{dot}{key}", arrays)] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(v, f"{dot}{k}", arrays) for k, v in enumerate(value)]}
    raise DTypeError(
        "save: expected Tensors, NumPy arrays, numbers, strings, None, dicts, lists or tuples, got "
        f"{type(value).__name__} at {at!r}"
    )


def _unpack(packed: Any, arrays: Mapping[str, Any], device: Device) -> Any:
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "tensor":
        return tensor(arrays[content], device=device)
    if kind == "dict":
        return {key: _unpack(v, arrays, device) for key, v in content}
    items = [_unpack(v, arrays, device) for v in content]
    return tuple(items) if kind == "tuple" else items
