"""Layers over images (N, channels, height, width)."""

from __future__ import annotations

from typing import Any, Literal

from .... import ops
from ....errors import SettingError
from ....tensor import Tensor
from ..held import Gradient, Value
from .layer import Layer, Lit_W, Sizes, Weighted, images
from .layer1d import Normalization


class Convolutional(Weighted):
    """Cross-correlation.  (N, C, H, W) -> (N, output_depth, H', W'); kernels (out, in, k, k), biases (out,).

    padding: a number of zeros at every edge, "valid" (0) or "same" ((kernel_size - 1) // 2).
    Raises SettingError for another padding or initialization.
    """

    names = ("kernels", "biases")
    kernels, biases = Value(), Value()
    kernels_gradient, biases_gradient = Gradient(), Gradient()

    def __init__(self, output_depth: int, kernel_size: int, input_shape: tuple[int, ...] | None = None,
                 initialization: Lit_W = "auto", no_bias: bool = False,
                 padding: int | Literal["valid", "same"] = "valid", stride: int = 1) -> None:  # fmt: skip
        super().__init__()
        self._set(initialization, no_bias)
        self.output_depth, self.kernel_size, self.stride = output_depth, kernel_size, stride
        self.padding_arg = padding
        if isinstance(padding, str):
            if padding not in ("valid", "same"):
                raise SettingError(
                    f"Convolutional: expected padding 'valid', 'same' or an integer, got {padding!r}"
                )
            self.padding = (kernel_size - 1) // 2 if padding == "same" else 0
        else:
            self.padding = padding
        if input_shape is not None:
            self.build(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; input_shape is None before the layer is built."""
        return super().get_config() | {
            "output_depth": self.output_depth, "kernel_size": self.kernel_size,
            "input_shape": getattr(self, "input_shape", None),
            "initialization": self.initialization, "no_bias": self.no_bias,
            "stride": self.stride, "padding": self.padding_arg,
        }  # fmt: skip

    def build(self, input_shape: Sizes) -> None:
        """Take the shape of inputs; raises ShapeError unless it is (channels, height, width)."""
        super().build(input_shape)
        self.output_shape = places(self, self.output_depth, self.kernel_size, self.padding)

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """(out, in, k, k), (out,), in * k * k."""
        channels, k = images(self)[0], self.kernel_size
        return (self.output_depth, channels, k, k), (self.output_depth,), channels * k * k

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """(N, C, H, W) -> (N, output_depth, H', W')."""
        return ops.conv2d(x, *self.trained(), self.stride, self.padding)


def places(layer: Any, channels: int, window: int, padding: int = 0) -> tuple[int, ...]:
    """The shape of what a window of `layer` makes of its inputs."""
    at = [(n + 2 * padding - window) // layer.stride + 1 for n in images(layer)[1:]]
    return channels, *at


class Flatten(Layer):
    """An image as a row.  (N, C, H, W) -> (N, C * H * W)."""

    def build(self, input_shape: Sizes) -> None:
        """Take the shape of inputs."""
        super().build(input_shape)
        self.output_shape = (self.input_size,)

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """(N, *) -> (N, the rest)."""
        return ops.flatten(x, 1)


class Pooling(Layer):
    """What both poolings share: windows of pool_size, strides apart (else pool_size)."""

    def __init__(self, pool_size: int = 2, strides: int | None = None) -> None:
        super().__init__()
        self.pool_size = pool_size
        self.stride = pool_size if strides is None else strides

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"pool_size": self.pool_size, "strides": self.stride}

    def build(self, input_shape: Sizes) -> None:
        """Take the shape of inputs; raises ShapeError unless it is (channels, height, width)."""
        super().build(input_shape)
        self.output_shape = places(self, images(self)[0], self.pool_size)


class MaxPooling2D(Pooling):
    """The largest number of every window.  (N, C, H, W) -> (N, C, H', W'); of equals the first gets the gradient."""

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return ops.max_pool2d(x, self.pool_size, self.stride)


class AveragePooling2D(Pooling):
    """The mean of every window.  (N, C, H, W) -> (N, C, H', W')."""

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return ops.avg_pool2d(x, self.pool_size, self.stride)


class BatchNormalization2D(Normalization):
    """Channels normalised over batch and image, or by running statistics.  (N, C, H, W) -> the same.

    gamma, beta and running statistics are (1, C, 1, 1). Otherwise as BatchNormalization.
    """

    def view(self) -> tuple[int, ...]:
        """(1, C, 1, 1)."""
        return (1, images(self)[0], 1, 1)
