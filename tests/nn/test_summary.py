"""summary: what it counts, and that it changes nothing."""

import numpy as np
import pytest

import clnn
from clnn import nn
from clnn.errors import DTypeError, ShapeError


def make():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(36, 2),
    )


def test_counts_and_shapes(device, capsys):
    model = make().to(device)
    model[4].requires_grad_(False)
    found = model.summary((5, 1, 3, 3))
    assert [row.output_shape for row in found.rows] == [
        (5, 2), (5, 4, 3, 3), (5, 4, 3, 3), (5, 4, 3, 3), (5, 36), (5, 2),
    ]  # fmt: skip
    assert [row.parameters for row in found.rows] == [0, 40, 8, 0, 0, 74]
    assert found.parameters == 122
    assert found.trainable == 48
    assert found.parameter_bytes == 488
    assert found.buffer_bytes == 4 * 8 + 8
    assert found.activation_bytes == 4 * (4 * 180 + 10)
    printed = capsys.readouterr().out
    assert "1: BatchNorm2d" in printed
    assert "(5, 4, 3, 3)" in str(found)
    assert "122 (48 trainable)" in str(found)


def test_changes_nothing():
    model = make().train()
    model[2].eval()
    before = {k: v.numpy() for k, v in model.state_dict().items()}
    clnn.manual_seed(3)
    model.summary((2, 1, 3, 3))
    after_summary = clnn.rand(3).tolist()
    clnn.manual_seed(3)
    assert clnn.rand(3).tolist() == after_summary
    for k, v in model.state_dict().items():
        np.testing.assert_array_equal(v.numpy(), before[k])
    assert [m.training for m in model.modules()] == [True, True, True, False, True, True]
    assert not any(m._forward_hooks for m in model.modules())


def test_lazy_layers_stay_lazy():
    model = nn.Sequential(nn.Flatten(), nn.Dense(3))
    found = model.summary((2, 4, 5))
    assert not model[1].is_built
    assert found.parameters == 63
    assert model.summary().rows[2].parameters is None
    assert "not built" in str(model.summary())


def test_without_a_shape_lists_parameters():
    found = make().summary()
    assert found.parameters == 122
    assert found.activation_bytes is None
    assert "output shape" not in str(found)


def test_shared_weights_count_once():
    layer = nn.Linear(3, 3)
    assert nn.Sequential(layer, nn.ReLU(), layer).summary((1, 3)).parameters == 12


def test_several_inputs_and_other_dtypes():
    assert nn.MSELoss().summary(((2, 3), (2, 3))).rows[0].output_shape == ()
    assert nn.Embedding(4, 3).summary((2, 5), dtype="int64").rows[0].output_shape == (2, 5, 3)


def test_bad_shapes():
    with pytest.raises(DTypeError, match="expected input_shape to be a tuple of ints, got 3"):
        make().summary(3)
    with pytest.raises(ShapeError, match="sizes >= 0"):
        make().summary((-1, 1, 3, 3))
    model = make()
    with pytest.raises(ShapeError, match="linear"):
        model.summary((1, 1, 4, 4))
    assert model.training
    assert not any(m._forward_hooks for m in model.modules())
