"""Keras' convolutions and poolings as clnn's: kernels by axes, and "same" for every stride."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ... import nn
from .activations import applied
from .build import FIRST, SAME, Builder, Converter, Value, loaded, refuse_unless
from .network import Layer

Config = Mapping[str, Any]
_CONVS: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d)
_LOWEST = -3.4e38  # below what a maximum is taken of; no -inf, which JSON does not have


def order_of(c: Config) -> str:
    """How a layer wants its input to lie in memory."""
    return SAME if c.get("data_format") == "channels_first" else FIRST


def each(value: Any, rank: int) -> tuple[int, ...]:
    """One int per axis."""
    return (int(value),) * rank if isinstance(value, int) else tuple(int(n) for n in value)


def _sizes(c: Config, kernel: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride and dilation per axis."""
    rank = kernel.ndim - 2
    return kernel.shape[:rank], each(c["strides"], rank), each(c.get("dilation_rate", 1), rank)


def _padded(
    b: Builder, layer: Layer, c: Config, x: Value, sizes: tuple[tuple[int, ...], ...]
) -> tuple[Value, tuple[int, ...]]:
    """`x` padded as the config says, and the padding left to the layer itself."""
    kernel, stride, dilation = sizes
    none = (0,) * len(kernel)
    if c["padding"] == "valid":
        return x, none
    spans = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if c["padding"] == "causal":
        refuse_unless(len(spans) == 1, "causal padding of one axis", c["padding"])
        return b.put(layer, lambda: nn.ZeroPad1d((spans[0], 0)), x, part="pad"), none
    refuse_unless(c["padding"] == "same", "padding valid, same or causal", c["padding"])
    if set(stride) == {1} and not any(n % 2 for n in spans):
        return x, tuple(n // 2 for n in spans)
    return b.put(layer, lambda: nn.SamePad(kernel, stride, dilation), x, part="pad"), none


def _bias(arrays: list[Any]) -> dict[str, Any]:
    return {"bias": arrays[0]} if arrays else {}


def _direct(
    weight: Any, bias: list[Any], groups: int, stride: Any, padding: Any, dilation: Any
) -> nn.Module:
    """A convolution with this weight of clnn's order."""
    kind = _CONVS[weight.ndim - 3]
    conv = kind(
        weight.shape[1] * groups, weight.shape[0], weight.shape[2:], stride, padding, dilation, groups, bool(bias),
        device="cpu",
    )  # fmt: skip
    return loaded(conv, weight=weight, **_bias(bias))


def _front(kernel: Any) -> Any:
    """(*, in, out) -> (out, in, *)."""
    rank = kernel.ndim - 2
    return kernel.transpose(rank + 1, rank, *range(rank))


def _spread(kernel: Any) -> Any:
    """(*, in, multiplier) -> (in * multiplier, 1, *), for as many groups as there are channels."""
    rank = kernel.ndim - 2
    return kernel.transpose(rank, rank + 1, *range(rank)).reshape(-1, 1, *kernel.shape[:rank])


def conv(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """A convolution, of groups too."""
    kernel, *bias = b.weights(layer, 1 + bool(c["use_bias"]))
    weight, sizes = _front(kernel), _sizes(c, kernel)
    x, padding = _padded(b, layer, c, b.ordered(xs[0], order_of(c), layer), sizes)
    y = b.put(
        layer, lambda: _direct(weight, bias, int(c.get("groups", 1)), sizes[1], padding, sizes[2]), x,
        channels=weight.shape[0],
    )  # fmt: skip
    return applied(b, layer, c.get("activation"), y)


def depthwise_conv(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """A convolution of each channel by kernels of its own."""
    kernel, *bias = b.weights(layer, 1 + bool(c["use_bias"]))
    weight, sizes = _spread(kernel), _sizes(c, kernel)
    x, padding = _padded(b, layer, c, b.ordered(xs[0], order_of(c), layer), sizes)
    y = b.put(
        layer, lambda: _direct(weight, bias, kernel.shape[-2], sizes[1], padding, sizes[2]), x,
        channels=weight.shape[0],
    )  # fmt: skip
    return applied(b, layer, c.get("activation"), y)


def separable_conv(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """A depthwise convolution, and one of 1 x 1."""
    kernel, point, *bias = b.weights(layer, 2 + bool(c["use_bias"]))
    weight, sizes = _spread(kernel), _sizes(c, kernel)
    x, padding = _padded(b, layer, c, b.ordered(xs[0], order_of(c), layer), sizes)
    y = b.put(
        layer, lambda: _direct(weight, [], kernel.shape[-2], sizes[1], padding, sizes[2]), x, part="depthwise"
    )  # fmt: skip
    mixed = _front(point)
    y = b.put(layer, lambda: _direct(mixed, bias, 1, 1, 0, 1), y, channels=mixed.shape[0])
    return applied(b, layer, c.get("activation"), y)


def conv_transpose(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """A transposed convolution, cut as TensorFlow cuts it."""
    kernel, *bias = b.weights(layer, 1 + bool(c["use_bias"]))
    rank = kernel.ndim - 2
    weight = kernel.transpose(rank + 1, rank, *range(rank))
    size, stride, dilation = _sizes(c, kernel)
    given = c.get("output_padding")
    more = (None,) * rank if given is None else each(given, rank)
    cuts = [_cut(c["padding"], *axis) for axis in zip(size, stride, dilation, more, strict=True)]
    padding = tuple(before for before, _ in cuts)
    added = tuple(max(before - after, 0) for before, after in cuts)
    left = [max(after - before, 0) for before, after in cuts]
    kind: Any = (nn.ConvTranspose1d, nn.ConvTranspose2d)[rank - 1]

    def make() -> nn.Module:
        module = kind(
            weight.shape[0], weight.shape[1], size, stride, padding, added, 1, bool(bias), dilation, device="cpu"
        )  # fmt: skip
        return loaded(module, weight=weight, **_bias(bias))

    x = b.ordered(xs[0], order_of(c), layer)
    y = b.put(layer, make, x, channels=weight.shape[1])
    if any(left):
        crop = tuple(n for after in reversed(left) for n in (0, -after))
        pad: Any = (nn.ZeroPad1d, nn.ZeroPad2d)[rank - 1]
        y = b.put(layer, lambda: pad(crop), y, part="crop")
    return applied(b, layer, c.get("activation"), y)


def _cut(
    padding: str, kernel: int, stride: int, dilation: int, more: int | None
) -> tuple[int, int]:
    """What is cut before and after (size - 1) stride + reach outputs; less than 0: added."""
    reach = (kernel - 1) * dilation + 1
    if padding == "valid":
        return 0, -(max(reach, stride) - reach if more is None else more)
    refuse_unless(padding == "same", "padding valid or same", padding)
    total = reach - stride if more is None else reach - reach % 2 - more
    before = max(total // 2, 0)
    return before, total - before


# --- pooling ------------------------------------------------------------------------------------


def pool(kinds: tuple[Any, ...], largest: bool) -> Converter:
    """The largest, or the mean, of each window."""

    def convert(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
        x = b.ordered(xs[0], order_of(c), layer)
        rank = x.ndim - 2
        size = each(c["pool_size"], rank)
        stride = size if c.get("strides") is None else each(c["strides"], rank)
        refuse_unless(c["padding"] in ("valid", "same"), "padding valid or same", c["padding"])
        if c["padding"] == "same" and not largest:
            return b.put(layer, lambda: nn.SameAvgPool(size, stride), x)
        if c["padding"] == "same":
            x = b.put(layer, lambda: nn.SamePad(size, stride, 1, _LOWEST), x, part="pad")
        return b.put(layer, lambda: kinds[rank - 1](size, stride), x)

    return convert


def global_pool(kinds: tuple[Callable[[int], nn.Module], ...]) -> Converter:
    """One number per channel."""

    def convert(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
        x = b.ordered(xs[0], order_of(c), layer)
        y = b.put(layer, lambda: kinds[x.ndim - 3](1), x)
        if c.get("keepdims"):
            return y
        return b.put(layer, nn.Flatten, y, part="flatten", ndim=2, order=SAME)

    return convert


_MAX = pool((nn.MaxPool1d, nn.MaxPool2d), True)
_AVERAGE = pool((nn.AvgPool1d, nn.AvgPool2d), False)
_GLOBAL_AVERAGE = global_pool((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d))
_GLOBAL_MAX = global_pool((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d))

CONVERTERS: dict[str, Converter] = {
    "Conv1D": conv, "Conv2D": conv, "DepthwiseConv1D": depthwise_conv, "DepthwiseConv2D": depthwise_conv,
    "SeparableConv1D": separable_conv, "SeparableConv2D": separable_conv,
    "Conv1DTranspose": conv_transpose, "Conv2DTranspose": conv_transpose,
    "MaxPooling1D": _MAX, "MaxPooling2D": _MAX, "AveragePooling1D": _AVERAGE, "AveragePooling2D": _AVERAGE,
    "GlobalAveragePooling1D": _GLOBAL_AVERAGE, "GlobalAveragePooling2D": _GLOBAL_AVERAGE,
    "GlobalMaxPooling1D": _GLOBAL_MAX, "GlobalMaxPooling2D": _GLOBAL_MAX,
}  # fmt: skip
