"""Layers; recurrent ones are in `recurrent`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from ... import nn, ops
from ...errors import SettingError
from ...nn.arguments import Size, check_rank, count, sizes
from .device import place
from .module import Layer, named
from .recurrent import GRU, LSTM, RNN, Bidirectional
from .tensor import Parameter, Tensor


class Linear(Layer, nn.Linear):
    """y = x W^T + b.  (N, in_features) -> (N, out_features)."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None,
        dtype: Any = None, initializer: str = "xavier_uniform",
    ) -> None:  # fmt: skip
        super().__init__(in_features, out_features, bias, place(device), dtype, initializer)

    def forward(self, x: Any) -> Any:
        """(N, in_features) -> (N, out_features)."""
        check_rank(type(self).__name__, x, 2)
        return ops.linear(x, self.weight, self.bias)


class Dense(Linear):
    """A Linear made at its first input.  (N, any) -> (N, out_features); weight and bias are None until then."""

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None,
        initializer: str = "xavier_uniform",
    ) -> None:  # fmt: skip
        # Not the parent's: it makes the weights.
        self.in_features: int | None = None  # type: ignore[assignment]
        self.out_features = count("Dense", "out_features", out_features)
        self._asked = bool(bias), device, dtype, str(initializer)
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)

    @property
    def is_built(self) -> bool:
        """Whether the weights exist."""
        return self.in_features is not None

    def build(self, in_features: int, device: Any) -> None:
        """Make the weights."""
        bias, asked, dtype, initializer = self._asked
        where = device if asked is None else asked
        Linear.__init__(self, in_features, self.out_features, bias, where, dtype, initializer)

    def forward(self, x: Any) -> Any:
        """(N, any) -> (N, out_features)."""
        check_rank("Dense", x, 2)
        if not self.is_built:
            self.build(x.shape[1], x.device)
        return super().forward(x)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and in_features, None if not yet known."""
        bias, device, dtype, initializer = self._asked
        where = self.device if device is None else place(device)
        kind = str(Tensor((), dtype=dtype or "float32").dtype)
        return {"in_features": self.in_features, "out_features": self.out_features, "bias": bias,
                "device": named(where), "dtype": kind, "initializer": initializer}  # fmt: skip

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any]) -> Self:
        """A new layer, with weights if the config has in_features."""
        rest = dict(cfg)
        features = rest.pop("in_features", None)
        layer = super().from_config(rest)
        if features is not None:
            layer.build(features, None)
        return layer


LazyLinear = Dense


class Conv2d(Layer, nn.Conv2d):
    """Cross-correlation.  (N, C, H, W) -> (N, out_channels, H', W')."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, *, stride: Size = 1,
        padding: Size = 0, bias: bool = True, device: Any = None, dtype: Any = None,
        initializer: str = "kaiming",
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, bias=bias,
            device=place(device), dtype=dtype, initializer=initializer,
        )  # fmt: skip


class Conv2dTranspose(Layer, nn.ConvTranspose2d):
    """The gradient of Conv2d as a layer.  (N, C, H, W) -> (N, out_channels, H', W')."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, *, stride: Size = 1,
        padding: Size = 0, output_padding: Size = 0, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        # The fan of KeyDNN is that of the convolution this is the gradient of: the weight's first axis.
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, bias=bias,
            device=place(device), dtype=dtype, initializer="kaiming_fan_out",
        )  # fmt: skip


def _window(layer: str, kernel: Size, stride: Size | None, padding: Size) -> tuple[Any, Any, Any]:
    """Kernel, stride and padding as pairs."""
    return (
        sizes(layer, "kernel_size", kernel, 2),
        sizes(layer, "stride", kernel if stride is None else stride, 2),
        sizes(layer, "padding", padding, 2, least=0),
    )


class MaxPool2d(Layer, nn.MaxPool2d):
    """The largest value of each window.  (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, kernel_size: Size, *, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__(*_window("MaxPool2d", kernel_size, stride, padding))


class AvgPool2d(Layer, nn.AvgPool2d):
    """The mean of each window, padding included.  (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, kernel_size: Size, *, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__(*_window("AvgPool2d", kernel_size, stride, padding))


class GlobalAvgPool2d(Layer):
    """The mean of each channel.  (N, C, H, W) -> (N, C, 1, 1)."""

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) -> (N, C, 1, 1)."""
        check_rank("GlobalAvgPool2d", x, 4)
        return ops.adaptive_avg_pool2d(x, 1)


class _Norm(Layer):
    """Optional gamma (ones) and beta (zeros) of one shape."""

    gamma: Parameter | None
    beta: Parameter | None

    def _scale(self, shape: tuple[int, ...], affine: bool, device: Any) -> None:
        self.affine, self._home = bool(affine), place(device)
        for name, start in (("gamma", "ones"), ("beta", "zeros")):
            made = Parameter(shape, self._home, initializer=start) if affine else None
            self.register_parameter(name, made)

    @property
    def device(self) -> Any:
        """Where it is, or was made without parameters."""
        return super().device or self._home


class _BatchNorm(_Norm):
    _rank: int
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self, num_features: int, *, device: Any = None, eps: float = 1e-5, momentum: float = 0.1,
        affine: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_features = count(type(self).__name__, "num_features", num_features)
        self.eps, self.momentum = float(eps), float(momentum)
        shape = (self.num_features,)
        self._scale(shape, affine, device)
        self.register_buffer("running_mean", Tensor.zeros(shape=shape, device=self._home))
        self.register_buffer("running_var", Tensor.ones(shape=shape, device=self._home))

    def forward(self, x: Any) -> Any:
        """(N, C, *) -> (N, C, *)."""
        check_rank(type(self).__name__, x, self._rank)
        return ops.fused_batch_norm(
            x, self.running_mean, self.running_var, self.gamma, self.beta, self.training,
            self.momentum, self.eps, correction=0,
        )  # fmt: skip


class BatchNorm1d(_BatchNorm):
    """Normalise each feature over the batch; the running variance is the biased one.  (N, C) -> (N, C)."""

    _rank = 2


class BatchNorm2d(_BatchNorm):
    """Normalise each channel over batch and image; the running variance is the biased one."""

    _rank = 4


class LayerNorm(_Norm):
    """Normalise the last axes, of shape normalized_shape, together.  (*, *shape) -> (*, *shape)."""

    def __init__(
        self, normalized_shape: Iterable[int], *, device: Any = None, eps: float = 1e-5,
        affine: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        given = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(int(n) for n in given)
        self.eps = float(eps)
        self._scale(self.normalized_shape, affine, device)

    def forward(self, x: Any) -> Any:
        """(*, *shape) -> (*, *shape)."""
        return ops.layer_norm(x, self.normalized_shape, self.gamma, self.beta, self.eps)


class Dropout(Layer, nn.Dropout):
    """Zero elements with probability p in training, and scale the others by 1 / (1 - p).  (*) -> (*)."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)
        if self.p == 1:
            raise SettingError(f"Dropout: expected p in [0, 1), got {p}")


class Flatten(Layer, nn.Flatten):
    """All axes but the first as one.  (N, *) -> (N, prod(*))."""

    def __init__(self) -> None:
        super().__init__()


Conv2D, Conv2DTranspose = Conv2d, Conv2dTranspose
MaxPool2D, AvgPool2D, GlobalAvgPool2D = MaxPool2d, AvgPool2d, GlobalAvgPool2d
BatchNorm1D, BatchNorm2D = BatchNorm1d, BatchNorm2d

__all__ = [
    "GRU", "LSTM", "RNN", "AvgPool2D", "AvgPool2d", "BatchNorm1D", "BatchNorm1d", "BatchNorm2D",
    "BatchNorm2d", "Bidirectional", "Conv2D", "Conv2DTranspose", "Conv2d", "Conv2dTranspose",
    "Dense", "Dropout", "Flatten", "GlobalAvgPool2D", "GlobalAvgPool2d", "LayerNorm", "LazyLinear",
    "Linear", "MaxPool2D", "MaxPool2d",
]  # fmt: skip
