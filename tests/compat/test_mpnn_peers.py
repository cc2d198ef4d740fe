"""Side by side with MPNeuralNetwork itself: the same weights and data, forwards, backwards and three steps."""

import importlib
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import clnn
from clnn.compat.mpneuralnetwork import xp

pytestmark = pytest.mark.peers
MODULES = (
    "activations",
    "layers",
    "layers.utils",
    "losses",
    "metrics",
    "model",
    "optimizers",
    "serialization",
)


def package(root):
    """Every public name of the package in one place."""
    found = {}
    for module in MODULES:
        found.update(vars(importlib.import_module(f"{root}.{module}")))
    return SimpleNamespace(**found)


@pytest.fixture
def both(device):
    """(the original, clnn's)."""
    pytest.importorskip("mpneuralnetwork")
    clnn.set_default_device(device)
    yield package("mpneuralnetwork"), package("clnn.compat.mpneuralnetwork")
    clnn.set_default_device(None)


def close(got, want, tolerance=2e-5):
    assert np.shape(got) == np.shape(want)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


LAYERS = {
    "dense": (lambda p: p.Dense(7, 5, "he"), (6, 5)),
    "dense without bias": (lambda p: p.Dense(4, 5, "xavier", True), (6, 5)),
    "conv": (lambda p: p.Convolutional(4, 3, (2, 8, 9), "he"), (3, 2, 8, 9)),
    "conv, same": (
        lambda p: p.Convolutional(3, 3, (2, 8, 7), "xavier", padding="same", stride=2), (3, 2, 8, 7),
    ),
    "conv, even kernel": (lambda p: p.Convolutional(3, 2, (2, 6, 6), "he", padding=2), (2, 2, 6, 6)),
    "norm": (lambda p: p.BatchNormalization(0.8, 1e-5), (8, 5)),
    "norm of images": (lambda p: p.BatchNormalization2D(), (3, 2, 4, 5)),
    "max pool": (lambda p: p.MaxPooling2D(), (3, 2, 5, 6)),
    "max pool, overlapping": (lambda p: p.MaxPooling2D(3, 2), (2, 2, 7, 8)),
    "average pool": (lambda p: p.AveragePooling2D(3, 2), (3, 2, 7, 8)),
    "flatten": (lambda p: p.Flatten(), (3, 2, 4, 4)),
    "tanh": (lambda p: p.Tanh(), (3, 4)), "sigmoid": (lambda p: p.Sigmoid(), (3, 4)),
    "relu": (lambda p: p.ReLU(), (3, 4)), "prelu": (lambda p: p.PReLU(0.2), (3, 4)),
    "swish": (lambda p: p.Swish(), (3, 4)), "softmax": (lambda p: p.Softmax(0.5), (3, 4)),
    "two functions": (lambda p: p.Activation(np.square, lambda x: 2 * x), (3, 4)),
}  # fmt: skip

# What the original's layers keep for themselves between the passes.
INTERNAL = {"input_padded_shape", "windows", "std_inv", "x_centered", "x_norm", "mask", "padding"}


def made(both, name):
    make, shape = LAYERS[name]
    layers = []
    for names in both:
        xp.random.seed(1)
        layer = make(names)
        if not hasattr(layer, "input_shape"):
            layer.build(shape[1:])
        layers.append(layer)
    return *layers, shape


def batches(shape, count=3):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype("float32") for _ in range(count)]


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, both):
    theirs, ours, shape = made(both, name)
    optimizers = [names.SGD(0.1, weight_decay=0.01, momentum=0.5) for names in both]
    for x in batches(shape):
        y = theirs.forward(x.copy())
        close(ours.forward(x), y)
        g = np.random.default_rng(1).standard_normal(y.shape).astype("float32")
        close(ours.backward(g), theirs.backward(g), 1e-4)
        for key, (array, gradient) in theirs.params.items():
            close(ours.params[key][0], array)
            close(ours.params[key][1], gradient, 1e-4)
        if name != "prelu":  # whose alpha the original does not train
            optimizers[0].step([theirs])
            optimizers[1].step([ours])
        for key, (array, _) in theirs.params.items():
            close(ours.params[key][0], array)
        for key, array in theirs.state.items():
            close(ours.state[key], array)
    close(ours.forward(x, training=False), theirs.forward(x, training=False))
    assert set(ours.params) - {"alpha"} == set(theirs.params)
    if "pool" not in name:  # the original forgets it, and takes the batch into the shape
        assert ours.get_config() == theirs.get_config() | ours.get_config()
        assert ours.input_shape == theirs.input_shape
    for attribute in vars(theirs):
        if attribute not in INTERNAL:
            assert hasattr(ours, attribute), attribute


@pytest.mark.parametrize("method", ["auto", "he", "xavier"])
def test_a_seed_gives_the_original_s_weights(method, both):
    for make in (lambda p: p.Dense(3, 4), lambda p: p.Convolutional(3, 3, (2, 5, 5))):
        found = []
        for names in both:
            xp.random.seed(3)
            layer = make(names)
            layer.init_weights(method, False)
            found.append(layer.params)
        for key, (array, _) in found[0].items():
            close(found[1][key][0], array, 1e-7)


def test_dropout(both):
    theirs, ours = (names.Dropout(0.25) for names in both)
    x = np.ones((200, 100), "float32")
    y, z = theirs.forward(x), ours.forward(x)
    assert set(np.unique(y)) == set(np.unique(z))
    assert (y == 0).mean() == pytest.approx((z == 0).mean(), abs=0.02)
    close(ours.backward(x), z)
    close(theirs.backward(x), y)
    close(ours.forward(x, training=False), theirs.forward(x, training=False))


def test_columns(both):
    x = batches((2, 3, 6, 7))[0]
    for stride in (None, 1, 2):
        columns = [names.im2col(x, 2, stride) for names in both]
        close(columns[1], columns[0])
        shape = (3, *columns[0].shape[1:3])
        moved = columns[0].transpose(0, 3, 1, 2, 4, 5)
        back = [names.col2im(moved, x.shape, shape, 2, stride or 1) for names in both]
        close(back[1], back[0])


LOSSES = {
    "mse": lambda p: p.MSE(),
    "bce": lambda p: p.BinaryCrossEntropy(),
    "cce": lambda p: p.CategoricalCrossEntropy(),
    "cce, warm": lambda p: p.CategoricalCrossEntropy(2.5),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, both):
    theirs, ours = (LOSSES[name](names) for names in both)
    expected = np.eye(4, dtype="float32")[[0, 3, 1, 1, 2]]
    output = batches((5, 4), 1)[0]
    for _ in range(3):
        close(ours.direct(output, expected), theirs.direct(output, expected))
        gradient = theirs.prime(output, expected)
        close(ours.prime(output, expected), gradient)
        output = output - gradient
    assert theirs.get_config().items() <= ours.get_config().items()


@pytest.mark.parametrize(
    "name", ["RMSE", "MAE", "R2Score", "Accuracy", "Precision", "Recall", "F1Score"]
)
def test_metrics(name, both):
    rng = np.random.default_rng(0)
    true = np.eye(5, dtype="float32")[rng.integers(0, 4, 60)]  # of the last class there is none
    pred = rng.random((60, 5)).astype("float32")
    theirs, ours = (getattr(names, name)() for names in both)
    close(ours(true, pred), theirs(true, pred))
    assert ours.get_config() == theirs.get_config()
    if name == "Accuracy":
        close(ours(true[:, :1], pred[:, :1]), theirs(true[:, :1], pred[:, :1]))
    if name in ("Precision", "Recall"):
        of = [y.argmax(axis=1) for y in (true, pred)]
        close(ours(*of, 5, True), theirs(*of, 5, True))
    theirs, ours = (names.TopKAccuracy(2) for names in both)
    close(ours(true, pred), theirs(true, pred))


# Where a batch norm follows, gradients are 0 but for rounding, which a small epsilon makes steps of.
OPTIMIZERS = {
    "sgd": lambda p: p.SGD(0.05, momentum=0.5, weight_decay=0.05),
    "sgd, defaults": lambda p: p.SGD(),
    "sgd, no momentum": lambda p: p.SGD(0.05, momentum=0.0),
    "sgd, l1": lambda p: p.SGD(0.05, "L1", 0.05),
    "rmsprop": lambda p: p.RMSprop(0.01, weight_decay=0.1, epsilon=1e-3),
    "rmsprop, defaults": lambda p: p.RMSprop(),
    "rmsprop, l1": lambda p: p.RMSprop(0.01, "L1", 0.1, 0.8, 1e-3),
    "adam": lambda p: p.Adam(0.02, weight_decay=0.2, epsilon=1e-3),
    "adam, defaults": lambda p: p.Adam(),
    "adam, l1": lambda p: p.Adam(0.02, "L1", 0.1, 0.8, 0.95, 1e-3),
}
STATES = ("velocities", "momentums", "cache")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name, both):
    theirs, ours, shape = made(both, "dense")
    optimizers = [OPTIMIZERS[name](names) for names in both]
    for x in batches(shape, 4):
        for layer, optimizer in zip((theirs, ours), optimizers, strict=True):
            layer.forward(x)
            layer.backward(np.ones((6, 7), "float32"))
            optimizer.step([layer])
        for key, (array, _) in theirs.params.items():
            close(ours.params[key][0], array)
        for optimizer in optimizers:
            optimizer.learning_rate *= 0.7
    assert optimizers[1].get_config() == optimizers[0].get_config()
    for key, (array, _) in theirs.params.items():
        for state in STATES if "no momentum" not in name else ():
            kept = getattr(optimizers[0], state, {})
            if kept:
                close(getattr(optimizers[1], state)[id(ours.params[key][0])], kept[id(array)])
        close(*(o.apply_regularization(key, array) for o in optimizers))
    assert set(optimizers[1].params) == set(optimizers[0].params)


# --- whole networks -----------------------------------------------------------------------------


def mlp(p, optimizer, loss=None):
    layers = [
        p.Dense(16, input_size=12), p.ReLU(), p.Dense(8), p.BatchNormalization(), p.Tanh(), p.Dense(4), p.Softmax(),
    ]  # fmt: skip
    return p.Model(layers, loss or p.CategoricalCrossEntropy(), optimizer), (12,)


def cnn(p, optimizer):
    layers = [
        p.Convolutional(4, 3, (2, 10, 10), padding="same"), p.Swish(), p.MaxPooling2D(), p.Convolutional(6, 3),
        p.ReLU(), p.AveragePooling2D(2, 1), p.Flatten(), p.Dense(4), p.Sigmoid(),
    ]  # fmt: skip
    return p.Model(layers, p.BinaryCrossEntropy(), optimizer), (2, 10, 10)


def pooled(p, optimizer):
    """With pools as they are by default: the original's files forget how they were made."""
    layers = [
        p.Convolutional(4, 3, (2, 10, 10), padding="same"), p.BatchNormalization2D(), p.ReLU(), p.MaxPooling2D(),
        p.AveragePooling2D(), p.Flatten(), p.Dense(4),
    ]  # fmt: skip
    return p.Model(layers, p.CategoricalCrossEntropy(), optimizer), (2, 10, 10)


def pair_of(both, network, optimizer):
    models = []
    for names in both:
        xp.random.seed(11)
        model, shape = network(names, OPTIMIZERS[optimizer](names))
        models.append(model)
    rng = np.random.default_rng(2)
    x = rng.standard_normal((60, *shape)).astype("float32")
    return *models, x, np.eye(4, dtype="float32")[rng.integers(0, 4, 60)]


def alike(ours, theirs, x, y, tolerance=1e-4):
    for mine, other in zip(ours.layers, theirs.layers, strict=True):
        for key, (array, _) in other.params.items():
            close(mine.params[key][0], array, tolerance)
        for key, array in other.state.items():
            close(mine.state[key], array, tolerance)
    close(ours.predict(x), theirs.predict(x), tolerance)
    found, wanted = (m.evaluate(x, y)[1] for m in (ours, theirs))
    assert list(found) == list(wanted)
    close(list(found.values()), list(wanted.values()), tolerance)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam, l1"])
@pytest.mark.parametrize("network", [mlp, cnn])
def test_networks_step_by_step(network, optimizer, both):
    theirs, ours, x, y = pair_of(both, network, optimizer)
    for k in range(3):
        gradients = []
        for model in (theirs, ours):
            output, found = model.evaluate(x[k * 20 :][:20], y[k * 20 :][:20], training=True)
            gradient = model.loss.prime(output, y[k * 20 :][:20])
            for layer in reversed(model.layers):
                gradient = layer.backward(gradient)
            model.optimizer.step(model.layers)
            gradients.append((output, gradient, [found[n] for n in sorted(found)]))
        for got, want in zip(*gradients[::-1], strict=True):
            close(got, want, 1e-4)
    alike(ours, theirs, x, y)


@pytest.mark.parametrize("optimizer", ["sgd, defaults", "rmsprop, l1", "adam"])
@pytest.mark.parametrize("network", [mlp, cnn])
def test_training(network, optimizer, both, capsys):
    theirs, ours, x, y = pair_of(both, network, optimizer)
    said = []
    for model in (theirs, ours):
        xp.random.seed(12)
        model.train(x, y, epochs=3, batch_size=16, early_stopping=2, compute_train_metrics=True)
        said.append(capsys.readouterr().out.splitlines())
    alike(ours, theirs, x, y)
    assert len(said[0]) == len(said[1])
    for got, want in zip(*said, strict=True):
        words, numbers = zip(*[_parted(line) for line in (got, want)], strict=True)
        assert words[0] == words[1]
        np.testing.assert_allclose(*numbers, atol=2e-4)


def _parted(line):
    """The words of a line, and its numbers."""
    words = line.split()
    numbers = [float(w) for w in words if "." in w]
    return [w for w in words if "." not in w], numbers


@pytest.mark.parametrize("network", [mlp, pooled])
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_files_go_both_ways(network, optimizer, both, tmp_path, capsys):
    theirs, ours, x, y = pair_of(both, network, optimizer)
    theirs.train(x, y, 1, 20, auto_evaluation=0.0, model_checkpoint=False)
    path = str(tmp_path / "theirs.npz")
    both[0].save_model(theirs, path)
    ours = both[1].load_model(path)
    alike(ours, theirs, x, y, 1e-5)
    ours.train(x, y, 1, 20, auto_evaluation=0.0, model_checkpoint=False)
    both[1].save_model(ours, tmp_path / "ours")
    theirs = both[0].load_model(tmp_path / "ours")
    alike(ours, theirs, x, y, 1e-5)
    for model in (theirs, ours):  # with the state of the optimizer
        xp.random.seed(1)
        model.train(x, y, 1, 20, auto_evaluation=0.0, model_checkpoint=False)
    alike(ours, theirs, x, y)


def test_a_file_without_the_kernels_it_needs(both, tmp_path):
    """The original neither trains nor saves kernels without biases."""
    names = both[0]
    layer = names.Convolutional(2, 3, (1, 5, 5), "he", no_bias=True)
    model = names.Model([layer, names.Flatten(), names.Dense(1)], names.MSE())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names.save_model(model, str(tmp_path / "model.npz"))
    with pytest.raises(clnn.FileFormatError, match="expected kernels of layer 0"):
        both[1].load_model(tmp_path / "model.npz")
