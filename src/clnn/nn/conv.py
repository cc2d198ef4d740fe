"""Convolution layers over (N, C, L) and (N, C, H, W); the batch axis may be left out."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..shapes import Shape
from ..tensor import Tensor
from .arguments import DeviceLike, DTypeLike, Size, choice, count, divides, kind_of, sizes
from .init import initialize
from .module import Module
from .parameter import Parameter, new_parameter

# A layer's padding modes and what `pad` calls them.
_MODES = {
    "zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular",
}  # fmt: skip


class _Conv(Module):
    """What the four convolutions share: their arguments, weights and bias."""

    rank: ClassVar[int]
    transposed: ClassVar[bool] = False

    weight: Parameter
    bias: Parameter | None
    padding: Any

    def _set(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size, dilation: Size,
        groups: int, bias: bool, device: DeviceLike, dtype: DTypeLike, initializer: str | None,
    ) -> None:  # fmt: skip
        who = type(self).__name__
        self.in_channels = count(who, "in_channels", in_channels)
        self.out_channels = count(who, "out_channels", out_channels)
        self.kernel_size = sizes(who, "kernel_size", kernel_size, self.rank)
        self.stride = sizes(who, "stride", stride, self.rank)
        self.dilation = sizes(who, "dilation", dilation, self.rank)
        self.groups = count(who, "groups", groups)
        divides(who, "in_channels", in_channels, "groups", groups)
        divides(who, "out_channels", out_channels, "groups", groups)
        self.dtype, self.initializer = kind_of(dtype), initializer
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        shape = first, second // groups, *self.kernel_size
        self.weight = new_parameter(shape, device, self.dtype)
        own = new_parameter((out_channels,), device, self.dtype) if bias else None
        self.register_parameter("bias", own)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        initialize(self.weight, self.bias, self.initializer)


class _ForwardConv(_Conv):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1,
        padding: Size | str = 0, dilation: Size = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", device: DeviceLike = None, dtype: DTypeLike = None,
        initializer: str | None = "kaiming",
    ) -> None:  # fmt: skip
        super().__init__()
        who = type(self).__name__
        self._set(
            in_channels, out_channels, kernel_size, stride, dilation, groups, bias, device, dtype,
            initializer,
        )  # fmt: skip
        self.padding_mode = choice(who, "padding_mode", padding_mode, list(_MODES))
        if isinstance(padding, str):
            self.padding = choice(who, "padding", padding, ("same", "valid"))
        else:
            self.padding = sizes(who, "padding", padding, self.rank, least=0)

    def _padded(self, x: Tensor) -> tuple[Tensor, Shape | str]:
        """`x`, and the padding left to the op: all of it unless the mode is another than zeros."""
        if self.padding_mode == "zeros":
            return x, self.padding
        around: list[int] = []  # pad's order: the last axis first
        for axis in reversed(range(self.rank)):
            span = self.dilation[axis] * (self.kernel_size[axis] - 1)
            if self.padding == "same":
                around += [span // 2, span - span // 2]
            else:
                around += [0, 0] if self.padding == "valid" else [self.padding[axis]] * 2
        return ops.pad(x, around, mode=_MODES[self.padding_mode]), (0,) * self.rank


class Conv1d(_ForwardConv):
    """Cross-correlation.  (N, C, L) -> (N, out_channels, L'); weight (out, in / groups, kernel).

    padding: an int, "same" (stride 1) or "valid"; padding_mode: zeros, reflect, replicate, circular.
    Weights start from `initializer`, "kaiming" (normal, std sqrt(2 / fan_in)) by default, the bias
    from zeros; initializer=None is torch's default for both.
    """

    rank = 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) -> (N, out_channels, L')."""
        x, padding = self._padded(x)
        return ops.conv1d(
            x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv2d(_ForwardConv):
    """Cross-correlation.  (N, C, H, W) -> (N, out_channels, H', W'); weight (out, in / groups, kh, kw).

    padding: an int, a pair, "same" (stride 1) or "valid"; padding_mode: zeros, reflect, replicate,
    circular. Weights start from `initializer`, "kaiming" (normal, std sqrt(2 / fan_in)) by default,
    the bias from zeros; initializer=None is torch's default for both.
    """

    rank = 2

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H', W')."""
        x, padding = self._padded(x)
        return ops.conv2d(
            x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class _TransposedConv(_Conv):
    transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1,
        padding: Size = 0, output_padding: Size = 0, groups: int = 1, bias: bool = True,
        dilation: Size = 1, padding_mode: str = "zeros", device: DeviceLike = None,
        dtype: DTypeLike = None, initializer: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        who = type(self).__name__
        self._set(
            in_channels, out_channels, kernel_size, stride, dilation, groups, bias, device, dtype,
            initializer,
        )  # fmt: skip
        self.padding_mode = choice(who, "padding_mode", padding_mode, ("zeros",))
        self.padding = sizes(who, "padding", padding, self.rank, least=0)
        self.output_padding = sizes(who, "output_padding", output_padding, self.rank, least=0)


class ConvTranspose1d(_TransposedConv):
    """The gradient of Conv1d as a layer.  (N, C, L) -> (N, out_channels, L').

    weight (in, out / groups, kernel). Weights and bias start as torch's do, from
    U(-s, s) with s = 1 / sqrt(fan_in), unless `initializer` names another way.
    """

    rank = 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) -> (N, out_channels, (L - 1) stride - 2 padding + reach + output_padding)."""
        return ops.conv_transpose1d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups,
            self.dilation,
        )  # fmt: skip


class ConvTranspose2d(_TransposedConv):
    """The gradient of Conv2d as a layer.  (N, C, H, W) -> (N, out_channels, H', W').

    weight (in, out / groups, kh, kw). Weights and bias start as torch's do, from
    U(-s, s) with s = 1 / sqrt(fan_in), unless `initializer` names another way.
    """

    rank = 2

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H', W')."""
        return ops.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups,
            self.dilation,
        )  # fmt: skip


Conv2D = Conv2d
Conv2dTranspose = Conv2DTranspose = ConvTranspose2d
