"""MobileNetV2: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018."""

from __future__ import annotations

from typing import Any

from .. import nn, ops
from ..nn.arguments import DeviceLike, DTypeLike, kind_of
from ..tensor import Tensor

# expansion, channels, blocks, stride of the first
STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; plus the input where the shape stays.  (N, C, H, W) -> (N, oup, ...)."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int, device: DeviceLike = None,
                 dtype: DTypeLike = None) -> None:  # fmt: skip
        super().__init__()
        self.inp, self.oup, self.stride, self.expand_ratio = inp, oup, stride, expand_ratio
        self.dtype, self.shortcut = kind_of(dtype), stride == 1 and inp == oup
        at: dict[str, Any] = {"device": device, "dtype": dtype}
        wide = inp * expand_ratio
        first = [_unit(inp, wide, 1, at)] if expand_ratio != 1 else []
        self.conv = nn.Sequential(
            *first, _unit(wide, wide, 3, at, stride, groups=wide), _conv(wide, oup, 1, at),
            nn.BatchNorm2d(oup, **at),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, inp, H, W) -> (N, oup, H / stride, W / stride)."""
        *layers, norm = self.conv
        y = x
        for layer in layers:
            y = layer(y)
        return norm(y, x) if self.shortcut else norm(y)

    def fused(self) -> nn.Module:
        """The block in evaluation, each norm folded into the convolution before it."""
        body = nn.fuse(self.conv)
        return nn.FusedResidual(body.children()) if self.shortcut else body


class MobileNetV2(nn.Module):
    """Inverted residuals in seven stages.  (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.2, device: DeviceLike = None,
                 dtype: DTypeLike = None) -> None:  # fmt: skip
        super().__init__()
        self.num_classes, self.dropout, self.dtype = num_classes, dropout, kind_of(dtype)
        at: dict[str, Any] = {"device": device, "dtype": dtype}
        layers: list[nn.Module] = [_unit(3, 32, 3, at, 2)]
        channels = 32
        for expansion, out, blocks, stride in STAGES:
            for n in range(blocks):
                layers.append(InvertedResidual(channels, out, 1 if n else stride, expansion, **at))
                channels = out
        self.features = nn.Sequential(*layers, _unit(channels, 1280, 1, at))
        head = nn.Linear(1280, num_classes, initializer="normal_0.01", **at)
        self.classifier = nn.Sequential(nn.Dropout(dropout), head)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        x = ops.adaptive_avg_pool2d(self.features(x), 1)
        return self.classifier(ops.flatten(x, 1))


def mobilenet_v2(
    num_classes: int = 1000, device: DeviceLike = None, dtype: DTypeLike = None
) -> MobileNetV2:
    """MobileNetV2 of width 1: 3,504,872 parameters.  (N, 3, H, W) -> (N, num_classes)."""
    return MobileNetV2(num_classes, device=device, dtype=dtype)


def _conv(inputs: int, outputs: int, kernel: int, at: dict[str, Any], stride: int = 1,
          groups: int = 1) -> nn.Conv2d:  # fmt: skip
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False,
                     initializer="kaiming_fan_out", **at)  # fmt: skip


def _unit(inputs: int, outputs: int, kernel: int, at: dict[str, Any], stride: int = 1,
          groups: int = 1) -> nn.Sequential:  # fmt: skip
    return nn.Sequential(
        _conv(inputs, outputs, kernel, at, stride, groups),
        nn.BatchNorm2d(outputs, activation="relu6", **at),
    )
