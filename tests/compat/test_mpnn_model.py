"""MPNeuralNetwork's Model without MPNeuralNetwork, and what users write themselves."""

import copy

import numpy as np
import pytest

import clnn
from clnn.compat.mpneuralnetwork import xp
from clnn.compat.mpneuralnetwork.activations import ReLU, Sigmoid, Softmax, Tanh
from clnn.compat.mpneuralnetwork.layers import (
    BatchNormalization,
    BatchNormalization2D,
    Convolutional,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPooling2D,
)
from clnn.compat.mpneuralnetwork.losses import (
    MSE,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Loss,
)
from clnn.compat.mpneuralnetwork.metrics import (
    RMSE,
    Metric,
    R2Score,
    Recall,
)
from clnn.compat.mpneuralnetwork.model import Model
from clnn.compat.mpneuralnetwork.optimizers import SGD, Adam, Optimizer
from clnn.testing import assert_close

pytestmark = pytest.mark.usefixtures("default_device")


# --- Model --------------------------------------------------------------------------------------


def spirals(n=60):
    """Two classes that no straight line divides."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 2)).astype("float32")
    return x, np.eye(2, dtype="float32")[(x[:, 0] * x[:, 1] > 0).astype(int)]


def small(optimizer=None, **options):
    xp.random.seed(2)
    layers = [Dense(16, input_size=2), Tanh(), Dense(2), Softmax()]
    return Model(layers, CategoricalCrossEntropy(), optimizer or Adam(0.02), **options)


def test_training_learns(device, capsys):
    model = small()
    model.train(*spirals(), epochs=40, batch_size=20, auto_evaluation=0)
    assert model.evaluate(*spirals())[1]["accuracy"] > 0.9
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 41
    assert lines[0].startswith("epoch  1/40   |   [training]   loss = ")
    assert lines[-1].startswith("MODEL CHECKPOINT: ")
    model.test(*spirals())
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "Test",
        "loss",
        "accuracy",
        "f1score",
    ]


def test_a_loop_of_one_s_own_is_the_same_training(device, capsys):
    x, y = spirals(40)
    loop, own = small(), small()
    xp.random.seed(4)
    own.train(x, y, 3, 10, auto_evaluation=0, model_checkpoint=False)
    xp.random.seed(4)
    for _ in range(3):
        order = np.arange(40)
        xp.random.shuffle(order)
        for k in range(0, 40, 10):
            batch = order[k : k + 10]
            output, found = loop.evaluate(x[batch], y[batch], training=True, compute_metrics=False)
            assert set(found) == {"loss"}
            gradient = loop.loss.prime(output, y[batch])
            for layer in reversed(loop.layers):
                gradient = layer.backward(gradient)
            loop.optimizer.step(loop.layers)
    assert gradient.shape == (10, 2)
    for mine, theirs in zip(loop.layers, own.layers, strict=True):
        for name, (array, _) in mine.params.items():
            assert_close(array, theirs.params[name][0], atol=1e-4, rtol=1e-4)


def test_arrays_seen_before_hold_what_was_trained(device, capsys):
    model = small()
    seen = model.layers[0].weights
    before = seen.copy()
    seen *= 2
    model.train(*spirals(), 1, 20, auto_evaluation=0, model_checkpoint=False)
    after = seen.copy()  # nobody has asked the layer
    assert 0 < np.abs(after - 2 * before).max() < 0.2
    assert_close(model.layers[0].params["weights"][0], after)


def test_every_sample_is_trained_on(capsys):
    """Also those of the last batch, and where the batch is larger than the data."""
    for n, size in ((7, 3), (5, 64)):
        model = Model(
            [Dense(1, input_size=n, initialization="he")], MSE(), SGD(0.1, weight_decay=0.0)
        )
        before = model.layers[0].weights.copy()
        model.train(np.eye(n), np.ones((n, 1)), 1, size, auto_evaluation=0)
        assert (model.layers[0].weights != before).all()


def test_samples_held_out_are_not_trained_on(capsys):
    model = Model([Dense(1, input_size=10, initialization="he")], MSE(), SGD(0.1, weight_decay=0.0))
    before = model.layers[0].weights.copy()
    model.train(np.eye(10), np.ones((10, 1)), 1, 4, model_checkpoint=False)
    assert (model.layers[0].weights == before).sum() == 2
    assert "[evaluation]   loss = " in capsys.readouterr().out
    few = np.eye(3)
    model = Model([Dense(1, input_size=3, initialization="he")], MSE())
    model.train(few, np.ones((3, 1)), 1, 2)  # too few to hold any out
    assert "[evaluation]" not in capsys.readouterr().out


def test_training_stops_early_and_keeps_the_best(device, capsys):
    x, y = spirals()
    model = small(SGD(200.0, momentum=0.0, weight_decay=0.0))  # jumps about
    model.train(x, y, 50, 20, evaluation=(x, y), early_stopping=3, compute_train_metrics=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "EARLY STOPPING - Model did not learn since 3 epochs"
    losses = [float(line.split("[evaluation]   loss = ")[1].split()[0]) for line in lines[:-2]]
    assert int(np.argmin(losses)) == len(losses) - 4
    assert model.evaluate(x, y)[1]["loss"] == pytest.approx(min(losses), abs=1e-4)
    assert lines[-1] == f"MODEL CHECKPOINT: {min(losses):.4f}"
    assert "[training]   loss = " in lines[0]
    assert lines[0].count("accuracy = ") == 2


def test_the_optimizer_goes_back_to_the_best_epoch_too(device, capsys):
    x, y = spirals()
    models = [small(Adam(0.05)), small(Adam(0.05))]
    for model, epochs in zip(models, (1, 5), strict=True):
        xp.random.seed(1)
        model.train(x, y, epochs, 20, evaluation=(x, 1 - y))  # the more it learns the worse it gets
    assert [model.optimizer.t for model in models] == [3, 3]
    for one, other in zip(models[0].layers, models[1].layers, strict=True):
        for name, (array, _) in one.params.items():
            again = other.params[name][0]
            assert_close(again, array)
            for state in ("momentums", "velocities"):
                kept = (
                    getattr(m.optimizer, state)[id(a)]
                    for m, a in zip(models, (array, again), strict=True)
                )
                assert_close(*kept)


def test_a_copy_is_independent_and_trains_the_same(device, capsys):
    x, y = spirals()
    model = small()
    model.train(x, y, 1, 20, auto_evaluation=0)
    model.evaluate(x, y, training=True)
    again, before = copy.deepcopy(model), model.predict(x)
    xp.random.seed(3)
    again.train(x, y, 2, 20, auto_evaluation=0)
    assert_close(model.predict(x), before)
    xp.random.seed(3)
    model.train(x, y, 2, 20, auto_evaluation=0)
    assert_close(model.predict(x), again.predict(x))


def test_predictions(device):
    x, _ = spirals(10)
    model = small()
    assert len(model.layers) == 3  # Softmax is the loss's
    assert_close(model.predict(x).sum(axis=1), np.ones(10, "float32"))
    logits = model.evaluate(x, spirals(10)[1], training=True)[0]
    assert_close(Softmax().forward(logits), model.predict(x))
    warm = Model(model.layers[:1], CategoricalCrossEntropy(temperature=3.0))
    raw = warm.evaluate(x, np.zeros((10, 16)), training=True)[0]
    assert_close(warm.predict(x), Softmax(3.0).forward(raw))
    binary = Model([Dense(1, input_size=2), Sigmoid()], BinaryCrossEntropy())
    assert len(binary.layers) == 1
    assert ((binary.predict(x) > 0) & (binary.predict(x) < 1)).all()
    plain = Model([Dense(1, input_size=2), Sigmoid()], MSE())
    assert len(plain.layers) == 2


def test_defaults():
    model = Model([Dense(1, input_size=2)], MSE())
    assert isinstance(model.optimizer, SGD)
    assert [type(m) for m in model.metrics] == [RMSE, R2Score]
    model = Model([Dense(1, input_size=2)], BinaryCrossEntropy(), metrics=[Recall()])
    assert [type(m) for m in model.metrics] == [Recall]


def test_weights_go_by_what_follows():
    xp.random.seed(0)
    layers = [
        Dense(400, input_size=400), Dropout(), ReLU(), Dense(400), Tanh(), Dense(400), BatchNormalization(), ReLU(),
        Dense(5, no_bias=True),
    ]  # fmt: skip
    Model(layers, CategoricalCrossEntropy())
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    assert [layer.weights.var() * 400 for layer in dense[:3]] == pytest.approx([2, 1, 2], rel=0.02)
    assert [layer.no_bias for layer in dense] == [False, False, True, True]
    images = [Convolutional(4, 3, (3, 8, 8)), BatchNormalization2D(), ReLU(), Flatten(), Dense(2)]
    Model(images, CategoricalCrossEntropy())
    assert images[0].no_bias
    assert list(images[0].params) == ["kernels"]


def test_shapes_go_from_layer_to_layer():
    layers = [
        Convolutional(4, 3, (3, 9, 9), padding="same"), MaxPooling2D(2), Flatten(), BatchNormalization(), Dense(2),
    ]  # fmt: skip
    Model(layers, CategoricalCrossEntropy())
    assert [layer.output_shape for layer in layers] == [(4, 9, 9), (4, 4, 4), (64,), (64,), (2,)]
    first = [Flatten(input_shape=(1, 2, 3)), Dense(2)]
    Model(first, MSE())
    assert first[1].input_size == 6


def test_networks_that_cannot_be():
    with pytest.raises(
        ValueError, match=r"expected the first layer to know its input size, got Dense"
    ):
        Model([Dense(3)], MSE())
    with pytest.raises(clnn.SettingError, match="expected at least one layer"):
        Model([], MSE())
    model = Model([Dense(1, input_size=2)], MSE())
    with pytest.raises(clnn.ShapeError, match="got 3 samples and 2 targets"):
        model.train(np.ones((3, 2)), np.ones((2, 1)), 1, 1)
    with pytest.raises(clnn.SettingError, match="expected batch_size of at least 1, got 0"):
        model.train(np.ones((3, 2)), np.ones((3, 1)), 1, 0)
    for name in ("get_weights", "restore_weights"):
        with pytest.warns(DeprecationWarning, match=f"Model.{name} is deprecated"):
            getattr(model, name)(*([{}] if name[0] == "r" else []))


# --- what users write themselves ----------------------------------------------------------------


class OwnDense(Layer):
    """A Dense of arrays."""

    def __init__(self, like):
        super().__init__(like.output_shape, like.input_shape)
        self.w, self.b = like.weights.copy(), like.biases.copy()

    def forward(self, input_batch, training=True):
        self.input = input_batch
        return input_batch @ self.w + self.b

    def backward(self, output_gradient_batch):
        self.dw = self.input.T @ output_gradient_batch
        self.db = output_gradient_batch.sum(axis=0, keepdims=True)
        return output_gradient_batch @ self.w.T

    @property
    def params(self):
        return {"weights": (self.w, self.dw), "biases": (self.b, self.db)}


class Wrapped(Layer):
    """A layer of layers."""

    def __init__(self, inner):
        super().__init__(inner.output_shape, inner.input_shape)
        self.inner = inner

    def forward(self, input_batch, training=True):
        return self.inner.forward(input_batch, training)

    def backward(self, output_gradient_batch):
        return self.inner.backward(output_gradient_batch)

    @property
    def params(self):
        return self.inner.params


class OwnMSE(Loss):
    def direct(self, output, output_expected):
        return float(((output - output_expected) ** 2).sum() / len(output))

    def prime(self, output, output_expected):
        return 2 * (output - output_expected) / len(output)


class OwnSGD(Optimizer):
    def __init__(self):
        super().__init__(0.05, "L2", 0.0)

    def step(self, layers):
        for layer in layers:
            for param, gradient in layer.params.values():
                param -= self.learning_rate * gradient


class Largest(Metric):
    def __call__(self, y_true, y_pred):
        return float(np.abs(y_true - y_pred).max())


def regression(place=None, own=None, loss=MSE, optimizer=None):
    xp.random.seed(6)
    layers = [Dense(8, 3), Tanh(), Dense(4), Tanh(), Dense(2)]
    model = Model(
        layers, loss(), optimizer or SGD(0.05, weight_decay=0.0, momentum=0.0), [Largest()]
    )
    if own is not None:
        model.layers[place] = own(model.layers[place])
    x = np.random.default_rng(1).standard_normal((24, 3)).astype("float32")
    y = np.stack([x.sum(axis=1), x[:, 0] * x[:, 1]], axis=1)
    model.train(x, y, 4, 8, evaluation=(x, y), compute_train_metrics=True)
    return model.predict(x)


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_layer_of_a_user_trains_as_clnn_s(place, device, capsys):
    want = regression()
    for own in (OwnDense, Wrapped):
        assert_close(regression(place, own), want, atol=1e-4, rtol=1e-4)


def test_a_loss_and_an_optimizer_of_a_user(device, capsys):
    want = regression()
    assert_close(regression(loss=OwnMSE), want, atol=1e-4, rtol=1e-4)
    assert_close(regression(optimizer=OwnSGD()), want, atol=1e-4, rtol=1e-4)
    assert_close(regression(2, OwnDense, OwnMSE, OwnSGD()), want, atol=1e-4, rtol=1e-4)
    assert capsys.readouterr().out.count("largest = ") == 4 * 2 * 4
