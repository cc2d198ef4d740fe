"""`nn.fuse`: the same outputs from fewer launches, and the model it was given as it was."""

import numpy as np
import pytest

import clnn
from clnn import models, nn
from clnn.errors import DTypeError, SettingError, ShapeError


def settled(model, seed=0):
    """The model in evaluation, with norms that are not the identity."""
    rng = np.random.default_rng(seed)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            values = {
                name: rng.uniform(0.5, 1.5, t.shape) if t.shape else np.array(3)
                for name, t in module.state_dict().items()
            }
            module.load_state_dict(values)
    return model.eval()


def data(*shape, device, seed=1):
    host = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return clnn.tensor(host, device=device)


def launches(device, call):
    """How many kernels `call` enqueues, once it has run before."""
    rt = clnn.device(device).backend.rt
    call()
    counted, note = [], rt._enqueue
    rt._enqueue = lambda *args: (counted.append(args), note(*args))
    try:
        call()
    finally:
        del rt._enqueue
    return len(counted)


def same(fused, model, x):
    with clnn.no_grad():
        want, got = model(x).numpy(), fused(x).numpy()
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


def net(device):
    clnn.manual_seed(0)
    return settled(nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, device=device), nn.BatchNorm2d(8, device=device), nn.ReLU(),
        nn.Dropout(0.5),
        nn.Sequential(nn.Conv2d(8, 8, 3, groups=4, bias=False, device=device), nn.BatchNorm2d(8, device=device)),
        nn.Conv2d(8, 6, 1, device=device), nn.SiLU(),
        nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(54, 10, device=device), nn.BatchNorm1d(10, device=device), nn.Tanh(),
        nn.Linear(10, 4, device=device),
    ))  # fmt: skip


def test_outputs_stay(device):
    model = net(device)
    before = {name: t.numpy() for name, t in model.state_dict().items()}
    fused = nn.fuse(model.train())
    assert not any(m.training for m in fused.modules())
    assert not any(p.requires_grad for p in fused.parameters())
    assert all(m.training for m in model.modules())
    assert all(p.requires_grad for p in model.parameters())
    after = {name: t.numpy() for name, t in model.state_dict().items()}
    assert all(np.array_equal(before[name], after[name]) for name in before)
    same(fused, model.eval(), data(2, 3, 8, 8, device=device))


def test_launches_are_saved(opencl_device):
    model, x = net(opencl_device), data(2, 3, 8, 8, device=opencl_device)
    fused = nn.fuse(model)
    kinds = [type(m).__name__ for m in fused.modules()]
    assert kinds.count("FusedConv2d") == 3
    assert kinds.count("FusedLinear") == 1
    assert not {"BatchNorm2d", "BatchNorm1d", "ReLU", "SiLU", "Tanh", "Dropout"} & set(kinds)
    with clnn.no_grad():
        few, many = (launches(opencl_device, lambda m=m: m(x)) for m in (fused, model))
    assert few <= many - 5  # three norms, and at least two activations


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
def test_networks(name, opencl_device):
    clnn.manual_seed(0)
    model = settled(getattr(models, name)(num_classes=10, device=opencl_device))
    x = data(1, 3, 32, 32, device=opencl_device)
    fused = nn.fuse(model)
    assert not any(isinstance(m, (nn.BatchNorm2d, nn.ReLU)) for m in fused.modules())
    same(fused, model, x)
    with clnn.no_grad():
        few, many = (launches(opencl_device, lambda m=m: m(x)) for m in (fused, model))
    assert few < many


class Branch(nn.Module):
    def __init__(self, device):
        super().__init__()
        self.left = nn.Sequential(nn.Linear(4, 4, device=device), nn.ReLU())
        self.norm = nn.BatchNorm1d(4, device=device)

    def forward(self, x):
        return self.norm(self.left(x)) + x


def test_what_is_not_known_stays_with_its_insides_fused(device):
    model = settled(nn.Sequential(Branch(device), nn.LayerNorm(4, device=device)))
    fused = nn.fuse(model)
    assert isinstance(fused[0], Branch)
    assert isinstance(fused[0].norm, nn.BatchNorm1d)
    assert type(fused[0].left[0]).__name__ == "FusedLinear"
    same(fused, model, data(3, 4, device=device))


def test_a_module_used_twice_stays_one(device):
    layer = nn.Sequential(nn.Linear(4, 4, device=device), nn.ReLU())
    model = nn.Sequential(layer, layer).eval()
    fused = nn.fuse(model)
    assert fused[0] is fused[1]
    same(fused, model, data(3, 4, device=device))


def test_what_is_another_function_is_left_alone(device):
    at = {"device": device}
    for model, shape in (
        (nn.Sequential(nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular", **at), nn.ReLU()), (1, 2, 5, 5)),
        (nn.Sequential(nn.Conv2d(2, 3, 1, **at), nn.BatchNorm2d(3, track_running_stats=False, **at)), (2, 2, 4, 4)),
        (nn.Sequential(nn.Linear(3, 4, **at), nn.BatchNorm1d(2, **at)), (2, 2, 3)),
        (nn.Sequential(nn.Linear(3, 4, **at), nn.GELU("tanh")), (2, 3)),
    ):  # fmt: skip
        fused = nn.fuse(settled(model))
        assert not any(type(m).__name__.startswith("Fused") for m in fused.modules())
        same(fused, model, data(*shape, device=device))


def test_a_hook_still_sees_its_layer(device):
    model = nn.Sequential(nn.Linear(3, 3, device=device), nn.ReLU()).eval()
    seen = []
    model[0].register_forward_hook(lambda module, args, out: seen.append(out.shape))
    nn.fuse(model)(data(2, 3, device=device))
    assert seen == [(2, 3)]


def test_refusals(device):
    with pytest.raises(DTypeError, match="fuse: expected a Module, got int"):
        nn.fuse(3)
    with pytest.raises(SettingError, match="fold: expected a Conv2d or Linear"):
        nn.fold(nn.Flatten(), None)
    with pytest.raises(SettingError, match="fold"):
        nn.fold(nn.Conv2d(1, 2, 1, device=device), nn.BatchNorm2d(3, device=device))
    normed = nn.fuse(nn.Sequential(nn.Linear(3, 2, device=device), nn.BatchNorm1d(2, device=device)))  # fmt: skip
    with pytest.raises(ShapeError, match="expected x with 2 axes"):
        normed(data(2, 2, 3, device=device))


def test_half_weights_stay_half(device):
    model = nn.Sequential(nn.Conv2d(2, 3, 1, device=device), nn.BatchNorm2d(3, device=device))
    model = settled(model).to(clnn.float16)
    fused = nn.fuse(model)
    assert {p.dtype for p in fused.parameters()} == {clnn.float16}
    x = data(1, 2, 3, 3, device=device).to(clnn.float16)
    with clnn.no_grad():
        assert np.allclose(fused(x).numpy(), model(x).numpy(), rtol=1e-2, atol=1e-2)
