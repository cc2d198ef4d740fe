"""Files of MPNeuralNetwork: there and back, and damaged in every way."""

import contextlib
import io
import json
import zipfile

import numpy as np
import pytest

import clnn
from clnn.compat.mpneuralnetwork import xp
from clnn.compat.mpneuralnetwork.activations import PReLU, ReLU, Softmax, Tanh
from clnn.compat.mpneuralnetwork.layers import (
    BatchNormalization2D,
    Convolutional,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
)
from clnn.compat.mpneuralnetwork.losses import MSE, CategoricalCrossEntropy
from clnn.compat.mpneuralnetwork.model import Model
from clnn.compat.mpneuralnetwork.optimizers import SGD, Adam, RMSprop
from clnn.compat.mpneuralnetwork.serialization import (
    NumpyEncoder,
    get_model_weights,
    load_model,
    restore_model_weights,
    save_model,
)
from clnn.testing import assert_close

pytestmark = pytest.mark.usefixtures("default_device")


X = np.random.default_rng(0).standard_normal((20, 2, 7, 7)).astype("float32")
Y = np.eye(3, dtype="float32")[np.arange(20) % 3]


def network(optimizer):
    xp.random.seed(0)
    layers = [
        Convolutional(3, 3, (2, 7, 7), padding="same", no_bias=True), BatchNormalization2D(0.8), PReLU(0.2),
        MaxPooling2D(3, 2), Flatten(), Dense(8), Tanh(), Dense(3), Softmax(),
    ]  # fmt: skip
    return Model(layers, CategoricalCrossEntropy(temperature=1.5), optimizer)


def trained(optimizer, epochs=2):
    model = network(optimizer)
    go_on(model, epochs)
    return model


def go_on(model, epochs):
    model.train(X, Y, epochs, 10, auto_evaluation=0, model_checkpoint=False)


@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.05, momentum=0.6), RMSprop(0.01, "L1"), Adam(0.01, beta1=0.8)],
    ids=["sgd", "rmsprop", "adam"],
)
def test_a_model_goes_on_where_it_was_saved(optimizer, device, tmp_path, capsys):
    model = trained(optimizer)
    save_model(model, str(tmp_path / "model"))
    again = load_model(tmp_path / "model.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]
    assert again.optimizer.get_config() == model.optimizer.get_config()
    assert again.loss.get_config() == model.loss.get_config()
    assert [a.get_config() for a in again.layers] == [a.get_config() for a in model.layers]
    assert_close(again.predict(X), model.predict(X))
    for m in (model, again):
        xp.random.seed(5)
        go_on(m, 2)
    assert_close(again.predict(X), model.predict(X))
    assert_close(again.layers[2].alpha, model.layers[2].alpha, check_dtype=False)


def test_weights_by_name(device, capsys):
    model = trained(Adam(0.01), 1)
    found = get_model_weights(model.layers, model.optimizer.params)
    assert {
        "layer_0_kernels", "layer_1_gamma", "layer_1_state_cache_v", "layer_2_alpha", "layer_7_biases",
        "optimizer_momentums_layer_0_kernels", "optimizer_velocities_layer_7_weights",
    } <= set(found)  # fmt: skip
    assert not [n for n in get_model_weights(model.layers) if n.startswith("optimizer")]
    other = network(Adam(0.01))
    restore_model_weights(other.layers, found, other.optimizer)
    assert_close(other.predict(X), model.predict(X))
    kept = other.optimizer.velocities[id(other.layers[5].weights)]
    assert_close(kept, found["optimizer_velocities_layer_5_weights"])
    with pytest.raises(clnn.ShapeError, match=r"expected an array of shape \(1, 3\), got \(4,\)"):
        restore_model_weights(other.layers, {"layer_7_biases": np.ones(4)})


def test_first_layers_without_a_size_of_their_own(tmp_path):
    model = Model([Flatten(input_shape=(2, 7, 7)), Dropout(0.5), Dense(1), ReLU()], MSE())
    save_model(model, tmp_path / "model.npz")
    assert_close(load_model(str(tmp_path / "model")).predict(X), model.predict(X))


def test_numbers_of_numpy_are_json():
    given = {"a": np.float32(0.5), "b": np.int64(3), "c": np.arange(2), "d": np.bool_(True)}
    assert json.loads(json.dumps(given, cls=NumpyEncoder)) == {
        "a": 0.5,
        "b": 3,
        "c": [0, 1],
        "d": True,
    }
    with pytest.raises(TypeError):
        json.dumps({"a": object()}, cls=NumpyEncoder)


# --- damage -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The arrays of a file."""
    path = tmp_path_factory.mktemp("files") / "model.npz"
    model = network(SGD(0.1))
    model.layers[0].forward(X)
    save_model(model, path)
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def changed(content, name, change):
    return {**content, name: np.array(json.dumps(change(json.loads(str(content[name])))))}


BAD = {
    "no architecture": lambda c: {n: v for n, v in c.items() if n != "architecture"},
    "no config": lambda c: {n: v for n, v in c.items() if n != "model_config"},
    "not json": lambda c: {**c, "architecture": np.array("[{")},
    "not a list": lambda c: {**c, "architecture": np.array("3")},
    "no layers": lambda c: {**c, "architecture": np.array("[]")},
    "missing weights": lambda c: {n: v for n, v in c.items() if n != "layer_5_weights"},
    "missing state": lambda c: {n: v for n, v in c.items() if n != "layer_1_state_cache_m"},
    "wrong shape": lambda c: {**c, "layer_5_weights": np.ones((3, 3))},
    "wrong state": lambda c: {**c, "layer_1_state_cache_m": np.ones(7)},
    "text for weights": lambda c: {**c, "layer_5_weights": np.array("much")},
    "another class": lambda c: changed(c, "architecture", lambda a: [*a[:-1], {"type": "Path"}]),
    "an optimizer as layer": lambda c: changed(c, "architecture", lambda a: [*a, {"type": "SGD"}]),
    "a base class": lambda c: changed(c, "architecture", lambda a: [*a, {"type": "Activation"}]),
    "unknown arguments": lambda c: changed(c, "architecture", lambda a: [{**a[0], "size": 3}, *a[1:]]),
    "a kernel that is too large": lambda c: changed(
        c, "architecture", lambda a: [{**a[0], "kernel_size": 10**6}, *a[1:]]
    ),
    "steps that are no number": lambda c: changed(
        c, "model_config", lambda a: {**a, "optimizer_globals": {"t": "x"}, "optimizer": "Adam"}
    ),
    "an optimizer without a type": lambda c: changed(c, "model_config", lambda a: {**a, "optimizer": {}}),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_damaged_models(kind, content, tmp_path):
    path = tmp_path / "model.npz"
    np.savez_compressed(path, **content)
    load_model(path)
    np.savez_compressed(path, **BAD[kind](content))
    with pytest.raises(
        clnn.FileFormatError, match="load_model: expected a model that save_model wrote"
    ):
        load_model(path)


def test_damaged_files(content, tmp_path):
    path = tmp_path / "model.npz"
    np.savez_compressed(path, **content)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    flipped = []
    for at in rng.integers(0, len(whole), 40):
        flipped.append(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    for bad in [b"", b"PK", whole[: len(whole) // 2], whole[100:]]:
        path.write_bytes(bad)
        with pytest.raises(clnn.FileFormatError, match=r"got .*model\.npz"):
            load_model(path)
    for bad in flipped:
        path.write_bytes(bad)
        with contextlib.suppress(clnn.FileFormatError):
            load_model(path)  # a flipped bit of a time stamp is none of ours
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nothing")


def test_nothing_is_unpickled(content, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    trap = np.empty(1, object)
    trap[0] = Trap()
    buffer = io.BytesIO()
    np.save(buffer, trap, allow_pickle=True)
    for name in ("architecture", "layer_5_weights", "more"):
        path = tmp_path / "model.npz"
        np.savez(path, **{n: v for n, v in content.items() if n != name})
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(f"{name}.npy", buffer.getvalue())
        with pytest.raises(clnn.FileFormatError, match="expected a model"):
            load_model(path)
    assert not (tmp_path / "sprung").exists()


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    save_model(network(SGD()), path)
    before = path.read_bytes()

    def fails(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez_compressed", fails)
    with pytest.raises(OSError, match="no space"):
        save_model(network(Adam()), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]
