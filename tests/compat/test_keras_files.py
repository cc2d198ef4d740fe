"""from_keras without Keras: files written here, results worked out here, and files that mean harm."""

import builtins
import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from keras_files import conv, dense, entry, put_h5, put_keras, reference, sequential

import clnn
from clnn import nn
from clnn.errors import ClnnError, DTypeError, FileFormatError, SettingError, UnsupportedOpError

h5py = pytest.importorskip("h5py")
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype("float32")


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


SMALL = sequential(
    (5, 6, 2),
    conv("first", kernel_size=[3, 3], strides=[2, 2], padding="same", activation="relu"),
    entry("Flatten", "flatten", data_format="channels_last"),
    dense("add", activation="softmax"),
)
WEIGHTS = {"first": [normal(3, 3, 2, 4), normal(4)], "add": [normal(36, 3), normal(3)]}
PUT = {"keras": put_keras, "h5": put_h5}


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


# --- what cannot be -----------------------------------------------------------------------------


def test_code_in_a_file_is_named_and_not_run(tmp_path):
    bad = entry(
        "Lambda", "evil", function={"class_name": "__lambda__", "config": {"code": "cHJpbnQoMSk="}}
    )
    put_keras(tmp_path / "m.keras", sequential((4,), bad), {})
    with pytest.raises(UnsupportedOpError, match=r"layer 'evil' \(Lambda\)"):
        clnn.from_keras(tmp_path / "m.keras")


def test_options_without_a_counterpart_name_the_layer(tmp_path):
    for end, put in PUT.items():
        put(
            tmp_path / f"m.{end}",
            sequential((5, 2), recurrent("GRU", stateful=True)),
            {"r": {"cell": drawn("GRU")}},
        )
        with pytest.raises(UnsupportedOpError, match=r"'r' \(GRU\): expected stateful=False"):
            clnn.from_keras(tmp_path / f"m.{end}")


def test_what_is_no_model_is_a_type_error(tmp_path):
    with pytest.raises(DTypeError, match="path or a Keras model, got int"):
        clnn.from_keras(3)
    with pytest.raises(FileNotFoundError):
        clnn.from_keras(tmp_path / "nothing.keras")
    with pytest.raises(IsADirectoryError):
        clnn.from_keras(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense" * 100, b"PK\x03\x04" + b"\0" * 100, b"\x89HDF\r\n\x1a\n" + b"\0" * 90],
)
def test_foreign_files_are_refused(content, tmp_path):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(FileFormatError, match="expected a model of Keras"):
        clnn.from_keras(tmp_path / "m")


def test_without_h5py_the_way_out_is_named(tmp_path, monkeypatch):
    put_h5(tmp_path / "m.h5", SMALL, WEIGHTS)
    real = builtins.__import__

    def refuse(name, *rest, **named):
        if name == "h5py":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SettingError, match=r"pip install 'clnn\[keras\]'"):
        clnn.from_keras(tmp_path / "m.h5")


def test_import_clnn_loads_no_part_of_it():
    program = "import sys, clnn; sys.exit(any(n.startswith(('clnn.compat', 'h5py')) for n in sys.modules))"
    source = str(Path(clnn.__file__).parents[1])
    ran = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": source})
    assert ran.returncode == 0
    assert not hasattr(clnn, "from_torch")


def huge(file):
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))


def elsewhere(file):
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", (36, 3), "f4", external=[("/etc/passwd", 0, 432)])


def linked(file):
    del file["layers/dense"]
    file["layers/dense"] = h5py.ExternalLink("/tmp/other.h5", "/layers/dense")


def virtual(file):
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((36, 3), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "data", (36, 3))
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def missing(file):
    del file["layers/dense/vars/1"]


def gone(file):
    del file["layers/dense"]


def strings(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = ["a", "b"]


def misnamed(file):
    file["layers/dense/vars/zero"] = [1.0]


def flat(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = np.zeros(108, "f4")


def other(file):
    del file["layers/dense/vars/1"]
    file["layers/dense/vars/1"] = np.zeros(4, "f4")


def uneven(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = np.zeros((35, 3), "f4")


@pytest.mark.parametrize(
    "edit",
    [huge, elsewhere, linked, virtual, missing, gone, strings, misnamed, flat, other, uneven],
)
def test_weights_that_mean_harm_are_refused(edit, tmp_path):
    put_keras(tmp_path / "m.keras", SMALL, WEIGHTS, edit)
    with pytest.raises(FileFormatError, match="from_keras: "):
        clnn.from_keras(tmp_path / "m.keras", device="cpu")


def test_an_archive_that_swells_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(SMALL))
        with archive.open("model.weights.h5", "w") as member:
            for _ in range(80):
                member.write(b"\0" * (1 << 20))
    with pytest.raises(FileFormatError, match=r"model.weights.h5 of 83886080 bytes"):
        clnn.from_keras(tmp_path / "m.keras")


def spoilt(config, rng):
    """The config with one value somewhere gone or changed."""
    found = json.loads(json.dumps(config))
    places = []

    def walk(value):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], (dict, list)):
                walk(value[key])

    walk(found)
    into, key = rng.choice(places)
    new = rng.choice(
        ["gone", None, -1, 0, 1 << 70, 1.5, "text", [], {}, [[]], True, [1, 2, 3], float("nan")]
    )
    if new == "gone":
        del into[key]
    else:
        into[key] = new
    return found


def refused_or_read(path):
    """Nothing but an error of clnn's, or a model."""
    said = "from_keras: "
    try:
        found = clnn.from_keras(path, device="cpu")
    except ClnnError as error:
        found, said = None, str(error)
    assert said.startswith("from_keras: ")
    assert found is None or isinstance(found, nn.Module)


BRANCHED = {"class_name": "Functional", "config": {
    "name": "f", "input_layers": [["x", 0, 0]], "output_layers": [["y", 0, 0]], "layers": [
        entry("InputLayer", "x", [], batch_shape=[None, 36]),
        dense("add", [{"args": [reference("x")], "kwargs": {}}]),
        entry("Concatenate", "y", [{"args": [[reference("add")] * 2], "kwargs": {}}], axis=-1)]}}  # fmt: skip


@pytest.mark.parametrize("config", [SMALL, BRANCHED], ids=["chain", "graph"])
@pytest.mark.parametrize("seed", range(150))
def test_a_spoilt_config_is_refused_or_makes_a_model(config, seed, tmp_path):
    put_keras(tmp_path / "good", config, WEIGHTS)
    bad = spoilt(config, random.Random(seed))
    with (
        zipfile.ZipFile(tmp_path / "good") as good,
        zipfile.ZipFile(tmp_path / "m.keras", "w") as archive,
    ):
        archive.writestr("config.json", json.dumps(bad))
        archive.writestr("model.weights.h5", good.read("model.weights.h5"))
    refused_or_read(tmp_path / "m.keras")


@pytest.mark.parametrize("seed", range(60))
def test_damaged_weights_are_refused_or_make_a_model(seed, tmp_path):
    put_keras(tmp_path / "good", SMALL, WEIGHTS)
    rng = random.Random(seed)
    with zipfile.ZipFile(tmp_path / "good") as good:
        content = bytearray(good.read("model.weights.h5"))
    if seed % 3 == 0:
        content = content[: rng.randrange(1, len(content))]
    for _ in range(rng.choice([1, 10, 100])):
        content[rng.randrange(len(content))] = rng.randrange(256)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(SMALL))
        archive.writestr("model.weights.h5", bytes(content))
    refused_or_read(tmp_path / "m.keras")


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_archive_is_refused_or_makes_a_model(seed, tmp_path):
    path, rng = tmp_path / "m.keras", random.Random(seed)
    put_keras(path, SMALL, WEIGHTS)
    content = bytearray(path.read_bytes())
    if seed % 3 == 0:
        content = content[: rng.randrange(1, len(content))]
    for _ in range(rng.choice([1, 10, 100])):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content)
    refused_or_read(path)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_h5_file_is_refused(share, tmp_path):
    put_h5(tmp_path / "m.h5", SMALL, WEIGHTS)
    content = (tmp_path / "m.h5").read_bytes()
    (tmp_path / "m.h5").write_bytes(content[: int(share * len(content))])
    with pytest.raises(FileFormatError, match="damaged or foreign"):
        clnn.from_keras(tmp_path / "m.h5")


def no_config(file):
    del file.attrs["model_config"]


def config_of_numbers(file):
    file.attrs["model_config"] = [1.0, 2.0]


def no_weights(file):
    del file["model_weights"]


def no_names(file):
    del file["model_weights/first"].attrs["weight_names"]


def other_names(file):
    file["model_weights/first"].attrs["weight_names"] = ["/etc", "nothing"]


def soft(file):
    del file["model_weights/first"]
    file["model_weights/first"] = h5py.SoftLink("/model_weights")


@pytest.mark.parametrize(
    "edit", [no_config, config_of_numbers, no_weights, no_names, other_names, soft]
)
def test_h5_files_that_lack_something_are_refused(edit, tmp_path):
    put_h5(tmp_path / "m.h5", SMALL, WEIGHTS, edit=edit)
    with pytest.raises(FileFormatError, match="from_keras: "):
        clnn.from_keras(tmp_path / "m.h5")


def test_models_in_models_without_end_are_refused(tmp_path):
    model = SMALL
    for k in range(40):
        model = sequential((5, 6, 2), {**model, "config": {**model["config"], "name": f"m{k}"}})
    put_keras(tmp_path / "m.keras", model, {})
    with pytest.raises(ClnnError, match="from_keras: "):
        clnn.from_keras(tmp_path / "m.keras")


def test_a_cycle_is_refused(tmp_path):
    call = [{"args": [reference("y")], "kwargs": {}}]
    model = {"class_name": "Functional", "config": {
        "name": "f", "input_layers": [["x", 0, 0]], "output_layers": [["y", 0, 0]], "layers": [
            entry("InputLayer", "x", [], batch_shape=[None, 36]), dense("y", call)]}}  # fmt: skip
    put_keras(tmp_path / "m.keras", model, {})
    with pytest.raises(FileFormatError, match="operands of 'y' that nothing computes"):
        clnn.from_keras(tmp_path / "m.keras")
