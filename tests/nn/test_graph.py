"""Graph: modules wired as data; and what recurrent layers return as one tensor."""

import json

import numpy as np
import pytest

import clnn
from clnn import nn
from clnn.errors import DTypeError, SettingError


def residual(device=None):
    return nn.Graph(
        {
            "in": nn.Linear(3, 4, device=device), "act": nn.ReLU(), "sum": nn.Merge(),
            "out": nn.Linear(4, 2, device=device),
        },
        [("h", "in", ["x"]), ("r", "act", ["h"]), ("s", "sum", ["h", "r"]), ("s2", "act", ["s"]), ("y", "out", ["s2"])],
        ["x"], ["y", "s"],
    )  # fmt: skip


def test_values_flow_along_the_wires(device):
    model = residual(device)
    x = clnn.randn(5, 3, device=device)
    y, s = model(x)
    h = model["in"](x)
    assert np.array_equal(s.numpy(), (h + h.relu()).numpy())
    assert np.array_equal(y.numpy(), model["out"](s.relu()).numpy())
    (y.sum() + s.sum()).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_it_is_saved_and_loaded_like_others(device, tmp_path):
    model = residual(device)
    assert list(model.state_dict()) == ["in.weight", "in.bias", "out.weight", "out.bias"]
    x = clnn.randn(5, 3, device=device)
    clnn.save(tmp_path / "model", model)
    again = clnn.io.load_model(tmp_path / "model", nn.build_module, device=device)
    assert json.loads(json.dumps(again.get_config())) == model.get_config()
    for a, b in zip(model(x), again(x), strict=True):
        assert np.array_equal(a.numpy(), b.numpy())
    assert "s = sum(h, r)" in repr(again)


def test_a_value_lives_as_long_as_it_is_needed(device):
    """One that several wires take, one that is an output, one that nothing takes."""
    model = nn.Graph(
        {"a": nn.ReLU(), "b": nn.Merge("add")},
        [("h", "a", ["x"]), ("unused", "a", ["h"]), ("s", "b", ["h", "h"]), ("t", "b", ["s", "x"])],
        ["x"], ["s", "t"],
    )  # fmt: skip
    x = clnn.tensor([1.0, -2.0], device=device)
    s, t = model(x)
    assert (s.tolist(), t.tolist()) == ([2.0, 0.0], [3.0, -2.0])


@pytest.mark.parametrize(
    ("wires", "outputs", "said"),
    [
        ([("y", "nobody", ["x"])], ["y"], "known modules"),
        ([("y", "a", ["z"])], ["y"], "known modules and operands"),
        ([("x", "a", ["x"])], ["x"], "new values"),
        ([("y", "a", ["y"])], ["y"], "operands"),
        ([("y", "a", ["x"])], ["z"], "outputs among its values"),
        ([("y", "a", ["x"])], [], "outputs among its values"),
    ],
)
def test_wires_that_lead_nowhere_are_refused(wires, outputs, said):
    with pytest.raises(SettingError, match=said):
        nn.Graph({"a": nn.ReLU()}, wires, ["x"], outputs)


def test_what_is_no_graph_is_refused():
    with pytest.raises(DTypeError, match="Modules"):
        nn.Graph({"a": 1}, [], ["x"], ["x"])
    with pytest.raises(DTypeError, match="from_config"):
        nn.Graph.from_config({"modules": {}, "wires": [[1]], "inputs": ["x"], "outputs": ["x"]})
    with pytest.raises(SettingError, match=r"expected 1 inputs \(x\), got 2"):
        residual()(clnn.randn(2, 3), clnn.randn(2, 3))
    with pytest.raises(SettingError, match="at least one"):
        nn.Merge()()


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_layers_stand_in_a_sequential(kind, device):
    layer = getattr(nn, kind)(3, 4, batch_first=True, device=device)
    x = clnn.randn(2, 5, 3, device=device)
    out, _ = layer(x)
    assert np.array_equal(nn.Sequential(layer, nn.RecurrentOutput())(x).numpy(), out.numpy())
    last = nn.Sequential(layer, nn.RecurrentOutput("state"))(x)
    assert np.array_equal(last.numpy(), out.numpy()[:, -1])


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave"])
def test_the_last_states_of_two_directions_are_merged(mode, device):
    layer = nn.Bidirectional(nn.GRU(3, 4, batch_first=True, device=device), mode)
    x = clnn.randn(2, 5, 3, device=device)
    got = nn.RecurrentOutput("state", mode)(layer(x)).numpy()
    ahead, behind = (
        layer.forward_layer(x)[1].numpy()[0],
        layer.backward_layer(x.flip(1))[1].numpy()[0],
    )
    want = {
        "concat": np.concatenate([ahead, behind], 1), "sum": ahead + behind, "mul": ahead * behind,
        "ave": (ahead + behind) / 2,
    }  # fmt: skip
    np.testing.assert_allclose(got, want[mode], rtol=1e-5, atol=1e-6)


def test_several_layers_have_no_single_last_state():
    with pytest.raises(SettingError, match="one layer, got 3"):
        nn.Sequential(nn.RNN(3, 4, 3), nn.RecurrentOutput("state"))(clnn.randn(5, 2, 3))
