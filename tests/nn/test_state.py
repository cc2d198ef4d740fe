"""state_dict and load_state_dict: all or nothing, and every problem named."""

import numpy as np
import pytest

import clnn
from clnn import nn, optim
from clnn.errors import DTypeError, SettingError, ShapeError


def make():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def arrays(module):
    return {name: t.numpy() for name, t in module.state_dict().items()}


def assert_same(a, b):
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_names_are_torchs():
    assert list(make().state_dict()) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
        "1.num_batches_tracked",
    ]  # fmt: skip
    assert list(nn.Linear(1, 1).state_dict("a.b.")) == ["a.b.weight", "a.b.bias"]


def test_loads_tensors_and_arrays(device):
    source, model = make().to("cpu"), make().to(device)
    parameters = list(model.parameters())
    assert model.load_state_dict(source.state_dict()) == ([], [])
    assert_same(arrays(model), arrays(source))
    assert all(p is q for p, q in zip(parameters, model.parameters(), strict=True))
    assert all(p.device == clnn.device(device) for p in parameters)
    wide = {name: a.astype(np.float64) + 1 for name, a in arrays(source).items()}
    model.load_state_dict(wide)
    assert model[0].weight.dtype == "float32"
    assert model[1].num_batches_tracked.item() == 1


def test_loading_copies(device):
    a, b = make().to(device), make().to(device)
    b.load_state_dict(a.state_dict())
    held = arrays(a)
    optimizer = optim.SGD(b.parameters(), lr=1.0)
    b(clnn.tensor([[1.0, 2.0], [3.0, -1.0]], device=device)).square().sum().backward()
    optimizer.step()
    assert_same(arrays(a), held)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"0.bias": None}, SettingError, "missing keys: '0.bias'"),
        ({"extra": np.ones(1)}, SettingError, "unexpected keys: 'extra'"),
        (
            {"0.weight": np.ones((3, 5))},
            ShapeError,
            r"'0.weight': expected shape \(3, 2\), got \(3, 5\)",
        ),
        ({"0.weight": "three"}, ShapeError, "'0.weight': dtype: expected one of"),
        ({"0.weight": [[1.0], [1.0, 2.0]]}, ShapeError, "'0.weight': .*inhomogeneous"),
        ({"1.bias": np.ones(4), "x": np.ones(1)}, ShapeError, "'1.bias': .*; unexpected keys: 'x'"),
    ],
)
def test_a_bad_entry_loads_nothing(change, error, match):
    model = make()
    before = arrays(model)
    given = {name: a + 1 for name, a in before.items()} | change
    with pytest.raises(error, match=match) as caught:
        model.load_state_dict({name: a for name, a in given.items() if a is not None})
    assert "Sequential.load_state_dict: expected the state of this module" in str(caught.value)
    assert_same(arrays(model), before)


def test_not_strict_reports_but_shapes_still_matter():
    model = make()
    given = {"0.bias": np.full(3, 7.0), "other": np.ones(1)}
    keys = model.load_state_dict(given, strict=False)
    assert keys.unexpected_keys == ["other"]
    assert "0.weight" in keys.missing_keys
    assert model[0].bias.tolist() == [7, 7, 7]
    with pytest.raises(ShapeError, match=r"0\.bias"):
        model.load_state_dict({"0.bias": np.ones(4)}, strict=False)
    with pytest.raises(DTypeError, match="expected a dict of tensors, got list"):
        model.load_state_dict([1])


def test_running_statistics_are_state(device):
    model = nn.BatchNorm1d(3).to(device)
    for k in range(3):
        model(
            clnn.tensor(
                np.random.default_rng(k).standard_normal((5, 3)), dtype="float32", device=device
            )
        )
    assert model.num_batches_tracked.item() == 3
    again = nn.BatchNorm1d(3).to(device)
    again.load_state_dict(model.state_dict())
    x = clnn.ones(2, 3, device=device)
    np.testing.assert_array_equal(again.eval()(x).numpy(), model.eval()(x).numpy())
    assert again.num_batches_tracked.item() == 3
    again.train()(x)
    assert again.state_dict()["num_batches_tracked"].item() == 4
    assert dict(again.named_buffers())["num_batches_tracked"].item() == 4
    again.reset_running_stats()
    assert again.num_batches_tracked.item() == 0
    assert again.running_var.tolist() == [1, 1, 1]
