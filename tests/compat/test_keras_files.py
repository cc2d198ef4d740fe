"""from_keras without Keras: files written here, results worked out here."""

import numpy as np
import pytest
from keras_files import (
    PUT,
    SMALL,
    WEIGHTS,
    dense,
    drawn,
    entry,
    normal,
    put_h5,
    put_keras,
    recurrent,
    reference,
    sequential,
)

import clnn
from clnn import nn

pytest.importorskip("h5py")


def same(size, kernel, stride):
    """(outputs, elements before the first) of windows that Keras calls same."""
    out = -(-size // stride)
    return out, max((out - 1) * stride + kernel - size, 0) // 2


def conv_same(x, kernel, bias, stride):
    """(N, H, W, C) by its definition."""
    n, h, w, _ = x.shape
    kh, kw, _, filters = kernel.shape
    (oh, top), (ow, left) = same(h, kh, stride), same(w, kw, stride)
    out = np.zeros((n, oh, ow, filters)) + bias
    for i, j in np.ndindex(oh, ow):
        for a, b in np.ndindex(kh, kw):
            y, z = i * stride + a - top, j * stride + b - left
            if 0 <= y < h and 0 <= z < w:
                out[:, i, j] += x[:, y, z] @ kernel[a, b]
    return out


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def close(got, want):
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-4, atol=1e-5)


def moved(x):
    return x.transpose(0, 3, 1, 2)


def expected(x):
    y = np.maximum(conv_same(x, *WEIGHTS["first"], 2), 0)
    return softmax(y.reshape(len(x), -1) @ WEIGHTS["add"][0] + WEIGHTS["add"][1])


@pytest.mark.parametrize("end", PUT)
def test_a_chain_is_a_sequential_with_keras_names(end, device, tmp_path):
    path = tmp_path / f"model.{end}"
    PUT[end](path, SMALL, WEIGHTS)
    model = clnn.from_keras(path, device=device)
    assert isinstance(model, nn.Sequential)
    assert not model.training
    names = [
        "first.weight",
        "first.bias",
        "add_.weight",
        "add_.bias",
    ]  # `add` is a method of Sequential
    assert list(model.state_dict()) == names
    x = normal(3, 5, 6, 2)
    close(model(clnn.tensor(moved(x), device=device)), expected(x))


def test_dtype_and_device_are_as_asked(device, tmp_path):
    put_keras(tmp_path / "m.keras", SMALL, WEIGHTS)
    model = clnn.from_keras(str(tmp_path / "m.keras"), device=device, dtype="float16")
    assert {(p.dtype, p.device.name) for p in model.parameters()} == {(clnn.float16, device)}


def test_a_file_of_keras_2_is_read(tmp_path):
    model = {
        "class_name": "Sequential",
        "config": {
            "name": "sequential",
            "layers": [
                {"class_name": "Dense", "config": {
                    "name": "long_dense", "batch_input_shape": [None, 4], "units": 3, "activation": "linear",
                    "use_bias": True}},
                {"class_name": "LeakyReLU", "config": {"name": "leaky", "alpha": 0.25}},
            ],
        },
    }  # fmt: skip
    kernel, bias = normal(4, 3), normal(3)
    put_h5(tmp_path / "m.h5", model, {"long_dense": [kernel, bias]}, ":0")
    x = normal(2, 4)
    y = x @ kernel + bias
    close(
        clnn.from_keras(tmp_path / "m.h5", device="cpu")(clnn.tensor(x, device="cpu")),
        np.where(y > 0, y, 0.25 * y),
    )


@pytest.mark.parametrize("end", PUT)
@pytest.mark.parametrize("version", [2, 3])
def test_branches_are_a_graph(version, end, device, tmp_path):
    def call(*names):
        if version == 2:
            return [[[n, 0, 0, {}] for n in names]]
        found = [reference(n) for n in names]
        return [{"args": [found if len(names) > 1 else found[0]], "kwargs": {}}]

    # the last layer first: order in the file is not order of computation
    layers = [
        entry("Concatenate", "cat", call("b", "sum"), axis=-1),
        entry("InputLayer", "inputs", [], batch_shape=[None, 4]),
        dense("a", call("inputs")),
        dense("b", call("a"), activation="tanh"),
        entry("Add", "sum", call("a", "b")),
    ]
    outputs = [["cat", 0, 0], ["sum", 0, 0]]
    model = {"class_name": "Functional", "config": {
        "name": "f", "layers": layers, "input_layers": [["inputs", 0, 0]], "output_layers": outputs}}  # fmt: skip
    weights = {"a": [normal(4, 3), normal(3)], "b": [normal(3, 3), normal(3)]}
    PUT[end](tmp_path / "m", model, weights)
    ours = clnn.from_keras(tmp_path / "m", device=device)
    assert isinstance(ours, nn.Graph)
    x = normal(2, 4)
    a = x @ weights["a"][0] + weights["a"][1]
    b = np.tanh(a @ weights["b"][0] + weights["b"][1])
    joined, total = ours(clnn.tensor(x, device=device))
    close(total, a + b)
    close(joined, np.concatenate([b, a + b], -1))


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 2), (2, 3), (5, 3), (3, 1)])
def test_transposed_convolutions_are_cut_as_in_tensorflow(kernel, stride, tmp_path):
    """The gradient of a convolution with padding same: where it put an output, this puts an input."""
    layer = entry(
        "Conv2DTranspose", "t", strides=[stride, stride], padding="same", data_format="channels_last",
        dilation_rate=[1, 1], activation="linear", use_bias=False, output_padding=None,
    )  # fmt: skip
    w, x = normal(kernel, kernel, 1, 1), normal(1, 4, 3, 1)
    put_keras(tmp_path / "m.keras", sequential((4, 3, 1), layer), {"t": [w]})
    want = np.zeros((4 * stride, 3 * stride))
    _, top = same(4 * stride, kernel, stride)
    for i, j, a, b in np.ndindex(4, 3, kernel, kernel):
        y, z = i * stride + a - top, j * stride + b - top
        if 0 <= y < want.shape[0] and 0 <= z < want.shape[1]:
            want[y, z] += x[0, i, j, 0] * w[a, b, 0, 0]
    close(
        clnn.from_keras(tmp_path / "m.keras", device="cpu")(clnn.tensor(moved(x), device="cpu"))[
            0, 0
        ],
        want,
    )


@pytest.mark.parametrize("size", [7, 8, 9])
def test_means_leave_padding_out(size, tmp_path):
    layer = entry(
        "AveragePooling1D",
        "p",
        pool_size=[4],
        strides=[3],
        padding="same",
        data_format="channels_last",
    )
    put_keras(tmp_path / "m.keras", sequential((size, 2), layer), {})
    x = normal(1, size, 2)
    out, before = same(size, 4, 3)
    starts = [3 * k - before for k in range(out)]
    want = [x[:, max(s, 0) : s + 4].mean(1) for s in starts]
    close(
        clnn.from_keras(tmp_path / "m.keras", device="cpu")(clnn.tensor(x, device="cpu")),
        np.stack(want, 1),
    )


def steps(kind, x, weights):
    """Keras' recurrent layers by their equations: every h, (N, T, H)."""
    kernel, recurrent, bias = weights
    h = c = np.zeros((len(x), recurrent.shape[0]))
    out = []
    for t in range(x.shape[1]):
        own = x[:, t] @ kernel + (bias[0] if bias.ndim == 2 else bias)
        other = h @ recurrent + (bias[1] if bias.ndim == 2 else 0)
        if kind == "SimpleRNN":
            h = np.tanh(own + other)
        elif kind == "LSTM":
            i, f, g, o = np.split(own + other, 4, -1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            (z, r, n), (zh, rh, nh) = np.split(own, 3, -1), np.split(other, 3, -1)
            z, r = sigmoid(z + zh), sigmoid(r + rh)
            inner = r * nh if bias.ndim == 2 else (r * h) @ np.split(recurrent, 3, -1)[2]
            h = z * h + (1 - z) * np.tanh(n + inner)
        out.append(h)
    return np.stack(out, 1)


@pytest.mark.parametrize("end", PUT)
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_recurrent_layers_follow_keras_equations(kind, end, device, tmp_path):
    weights, x = drawn(kind), normal(2, 5, 2)
    PUT[end](tmp_path / "m", sequential((5, 2), recurrent(kind)), {"r": {"cell": weights}})
    close(
        clnn.from_keras(tmp_path / "m", device=device)(clnn.tensor(x, device=device)),
        steps(kind, x, weights),
    )


def test_a_gru_may_reset_before_its_product(device, tmp_path):
    weights, x = [normal(2, 9), normal(3, 9), normal(9)], normal(2, 5, 2)
    model = sequential((5, 2), recurrent("GRU", reset_after=False))
    put_keras(tmp_path / "m.keras", model, {"r": {"cell": weights}})
    ours = clnn.from_keras(tmp_path / "m.keras", device=device)
    close(ours(clnn.tensor(x, device=device)), steps("GRU", x, weights))


@pytest.mark.parametrize("end", PUT)
@pytest.mark.parametrize("sequences", [True, False])
def test_both_directions_have_their_own_weights(sequences, end, tmp_path):
    there, back = drawn("GRU"), drawn("GRU")
    layer = entry(
        "Bidirectional", "both", merge_mode="concat", layer=recurrent("GRU", "f", return_sequences=sequences),
        backward_layer=recurrent("GRU", "b", return_sequences=sequences, go_backwards=True),
    )  # fmt: skip
    parts = {"forward_layer/cell": there, "backward_layer/cell": back}
    PUT[end](tmp_path / "m", sequential((5, 2), layer), {"both": parts})
    x = normal(2, 5, 2)
    ahead, behind = steps("GRU", x, there), steps("GRU", x[:, ::-1], back)[:, ::-1]
    want = np.concatenate([ahead, behind] if sequences else [ahead[:, -1], behind[:, 0]], -1)
    close(clnn.from_keras(tmp_path / "m", device="cpu")(clnn.tensor(x, device="cpu")), want)
