"""Pooling layers: one line of ops each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..tensor import Tensor
from .arguments import Size, check_rank
from .module import Module


class _Pool(Module):
    """Keeps the window: stride None is kernel_size."""

    kernel_size: Size
    stride: Size
    padding: Size

    def _window(self, kernel_size: Size, stride: Size | None, padding: Size) -> None:
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride


class _MaxPool(_Pool):
    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self._window(kernel_size, stride, padding)
        self.dilation, self.return_indices, self.ceil_mode = dilation, return_indices, ceil_mode

    def _settings(self) -> dict[str, Any]:
        return {
            "kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding,
            "dilation": self.dilation, "ceil_mode": self.ceil_mode,
            "return_indices": self.return_indices,
        }  # fmt: skip


class MaxPool1d(_MaxPool):
    """The largest value of each window.  (N, C, L) -> (N, C, L'), with indices if asked for."""

    def forward(self, x: Tensor) -> Any:
        """(N, C, L) -> (N, C, L')."""
        return ops.max_pool1d(x, **self._settings())


class MaxPool2d(_MaxPool):
    """The largest value of each window.  (N, C, H, W) -> (N, C, H', W'), with indices if asked for."""

    def forward(self, x: Tensor) -> Any:
        """(N, C, H, W) -> (N, C, H', W')."""
        return ops.max_pool2d(x, **self._settings())


class AvgPool1d(_Pool):
    """The mean of each window.  (N, C, L) -> (N, C, L'); padding counts unless told otherwise."""

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self._window(kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, L')."""
        return ops.avg_pool1d(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class AvgPool2d(_Pool):
    """The mean of each window.  (N, C, H, W) -> (N, C, H', W'); padding counts by default.

    divisor_override, if given, is what sums are divided by.
    """

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._window(kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return ops.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip


class AdaptiveAvgPool1d(Module):
    """Means of `output_size` windows that cover the axis.  (N, C, L) -> (N, C, output_size)."""

    def __init__(self, output_size: Size) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, output_size)."""
        return ops.adaptive_avg_pool1d(x, self.output_size)


class AdaptiveAvgPool2d(Module):
    """Means of as many windows as `output_size` says.  (N, C, H, W) -> (N, C, *output_size).

    output_size: an int or a pair, None for an axis that stays as it is.
    """

    def __init__(self, output_size: int | Sequence[int | None] | None) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, *output_size)."""
        return ops.adaptive_avg_pool2d(x, self.output_size)


class AdaptiveMaxPool1d(Module):
    """Maxima of `output_size` windows that cover the axis.  (N, C, L) -> (N, C, output_size)."""

    def __init__(self, output_size: Size, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, x: Tensor) -> Any:
        """(N, C, L) -> (N, C, output_size)."""
        return ops.adaptive_max_pool1d(x, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(Module):
    """Maxima of as many windows as `output_size` says.  (N, C, H, W) -> (N, C, *output_size).

    output_size: an int or a pair, None for an axis that stays as it is.
    """

    def __init__(
        self, output_size: int | Sequence[int | None] | None, return_indices: bool = False
    ) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, x: Tensor) -> Any:
        """(N, C, H, W) -> (N, C, *output_size)."""
        return ops.adaptive_max_pool2d(x, self.output_size, self.return_indices)


class GlobalAvgPool2d(Module):
    """The mean of each channel.  (N, C, H, W) -> (N, C, 1, 1); raises ShapeError for other ranks."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 1, 1)."""
        check_rank("GlobalAvgPool2d", x, 4)
        return ops.adaptive_avg_pool2d(x, 1)


MaxPool1D, MaxPool2D = MaxPool1d, MaxPool2d
AvgPool1D, AvgPool2D = AvgPool1d, AvgPool2d
AdaptiveAvgPool1D, AdaptiveAvgPool2D = AdaptiveAvgPool1d, AdaptiveAvgPool2d
AdaptiveMaxPool1D, AdaptiveMaxPool2D = AdaptiveMaxPool1d, AdaptiveMaxPool2d
GlobalAvgPool2D = GlobalAvgPool2d
