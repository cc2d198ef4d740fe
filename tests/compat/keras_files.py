"""Files as Keras writes them, written here with h5py and zipfile alone."""

import io
import json
import re
import zipfile

import numpy as np


def entry(kind, name, inbound=None, **config):
    """A layer's part of a config."""
    out = {"module": "keras.layers", "class_name": kind, "config": {"name": name, **config}}
    return out if inbound is None else {**out, "name": name, "inbound_nodes": inbound}


def conv(name, **config):
    default = {"strides": [1, 1], "padding": "valid", "data_format": "channels_last", "dilation_rate": [1, 1],
               "groups": 1, "activation": "linear", "use_bias": True}  # fmt: skip
    return entry("Conv2D", name, **{**default, **config})


def dense(name, inbound=None, **config):
    return entry("Dense", name, inbound, **{"activation": "linear", "use_bias": True, **config})


def sequential(shape, *layers):
    first = entry("InputLayer", "input_layer", batch_shape=[None, *shape], dtype="float32")
    return {
        "class_name": "Sequential",
        "config": {"name": "sequential", "layers": [first, *layers]},
    }


def reference(name, shape=(None,)):
    """A tensor in the arguments of a call, as Keras 3 writes it."""
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": list(shape), "keras_history": [name, 0, 0]},
    }


def snake(kind):
    stem = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub("([a-z])([A-Z])", r"\1_\2", stem).lower()


def put_keras(path, model, weights, edit=lambda file: None):
    """A .keras file; weights: layer name -> arrays, or {part: arrays} for layers with parts."""
    import h5py

    held, seen = io.BytesIO(), {}
    with h5py.File(held, "w") as file:
        for layer in model["config"]["layers"]:
            stem, name = snake(layer["class_name"]), layer["config"]["name"]
            number = seen[stem] = seen.get(stem, -1) + 1
            group = f"layers/{stem}_{number}" if number else f"layers/{stem}"
            given = weights.get(name, [])
            for part, arrays in (given if isinstance(given, dict) else {"": given}).items():
                into = file.require_group(f"{group}/{part}/vars" if part else f"{group}/vars")
                for k, array in enumerate(arrays):
                    into[str(k)] = array
        edit(file)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(model))
        archive.writestr("model.weights.h5", held.getvalue())


def put_h5(path, model, weights, ending="", edit=lambda file: None):
    """A .h5 file; ending: what Keras 2 puts behind the names of weights."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(model)
        top = file.create_group("model_weights")
        for layer in model["config"]["layers"]:
            name = layer["config"]["name"]
            group, names = top.create_group(name), []
            given = weights.get(name, [])
            for part, arrays in (given if isinstance(given, dict) else {"": given}).items():
                for k, array in enumerate(arrays):
                    names.append(f"{name}/{part}/w{k}{ending}" if part else f"{name}/w{k}{ending}")
                    group[names[-1]] = array
            half = len(names) // 2
            if name.startswith("long"):  # as Keras cuts what does not fit in an attribute
                group.attrs["weight_names0"], group.attrs["weight_names1"] = (
                    names[:half],
                    names[half:],
                )
            else:
                group.attrs["weight_names"] = np.array(names, dtype="S") if names else np.zeros(0)
        edit(file)


RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype("float32")


def recurrent(kind, name="r", **config):
    default = {"units": 3, "activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True,
               "return_sequences": True, "return_state": False, "go_backwards": False, "stateful": False,
               "reset_after": True}  # fmt: skip
    return entry(kind, name, **{**default, **config})


def drawn(kind):
    gates = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}[kind]
    return [
        normal(2, 3 * gates),
        normal(3, 3 * gates),
        normal(*((2,) if kind == "GRU" else ()), 3 * gates),
    ]


SMALL = sequential(
    (5, 6, 2),
    conv("first", kernel_size=[3, 3], strides=[2, 2], padding="same", activation="relu"),
    entry("Flatten", "flatten", data_format="channels_last"),
    dense("add", activation="softmax"),
)
WEIGHTS = {"first": [normal(3, 3, 2, 4), normal(4)], "add": [normal(36, 3), normal(3)]}
PUT = {"keras": put_keras, "h5": put_h5}
