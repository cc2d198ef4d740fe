"""Initial values: moments, bounds, names, and the same seed giving the same weights everywhere."""

import math

import numpy as np
import pytest

import clnn
from clnn import nn
from clnn.errors import SettingError, ShapeError
from clnn.nn import init


def drawn(fn, *shape, **settings):
    clnn.manual_seed(0)
    t = clnn.zeros(*shape, device="cpu")
    assert fn(t, **settings) is t
    return t.numpy()


@pytest.mark.parametrize(
    ("fn", "settings", "std", "bound"),
    [
        (init.uniform_, {"a": -2.0, "b": 2.0}, 4 / math.sqrt(12), 2),
        (init.normal_, {"std": 0.3}, 0.3, None),
        (
            init.xavier_uniform_,
            {},
            math.sqrt(2 / (80 * 9 + 50 * 9)),
            math.sqrt(6 / (80 * 9 + 50 * 9)),
        ),
        (init.xavier_normal_, {"gain": 2.0}, 2 * math.sqrt(2 / (80 * 9 + 50 * 9)), None),
        (
            init.kaiming_uniform_,
            {"a": math.sqrt(5)},
            1 / math.sqrt(3 * 50 * 9),
            1 / math.sqrt(50 * 9),
        ),
        (init.kaiming_normal_, {"nonlinearity": "relu"}, math.sqrt(2 / (50 * 9)), None),
        (init.kaiming_normal_, {"mode": "fan_out"}, math.sqrt(2 / (80 * 9)), None),
        (init.trunc_normal_, {"std": 0.5, "a": -0.5, "b": 0.5}, 0.5 * 0.53956, 0.5),
    ],
)
def test_moments(fn, settings, std, bound):
    x = drawn(fn, 80, 50, 3, 3, **settings)
    assert abs(x.mean()) < 0.02 * std + 1e-3
    assert abs(x.std() / std - 1) < 0.02
    if bound is not None:
        assert 0.98 * bound < np.abs(x).max() <= bound * (1 + 1e-6)


def test_truncation_far_from_the_mean():
    x = drawn(init.trunc_normal_, 1000, a=3.0, b=4.0)
    assert x.min() >= 3
    assert x.max() <= 4
    assert abs(x.mean() - 3.26) < 0.03


def test_constants_and_matrices():
    assert drawn(init.constant_, 2, val=3.5).tolist() == [3.5, 3.5]
    assert drawn(init.ones_, 2).tolist() == [1, 1]
    assert drawn(init.eye_, 2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    for shape in ((5, 3), (3, 5), (4, 2, 2)):
        q = drawn(init.orthogonal_, *shape, gain=2.0).reshape(shape[0], -1)
        small = q.T @ q if q.shape[0] > q.shape[1] else q @ q.T
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)


def test_gains():
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    with pytest.raises(SettingError, match=r"calculate_gain: expected one of linear.*got 'cubic'"):
        init.calculate_gain("cubic")


@pytest.mark.parametrize("name", [n for n in init.initializers() if "<" not in n])
def test_the_same_seed_gives_the_same_weights_on_every_device(name, device):
    weights = []
    for where in ("cpu", device):
        clnn.manual_seed(5)
        weights.append(nn.Linear(7, 5, device=where, initializer=name).weight.numpy())
    np.testing.assert_allclose(*weights, rtol=1e-5, atol=1e-6)


def test_numbered_names():
    assert nn.Linear(2, 3, initializer="constant_0.25").weight.numpy().max() == 0.25
    std = drawn(init.get_initializer("kaiming_leaky_relu_0.2"), 200, 300).std()
    assert abs(std / math.sqrt(2 / 1.04 / 300) - 1) < 0.02
    std = drawn(init.get_initializer("xavier_leaky_relu_0.01"), 200, 300).std()
    assert abs(std / math.sqrt(2 / 1.0001 * 2 / 500) - 1) < 0.02


def test_registering():
    init.register_initializer("sevens", lambda t: init.constant_(t, 7.0), overwrite=True)
    assert "sevens" in init.initializers()
    assert nn.Dense(1, initializer="sevens")(clnn.ones(1, 1)).item() == 7
    with pytest.raises(SettingError, match="expected a new name, got 'sevens'; pass overwrite"):
        init.register_initializer("sevens", init.zeros_)


@pytest.mark.parametrize("make", [nn.Linear, nn.Dense])
def test_torchs_default_and_keydnns(make):
    def layer(**settings):
        clnn.manual_seed(0)
        made = make(*((100, 300) if make is nn.Linear else (300,)), **settings)
        made(clnn.zeros(1, 100))
        return made

    keydnn, torch_like = layer(), layer(initializer=None)
    assert abs(np.abs(keydnn.weight.numpy()).max() - math.sqrt(6 / 400)) < 1e-3
    assert not keydnn.bias.numpy().any()
    assert abs(np.abs(torch_like.weight.numpy()).max() - 0.1) < 1e-3
    assert 0.05 < np.abs(torch_like.bias.numpy()).max() <= 0.1
    assert not nn.Conv2d(1, 2, 3).bias.numpy().any()
    assert nn.ConvTranspose2d(1, 2, 3).bias.numpy().any()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda t: init.eye_(t), ShapeError, "eye_: expected a tensor with 2 axes"),
        (lambda t: init.orthogonal_(t), ShapeError, "orthogonal_: expected at least 2 axes"),
        (lambda t: init.xavier_uniform_(t), ShapeError, "xavier_uniform_: expected a weight with"),
        (lambda t: init.trunc_normal_(t, a=1.0, b=1.0), SettingError, "expected a < b"),
        (lambda t: init.kaiming_normal_(clnn.zeros(2, 2), mode="in"), SettingError, "'fan_in' or"),
    ],
)
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call(clnn.zeros(3))


def test_filling_keeps_identity_dtype_and_device(device):
    p = nn.Parameter(clnn.zeros(3, 2, dtype="float16", device=device))
    init.kaiming_uniform_(p)
    assert p.dtype == "float16"
    assert p.requires_grad
    assert p.node is None
    assert p.device == clnn.device(device)
