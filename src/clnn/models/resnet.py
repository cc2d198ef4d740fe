"""Residual networks: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2016."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import nn, ops
from ..errors import SettingError
from ..nn.arguments import DeviceLike, DTypeLike, choice, count, kind_of
from ..tensor import Tensor


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.  (N, C, H, W) -> (N, planes, H / stride, W / stride)."""

    expansion = 1

    def __init__(self, inplanes: int, planes: int, stride: int = 1, device: DeviceLike = None,
                 dtype: DTypeLike = None) -> None:  # fmt: skip
        super().__init__()
        self.inplanes, self.planes, self.stride, self.dtype = (
            inplanes,
            planes,
            stride,
            kind_of(dtype),
        )
        at: dict[str, Any] = {"device": device, "dtype": dtype}
        self.conv1, self.bn1 = _pair(inplanes, planes, 3, stride, at, "relu")
        self.conv2, self.bn2 = _pair(planes, planes, 3, 1, at, "relu")
        self.downsample = _shortcut(inplanes, planes * self.expansion, stride, at)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, planes, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.bn2(self.conv2(self.bn1(self.conv1(x))), shortcut)

    def fused(self) -> nn.Module:
        """The block in evaluation, each norm folded into the convolution before it."""
        body = [nn.fold(self.conv1, self.bn1), nn.fold(self.conv2, self.bn2)]
        return nn.FusedResidual(body, self.downsample)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut.  (N, C, H, W) -> (N, 4 planes, H / stride, W / stride).

    The stride is in the 3x3 convolution, as torchvision has it.
    """

    expansion = 4

    def __init__(self, inplanes: int, planes: int, stride: int = 1, device: DeviceLike = None,
                 dtype: DTypeLike = None) -> None:  # fmt: skip
        super().__init__()
        self.inplanes, self.planes, self.stride, self.dtype = (
            inplanes,
            planes,
            stride,
            kind_of(dtype),
        )
        at: dict[str, Any] = {"device": device, "dtype": dtype}
        self.conv1, self.bn1 = _pair(inplanes, planes, 1, 1, at, "relu")
        self.conv2, self.bn2 = _pair(planes, planes, 3, stride, at, "relu")
        self.conv3, self.bn3 = _pair(planes, planes * self.expansion, 1, 1, at, "relu")
        self.downsample = _shortcut(inplanes, planes * self.expansion, stride, at)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 4 planes, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        return self.bn3(self.conv3(y), shortcut)

    def fused(self) -> nn.Module:
        """The block in evaluation, each norm folded into the convolution before it."""
        pairs = ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3))
        return nn.FusedResidual([nn.fold(conv, norm) for conv, norm in pairs], self.downsample)


BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {
    "basic": BasicBlock, "bottleneck": Bottleneck,
}  # fmt: skip


class ResNet(nn.Module):
    """A residual network of four stages.  (N, 3, H, W) -> (N, num_classes).

    block: "basic" or "bottleneck"; layers: blocks per stage. Raises SettingError for others.
    """

    def __init__(self, block: str, layers: Sequence[int], num_classes: int = 1000,
                 device: DeviceLike = None, dtype: DTypeLike = None) -> None:  # fmt: skip
        super().__init__()
        self.block = choice("ResNet", "block", block, list(BLOCKS))
        self.layers = tuple(count("ResNet", "layers", n) for n in layers)
        if len(self.layers) != 4:
            raise SettingError(f"ResNet: expected 4 stages, got {len(self.layers)}")
        self.num_classes, self.dtype = num_classes, kind_of(dtype)
        at: dict[str, Any] = {"device": device, "dtype": dtype}
        self.conv1, self.bn1 = _pair(3, 64, 7, 2, at, "relu")
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inplanes = 64
        for stage, blocks in enumerate(self.layers):
            made = []
            for n in range(blocks):
                planes, stride = 64 << stage, 2 if stage and not n else 1
                made.append(BLOCKS[block](inplanes, planes, stride, **at))
                inplanes = planes * BLOCKS[block].expansion
            self.register_module(f"layer{stage + 1}", nn.Sequential(*made))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inplanes, num_classes, initializer=None, **at)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        x = self.maxpool(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(ops.flatten(self.avgpool(x), 1))

    def fused(self) -> nn.Module:
        """The network in evaluation, each norm folded into the convolution before it."""
        stages = (self.layer1, self.layer2, self.layer3, self.layer4)
        return nn.Sequential(
            nn.fold(self.conv1, self.bn1), self.maxpool, *map(nn.fuse, stages), self.avgpool,
            nn.Flatten(), self.fc,
        )  # fmt: skip


def resnet18(num_classes: int = 1000, device: DeviceLike = None, dtype: DTypeLike = None) -> ResNet:
    """ResNet-18: 11,689,512 parameters.  (N, 3, H, W) -> (N, num_classes)."""
    return ResNet("basic", (2, 2, 2, 2), num_classes, device, dtype)


def resnet50(num_classes: int = 1000, device: DeviceLike = None, dtype: DTypeLike = None) -> ResNet:
    """ResNet-50: 25,557,032 parameters.  (N, 3, H, W) -> (N, num_classes)."""
    return ResNet("bottleneck", (3, 4, 6, 3), num_classes, device, dtype)


def _pair(inputs: int, outputs: int, kernel: int, stride: int, at: dict[str, Any],
          activation: str | None) -> tuple[nn.Conv2d, nn.BatchNorm2d]:  # fmt: skip
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False,
                     initializer="kaiming_fan_out", **at)  # fmt: skip
    return conv, nn.BatchNorm2d(outputs, activation=activation, **at)


def _shortcut(inputs: int, outputs: int, stride: int, at: dict[str, Any]) -> nn.Module | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(*_pair(inputs, outputs, 1, stride, at, None))
