"""Layers that put elements around their input, by a number or for windows to fit."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..tensor import Tensor, ones
from .arguments import Size, check_rank, sizes
from .module import Module

_LOW = -(2**31)  # negative padding crops


class _Pad(Module):
    rank: ClassVar[int]

    def __init__(self, padding: Size) -> None:
        super().__init__()
        self.padding = sizes(type(self).__name__, "padding", padding, 2 * self.rank, least=_LOW)


class ZeroPad1d(_Pad):
    """Zeros around the last axis; padding: an int or (left, right).  (N, C, L) -> (N, C, L + left + right)."""

    rank = 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, L + left + right)."""
        return ops.pad(x, self.padding)


class ZeroPad2d(_Pad):
    """Zeros around the last two axes; padding: an int or (left, right, top, bottom).

    (N, C, H, W) -> (N, C, H + top + bottom, W + left + right).
    """

    rank = 2

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H + top + bottom, W + left + right)."""
        return ops.pad(x, self.padding)


class _Windows(Module):
    """Windows as many as ceil(size / stride) per axis, over an input padded for them as evenly as can be.

    Where the padding is odd the one more lies behind. kernel_size has a size for each axis behind the channels.
    """

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    def _window(self, kernel_size: Any, stride: Size, dilation: Size = 1) -> None:
        who = type(self).__name__
        self.kernel_size = sizes(who, "kernel_size", kernel_size, len(kernel_size))
        self.stride = sizes(who, "stride", stride, len(self.kernel_size))
        self.dilation = sizes(who, "dilation", dilation, len(self.kernel_size))

    def _padded(self, x: Tensor, value: float) -> Tensor:
        check_rank(type(self).__name__, x, len(self.kernel_size) + 2)
        around: list[int] = []
        windows = zip(x.shape[2:], self.kernel_size, self.stride, self.dilation, strict=True)
        for size, kernel, stride, dilation in reversed(list(windows)):
            reach = (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1
            missing = max(reach - size, 0)
            around += [missing // 2, missing - missing // 2]
        return ops.pad(x, around, value=value) if any(around) else x


class SamePad(_Windows):
    """Padding for a convolution or pooling of these windows to give ceil(size / stride) outputs.

    (N, C, *) -> (N, C, *'). What TensorFlow and Keras call "same", whatever the stride. value: what is put there.
    """

    def __init__(
        self, kernel_size: Any, stride: Size = 1, dilation: Size = 1, value: float = 0.0
    ) -> None:
        super().__init__()
        self._window(kernel_size, stride, dilation)
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *) -> (N, C, *')."""
        return self._padded(x, self.value)


class SameAvgPool(_Windows):
    """The mean of what of each window lies in the input.  (N, C, *) -> (N, C, ceil(* / stride)).

    One or two axes behind the channels; padded as SamePad does, and no padding counts.
    """

    def __init__(self, kernel_size: Any, stride: Size = 1) -> None:
        super().__init__()
        self._window(kernel_size, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *) -> (N, C, ceil(* / stride))."""
        pool = ops.avg_pool1d if len(self.kernel_size) == 1 else ops.avg_pool2d
        inside = ones(1, 1, *x.shape[2:], dtype=x.dtype, device=x.device)
        share = pool(self._padded(inside, 0.0), self.kernel_size, self.stride)
        return ops.div(pool(self._padded(x, 0.0), self.kernel_size, self.stride), share)
