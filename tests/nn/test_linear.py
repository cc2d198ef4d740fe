"""Dense learns its input size: where it builds, when, and what an optimizer made before sees."""

import copy

import numpy as np
import pytest

import clnn
from clnn import nn


def test_adopts_size_and_device_of_the_first_input(device):
    layer = nn.Dense(3)
    assert not layer.is_built
    assert layer.in_features is None
    y = layer(clnn.ones(2, 5, device=device))
    assert y.shape == (2, 3)
    assert layer.is_built
    assert layer.in_features == 5
    assert layer.weight.device == clnn.device(device)
    assert nn.Linear(2, 3).is_built


def test_enforces_the_device_it_was_given(opencl_device):
    layer = nn.Dense(3, device="cpu")
    with pytest.raises(clnn.errors.DeviceError, match=r"Dense: expected x on cpu, got .*; move it"):
        layer(clnn.ones(2, 5, device=opencl_device))
    assert not layer.is_built
    layer(clnn.ones(2, 5, device="cpu"))
    with pytest.raises(clnn.errors.DeviceError, match="one device"):
        layer(clnn.ones(2, 5, device=opencl_device))


def test_moves_before_it_is_built(device):
    layer = nn.Dense(3).to(device).to(clnn.float64 if device == "cpu" else clnn.float32)
    layer(clnn.ones(2, 5, device=device, dtype=layer.dtype))
    assert layer.weight.device == clnn.device(device)
    assert layer.weight.dtype == layer.dtype


def test_parameters_exist_before_they_have_a_shape():
    layer = nn.Dense(3)
    before = list(layer.parameters())
    assert all(isinstance(p, nn.UninitializedParameter) for p in before)
    with pytest.raises(clnn.errors.ShapeError, match="run one forward pass first"):
        _ = before[0].shape
    with pytest.raises(clnn.errors.ShapeError, match="run one forward pass first"):
        clnn.add(before[0], 1)
    assert "UninitializedParameter" in repr(before)
    assert layer.state_dict() == {}
    layer(clnn.ones(1, 2)).sum().backward()
    after = list(layer.parameters())
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert all(type(p) is nn.Parameter and p.grad is not None for p in before)


def test_loading_builds():
    trained = nn.Dense(3)
    trained(clnn.ones(1, 4))
    fresh = nn.Dense(3)
    fresh.load_state_dict(trained.state_dict())
    assert fresh.is_built
    assert fresh.in_features == 4
    np.testing.assert_array_equal(fresh.weight.numpy(), trained.weight.numpy())
    with pytest.raises(clnn.errors.ShapeError, match=r"expected shape \(5, 4\), got \(3, 4\)"):
        nn.Dense(5).load_state_dict(trained.state_dict())


def test_copies_built_or_not():
    assert not copy.deepcopy(nn.Dense(3)).is_built
    layer = nn.Dense(3)
    layer(clnn.ones(1, 4))
    twin = copy.deepcopy(layer)
    assert twin.weight is not layer.weight
    np.testing.assert_array_equal(twin.weight.numpy(), layer.weight.numpy())


def test_config_knows_in_features_once_built():
    layer = nn.Dense(3, bias=False)
    assert "in_features" not in layer.get_config()
    assert not nn.Dense.from_config(layer.get_config()).is_built
    layer.build(4)
    again = nn.Dense.from_config(layer.get_config())
    assert again.is_built
    assert again.weight.shape == (3, 4)
    assert again.bias is None


@pytest.mark.parametrize(
    ("x", "error", "match"),
    [
        (np.ones((2, 3)), clnn.errors.DTypeError, "Dense: expected a Tensor, got ndarray"),
        (None, clnn.errors.DTypeError, "Dense: expected a Tensor, got NoneType"),
    ],
)
def test_bad_first_input(x, error, match):
    with pytest.raises(error, match=match):
        nn.Dense(2)(x)
    with pytest.raises(clnn.errors.ShapeError, match="at least 1 axis"):
        nn.Dense(2)(clnn.tensor(1.0))
