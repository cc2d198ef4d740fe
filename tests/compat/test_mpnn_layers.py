"""MPNeuralNetwork's layers without MPNeuralNetwork: numbers worked out by hand, and finite differences."""

import numpy as np
import pytest

import clnn
from clnn.compat.mpneuralnetwork import xp
from clnn.compat.mpneuralnetwork.activations import (
    Activation,
    PReLU,
    ReLU,
    Sigmoid,
    Softmax,
    Swish,
    Tanh,
)  # fmt: skip
from clnn.compat.mpneuralnetwork.layers import (
    AveragePooling2D,
    BatchNormalization,
    BatchNormalization2D,
    Convolutional,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPooling2D,
)  # fmt: skip
from clnn.compat.mpneuralnetwork.layers.utils import col2im, im2col
from clnn.testing import assert_close, check_grads

pytestmark = pytest.mark.usefixtures("default_device")


# A layer, and the shape of a batch for it.
LAYERS = {
    "dense": (lambda: Dense(3, initialization="he"), (4, 5)),
    "dense without bias": (lambda: Dense(3, initialization="xavier", no_bias=True), (4, 5)),
    "conv": (lambda: Convolutional(3, 3, initialization="he"), (2, 2, 6, 5)),
    "conv, same, strides": (
        lambda: Convolutional(3, 4, None, "xavier", padding="same", stride=2), (2, 2, 7, 6),
    ),
    "conv without bias": (lambda: Convolutional(2, 2, None, "he", True, padding=1), (2, 3, 4, 4)),
    "norm": (lambda: BatchNormalization(0.8, 1e-3), (6, 4)),
    "norm of images": (lambda: BatchNormalization2D(), (3, 2, 4, 3)),
    "max pool": (lambda: MaxPooling2D(), (2, 2, 5, 6)),
    "max pool, overlapping": (lambda: MaxPooling2D(3, 2), (2, 2, 7, 7)),
    "average pool": (lambda: AveragePooling2D(3, 2), (2, 2, 7, 7)),
    "flatten": (Flatten, (2, 2, 3, 3)),
    "tanh": (Tanh, (3, 4)), "sigmoid": (Sigmoid, (3, 4)), "relu": (ReLU, (3, 4)),
    "prelu": (lambda: PReLU(0.3), (3, 4)), "swish": (Swish, (3, 4)),
    "softmax": (lambda: Softmax(2.0), (3, 4)),
}  # fmt: skip


def built(name):
    make, shape = LAYERS[name]
    xp.random.seed(7)
    layer = make()
    layer.build(shape[1:])
    # distinct values, none near 0: nothing here has a kink within a finite difference
    values = np.linspace(-2, 2, int(np.prod(shape)) * 2)[::2]
    return layer, xp.random.permutation(values).reshape(shape).astype("float32")


def along(layer, x, weights, change):
    """The derivative of (forward(x) * weights).sum() by what change(step) moves by a step of 1."""
    sums = []
    for step in (1e-2, -1e-2):
        change(step)
        sums.append(float((layer.forward(x).astype("float64") * weights).sum()))
        change(-step)
    return (sums[0] - sums[1]) / 2e-2


@pytest.mark.parametrize("name", LAYERS)
def test_backward_is_the_derivative_of_forward(name, device):
    layer, x = built(name)
    rng = np.random.default_rng(1)
    y = layer.forward(x)
    assert y.shape == (len(x), *layer.output_shape)
    assert y.dtype == np.float32
    g = rng.standard_normal(y.shape).astype("float32")
    by_input = layer.backward(g)
    v = rng.standard_normal(x.shape).astype("float32") / 4

    def move(step):
        x[...] += np.float32(step) * v

    want = along(layer, x, g, move)
    layer.forward(x)
    assert (layer.backward(g) * v).sum() == pytest.approx(want, rel=2e-2, abs=2e-2)
    np.testing.assert_allclose(layer.backward(g), by_input, atol=1e-5)  # a second time

    gradients = {n: gradient.copy() for n, (_, gradient) in layer.params.items()}
    for n, (array, _) in layer.params.items():
        direction = rng.standard_normal(array.shape).astype("float32") / 4
        assert gradients[n].shape == array.shape

        def shift(step, array=array, direction=direction):
            array += np.float32(step) * direction  # in place: the layer computes with it

        want = along(layer, x, g, shift)
        assert (gradients[n] * direction).sum() == pytest.approx(want, rel=2e-2, abs=2e-2), n


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_in_float64(name):
    clnn.set_default_device("cpu")
    layer, x = built(name)
    held = [h for h in layer.held.values() if h.trained]

    def f(x, *params):
        for h, p in zip(held, params, strict=True):
            h.tensor = p
        return layer.compute(x, True)

    check_grads(f, clnn.tensor(x), *[h.tensor.detach() for h in held])


def test_dense_by_hand(device):
    layer = Dense(2, 3, initialization="he")
    layer.weights = [[1, 2], [3, 4], [5, 6]]
    layer.biases = [[10, 20]]
    assert_close(layer.forward(np.array([[1.0, 0, -1]])), np.float32([[6, 16]]))
    assert_close(layer.backward(np.array([[1.0, 2]])), np.float32([[5, 11, 17]]))
    assert_close(layer.weights_gradient, np.float32([[1, 2], [0, 0], [-1, -2]]))
    assert_close(layer.biases_gradient, np.float32([[1, 2]]))
    assert (layer.input_size, layer.output_size) == (3, 2)
    assert layer.held["weights"].tensor.device == clnn.default_device()


def test_convolution_by_hand(device):
    layer = Convolutional(1, 2, (1, 3, 3), "he")
    layer.load_params({"kernels": np.float32([[[[1, 2], [3, 4]]]]), "biases": np.float32([1])})
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    assert_close(layer.forward(x), np.float32([[[[28, 38], [58, 68]]]]))
    assert_close(
        layer.backward(np.ones((1, 1, 2, 2))), np.float32([[[[1, 3, 2], [4, 10, 6], [3, 7, 4]]]])
    )
    assert_close(layer.params["kernels"][1], np.float32([[[[8, 12], [20, 24]]]]))
    assert_close(layer.params["biases"][1], np.float32([4]))


def test_paddings(device):
    for size, padding, edge in ((3, "same", 8), (4, "same", 7), (4, "valid", 5), (3, 2, 10)):
        layer = Convolutional(1, size, (1, 8, 8), "he", padding=padding)
        assert layer.output_shape == (1, edge, edge)
        assert layer.forward(np.ones((2, 1, 8, 8))).shape == (2, 1, edge, edge)


def test_pooling_by_hand(device):
    x = np.float32([[[[1, 2, 5], [3, 3, 6], [9, 9, 9]]]])
    g = np.float32([[[[1, 10], [100, 1000]]]])
    largest, mean = MaxPooling2D(2, 1), AveragePooling2D(2, 1)
    assert_close(largest.forward(x), np.float32([[[[3, 6], [9, 9]]]]))
    # of equal numbers the first has it all
    assert_close(largest.backward(g), np.float32([[[[0, 0, 0], [1, 0, 10], [100, 1000, 0]]]]))
    assert_close(mean.forward(x), np.float32([[[[2.25, 4], [6, 6.75]]]]))
    assert_close(
        mean.backward(g),
        np.float32([[[[0.25, 2.75, 2.5], [25.25, 277.75, 252.5], [25, 275, 250]]]]),
    )


def test_normalization_by_hand(device):
    layer = BatchNormalization(momentum=0.9, epsilon=0.0)
    layer.build(1)
    assert_close(layer.forward(np.float32([[1], [3]])), np.float32([[-1], [1]]))
    assert_close(layer.state["cache_m"], np.float32([[0.2]]))
    assert_close(layer.cache_v, np.float32([[1.0]]))  # 0.9 * 1 + 0.1 * 1, the biased variance
    layer.state = {"cache_m": np.float32([[1]]), "cache_v": np.float32([[4]])}
    layer.gamma[:] = 3
    assert_close(layer.forward(np.float32([[5], [3]]), training=False), np.float32([[6], [3]]))
    assert_close(
        layer.backward(np.float32([[2], [4]])), np.float32([[3], [6]])
    )  # by the same statistics
    assert_close(layer.gamma_gradient, np.float32([[2 * 2 + 4 * 1]]))


def test_activations_by_hand(device):
    x = np.float32([[-2, 0, 3]])
    assert_close(ReLU().forward(x), np.float32([[0, 0, 3]]))
    assert_close(ReLU().activation_prime(x), np.float32([[0, 0, 1]]))
    assert_close(PReLU(0.5).forward(x), np.float32([[-1, 0, 3]]))
    assert_close(Sigmoid().activation(np.zeros(2)), np.float32([0.5, 0.5]))
    assert_close(Tanh().activation_prime(np.zeros(2)), np.float32([1, 1]))
    assert_close(Softmax().forward(np.float32([[0, np.log(3)]])), np.float32([[0.25, 0.75]]))
    hot = Softmax(temperature=2.0).forward(np.float32([[0, 2 * np.log(3)]]))
    assert_close(hot, np.float32([[0.25, 0.75]]))


def test_no_activation_overflows(device):
    x = np.float32([[-1000, -100, 100, 1000]])
    for kind in (Sigmoid, Swish, Tanh, Softmax, ReLU, PReLU):
        layer = kind()
        assert np.isfinite(layer.forward(x)).all(), kind
        assert np.isfinite(layer.backward(np.ones_like(x))).all(), kind


def test_an_activation_of_two_functions():
    square = Activation(lambda x: x**2, lambda x: 2 * x)
    assert_close(square.forward(np.float32([3])), np.float32([9]))
    assert_close(square.backward(np.float32([10])), np.float32([60]))
    assert square.params == {}


def test_dropout(device):
    layer, x = Dropout(0.25), np.ones((40, 50), "float32")
    xp.random.seed(3)
    y = layer.forward(x)
    assert set(np.unique(y)) == {np.float32(0), np.float32(4 / 3)}
    assert 0.2 < (y == 0).mean() < 0.3
    assert_close(layer.backward(x), y)  # the same mask
    assert not np.array_equal(layer.forward(x), y)
    xp.random.seed(3)
    assert_close(layer.forward(x), y)
    assert_close(layer.forward(x, training=False), x)
    assert_close(layer.backward(2 * x), 2 * x)


def test_columns_and_back(device):
    x = np.arange(2 * 3 * 4 * 5, dtype="float32").reshape(2, 3, 4, 5)
    for stride, rows, wide in ((None, 3, 4), (1, 3, 4), (2, 2, 2)):
        columns = im2col(x, 2, stride)
        assert columns.shape == (2, rows, wide, 3, 2, 2)
        step = stride or 1
        assert_close(columns[1, 1, 1], x[1, :, step : step + 2, step : step + 2].copy())
    ones = np.ones((2, 3, 2, 2, 2, 2), "float32")
    back = col2im(ones, (2, 3, 4, 5), (3, 2, 2), 2, 2)
    assert_close(back[0, 0], np.float32([[1, 1, 1, 1, 0]] * 4))
    assert_close(col2im(np.ones((1, 1, 2, 2, 2, 2)), (1, 1, 3, 3), (1, 2, 2), 2)[0, 0],
                 np.float32([[1, 2, 1], [2, 4, 2], [1, 2, 1]]))  # fmt: skip


# --- what a layer holds ------------------------------------------------------------------------


def test_arrays_can_be_changed_in_place(device):
    layer = Dense(2, 2, initialization="he", no_bias=True)
    layer.weights[:] = [[1, 0], [0, 1]]
    seen = layer.weights
    x = np.float32([[1, 2]])
    assert_close(layer.forward(x), x)
    seen *= 3
    assert_close(layer.forward(x), 3 * x)
    assert layer.weights is seen
    assert layer.params["weights"][0] is seen
    layer.weights = np.ones((2, 2))
    assert_close(seen, np.ones((2, 2), "float32"))
    with pytest.raises(clnn.ShapeError, match=r"expected an array of shape \(2, 2\), got \(2,\)"):
        layer.weights = np.ones(2)


def test_inputs_and_outputs_are_remembered(device):
    layer, x = Tanh(), np.float32([[0.5]])
    y = layer.forward(x)
    assert_close(layer.input, x)
    assert_close(layer.output, y)
    assert not hasattr(ReLU(), "input")


def test_a_layer_of_a_user():
    class Twice(Layer):
        def forward(self, input_batch, training=True):
            self.input = input_batch
            return 2 * input_batch

        def backward(self, output_gradient_batch):
            return 2 * output_gradient_batch

    layer = Twice()
    layer.build((3, 4))
    assert (layer.output_shape, layer.output_size, layer.params, layer.state) == (
        (3, 4),
        12,
        {},
        {},
    )
    assert layer.forward(3) == 6
    assert layer.input == 3
    assert layer.get_config() == {"type": "Twice"}


def test_configs_rebuild_layers():
    layer = Convolutional(4, 3, (1, 6, 6), "he", True, "same", 2)
    config = layer.get_config()
    assert config.pop("type") == "Convolutional"
    assert Convolutional(**config).get_config() == layer.get_config()
    assert Dense(3).get_config()["input_size"] is None
    assert MaxPooling2D(3).get_config() == {"type": "MaxPooling2D", "pool_size": 3, "strides": 3}
    assert Dropout(0.1).get_config() == {"type": "Dropout", "probability": 0.1}
    assert Softmax(3.0).get_config()["temperature"] == 3.0
    assert PReLU(0.5).get_config() == {"type": "PReLU", "alpha": 0.5}
    assert BatchNormalization(0.5).get_config()["momentum"] == 0.5


def test_initial_weights_have_their_variance():
    xp.random.seed(0)
    for method, variance in (("he", 2 / 400), ("xavier", 1 / 400), ("auto", 0.01)):
        layer = Dense(300, 400)
        layer.init_weights(method, False)
        assert layer.weights.var() == pytest.approx(variance, rel=0.02)
        assert layer.biases.var() == pytest.approx(1, rel=0.3)
    kernels = Convolutional(64, 5, (32, 9, 9), "he").kernels
    assert kernels.var() == pytest.approx(2 / 800, rel=0.05)


def test_mistakes():
    with pytest.raises(clnn.SettingError, match="expected padding 'valid', 'same' or an integer"):
        Convolutional(3, 3, padding="full")
    with pytest.raises(clnn.SettingError, match="expected initialization 'auto', 'he' or 'xavier'"):
        Dense(3, initialization="lecun")
    with pytest.raises(clnn.SettingError, match="Dense: expected a built layer"):
        Dense(3, 4).forward(np.ones((1, 4)))
    with pytest.raises(clnn.SettingError, match="BatchNormalization: expected a built layer"):
        BatchNormalization().forward(np.ones((1, 4)))
    with pytest.raises(clnn.AutogradError, match=r"ReLU.backward: expected a forward pass before"):
        ReLU().backward(np.ones(3))
    with pytest.raises(clnn.ShapeError, match=r"use BatchNormalization2D, or Flatten before"):
        BatchNormalization().build((4, 8, 8))
    with pytest.raises(
        clnn.ShapeError, match=r"MaxPooling2D: expected input of \(channels, height, width\)"
    ):
        MaxPooling2D().build(7)
    with pytest.raises(clnn.UnsupportedOpError, match="Layer: expected forward and backward"):
        Layer().forward(np.ones(3))
    layer = Dense(2, 3, initialization="he")
    layer.forward(np.ones((1, 3)))
    with pytest.raises(clnn.ShapeError):
        layer.backward(np.ones((2, 2)))
    with pytest.raises(clnn.ShapeError):
        layer.forward(np.ones((1, 4)))
    with pytest.raises(AttributeError, match="biases"):
        Dense(2, 3, "he", True).biases  # noqa: B018
