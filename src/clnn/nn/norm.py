"""Normalisation layers."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..dtypes import int64
from ..shapes import Shape, check_shape
from ..tensor import Tensor, full, ones, zeros
from .arguments import DeviceLike, DTypeLike, Size, check_rank, count, divides, kind_of
from .init import ones_, zeros_
from .module import Module
from .parameter import Parameter, new_parameter, replace


class _Affine(Module):
    """Optional weight (ones) and bias (zeros) of one shape."""

    weight: Parameter | None
    bias: Parameter | None

    def _scale(
        self, shape: Shape, weight: bool, bias: bool, device: DeviceLike, dtype: DTypeLike
    ) -> None:
        self.dtype = kind_of(dtype)
        for name, wanted in (("weight", weight), ("bias", bias)):
            own = new_parameter(shape, device, self.dtype) if wanted else None
            self.register_parameter(name, own)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to one and the bias to zero."""
        if self.weight is not None:
            ones_(self.weight)
        if self.bias is not None:
            zeros_(self.bias)


class _Running(_Affine):
    """Per-channel normalisation with running statistics, as batch and instance norm have it."""

    ranks: ClassVar[Shape]
    running_mean: Tensor | None
    running_var: Tensor | None

    def _set(
        self, num_features: int, eps: float, momentum: float | None, affine: bool,
        track_running_stats: bool, device: DeviceLike, dtype: DTypeLike, bias: bool,
    ) -> None:  # fmt: skip
        self.num_features = count(type(self).__name__, "num_features", num_features)
        self.eps, self.momentum, self.affine = eps, momentum, affine
        self.track_running_stats = track_running_stats
        self._pending = 0  # training batches that num_batches_tracked does not count yet
        shape = (num_features,)
        self._scale(shape, affine, affine and bias, device, dtype)
        mean = variance = batches = None
        if track_running_stats:
            mean = zeros(shape, dtype=self.dtype, device=device)
            variance = ones(shape, dtype=self.dtype, device=device)
            batches = zeros((), dtype=int64, device=device)
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", variance)
        self.register_buffer("num_batches_tracked", batches)

    @property
    def num_batches_tracked(self) -> Tensor | None:
        """How many batches the running statistics have seen; None if there are none."""
        self._refresh()
        return self._buffers["num_batches_tracked"]

    def _refresh(self) -> None:
        # Counted on the host: a launch for every batch would cost more than it is worth.
        held = self._buffers.get("num_batches_tracked")
        if held is not None and self._pending:
            replace(held, full((), held.item() + self._pending, dtype=int64, device=held.device))
            self._pending = 0

    def reset_running_stats(self) -> None:
        """Forget all batches: mean 0, variance 1."""
        if self.running_mean is not None and self.running_var is not None:
            zeros_(self.running_mean)
            ones_(self.running_var)
            batches = self.num_batches_tracked
            replace(batches, full((), 0, dtype=int64, device=batches.device))  # type: ignore


class _BatchNorm(_Running):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1,
        affine: bool = True, track_running_stats: bool = True, device: DeviceLike = None,
        dtype: DTypeLike = None, *, bias: bool = True, activation: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._set(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)
        self.activation = activation

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """activation(normalised x + residual), each where there is one.  (N, C, *) -> (N, C, *)."""
        check_rank(type(self).__name__, x, *self.ranks)
        batch = self.training or self.running_mean is None
        momentum = self.momentum
        if momentum is None:  # each batch counts as much as those before it
            before = self.num_batches_tracked
            momentum = 0.0 if before is None else 1.0 / (before.item() + 1)
        y = ops.fused_batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, batch, momentum,
            self.eps, activation=self.activation, residual=residual,
        )  # fmt: skip
        self._pending += self.training
        return y


class BatchNorm1d(_BatchNorm):
    """Normalise each channel over the batch.  (N, C) or (N, C, L) -> the same.

    In training by the batch's statistics, which update the running ones (unbiased variance, weight
    `momentum`; None averages all batches); in evaluation by the running ones. `activation` ("relu", ...) ends
    it in the same launch. Raises ShapeError for another rank. Ioffe & Szegedy 2015.
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalise each channel over batch and image.  (N, C, H, W) -> (N, C, H, W).

    In training by the batch's statistics, which update the running ones (unbiased variance, weight
    `momentum`; None averages all batches); in evaluation by the running ones. `activation` ("relu", ...) ends
    it in the same launch. Raises ShapeError for another rank. Ioffe & Szegedy 2015.
    """

    ranks = (4,)


class _InstanceNorm(_Running):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: DeviceLike = None, dtype: DTypeLike = None, *,
        bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self._set(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *) -> (N, C, *)."""
        check_rank(type(self).__name__, x, *self.ranks)
        instance = self.training or self.running_mean is None
        return ops.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, instance,
            self.momentum or 0.0, self.eps,
        )  # fmt: skip


class InstanceNorm1d(_InstanceNorm):
    """Normalise each channel of each item.  (N, C, L) -> (N, C, L).

    Running statistics are kept and used in evaluation if track_running_stats. Raises ShapeError for
    another rank. Ulyanov et al. 2016.
    """

    ranks = (3,)


class InstanceNorm2d(_InstanceNorm):
    """Normalise each channel of each image.  (N, C, H, W) -> (N, C, H, W).

    Running statistics are kept and used in evaluation if track_running_stats. Raises ShapeError for
    another rank. Ulyanov et al. 2016.
    """

    ranks = (4,)


class LayerNorm(_Affine):
    """Normalise the last axes, of shape normalized_shape, together.  (*, *shape) -> (*, *shape).

    `affine` is KeyDNN's name for elementwise_affine. Ba et al. 2016.
    """

    not_config = Module.not_config | {"affine"}

    def __init__(
        self, normalized_shape: Size, eps: float = 1e-5, elementwise_affine: bool = True,
        bias: bool = True, device: DeviceLike = None, dtype: DTypeLike = None, *,
        affine: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape, self.eps = _shape("LayerNorm", normalized_shape), eps
        self.elementwise_affine = elementwise_affine if affine is None else affine
        use = self.elementwise_affine
        self._scale(self.normalized_shape, use, use and bias, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(*, *shape) -> (*, *shape)."""
        return ops.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(_Affine):
    """Divide the last axes by their root mean square.  (*, *shape) -> (*, *shape).

    eps None is the dtype's smallest step from 1. Zhang & Sennrich 2019.
    """

    def __init__(
        self, normalized_shape: Size, eps: float | None = None, elementwise_affine: bool = True,
        device: DeviceLike = None, dtype: DTypeLike = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape, self.eps = _shape("RMSNorm", normalized_shape), eps
        self.elementwise_affine = elementwise_affine
        self._scale(self.normalized_shape, elementwise_affine, False, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(*, *shape) -> (*, *shape)."""
        return ops.rms_norm(x, self.normalized_shape, self.weight, self.eps)


class GroupNorm(_Affine):
    """Normalise num_groups groups of channels.  (N, C, *) -> (N, C, *).

    Raises SettingError unless num_groups divides num_channels. Wu & He 2018.
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
        device: DeviceLike = None, dtype: DTypeLike = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_groups = count("GroupNorm", "num_groups", num_groups)
        self.num_channels = count("GroupNorm", "num_channels", num_channels)
        divides("GroupNorm", "num_channels", num_channels, "num_groups", num_groups)
        self.eps, self.affine = eps, affine
        self._scale((num_channels,), affine, affine and bias, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *) -> (N, C, *)."""
        return ops.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class LocalResponseNorm(Module):
    """Divide by (k + alpha / size * sum of squares over neighbouring channels)^beta.

    (N, C, *) -> (N, C, *). Krizhevsky et al. 2012.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = count("LocalResponseNorm", "size", size)
        self.alpha, self.beta, self.k = alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *) -> (N, C, *)."""
        return ops.local_response_norm(x, self.size, self.alpha, self.beta, self.k)


def _shape(layer: str, value: Any) -> Shape:
    return check_shape(layer, (value,) if isinstance(value, int) else value)


BatchNorm1D, BatchNorm2D = BatchNorm1d, BatchNorm2d
InstanceNorm1D, InstanceNorm2D = InstanceNorm1d, InstanceNorm2d
