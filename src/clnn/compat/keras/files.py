"""Where a Keras model's config and weights are: a .keras archive, an HDF5 file, or the model itself.

Files are not trusted: nothing in them is executed, no link out of them is followed, and the memory they can ask
for is bounded by their size. libhdf5 itself can hang or crash on damaged strings, which only .h5 files have.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ...errors import ClnnError, DTypeError, FileFormatError, SettingError
from .network import Layer, broken, children, is_model

_CONFIG = 1 << 26  # bytes of a config
_RATIO, _SLACK = 16, 1 << 26  # bytes that each stored byte, and the whole, may stand for
_DEEPEST = 16  # groups below a layer's
# What h5py and zipfile raise for damage; a version or method that they do not know is a RuntimeError.
_DAMAGE = (
    OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, EOFError, zipfile.BadZipFile, zlib.error,
    struct.error,
)  # fmt: skip


class Source(NamedTuple):
    """A model's config, and the way from a layer to its weights in Keras' order."""

    config: Mapping[str, Any]
    weights: Callable[[Layer], list[Any]]


@contextlib.contextmanager
def opened(model: Any) -> Iterator[Source]:
    """The source of a path or a live model; raises as `from_keras`."""
    if not isinstance(model, (str, os.PathLike)):
        yield _live(model)
        return
    with open(model, "rb"):
        pass  # what cannot be opened is an OSError; all that is raised from here on is damage
    try:
        if zipfile.is_zipfile(model):
            with _archive(model) as source:
                yield source
        else:
            with _hdf5(model) as file:
                yield _legacy(file)
    except ClnnError:
        raise
    except _DAMAGE as error:
        raise broken(f"a damaged file {os.fspath(model)!r}: {error!r:.200}") from error


def _parsed(text: Any, where: str) -> Mapping[str, Any]:
    if len(text) > _CONFIG:
        raise broken(f"a config of {len(text)} bytes in {where}")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise broken(f"a config that is no JSON in {where}: {error}") from None
    if not isinstance(found, Mapping):
        raise broken(f"a config that is a {type(found).__name__} in {where}")
    return found


@contextlib.contextmanager
def _hdf5(file: Any) -> Iterator[Any]:
    try:
        import h5py
    except ImportError:
        raise SettingError(
            "from_keras: expected h5py, which reads Keras' weights, got none; pip install 'clnn[keras]'"
        ) from None
    try:
        with h5py.File(file, "r") as held:
            yield held
    except ClnnError:
        raise
    except _DAMAGE as error:
        raise broken(f"a damaged or foreign file: {error!r:.200}") from error


# --- .keras: a config and a file of weights in a zip --------------------------------------------


@contextlib.contextmanager
def _archive(path: Any) -> Iterator[Source]:
    with zipfile.ZipFile(path) as archive:
        config = _parsed(_member(archive, "config.json", _CONFIG), "config.json")
        size = os.stat(path).st_size
        content = _member(archive, "model.weights.h5", _RATIO * size + _SLACK)
    with _hdf5(io.BytesIO(content)) as file:
        groups: dict[tuple[str, ...], str] = {}
        _locate(config, (), "", groups)
        yield Source(config, lambda layer: _collected(file, groups[layer.path]))


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise broken(f"an archive without {name}, with {archive.namelist()[:5]}") from None
    if entry.file_size > most or entry.flag_bits & 1:
        raise broken(f"{name} of {entry.file_size} bytes, or encrypted")
    with archive.open(entry) as file:
        return file.read()


def _locate(model: Mapping[str, Any], path: tuple[str, ...], at: str, out: dict[Any, str]) -> None:
    """The group of each layer: its class in snake case, numbered among its like in the same model."""
    seen: dict[str, int] = {}
    if len(path) > _DEEPEST:
        raise broken("models in models without end")
    for layer in children(model):
        if layer.kind == "InputLayer" and model.get("class_name") == "Sequential":
            continue
        stem = re.sub(
            "([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", layer.kind)
        ).lower()
        number = seen[stem] = seen.get(stem, -1) + 1
        group = f"{at}/layers/{stem}_{number}" if number else f"{at}/layers/{stem}"
        out[(*path, *layer.path)] = group
        if is_model(layer):
            _locate(layer.config, (*path, *layer.path), group, out)


def _collected(file: Any, name: str) -> list[Any]:
    """A layer's own arrays, then those of its parts: forward before backward, depth first."""
    group = _within(file, name)
    if group is None:
        return []
    found = (
        [_array(group["vars"], key) for key in sorted(group["vars"], key=int)]
        if "vars" in group
        else []
    )
    for part in ("cell", "forward_layer", "backward_layer", "layer"):
        if part in group:
            found += _collected(file, f"{name}/{part}") if name.count("/") < 4 * _DEEPEST else []
    return found


# --- .h5: everything in attributes and groups by name -------------------------------------------


def _legacy(file: Any) -> Source:
    text = _strings(file, "model_config")
    if not text:
        raise broken("a file of weights alone; save the whole model")
    config = _parsed(text[0], "model_config")
    if "model_weights" not in file:
        raise broken("a file without weights")
    return Source(config, lambda layer: _named(_within(file, "model_weights"), layer))


def _named(group: Any, layer: Layer) -> list[Any]:
    """The arrays of a layer, those of a nested one by its name in theirs."""
    top = _within(group, layer.path[0])
    if top is None:
        return []
    names = _listed(top, "weight_names")
    if len(layer.path) > 1:
        names = [x for x in names if layer.name in x.split("/")[:-1]]
        parents = {tuple(x.split("/")[: x.split("/").index(layer.name)]) for x in names}
        if len(parents) > 1:
            raise broken(f"several layers called {layer.name!r} in one group; save it as .keras")
    return [_array(top, name) for name in names]


def _listed(group: Any, name: str) -> list[str]:
    """A list of strings that Keras cuts into pieces where it is long."""
    found = _strings(group, name)
    for k in range(_CONFIG):
        more = _strings(group, f"{name}{k}")
        if not more:
            break
        found += more
    return found


def _strings(group: Any, name: str) -> list[str]:
    """The text of an attribute, nothing where there is none; libhdf5 crashes on some of another type."""
    import h5py

    if name not in group.attrs:
        return []
    attribute = group.attrs.get_id(name)
    if attribute.get_type().get_class() != h5py.h5t.STRING or len(attribute.shape or ()) > 1:
        return []
    values = np.ravel(group.attrs[name])
    return [x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x) for x in values]


# --- what both kinds of file share --------------------------------------------------------------


def _within(group: Any, name: str) -> Any:
    """The group of that name, None where there is none; raises for anything that leads out of the file."""
    import h5py

    for part in name.strip("/").split("/"):
        link = group.get(part, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise broken(f"a link out of its place at {name!r}")
        group = group[part]
        if not isinstance(group, h5py.Group):
            raise broken(f"a {type(group).__name__} where a group of weights should be, {name!r}")
    return group


def _array(group: Any, name: str) -> Any:
    """The float array of that name, after a look at what it claims to be."""
    import h5py

    parent, _, last = name.rpartition("/")
    where = _within(group, parent) if parent else group
    link = None if where is None else where.get(last, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise broken(f"no weights called {name!r}")
    data = where[last]
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiu":
        raise broken(f"no array of numbers called {name!r}")
    if data.external or data.is_virtual:
        raise broken(f"weights kept in another file, {name!r}")
    if data.size * data.dtype.itemsize > _RATIO * data.id.get_storage_size() + _SLACK:
        raise broken(f"weights of shape {data.shape} of which nothing is stored, {name!r}")
    return np.asarray(data[()], np.float32)


# --- a live model -------------------------------------------------------------------------------


def _live(model: Any) -> Source:
    if not callable(getattr(model, "to_json", None)) or not hasattr(model, "get_layer"):
        raise DTypeError(
            f"from_keras: expected a path or a Keras model, got {type(model).__name__}"
        )
    if not getattr(model, "built", True):
        raise FileFormatError("from_keras: expected a built model, got one without weights")

    def weights(layer: Layer) -> list[Any]:
        found: Any = model
        for name in layer.path:
            found = found.get_layer(name)
        return [np.asarray(w, np.float32) for w in found.get_weights()]

    return Source(_parsed(model.to_json(), "the model"), weights)
