"""MPNeuralNetwork's losses, metrics, optimizers and Model without MPNeuralNetwork."""

import numpy as np
import pytest

import clnn
from clnn.compat.mpneuralnetwork import xp
from clnn.compat.mpneuralnetwork.activations import PReLU, ReLU, Sigmoid, Softmax, Tanh
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
    MAE,
    RMSE,
    Accuracy,
    F1Score,
    Metric,
    Precision,
    R2Score,
    Recall,
    TopKAccuracy,
)
from clnn.compat.mpneuralnetwork.model import Model
from clnn.compat.mpneuralnetwork.optimizers import SGD, Adam, Optimizer, RMSprop
from clnn.testing import assert_close


@pytest.fixture(autouse=True)
def _default(request):
    if "device" in request.fixturenames:
        clnn.set_default_device(request.getfixturevalue("device"))
    yield
    clnn.set_default_device(None)


# --- losses and metrics -------------------------------------------------------------------------


def test_losses_by_hand(device):
    output, expected = np.float32([[1, 2], [3, 5]]), np.float32([[0, 2], [1, 1]])
    assert MSE().direct(output, expected) == pytest.approx((1 + 0 + 4 + 16) / 2)
    assert_close(MSE().prime(output, expected), output - expected)  # 2 / N of it
    logits, classes = np.float32([[0.0, np.log(3)]]), np.float32([[0, 1]])
    cross = CategoricalCrossEntropy()
    assert cross.direct(logits, classes) == pytest.approx(np.log(4 / 3), rel=1e-5)
    assert_close(cross.prime(logits, classes), np.float32([[0.25, -0.25]]))
    mild = CategoricalCrossEntropy(temperature=2.0)
    assert mild.direct(2 * logits, classes) == pytest.approx(np.log(4 / 3), rel=1e-5)
    assert_close(mild.prime(2 * logits, classes), np.float32([[0.125, -0.125]]))
    binary = BinaryCrossEntropy()
    assert binary.direct(np.zeros((2, 1)), np.ones((2, 1))) == pytest.approx(np.log(2), rel=1e-5)
    assert_close(binary.prime(np.zeros((2, 1)), np.ones((2, 1))), np.float32([[-0.25], [-0.25]]))


@pytest.mark.parametrize("loss", [MSE(), BinaryCrossEntropy(), CategoricalCrossEntropy(0.7)])
def test_prime_is_the_derivative_of_direct(loss, device):
    rng = np.random.default_rng(0)
    output = rng.standard_normal((5, 4)).astype("float32")
    expected = np.eye(4, dtype="float32")[[0, 2, 1, 3, 3]]
    v = rng.standard_normal(output.shape).astype("float32")
    ends = [loss.direct(output + step * v, expected) for step in (1e-2, -1e-2)]
    got = (loss.prime(output, expected) * v).sum()
    assert got == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=1e-2, abs=1e-3)


def test_losses_of_large_logits_are_finite(device):
    logits, classes = np.float32([[1000, -1000]]), np.float32([[0, 1]])
    for loss in (BinaryCrossEntropy(), CategoricalCrossEntropy()):
        assert np.isfinite(loss.direct(logits, classes))
        assert np.isfinite(loss.prime(logits, classes)).all()


def test_metrics_by_hand(device):
    true, pred = np.float32([[0, 0], [1, 1]]), np.float32([[1, 0], [1, 3]])
    assert RMSE()(true, pred) == pytest.approx(np.sqrt(5 / 2))
    assert MAE()(true, pred) == pytest.approx(3 / 2)
    assert R2Score()(true, pred) == pytest.approx(1 - 5 / 1)
    classes = np.eye(3, dtype="float32")[[0, 0, 1, 2]]
    scores = np.eye(3, dtype="float32")[[0, 1, 1, 1]] + 0.1 * np.float32([0, 1, 2])
    assert Accuracy()(classes, scores) == pytest.approx(1 / 2)
    p, r = (1 + 1 / 3 + 0) / 3, (1 / 2 + 1 + 0) / 3
    assert Precision()(classes, scores) == pytest.approx(p)
    assert Recall()(classes, scores) == pytest.approx(r)
    assert F1Score()(classes, scores) == pytest.approx(2 * p * r / (p + r))
    assert TopKAccuracy(2)(classes, scores) == pytest.approx(3 / 4)
    assert TopKAccuracy(2)(np.array([0, 0, 1, 2]), scores) == pytest.approx(3 / 4)
    assert Precision()(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, True) == pytest.approx(3 / 4)
    assert Precision(1e-4).get_config() == {"type": "Precision", "epsilon": 1e-4}
    assert TopKAccuracy(3).get_config() == {"type": "TopKAccuracy", "k": 3}


def test_of_two_classes_the_second_is_the_positive_one(device):
    true, pred = np.float32([[1], [1], [1], [0]]), np.float32([[0.9], [0.6], [0.2], [0.7]])
    assert Accuracy()(true, pred) == pytest.approx(1 / 2)
    assert Precision()(true, pred) == pytest.approx(2 / 3)
    assert Recall()(true, pred) == pytest.approx(2 / 3)
    assert F1Score()(true[:, 0], pred[:, 0]) == pytest.approx(2 / 3)


# --- optimizers ---------------------------------------------------------------------------------

W, B, G = np.float32([[1.0, -2.0]]), np.float32([[0.5, 0.25]]), np.float32([[0.5, 0.25]])


def pushed(optimizer, steps=3, **changes):
    """Weights and biases after `steps` with the gradients G, the last one with the optimizer changed."""
    layer = Dense(2, 1, initialization="he")
    layer.weights, layer.biases = W, B
    for step in range(steps):
        for name, value in changes.items() if step == steps - 1 else ():
            setattr(optimizer, name, value)
        layer.weights_gradient, layer.biases_gradient = G, G
        optimizer.step([layer])
    return layer.weights, layer.biases


def sgd(w, decay, rates, momentum=0.5, l1=False):
    w, v = w.astype("float64"), 0.0
    for lr in rates:
        v = momentum * v - lr * (G + decay * (np.sign(w) if l1 else w))
        w = w + v
    return w.astype("float32")


def rmsprop(w, decay):
    w, cache = w.astype("float64"), 0.0
    for _ in range(3):
        g = G + decay * w
        cache = 0.8 * cache + 0.2 * g**2
        w = w - 0.1 * g / (np.sqrt(cache) + 1e-3)
    return w.astype("float32")


def adam(w, decay, l1=False):
    w, m, v = w.astype("float64"), 0.0, 0.0
    for t in range(1, 4):
        g = G + decay * np.sign(w) * l1
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g**2
        w = w - 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3)
        w = w if l1 else w * (1 - 0.1 * decay)
    return w.astype("float32")


def test_steps_by_hand(device):
    rates = [0.1] * 3
    cases = [
        (SGD(0.1, "L2", 0.3, 0.5), sgd(W, 0.3, rates), sgd(B, 0, rates)),
        (SGD(0.1, "L1", 0.3, 0.5), sgd(W, 0.3, rates, l1=True), sgd(B, 0, rates)),
        (SGD(0.1, "L2", 0.0, 0.0), sgd(W, 0, rates, 0.0), sgd(B, 0, rates, 0.0)),
        (RMSprop(0.1, "L2", 0.3, 0.8, 1e-3), rmsprop(W, 0.3), rmsprop(B, 0)),
        (Adam(0.1, "L2", 0.3, 0.8, 0.9, 1e-3), adam(W, 0.3), adam(B, 0)),
        (Adam(0.1, "L1", 0.3, 0.8, 0.9, 1e-3), adam(W, 0.3, True), adam(B, 0, True)),
    ]
    for optimizer, weights, biases in cases:
        got = pushed(optimizer)
        assert_close(got[0], weights)
        assert_close(got[1], biases)


def test_a_changed_learning_rate_does_not_rewrite_the_velocity(device):
    weights, _ = pushed(SGD(0.1, "L2", 0.3, 0.5), learning_rate=0.01)
    assert_close(weights, sgd(W, 0.3, [0.1, 0.1, 0.01]))


def test_states_can_be_read():
    layer = Dense(2, 1, initialization="he")
    layer.weights, layer.weights_gradient, layer.biases_gradient = W, G, G
    optimizer = SGD(0.1, weight_decay=0.0, momentum=0.5)
    assert optimizer.velocities == {}
    optimizer.step([layer])
    assert_close(optimizer.velocities[id(layer.weights)], -0.1 * G)
    assert set(optimizer.params["velocities"]) == {id(layer.weights), id(layer.biases)}
    other = Adam()
    other.step([layer])
    assert (other.t, other.params["t"]) == (1, 1)
    assert_close(other.momentums[id(layer.biases)], np.float32(0.1) * G)
    assert_close(RMSprop().get_config()["decay_rate"], 0.9, check_dtype=False)


def test_only_the_layers_of_a_step_move(device):
    first, second = (Dense(2, 1, initialization="he") for _ in range(2))
    optimizer = SGD(0.1, weight_decay=0.0)
    for layer in (first, second):
        layer.weights_gradient, layer.biases_gradient = G, G
    optimizer.step([first])
    before = second.weights.copy()
    optimizer.step([first])
    assert_close(second.weights, before)
    optimizer.step([first, second])
    assert_close(second.weights, before - np.float32(0.1) * G)
    assert len(optimizer.velocities) == 4


def test_gradients_can_be_changed_in_place(device):
    layer = Dense(2, 1, initialization="he")
    layer.forward(np.float32([[100]]))
    layer.backward(np.float32([[1, 1]]))
    before = layer.weights.copy()
    for _, gradient in layer.params.values():
        np.clip(gradient, -1, 1, out=gradient)
    SGD(0.5, weight_decay=0.0).step([layer])
    assert_close(layer.weights, before - 0.5)
    layer.forward(np.float32([[100]]))
    layer.backward(np.float32([[1, 1]]))
    assert_close(layer.weights_gradient, np.float32([[100, 100]]))


def test_regularization_knows_names():
    optimizer = Optimizer(0.1, "L1", 0.5)
    assert_close(
        optimizer.apply_regularization("weights", np.float32([-3, 2])), np.float32([-0.5, 0.5])
    )
    assert_close(
        SGD(weight_decay=0.5).apply_regularization("kernels", np.float32([4])), np.float32([2])
    )
    for name in ("biases", "beta", "gamma", "alpha"):
        assert optimizer.apply_regularization(name, np.ones(2)) == 0
    with pytest.raises(clnn.SettingError, match="expected regularization 'L1' or 'L2', got 'L3'"):
        SGD(regularization="L3")
    with pytest.raises(clnn.UnsupportedOpError, match="Optimizer: expected a step method"):
        optimizer.step([Dense(1, 1, "he")])


def test_alpha_is_trained_and_not_regularised(device):
    layer = PReLU(0.25)
    layer.forward(np.float32([[-2, 3]]))
    layer.backward(np.float32([[1, 1]]))
    SGD(0.1, weight_decay=10.0).step([layer])
    assert layer.alpha == pytest.approx(0.25 + 0.2)
    layer.alpha = 0.5
    assert_close(layer.forward(np.float32([[-2]])), np.float32([[-1]]))


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
