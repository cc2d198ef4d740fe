"""Suite `models`: whole networks, inference and a training step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import models, nn, ops
from ..autograd import no_grad
from ..device import Device
from ..shapes import Shape
from ..tensor import tensor
from .case import Case, Lib, Thunk
from .trace import Graph, trace

Factory = Callable[[Device], nn.Module]

BATCH, SIZE, CLASSES = 8, 224, 1000
LR, MOMENTUM = 1e-3, 0.9


def _vgg16(device: Device) -> nn.Module:
    return models.VGG(dropout=0.0, device=device)  # every library drops other elements


MODELS: dict[str, Factory] = {
    "ResNet-18": lambda device: models.resnet18(device=device),
    "ResNet-50": lambda device: models.resnet50(device=device),
    "MobileNetV2": lambda device: models.MobileNetV2(dropout=0.0, device=device),
    "VGG-16": _vgg16,
}
# convolutions and linear layers of one image; Graph.flops counts the same
GFLOP = {"ResNet-18": 3.628, "ResNet-50": 8.178, "MobileNetV2": 0.6016, "VGG-16": 30.94}
SMALL: dict[str, Factory] = {
    "small ResNet": lambda device: models.ResNet("basic", (1, 1, 1, 1), 10, device),
}


class Network:
    """A network with weights from one seed, in every form that a library may want."""

    def __init__(self, make: Factory, shape: Shape, training: bool) -> None:
        self.make, self.shape, self.training = make, shape, training

    def model(self, device: Device) -> nn.Module:
        """On a device, in its mode."""
        ops.manual_seed(0)
        return self.make(device).train(self.training)

    def graph(self, device: Device, *, fused: bool = False) -> Graph:
        """The ops of a run; `fused` as nn.fuse has it."""
        model = self.model(device)
        x = tensor(np.zeros(self.shape, np.float32), device=device)
        return trace(nn.fuse(model) if fused else model, x)

    def labels(self) -> np.ndarray:
        """A class per image."""
        return np.arange(self.shape[0], dtype=np.int64) % 10

    def build(self, lib: Lib, x: Any) -> Thunk:
        """How clnn runs it."""
        model = self.model(lib.device)
        if not self.training:
            return inference(nn.fuse(model), x, no_grad)
        return step(lib, model, list(model.parameters()), x, lib.tensor(self.labels()))


def inference(model: Callable[[Any], Any], x: Any, without: Callable[[], Any]) -> Thunk:
    """Runs the model; `without` gives a context that records no gradients."""

    def run() -> Sequence[Any]:
        with without():
            return (model(x),)

    return run


def step(lib: Lib, model: Callable[[Any], Any], parameters: list[Any], x: Any, y: Any) -> Thunk:
    """A step of SGD with momentum on one batch; the result is the loss before it."""
    optimizer = lib.optim.SGD(parameters, lr=LR, momentum=MOMENTUM)

    def run() -> Sequence[Any]:
        optimizer.zero_grad()
        loss = lib.f.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return (loss.detach(),)

    return run


def cases(quick: bool = False) -> list[Case]:
    """Every network, or small ones on small images."""
    # large enough for the last batch norms to have values to average
    shape = (4, 3, 64, 64) if quick else (BATCH, 3, SIZE, SIZE)
    return [
        _case(name, make, shape, training)
        for training in (False, True)
        for name, make in (SMALL if quick else MODELS).items()
    ]


def _case(name: str, make: Factory, shape: Shape, training: bool) -> Case:
    network = Network(make, shape, training)
    group = "training step" if training else "inference"
    flops = 0.0 if shape[2] != SIZE else GFLOP[name] * 1e9 * shape[0] * (3 if training else 1)
    return Case("models", group, f"{name}, batch {shape[0]}", (shape,), network.build, flops,
                network=network, tolerance=1e-3)  # fmt: skip
