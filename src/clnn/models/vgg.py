"""VGG: Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014."""

from __future__ import annotations

from typing import Any

from .. import nn, ops
from ..nn.arguments import DeviceLike, DTypeLike, kind_of
from ..tensor import Tensor

# channels of the convolutions between two poolings
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG(nn.Module):
    """VGG-16, with batch norm after each convolution if asked for.  (N, 3, H, W) -> (N, num_classes)."""

    def __init__(self, batch_norm: bool = False, num_classes: int = 1000, dropout: float = 0.5,
                 device: DeviceLike = None, dtype: DTypeLike = None) -> None:  # fmt: skip
        super().__init__()
        self.batch_norm, self.num_classes, self.dropout = batch_norm, num_classes, dropout
        self.dtype = kind_of(dtype)
        at: dict[str, Any] = {"device": device, "dtype": dtype}
        conv: dict[str, Any] = {"padding": 1, "initializer": "kaiming_fan_out", **at}
        layers: list[nn.Module] = []
        inputs = 3
        for stage in STAGES:
            for outputs in stage:
                layers.append(nn.Conv2d(inputs, outputs, 3, **conv))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(outputs, **at))
                layers.append(nn.ReLU())
                inputs = outputs
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        normal: dict[str, Any] = {"initializer": "normal_0.01", **at}
        self.classifier = nn.Sequential(
            nn.Linear(inputs * 7 * 7, 4096, **normal), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(4096, 4096, **normal), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(4096, num_classes, **normal),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        x = self.avgpool(self.features(x))
        return self.classifier(ops.flatten(x, 1))


def vgg16(num_classes: int = 1000, device: DeviceLike = None, dtype: DTypeLike = None) -> VGG:
    """VGG-16: 138,357,544 parameters.  (N, 3, H, W) -> (N, num_classes)."""
    return VGG(False, num_classes, device=device, dtype=dtype)


def vgg16_bn(num_classes: int = 1000, device: DeviceLike = None, dtype: DTypeLike = None) -> VGG:
    """VGG-16 with batch norm: 138,365,992 parameters.  (N, 3, H, W) -> (N, num_classes)."""
    return VGG(True, num_classes, device=device, dtype=dtype)
