"""MPNeuralNetwork's losses, metrics and optimizers without MPNeuralNetwork."""

import numpy as np
import pytest

import clnn
from clnn.compat.mpneuralnetwork.activations import PReLU
from clnn.compat.mpneuralnetwork.layers import (
    Dense,
)
from clnn.compat.mpneuralnetwork.losses import (
    MSE,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
)
from clnn.compat.mpneuralnetwork.metrics import (
    MAE,
    RMSE,
    Accuracy,
    F1Score,
    Precision,
    R2Score,
    Recall,
    TopKAccuracy,
)
from clnn.compat.mpneuralnetwork.optimizers import SGD, Adam, Optimizer, RMSprop
from clnn.testing import assert_close

pytestmark = pytest.mark.usefixtures("default_device")


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


def test_targets_and_images(device):
    """A target without the last axis is a column, and the sum over an image is a sample's."""
    output, column = np.float32([[1], [3]]), np.float32([2, 5])
    assert MSE().direct(output, column) == pytest.approx((1 + 4) / 2)
    assert BinaryCrossEntropy().prime(output, column).shape == (2, 1)
    assert MAE()(column, output) == pytest.approx(3 / 2)
    assert R2Score()(column, output) == pytest.approx(1 - 5 / 4.5)
    for metric in (MSE().direct, BinaryCrossEntropy().prime, lambda p, t: RMSE()(t, p)):
        with pytest.raises(
            clnn.ShapeError, match=r"expected a target of shape \(2, 1\), got \(3,\)"
        ):
            metric(output, np.ones(3))
    images = np.ones((2, 3, 4, 4))
    assert MSE().direct(images, 0 * images) == pytest.approx(48)
    assert_close(MSE().prime(images, 0 * images), np.ones((2, 3, 4, 4), "float32"))


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
    optimizer.step([first, second])
    x = np.ones((1, 1), "float32")
    before, moved = second.forward(x), first.forward(x)  # the arrays stay unseen
    optimizer.step([first])
    assert_close(second.forward(x), before)
    assert (first.forward(x) < moved).all()
    optimizer.step([first, second])
    assert (second.forward(x) < before).all()
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
