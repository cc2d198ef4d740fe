"""Checkpoints of KeyDNN: its format to the letter, round trips of every layer, and damaged files."""

import base64
import contextlib
import copy
import json
import random

import numpy as np
import pytest

import clnn
from clnn.compat import keydnn
from clnn.compat.keydnn import Device, Sequential, Tensor, layers, numpy_to_tensor
from clnn.compat.keydnn.activations import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from clnn.compat.keydnn.checkpoint import from_payload
from clnn.compat.keydnn.infrastructure import Model, register_module
from clnn.errors import ClnnError, DTypeError, FileFormatError

pytestmark = pytest.mark.usefixtures("home")


def encoded(values, dtype="<f4"):
    a = np.asarray(values, dtype)
    return {
        "b64": base64.b64encode(a.tobytes()).decode(),
        "dtype": dtype,
        "shape": list(a.shape),
        "order": "C",
    }


def theirs():
    """What KeyDNN 2.1.0 writes for Sequential(Linear(2, 3), ReLU(), BatchNorm1d(3)): keys sorted, no statistics."""
    children = {
        "0": {"type": "Linear", "children": {}, "config": {
            "bias": True, "device": "cpu", "dtype": "float32", "in_features": 2, "initializer": "xavier_uniform",
            "out_features": 3}},
        "1": {"type": "ReLU", "children": {}, "config": {}},
        "2": {"type": "BatchNorm1d", "children": {}, "config": {
            "affine": True, "device": "cpu", "eps": 1e-05, "momentum": 0.1, "num_features": 3}},
    }  # fmt: skip
    return {
        "arch": {"children": children, "config": {}, "type": "Sequential"}, "format": "keydnn.json.ckpt.v1",
        "state": {"0.bias": encoded([0.5, 0, -1]), "0.weight": encoded([[1, 2], [3, 4], [-1, -1]]),
                  "2.beta": encoded([0, 0, 1]), "2.gamma": encoded([1, 2, 3])},
    }  # fmt: skip


def loaded(payload, tmp_path):
    path = tmp_path / "model.json"
    path.write_text(json.dumps(payload))
    return Sequential.load_json(path)


def test_a_file_of_keydnns(tmp_path):
    model = loaded(theirs(), tmp_path)
    x = np.array([[1.0, 0.5], [-1.0, 2.0]], np.float32)
    hidden = np.maximum(x @ np.array([[1, 3, -1], [2, 4, -1]]) + [0.5, 0, -1], 0)
    want = hidden / np.sqrt(1 + 1e-5) * [1, 2, 3] + [0, 0, 1]
    got = model.predict(numpy_to_tensor(x, Device("cpu"))).to_numpy()
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert model.is_built


def test_our_files_have_all_that_keydnns_have(tmp_path):
    mine, want = loaded(theirs(), tmp_path).to_json_payload(), theirs()
    assert mine["arch"] == want["arch"]
    assert mine["format"] == want["format"]
    assert {k: v for k, v in mine["state"].items() if k in want["state"]} == want["state"]
    assert set(mine["state"]) - set(want["state"]) == {"2.running_mean", "2.running_var"}


EVERY = [
    (lambda: layers.Dense(3), (2, 4)), (lambda: layers.Linear(4, 3, bias=False), (2, 4)),
    (lambda: layers.Conv2d(2, 3, (3, 1), stride=2, padding=1, bias=False), (2, 2, 5, 6)),
    (lambda: layers.Conv2dTranspose(2, 3, 3, stride=2, output_padding=1), (2, 2, 4, 4)),
    (lambda: layers.BatchNorm1d(4, eps=1e-3, momentum=0.3), (5, 4)),
    (lambda: layers.BatchNorm2d(2, affine=False), (5, 2, 3, 3)), (lambda: layers.LayerNorm((3, 4)), (2, 3, 4)),
    (lambda: layers.Dropout(0.3), (2, 4)), (layers.Flatten, (2, 3, 4)),
    (lambda: layers.MaxPool2d(2, stride=1), (1, 2, 4, 4)),
    (lambda: layers.AvgPool2d((2, 1), padding=(1, 0)), (1, 2, 4, 4)),
    (layers.GlobalAvgPool2d, (1, 2, 4, 4)), (lambda: LeakyReLU(0.3), (2, 4)), (ReLU, (2, 4)),
    (Sigmoid, (2, 4)), (Tanh, (2, 4)), (lambda: Softmax(axis=0), (2, 4)),
    *[(lambda k=k: getattr(layers, k)(3, 4, return_state=False), (5, 2, 3)) for k in ("RNN", "LSTM", "GRU")],
    *[(lambda k=k: layers.Bidirectional(getattr(layers, k)(3, 4)), (5, 2, 3)) for k in ("RNN", "LSTM", "GRU")],
    (lambda: Sequential(layers.Linear(4, 4), Sequential(ReLU())), (2, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("make", "shape"), EVERY)
def test_every_layer_comes_back(make, shape, tmp_path):
    keydnn.seed(1)
    model, x = Sequential(make()), Tensor.rand(shape, device=Device("cpu"))
    model.build(x)
    model(x)  # statistics move
    model.save_json(tmp_path / "deep" / "m.json")
    again = Sequential.load_json(tmp_path / "deep" / "m.json")
    assert again.to_json_payload() == model.to_json_payload()
    np.testing.assert_array_equal(again.predict(x).to_numpy(), model.predict(x).to_numpy())
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["m.json"]


def test_running_statistics_survive(tmp_path):
    """KeyDNN forgets them, so that a loaded model predicts something else."""
    model = Sequential(layers.BatchNorm1d(3))
    model.build((1, 3))
    model(Tensor.rand((20, 3), device=Device("cpu")) * 5.0)
    held = model[0].running_var.to_numpy()
    assert abs(held - 1).max() > 0.05
    model.save_json(tmp_path / "m.json")
    np.testing.assert_array_equal(
        Sequential.load_json(tmp_path / "m.json")[0].running_var.to_numpy(), held
    )


def test_order_of_layers(tmp_path):
    model = Sequential(*(LeakyReLU(k / 100) for k in range(12)))
    model.build((1, 2))
    payload = model.to_json_payload()
    payload["arch"]["children"] = dict(
        sorted(payload["arch"]["children"].items())
    )  # as KeyDNN writes it
    assert [m.alpha for m in loaded(payload, tmp_path)] == [k / 100 for k in range(12)]
    named = Sequential()
    for name in ("stem", "body", "head"):
        named.add(ReLU(), name)
    assert list(loaded(named.to_json_payload(), tmp_path)._modules) == ["stem", "body", "head"]


def test_a_bidirectional_layer_has_keydnns_names():
    names = set(
        Sequential(layers.Bidirectional(layers.GRU(2, 3, False))).to_json_payload()["state"]
    )
    assert names == {f"0.{way}_{kind}.cell.{w}" for way in ("forward", "backward") for kind in ("layer", "rnn")
                     for w in ("W_ih", "W_hh")}  # fmt: skip


def test_own_classes(tmp_path):
    @register_module()
    class Scaled(Model):
        def __init__(self, factor=2.0):
            super().__init__()
            self.factor, self.inner = factor, layers.Linear(2, 2)

        def forward(self, x):
            return self.inner(x) * self.factor

    model = Scaled(3.0)
    model.build((1, 2))
    model.save_json(tmp_path / "m.json")
    again = Scaled.load_json(tmp_path / "m.json")
    x = Tensor.rand((2, 2), device=Device("cpu"))
    assert again.factor == 3.0
    np.testing.assert_array_equal(again.predict(x).to_numpy(), model.predict(x).to_numpy())
    with pytest.raises(DTypeError, match="load_json: expected a Sequential"):
        Sequential.load_json(tmp_path / "m.json")


def test_a_layer_of_clnns_comes_back(tmp_path):
    model = Sequential(clnn.nn.GroupNorm(2, 4), ReLU())
    model.build((1, 4, 2))
    clnn.nn.init.constant_(model[0].weight, 3.0)
    again = loaded(model.to_json_payload(), tmp_path)
    assert type(again[0]) is clnn.nn.GroupNorm
    assert again[0].weight.numpy().tolist() == [3] * 4


def test_a_card_that_is_not_here(tmp_path):
    payload = theirs()
    for child in payload["arch"]["children"].values():
        if "device" in child["config"]:
            child["config"]["device"] = "cuda:97"
    with pytest.warns(UserWarning, match="expected cuda:97, where it was saved"):
        model = loaded(payload, tmp_path)
    assert model[0].device == Device("cpu")


def test_values_into_a_model(tmp_path):
    model, other = loaded(theirs(), tmp_path), loaded(theirs(), tmp_path)
    model[0].weight.fill(0)
    model.from_json_payload_(other.to_json_payload())
    np.testing.assert_array_equal(model[0].weight.to_numpy(), other[0].weight.to_numpy())
    wide = copy.deepcopy(theirs())
    wide["state"]["0.weight"] = encoded(np.ones((3, 2)), "<f8")
    model.from_json_payload_(wide)
    assert (str(model[0].weight.dtype), model[0].weight.to_numpy().min()) == ("float32", 1)


class TestDamage:
    def refused(self, payload, tmp_path, match):
        with pytest.raises(FileFormatError, match=match):
            loaded(payload, tmp_path)

    def test_missing_values_are_key_errors_too(self, tmp_path):
        payload = theirs()
        del payload["state"]["0.bias"]
        with pytest.raises(KeyError, match=r"checkpoint: expected parameter '0.bias', got none"):
            loaded(payload, tmp_path)
        self.refused(payload, tmp_path, "expected parameter")

    @pytest.mark.parametrize(("path", "value", "match"), [
        (["format"], "keydnn.json.ckpt.v2", "expected format"), (["arch"], None, "expected a dict with type"),
        (["arch", "type"], "Oven", "expected a registered module, got type 'Oven'"),
        (["arch", "type"], ["x"], "expected a registered module"), (["arch", "type"], "functional", "registered"),
        (["arch", "children"], [1], "expected a dict"), (["arch", "children", "0", "config"], "x", "expected a dict"),
        (["arch", "children", "0", "config", "in_features"], -1, "config of Linear"),
        (["arch", "children", "0", "config", "in_features"], "2", "config of Linear"),
        (["arch", "children", "0", "config", "in_features"], 2**40, "sizes of a network"),
        (["arch", "children", "2", "config", "num_features"], 2**31 - 1, "sizes of a network"),
        (["arch", "children", "0", "config", "in_features"], 5000, "than the file has values, got a Linear"),
        (["arch", "children", "0", "config", "more"], 1, "config of Linear"),
        (["arch", "children", "0", "config", "device"], "mars", "config of Linear"),
        (["arch", "children", "2", "config", "eps"], None, "config of BatchNorm1d"),
        (["arch", "children", "0", "config", "in_features"], 5, "expected '0.weight' of shape"),
        (["state"], 3, "expected state as a dict"), (["state", "0.bias"], [], "expected an array as a dict"),
        (["state", "0.bias", "b64"], "!!!", "expected b64"), (["state", "0.bias", "b64"], "AAAA", "expected"),
        (["state", "0.bias", "dtype"], "O", "expected"), (["state", "0.bias", "dtype"], "nonsense", "expected b64"),
        (["state", "0.bias", "shape"], [-3], "expected"), (["state", "0.bias", "shape"], "x", "expected b64"),
        (["state", "0.bias", "shape"], [4], "bytes"), (["state", "0.bias", "dtype"], "<U3", "expected"),
    ])  # fmt: skip
    def test_wrong_content(self, path, value, match, tmp_path):
        payload = theirs()
        at = payload
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        self.refused(payload, tmp_path, match)

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "null", '"x"', "[" * 100000, '{"format": 1e999}', "\x00"]
    )
    def test_wrong_files(self, text, tmp_path):
        path = tmp_path / "m.json"
        path.write_text(text)
        with pytest.raises(FileFormatError):
            Sequential.load_json(path)
        path.write_bytes(b"\xff\xfe\xfa")
        with pytest.raises(FileFormatError):
            Sequential.load_json(path)
        with pytest.raises(OSError, match="none"):
            Sequential.load_json(tmp_path / "none.json")

    def test_nested_too_deep(self, tmp_path):
        node = {"type": "Sequential", "config": {}, "children": {}}
        for _ in range(5000):
            node = {"type": "Sequential", "config": {}, "children": {"0": node}}
        with pytest.raises(FileFormatError, match="too deep"):
            from_payload({"format": "keydnn.json.ckpt.v1", "arch": node, "state": {}})

    def test_a_failed_load_changes_nothing(self, tmp_path):
        model, payload = loaded(theirs(), tmp_path), theirs()
        payload["state"]["0.weight"] = encoded(np.zeros((3, 2)))
        payload["state"]["2.gamma"] = encoded(np.zeros(4))
        with pytest.raises(FileFormatError):
            model.from_json_payload_(payload)
        assert model[0].weight.to_numpy().any()

    @pytest.mark.parametrize("seed", range(4))
    def test_random_damage_gives_typed_errors(self, seed, tmp_path):
        rng, whole, path = random.Random(seed), json.dumps(theirs()), tmp_path / "m.json"
        for _ in range(60):
            text = list(whole)
            for _ in range(rng.randint(1, 4)):
                k = rng.randrange(len(text))
                text[k : k + rng.randint(0, 5)] = rng.choice(
                    ['"', "{", "]", "0", "-1", "null", "x", ",", "1e9", ""]
                )
            path.write_text("".join(text))
            with contextlib.suppress(ClnnError):
                Sequential.load_json(path)
