"""`clnn.models`: torchvision's architectures to the last name of a weight, and they train."""

import json
from math import prod

import numpy as np
import pytest

import clnn
import clnn.nn.functional as F
from clnn import models
from clnn.errors import SettingError

PARAMETERS = {
    "resnet18": 11_689_512, "resnet50": 25_557_032, "mobilenet_v2": 3_504_872, "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
}  # fmt: skip
# entries of the state dict, and a few of them: what torchvision's weight files hold
ENTRIES = {"resnet18": 122, "resnet50": 320, "mobilenet_v2": 314, "vgg16": 32, "vgg16_bn": 97}
SHAPES = {
    "resnet18": {
        "conv1.weight": (64, 3, 7, 7), "bn1.running_var": (64,), "bn1.num_batches_tracked": (),
        "layer1.0.conv1.weight": (64, 64, 3, 3), "layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "layer2.0.downsample.1.bias": (128,), "layer4.1.bn2.weight": (512,), "fc.weight": (1000, 512),
    },
    "resnet50": {
        "layer1.0.conv1.weight": (64, 64, 1, 1), "layer1.0.conv3.weight": (256, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1), "layer3.5.conv2.weight": (256, 256, 3, 3),
        "layer4.2.bn3.running_mean": (2048,), "fc.weight": (1000, 2048), "fc.bias": (1000,),
    },
    "mobilenet_v2": {
        "features.0.0.weight": (32, 3, 3, 3), "features.0.1.weight": (32,),
        "features.1.conv.0.0.weight": (32, 1, 3, 3), "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.1.conv.2.running_mean": (16,), "features.2.conv.0.0.weight": (96, 16, 1, 1),
        "features.17.conv.2.weight": (320, 960, 1, 1), "features.18.0.weight": (1280, 320, 1, 1),
        "classifier.1.weight": (1000, 1280),
    },
    "vgg16": {
        "features.0.weight": (64, 3, 3, 3), "features.28.weight": (512, 512, 3, 3),
        "classifier.0.weight": (4096, 25088), "classifier.6.bias": (1000,),
    },
    "vgg16_bn": {"features.1.running_var": (64,), "features.40.weight": (512, 512, 3, 3), "features.41.weight": (512,)},
}  # fmt: skip


@pytest.fixture(scope="module", params=PARAMETERS)
def named(request):
    name = request.param
    with pytest.MonkeyPatch.context() as patch:
        if name.startswith("vgg"):  # a hundred million random numbers would take half a minute
            patch.setattr("clnn.nn.linear.initialize", lambda *args: None)
        return name, getattr(models, name)(device="cpu")


def test_parameters_and_names_are_torchvisions(named):
    name, model = named
    assert sum(prod(p.shape) for p in model.parameters()) == PARAMETERS[name]
    found = {key: t.shape for key, t in model.state_dict().items()}
    assert len(found) == ENTRIES[name]
    assert {key: found.get(key) for key in SHAPES[name]} == SHAPES[name]


def test_weights_start_as_torchvisions(named):
    name, model = named
    for key, t in model.state_dict().items():
        if name.startswith("vgg") and key.startswith("classifier"):
            continue
        host = t.numpy()
        if host.ndim == 4:
            std = np.sqrt(2 / (host.shape[0] * host.shape[2] * host.shape[3]))
            assert host.std() == pytest.approx(std, rel=0.1), key
        elif host.ndim == 2 and name.startswith("resnet"):
            assert np.abs(host).max() <= 1 / np.sqrt(host.shape[1])
        elif host.ndim == 2:
            assert host.std() == pytest.approx(0.01, rel=0.02)
        elif key.endswith("bias") and not key.startswith("fc"):
            assert not host.any(), key


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
def test_forward_equals_the_reference(name, opencl_device):
    clnn.manual_seed(0)
    model = getattr(models, name)(num_classes=7, device="cpu").eval()
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)
    with clnn.no_grad():
        want = model(clnn.tensor(x, device="cpu")).numpy()
        got = model.to(opencl_device)(clnn.tensor(x, device=opencl_device)).numpy()
    assert got.shape == (2, 7)
    assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
def test_a_step_lowers_the_loss(name, opencl_device):
    clnn.manual_seed(0)
    model = getattr(models, name)(num_classes=5, device=opencl_device)
    rng = np.random.default_rng(0)
    x = clnn.tensor(rng.standard_normal((4, 3, 32, 32)).astype(np.float32), device=opencl_device)
    y = clnn.tensor(rng.integers(0, 5, 4), device=opencl_device)
    optimizer = clnn.optim.SGD(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]


def test_config_rebuilds_the_network():
    for model in (models.ResNet("basic", (1, 1, 1, 1), 3, "cpu"), models.MobileNetV2(3, device="cpu")):  # fmt: skip
        config = json.loads(json.dumps(model.get_config()))
        again = type(model).from_config(config)
        assert {k: t.shape for k, t in again.state_dict().items()} == {
            k: t.shape for k, t in model.state_dict().items()
        }


def test_refusals():
    with pytest.raises(SettingError, match="block"):
        models.ResNet("wide", (1, 1, 1, 1))
    with pytest.raises(SettingError, match="4 stages"):
        models.ResNet("basic", (1, 1), device="cpu")
