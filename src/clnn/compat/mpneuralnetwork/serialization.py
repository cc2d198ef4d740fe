"""Models as .npz files, the original's and for the original; nothing is ever pickled."""

from __future__ import annotations

import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ...errors import ClnnError, FileFormatError, SettingError
from ...io.safe import whole
from . import activations, layers, losses, optimizers
from .backend import DTYPE, ArrayType
from .layers.layer import Layer, Weighted
from .losses import Loss
from .optimizers import Optimizer

if TYPE_CHECKING:
    from .model import Model

_T = TypeVar("_T")
# What zipfile, its decompressors, NumPy and JSON raise on bytes that are none of theirs, and clnn on numbers.
_DAMAGE = (
    ClnnError, ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, TypeError,
    ValueError, lzma.LZMAError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class NumpyEncoder(json.JSONEncoder):
    """NumPy's numbers and arrays as JSON has them."""

    def default(self, obj: Any) -> Any:
        """A number, or nested lists; raises TypeError for anything else."""
        return obj.tolist() if isinstance(obj, np.generic | np.ndarray) else super().default(obj)


def save_model(model: Model, filepath: str | Path) -> None:
    """Write layers, weights, loss and optimizer with its state to `filepath`, whole or not at all.

    ".npz" is appended where it is missing. The original reads the file. Raises OSError as `open` does.
    """
    state = model.optimizer.params
    plain = {n: v for n, v in state.items() if v is None or isinstance(v, bool | int | float | str)}
    about = {
        "architecture": [layer.get_config() for layer in model.layers],
        "model_config": {
            "loss": model.loss.get_config(), "optimizer": model.optimizer.get_config(),
            "optimizer_globals": plain, "input_shape": model.layers[0].input_shape,
        },
    }  # fmt: skip
    text = {name: np.array(json.dumps(value, cls=NumpyEncoder)) for name, value in about.items()}
    arrays = get_model_weights(model.layers, {n: v for n, v in state.items() if n not in plain})
    with whole(_named(filepath)) as draft, open(draft, "wb") as file:
        np.savez_compressed(file, **arrays, **text)  # type: ignore[arg-type]


def load_model(path: str | Path) -> Model:
    """The model that `save_model` wrote, the original's too, on the default device.

    Raises FileFormatError for a file that is damaged, was not written by either, or would have to be
    unpickled; OSError as `open` does.
    """
    where = _named(path)
    whole_file = io.BytesIO(where.read_bytes())
    try:
        with zipfile.ZipFile(whole_file) as file:
            data = {name.removesuffix(".npy"): _array(file, name) for name in file.namelist()}
        return _rebuilt(data, where)
    except _DAMAGE as error:
        raise FileFormatError(
            f"load_model: expected a model that save_model wrote, got {where}: {error!r:.300}"
        ) from None


def _array(file: zipfile.ZipFile, name: str) -> ArrayType:
    with file.open(name) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _rebuilt(data: Mapping[str, Any], where: Path) -> Model:
    from .model import Model

    about = json.loads(str(data["model_config"]))
    made = [
        _made(conf, Layer, layers, activations) for conf in json.loads(str(data["architecture"]))
    ]
    if "input_shape" in about:
        made[0].input_shape = tuple(about["input_shape"])
    optimizer = _made(about["optimizer"], Optimizer, optimizers)
    for name, value in about.get("optimizer_globals", {}).items():
        if name == "t" and hasattr(optimizer, "t"):
            optimizer.t = int(value)
    model = Model(made, _made(about["loss"], Loss, losses), optimizer)
    for index, layer in enumerate(model.layers):
        if isinstance(layer, Weighted) and layer.no_bias == (f"layer_{index}_biases" in data):
            layer.init_weights("auto", not layer.no_bias)
        missing = [
            n
            for n in layer.held
            if not {f"layer_{index}_{n}", f"layer_{index}_state_{n}"} & set(data)
        ]
        if missing and missing != ["alpha"]:  # the original does not train PReLU's
            raise FileFormatError(
                f"load_model: expected {', '.join(missing)} of layer {index} "
                f"({type(layer).__name__}), got none"
            )
    restore_model_weights(model.layers, data, optimizer)
    return model


def _made(conf: Any, kind: type[_T], *modules: Any) -> _T:
    """An object of the class of `modules` that `conf` names; raises SettingError unless it is a `kind`."""
    given = {"type": conf} if isinstance(conf, str) else dict(conf)
    name = str(given.pop("type"))
    found = next((vars(m)[name] for m in modules if name in vars(m)), None)
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise SettingError(f"expected a {kind.__name__} of this package, got {name!r}")
    make: Callable[..., _T] = found
    return make(**given)


def get_model_weights(
    layers: list[Layer], optimizer_params: Mapping[str, Any] | None = None
) -> dict[str, ArrayType]:
    """Copies of all weights and states: layer_{i}_{name}, layer_{i}_state_{name}, and if the optimizer's
    `params` are given optimizer_{state}_layer_{i}_{name}."""
    found: dict[str, ArrayType] = {}
    states = {n: v for n, v in (optimizer_params or {}).items() if isinstance(v, dict)}
    for index, layer in enumerate(layers):
        for name, (array, _) in getattr(layer, "params", {}).items():
            found[f"layer_{index}_{name}"] = np.array(array, DTYPE)
            for state, kept in states.items():
                if id(array) in kept:
                    found[f"optimizer_{state}_layer_{index}_{name}"] = np.array(
                        kept[id(array)], DTYPE
                    )
        for name, array in getattr(layer, "state", {}).items():
            found[f"layer_{index}_state_{name}"] = np.array(array, DTYPE)
    return found


def restore_model_weights(
    layers: list[Layer], weights_dict: Mapping[str, ArrayType], optimizer: Optimizer | None = None
) -> None:
    """Put weights and states back as `get_model_weights` names them, and the optimizer's if it is given.

    Raises ShapeError for an array of another shape.
    """
    states: dict[str, dict[int, ArrayType]] = {}
    kept = {} if optimizer is None else optimizer.params
    for index, layer in enumerate(layers):
        params = getattr(layer, "params", {})
        if given := _given(weights_dict, f"layer_{index}_", params):
            layer.load_params(given)
        for state in (n for n, v in kept.items() if isinstance(v, dict)):
            own = _given(weights_dict, f"optimizer_{state}_layer_{index}_", params)
            states.setdefault(state, {}).update({id(params[n][0]): v for n, v in own.items()})
        if given := _given(weights_dict, f"layer_{index}_state_", getattr(layer, "state", {})):
            layer.state = given
    if optimizer is not None and any(states.values()):
        optimizer.load(states, layers)


def _given(found: Mapping[str, Any], prefix: str, names: Mapping[str, Any]) -> dict[str, Any]:
    return {n: np.asarray(found[prefix + n], DTYPE) for n in names if prefix + n in found}


def _named(path: str | Path) -> Path:
    text = str(path)
    return Path(text if text.endswith(".npz") else f"{text}.npz")
