"""Each layer of the table: equal to torch, rebuilt from its config, on every device."""

import json

import numpy as np
import pytest
from layers import BIDIRECTIONAL, LAYERS, torch

import clnn
from clnn import nn

CONTAINERS = {"Sequential", "ModuleList", "ModuleDict", "ParameterList", "Module"}
JOINTS = {"Graph", "RecurrentOutput"}  # have operands of other kinds; see test_graph
FUSED = {"FusedConv2d", "FusedLinear", "FusedResidual"}  # made by nn.fuse, tested in test_fuse


def operands(layer, device):
    return [
        clnn.tensor(a, device=device, requires_grad=t.grad)
        for a, t in zip(layer.arrays(), layer.operands, strict=True)
    ]


def first(out):
    return out[0] if isinstance(out, tuple) else out


def built(layer, device):
    """The layer on a device, its lazy weights made."""
    module = layer.make().to(device)
    module(*operands(layer, device))
    return module


def assert_close(got, want, what=""):
    np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-5, err_msg=what)


def test_the_table_names_every_layer():
    classes = {
        c.__name__
        for c in vars(nn).values()
        if isinstance(c, type)
        and issubclass(c, nn.Module)
        and c.__name__ not in CONTAINERS | FUSED | JOINTS
    }
    assert classes == {layer.name for layer in [*LAYERS, *BIDIRECTIONAL]}


@pytest.mark.peers
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_equals_torch(layer, device):
    theirs = layer.make_torch()
    for p in theirs.parameters():
        torch.nn.init.normal_(p)
    ours = layer.make().to(device)
    keys = ours.load_state_dict(theirs.state_dict())
    assert keys == ([], [])
    assert list(ours.state_dict()) == list(theirs.state_dict())

    xs = operands(layer, device)
    ts = [
        torch.tensor(a, requires_grad=x.requires_grad)
        for a, x in zip(layer.arrays(), xs, strict=True)
    ]
    for mode in (True, False):
        y, want = ours.train(mode)(*xs), theirs.train(mode)(*ts)
        assert_close(first(y).numpy(), first(want).detach().numpy(), f"forward, training={mode}")
    first(ours.train()(*xs)).sum().backward()
    first(theirs.train()(*ts)).sum().backward()
    for k, (x, t) in enumerate(zip(xs, ts, strict=True)):
        assert (x.grad is None) == (t.grad is None)
        if t.grad is not None:
            assert_close(x.grad.numpy(), t.grad.numpy(), f"gradient of operand {k}")
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert_close(p.grad.numpy(), q.grad.numpy(), f"gradient of {name}")
    for name, b in ours.named_buffers():
        assert_close(b.numpy(), dict(theirs.named_buffers())[name].numpy(), name)


@pytest.mark.parametrize("layer", [*LAYERS, *BIDIRECTIONAL], ids=str)
def test_config_rebuilds_the_layer(layer, device):
    module = built(layer, device).eval()
    described = json.loads(json.dumps(nn.module_config(module)))
    again = nn.build_module(described).to(device).eval()
    assert type(again) is type(module)
    assert nn.module_config(again) == nn.module_config(module)
    again.load_state_dict(module.state_dict())
    xs = operands(layer, device)
    np.testing.assert_array_equal(first(again(*xs)).numpy(), first(module(*xs)).numpy())
    assert repr(again) == repr(module)


def test_losses_keep_weights_as_buffers(device):
    loss = nn.CrossEntropyLoss(weight=[1.0, 2.0, 0.5]).to(device)
    assert list(loss.state_dict()) == ["weight"]
    assert str(loss.weight.device) == str(clnn.device(device))
    x = clnn.tensor([[0.1, 0.2, 0.3]], device=device)
    assert_close(
        loss(x, clnn.tensor([1], device=device)).item(),
        nn.CrossEntropyLoss()(x, clnn.tensor([1], device=device)).item(),
    )
    again = nn.CrossEntropyLoss.from_config(loss.get_config())
    assert again.weight.tolist() == [1.0, 2.0, 0.5]


@pytest.mark.parametrize("name", ["BCELoss", "BCEWithLogitsLoss", "NLLLoss", "CrossEntropyLoss"])
def test_loss_weights_reach_the_loss(name):
    loss = getattr(nn, name)(weight=clnn.tensor([0.0, 0.0]), reduction="sum")
    binary = name.startswith("BCE")
    target = clnn.tensor([[0.3, 0.4]]) if binary else clnn.tensor([1])
    assert loss(clnn.tensor([[0.5, 0.25]]), target).item() == 0


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (
            lambda: nn.Linear(0, 3),
            clnn.errors.SettingError,
            "Linear: expected in_features >= 1, got 0",
        ),
        (lambda: nn.Linear(2.5, 3), clnn.errors.DTypeError, "in_features to be an int, got 2.5"),
        (
            lambda: nn.Conv2d(3, 4, 3, groups=2),
            clnn.errors.SettingError,
            "in_channels divisible by groups 2",
        ),
        (
            lambda: nn.Conv2d(3, 4, (3, 3, 3)),
            clnn.errors.ShapeError,
            "Conv2d: expected kernel_size",
        ),
        (lambda: nn.Conv2d(3, 4, 3, padding=-1), clnn.errors.SettingError, "padding >= 0, got -1"),
        (
            lambda: nn.Conv2d(3, 4, 3, padding="some"),
            clnn.errors.SettingError,
            "same, valid, got 'some'",
        ),
        (
            lambda: nn.Conv2d(3, 4, 3, padding_mode="odd"),
            clnn.errors.SettingError,
            "padding_mode in zeros",
        ),
        (
            lambda: nn.Conv2d(3, 4, 3, initializer="best"),
            clnn.errors.SettingError,
            "xavier_uniform.*'best'",
        ),
        (
            lambda: nn.Dropout(1.5),
            clnn.errors.SettingError,
            r"Dropout: expected p in \[0, 1\], got 1.5",
        ),
        (
            lambda: nn.GroupNorm(3, 4),
            clnn.errors.SettingError,
            "num_channels divisible by num_groups 3",
        ),
        (
            lambda: nn.Embedding(3, 4, 3),
            clnn.errors.SettingError,
            r"padding_idx in \[-3, 2\], got 3",
        ),
        (
            lambda: nn.MSELoss(reduction="some"),
            clnn.errors.SettingError,
            "MSELoss: expected reduction in none",
        ),
        (lambda: nn.GELU("erf"), clnn.errors.SettingError, "approximate in none, tanh"),
        (lambda: nn.Linear(2, 3, dtype="complex64"), clnn.errors.DTypeError, "complex64"),
        (lambda: nn.Linear(2, 3, device="tpu"), clnn.errors.DeviceError, "tpu"),
        (lambda: nn.Linear(2, 3)(np.ones((1, 2))), clnn.errors.DTypeError, "clnn.tensor"),
        (lambda: nn.Linear(2, 3)(clnn.ones(1, 5)), clnn.errors.ShapeError, "linear"),
        (
            lambda: nn.BatchNorm2d(2)(clnn.ones(2, 2)),
            clnn.errors.ShapeError,
            "BatchNorm2d: expected x with 4",
        ),
        (
            lambda: nn.BatchNorm2d(2)(np.ones(3)),
            clnn.errors.DTypeError,
            "expected a Tensor, got nd",
        ),
        (lambda: nn.Unflatten(0, (1, 2))(3), clnn.errors.DTypeError, "expected a Tensor, got int"),
        (
            lambda: nn.GlobalAvgPool2d()(clnn.ones(2, 2)),
            clnn.errors.ShapeError,
            "expected x with 4 axes",
        ),
    ],
)
def test_bad_arguments_are_typed_errors(make, error, match):
    with pytest.raises(error, match=match):
        make()
