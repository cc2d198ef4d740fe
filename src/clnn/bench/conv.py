"""Suite `conv`: every distinct convolution of ResNet-50 and MobileNetV2 at 224², forward and with gradients."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from .case import Case, Lib, forward, forward_backward

BATCH = 8


class Layer(NamedTuple):
    """A convolution without bias, padded to keep the size (divided by the stride)."""

    size: int
    channels: int
    out: int
    kernel: int
    stride: int = 1
    groups: int = 1


def _depthwise(size: int, channels: int, stride: int = 1) -> Layer:
    return Layer(size, channels, channels, 3, stride, channels)


RESNET50 = (
    Layer(224, 3, 64, 7, 2),
    Layer(56, 64, 64, 1), Layer(56, 64, 64, 3), Layer(56, 64, 256, 1), Layer(56, 256, 64, 1),
    Layer(56, 256, 128, 1), Layer(56, 128, 128, 3, 2), Layer(28, 128, 512, 1),
    Layer(56, 256, 512, 1, 2), Layer(28, 512, 128, 1), Layer(28, 128, 128, 3),
    Layer(28, 512, 256, 1), Layer(28, 256, 256, 3, 2), Layer(14, 256, 1024, 1),
    Layer(28, 512, 1024, 1, 2), Layer(14, 1024, 256, 1), Layer(14, 256, 256, 3),
    Layer(14, 1024, 512, 1), Layer(14, 512, 512, 3, 2), Layer(7, 512, 2048, 1),
    Layer(14, 1024, 2048, 1, 2), Layer(7, 2048, 512, 1), Layer(7, 512, 512, 3),
)  # fmt: skip
MOBILENET_V2 = (
    Layer(224, 3, 32, 3, 2), Layer(112, 32, 16, 1), Layer(112, 16, 96, 1),
    Layer(56, 96, 24, 1), Layer(56, 24, 144, 1), Layer(56, 144, 24, 1),
    Layer(28, 144, 32, 1), Layer(28, 32, 192, 1), Layer(28, 192, 32, 1),
    Layer(14, 192, 64, 1), Layer(14, 64, 384, 1), Layer(14, 384, 64, 1),
    Layer(14, 384, 96, 1), Layer(14, 96, 576, 1), Layer(14, 576, 96, 1),
    Layer(7, 576, 160, 1), Layer(7, 160, 960, 1), Layer(7, 960, 160, 1),
    Layer(7, 960, 320, 1), Layer(7, 320, 1280, 1),
)  # fmt: skip
DEPTHWISE = (
    _depthwise(112, 32), _depthwise(112, 96, 2), _depthwise(56, 144), _depthwise(56, 144, 2),
    _depthwise(28, 192), _depthwise(28, 192, 2), _depthwise(14, 384), _depthwise(14, 576),
    _depthwise(14, 576, 2), _depthwise(7, 960),
)  # fmt: skip
GROUPS = {"ResNet-50": RESNET50, "MobileNetV2": MOBILENET_V2, "depthwise": DEPTHWISE}


def cases(quick: bool = False) -> list[Case]:
    """All of the suite, or one of each kind on small images."""
    found: dict[str, tuple[Layer, ...]] = GROUPS
    if quick:
        found = {"ResNet-50": (Layer(9, 5, 18, 3, 2),), "depthwise": (_depthwise(8, 6),)}
    batch = 2 if quick else BATCH
    return [
        _case(group, layer, batch, gradients)
        for gradients in (False, True)
        for group, layers in found.items()
        for layer in layers
    ]


def _case(group: str, layer: Layer, batch: int, gradients: bool) -> Case:
    size, channels, out, kernel, stride, groups = layer
    settings = {"stride": stride, "padding": kernel // 2, "groups": groups}
    to = (size + 2 * (kernel // 2) - kernel) // stride + 1
    x, y = (batch, channels, size, size), (batch, out, to, to)
    w = out, channels // groups, kernel, kernel
    flops = 2.0 * prod(y) * prod(w[1:])
    nbytes = 4.0 * (prod(x) + prod(w) + prod(y))

    def call(lib: Lib, x: Any, w: Any) -> Any:
        return lib.f.conv2d(x, w, None, **settings)

    maps = f"depthwise {channels}" if groups > 1 else f"{channels}→{out}"
    name = f"{kernel}×{kernel} {maps} {size}²" + (f" /{stride}" if stride > 1 else "")
    if not gradients:
        return Case("conv", f"{group} forward", name, (x, w), forward(call), flops, nbytes,
                    op="conv2d", settings=settings)  # fmt: skip
    # The image of a first layer gets a gradient too: the same work for every side.
    return Case("conv", f"{group} forward+backward", f"{name} +grad", (x, w, y),
                forward_backward(call), 3 * flops, 3 * nbytes, tolerance=3e-4)  # fmt: skip
