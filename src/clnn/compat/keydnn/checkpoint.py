"""Checkpoints: JSON of the format "keydnn.json.ckpt.v1", architecture and values in one file."""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
import warnings
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ... import nn
from ...autograd import no_grad
from ...device import Device as AnyDevice
from ...errors import ClnnError, DeviceError, FileFormatError, OutOfMemoryError
from ...nn.parameter import replace
from ...nn.state import entries
from ...tensor import tensor
from .module import MODULES, Module

FORMAT = "keydnn.json.ckpt.v1"
# Numbers in a config may be as large: sizes of layers, which make memory of them, and what others keep there.
_LARGEST_SIZE, _LARGEST = 1 << 24, 1 << 31


class MissingParameterError(FileFormatError, KeyError):
    """A checkpoint has no value for a parameter."""

    __str__ = Exception.__str__


# --- values -------------------------------------------------------------------------------------


def ndarray_to_payload(arr: Any) -> dict[str, Any]:
    """An array as JSON can hold it."""
    host = np.ascontiguousarray(arr).reshape(np.shape(arr))
    data = base64.b64encode(host.tobytes()).decode("ascii")
    return {"b64": data, "dtype": host.dtype.str, "shape": list(host.shape), "order": "C"}


def payload_to_ndarray(payload: Any) -> Any:
    """The inverse; raises FileFormatError for anything that is not one array of numbers."""
    if not isinstance(payload, Mapping):
        raise FileFormatError(f"checkpoint: expected an array as a dict, got {payload!r:.80}")
    try:
        content = base64.b64decode(str(payload["b64"]).encode("ascii"), validate=True)
        kind = np.dtype(str(payload["dtype"]))
        shape = tuple(int(n) for n in payload["shape"])
    except (KeyError, TypeError, ValueError, OverflowError, SyntaxError, binascii.Error) as error:
        raise FileFormatError(
            f"checkpoint: expected b64, dtype and shape of an array, got {error!r:.200}"
        ) from None
    whole = kind.kind in "biuf" and min(shape, default=0) >= 0
    if not whole or prod(shape) * kind.itemsize != len(content):
        raise FileFormatError(
            f"checkpoint: expected {shape} numbers of {kind}, got {len(content)} bytes"
        )
    return np.frombuffer(content, kind).reshape(shape)


def _values(payloads: Any) -> Mapping[str, Any]:
    if not isinstance(payloads, Mapping):
        raise FileFormatError(f"checkpoint: expected state as a dict, got {payloads!r:.80}")
    return payloads


def extract_state_payload(model: Module) -> dict[str, Any]:
    """Name -> array of all parameters, and of the running statistics, which KeyDNN neither has nor minds."""
    return {name: ndarray_to_payload(t.numpy()) for name, _, _, t in entries(model)}


def load_state_payload_(model: Module, payloads: Any) -> None:
    """Fill `model`, all of it or nothing; raises FileFormatError for values that are missing or do not fit.

    Running statistics may be missing, as in KeyDNN's own files, and stay as they are.
    """
    payloads = _values(payloads)
    plan = []
    for name, owner, own, target in entries(model):
        if name not in payloads:
            if own in owner._buffers:
                continue
            raise MissingParameterError(f"checkpoint: expected parameter {name!r}, got none")
        array = payload_to_ndarray(payloads[name])
        if array.shape != target.shape:
            raise FileFormatError(
                f"checkpoint: expected {name!r} of shape {target.shape}, got {array.shape}"
            )
        plan.append((target, array))
    with no_grad():
        for target, array in plan:
            replace(target, tensor(array, dtype=target.dtype, device=target.device))


# --- architecture -------------------------------------------------------------------------------


def module_to_config(m: Any) -> dict[str, Any]:
    """{"type", "config", "children"} of a module and all below it."""
    children = {name: module_to_config(child) for name, child in m._modules.items() if child}
    return {"type": type(m).__name__, "config": m.get_config(), "children": children}


class _Allowance:
    """How many parameters a network may still have: a file's layers are built before its values fill them."""

    def __init__(self, payloads: Any) -> None:
        kept = (p for p in _values(payloads).values() if isinstance(p, Mapping))
        self.left = sum(len(str(p.get("b64"))) for p in kept)

    def take(self, made: nn.Module) -> None:
        self.left -= sum(p.numel() for p in made._parameters.values() if p is not None)
        if self.left < 0:
            raise FileFormatError(
                "checkpoint: expected no more parameters than the file has values, "
                f"got a {type(made).__name__} too many"
            )


def module_from_config(node: Any) -> Any:
    """The module that `module_to_config` described, with new weights; a name KeyDNN has not is clnn's layer.

    Raises FileFormatError for a class that is not registered or a config it does not take.
    """
    return _built(node, None)


def _built(node: Any, allowance: _Allowance | None) -> Any:
    cfg = node.get("config") or {} if isinstance(node, Mapping) else None
    children = node.get("children") or {} if isinstance(node, Mapping) else None
    if not isinstance(cfg, Mapping) or not isinstance(children, Mapping):
        raise FileFormatError(
            f"checkpoint: expected a dict with type, config and children, got {node!r:.80}"
        )
    name = node.get("type")
    cls = (MODULES.get(name) or vars(nn).get(name)) if isinstance(name, str) else None
    if not isinstance(cls, type) or not issubclass(cls, nn.Module):
        raise FileFormatError(
            f"checkpoint: expected a registered module, got type {name!r:.80}; decorate its class with register_module"
        )
    largest = _LARGEST_SIZE if cls.__module__.startswith("clnn.") else _LARGEST
    if any(isinstance(n, int) and abs(n) > largest for n in _leaves(cfg)):
        raise FileFormatError(f"checkpoint: expected sizes of a network, got {cfg!r:.200}")
    try:
        made = cls.from_config(_here(cfg))
    except (DeviceError, OutOfMemoryError):
        raise
    except (ClnnError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise FileFormatError(
            f"checkpoint: expected a config of {name}, got {error!r:.200}"
        ) from None
    if allowance:
        allowance.take(made)
    for key, child in children.items():
        made.register_module(str(key), _built(child, allowance))
    if hasattr(made, "_post_load"):
        made._post_load()
    return made


def _leaves(value: Any) -> Iterator[Any]:
    """All that is in nested dicts and lists."""
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(part)
    else:
        yield value


def _here(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """A config for this machine: a card that is not here is the default device."""
    found = dict(cfg)
    if str(found.get("device")).startswith("cuda"):
        try:
            AnyDevice(str(found["device"]))
        except DeviceError:
            warnings.warn(
                f"checkpoint: expected {found['device']}, where it was saved, got no such device; "
                "its layers are put on the default device",
                stacklevel=2,
            )
            found["device"] = "cpu"
    return found


# --- files --------------------------------------------------------------------------------------


def to_payload(model: Module) -> dict[str, Any]:
    """All of a model as JSON can hold it."""
    state = extract_state_payload(model)
    return {"format": FORMAT, "arch": module_to_config(model), "state": state}


def check_format(payload: Any) -> Mapping[str, Any]:
    """`payload`, if it is a checkpoint of this format; raises FileFormatError."""
    found = payload.get("format") if isinstance(payload, Mapping) else None
    if not isinstance(payload, Mapping) or found != FORMAT:
        raise FileFormatError(f"checkpoint: expected format {FORMAT!r}, got {found!r:.80}")
    return payload


def from_payload(payload: Any) -> Any:
    """A new model; raises FileFormatError."""
    payload = check_format(payload)
    try:
        model = _built(payload.get("arch"), _Allowance(payload.get("state")))
        load_state_payload_(model, payload.get("state"))
    except RecursionError:
        raise FileFormatError("checkpoint: expected a network, got one nested too deep") from None
    return model


def write(path: str | os.PathLike[str], payload: Mapping[str, Any]) -> None:
    """Write JSON beside `path` and rename it, so that there is always a whole file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        draft.write_text(json.dumps(payload, indent=2), encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> Any:
    """The JSON in a file; raises FileFormatError for anything else, OSError as `open` does."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f"checkpoint: expected JSON in {str(path)!r}, got {error!r:.200}"
        ) from None
