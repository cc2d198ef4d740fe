"""Module: registration, traversal, modes, moving, hooks, text, copies."""

import copy

import numpy as np
import pytest

import clnn
from clnn import nn, optim
from clnn.errors import DeviceError, DTypeError, SettingError, UnsupportedOpError


class Block(nn.Module):
    def __init__(self, width=3, inner=None):
        super().__init__()
        self.width = width
        self.inner = inner
        self.one = nn.Linear(2, width)
        self.two = nn.Linear(width, 2)
        self.scale = nn.Parameter(clnn.ones(1))
        self.register_buffer("seen", clnn.zeros(1))
        self.register_buffer("passing", clnn.zeros(1), persistent=False)

    def forward(self, x):
        y = self.two(clnn.tanh(self.one(x))) * self.scale
        return y if self.inner is None else self.inner(y)


def test_attributes_register_themselves():
    block = Block()
    assert [n for n, _ in block.named_parameters()] == [
        "scale", "one.weight", "one.bias", "two.weight", "two.bias",
    ]  # fmt: skip
    assert [n for n, _ in block.named_buffers()] == ["seen", "passing"]
    assert [n for n, _ in block.named_children()] == ["one", "two"]
    assert [n for n, _ in block.named_modules()] == ["", "one", "two"]
    assert list(block.state_dict()) == [
        "scale", "seen", "one.weight", "one.bias", "two.weight", "two.bias",
    ]  # fmt: skip
    assert {"one", "scale", "seen"} <= set(dir(block))


def test_an_op_on_a_parameter_gives_a_tensor():
    p = nn.Parameter(clnn.ones(2))
    assert p.requires_grad
    assert type(p + 1) is clnn.Tensor
    assert type(p.detach()) is clnn.Tensor
    (p * 3).sum().backward()
    assert type(p.grad) is clnn.Tensor
    assert p.grad.tolist() == [3, 3]
    assert repr(p).startswith("Parameter containing:\ntensor(")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (lambda: np.ones(2), "clnn.tensor"),
        (lambda: None, "NoneType"),
        (lambda: clnn.tensor([1]), "floating dtype, got int64"),
    ],
)
def test_a_parameter_is_a_floating_tensor(data, match):
    with pytest.raises(DTypeError, match=match):
        nn.Parameter(data())


def test_reassignment_and_deletion():
    block = Block()
    block.scale = None
    assert block.scale is None
    block.scale = nn.Parameter(clnn.zeros(2))
    assert block.scale.shape == (2,)
    block.two = nn.Identity()
    assert isinstance(block.two, nn.Identity)
    del block.two
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'two'"):
        _ = block.two
    block.note = None
    block.note = nn.Parameter(clnn.zeros(2))
    assert "note" in dict(block.named_parameters())
    with pytest.raises(DTypeError, match=r"Block.scale: expected a Parameter or None, got int"):
        block.scale = 3
    with pytest.raises(DTypeError, match=r"Block.one: expected a Module or None, got Tensor"):
        block.one = clnn.zeros(1)
    with pytest.raises(DTypeError, match=r"Block.seen: expected a Tensor or None, got float"):
        block.seen = 1.0


@pytest.mark.parametrize("name", ["", "a.b", 3, "forward", "training", "_modules"])
def test_names_that_cannot_be_used(name):
    with pytest.raises(SettingError, match="expected a"):
        nn.Module().register_parameter(name, None)


def test_shared_parameters_count_once_and_keep_both_names():
    a, b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    b.weight = a.weight
    pair = nn.Sequential(a, b)
    assert len(list(pair.parameters())) == 1
    assert list(pair.state_dict()) == ["0.weight", "1.weight"]
    twice = nn.Sequential(a, a)
    assert len(list(twice.modules())) == 2
    assert list(twice.state_dict()) == ["0.weight", "1.weight"]
    twin = copy.deepcopy(pair)
    assert twin[0].weight is twin[1].weight
    assert twin[0].weight is not a.weight


def test_modes_reach_every_module():
    model = nn.Sequential(nn.Dropout(), Block(inner=nn.Dropout()))
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    assert all(m.training for m in model.train().modules())
    model.requires_grad_(False)
    assert not any(p.requires_grad for p in model.parameters())


def test_apply_goes_bottom_up():
    order = []
    Block().apply(lambda m: order.append(type(m).__name__))
    assert order == ["Linear", "Linear", "Block"]


def test_zero_grad(device):
    block = Block().to(device)
    block(clnn.ones(1, 2, device=device)).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())


@pytest.mark.parametrize("move", ["to", "to_"])
def test_moving_keeps_the_parameters(move, device):
    block = Block().to("cpu")
    block(clnn.ones(1, 2, device="cpu")).sum().backward()
    parameters = list(block.parameters())
    values = [p.numpy() for p in parameters]
    assert getattr(block, move)(device) is block
    for p, q, v in zip(block.parameters(), parameters, values, strict=True):
        assert p is q
        assert p.requires_grad
        assert p.device == p.grad.device == clnn.device(device)
        np.testing.assert_array_equal(p.numpy(), v)
    assert all(b.device == clnn.device(device) for b in block.buffers())
    assert block(clnn.ones(1, 2, device=device)).shape == (1, 2)


@pytest.mark.parametrize("how", [(clnn.float16,), ("float16",), (None, "float16")])
def test_converting_leaves_integers_alone(how):
    norm = nn.BatchNorm1d(2).to(*how)
    assert norm.weight.dtype == norm.running_mean.dtype == "float16"
    assert norm.num_batches_tracked.dtype == "int64"
    assert norm.get_config()["dtype"] == "float16"
    with pytest.raises(DTypeError, match="floating dtype, got int64"):
        norm.to(clnn.int64)
    with pytest.raises(DeviceError, match="tpu"):
        norm.to("tpu")


def test_hooks_see_and_replace_outputs():
    layer, seen = nn.Identity(), []
    handle = layer.register_forward_hook(lambda m, args, out: seen.append((m, args, out)))
    other = layer.register_forward_hook(lambda m, args, out: out + 1)
    assert layer(1) == 2
    assert seen == [(layer, (1,), 1)]
    handle.remove()
    handle.remove()
    assert layer(1) == 2
    assert len(seen) == 1
    other.remove()
    assert layer(1) == 1


def test_deepcopy_shares_nothing(device):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).to(device)
    x = clnn.tensor([[1.0, 2.0], [3.0, -4.0]], device=device)
    twin = copy.deepcopy(model)
    before = twin.state_dict()["1.running_mean"].numpy()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    model(x).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(twin.state_dict()["1.running_mean"].numpy(), before)
    assert not np.array_equal(model.state_dict()["1.running_mean"].numpy(), before)
    assert type(twin[0].weight) is nn.Parameter
    assert twin[0].weight.device == clnn.device(device)


def test_repr_is_a_tree():
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU()))) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "  )\n"
        ")"
    )
    assert "Conv2d(in_channels=1, out_channels=2, kernel_size=(3, 3))" in repr(nn.Conv2d(1, 2, 3))
    assert repr(nn.Linear(2, 3, bias=False)).endswith("bias=False)")
    assert repr(Block(4)).startswith("Block(\n  width=4\n  (one)")


def test_a_module_without_forward():
    with pytest.raises(UnsupportedOpError, match="Module: expected a forward method"):
        nn.Module()(1)


def test_user_modules_have_configs():
    model = nn.Sequential(Block(5, inner=nn.Linear(2, 1)))
    again = nn.Sequential.from_config(model.get_config())
    assert again[0].width == 5
    assert again[0].inner.out_features == 1

    class Silent(nn.Module):
        def __init__(self, hidden):
            super().__init__()

    with pytest.raises(SettingError, match="'hidden'; keep it or override get_config"):
        Silent(3).get_config()
    assert repr(Silent(3)) == "Silent()"


def test_bad_configs():
    with pytest.raises(SettingError, match="expected a known module class, got 'Spline'"):
        nn.Sequential.from_config({"modules": {"0": {"class": "Spline", "config": {}}}})
    with pytest.raises(
        SettingError, match=r"Linear\.from_config: expected its constructor's arguments"
    ):
        nn.Linear.from_config({"features": 3})
    with pytest.raises(DTypeError, match=r"Linear\.from_config: expected a dict, got list"):
        nn.Linear.from_config([3])
    with pytest.raises(DTypeError, match="expected a dict with 'class' and 'config'"):
        nn.build_module({"class": "Linear"})
    with pytest.raises(DTypeError, match="expected a dict with 'modules'"):
        nn.Sequential.from_config({})
