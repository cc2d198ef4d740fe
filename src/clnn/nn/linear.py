"""Linear layers: with the input size given, or learned from the first input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from .. import ops
from ..autograd import no_grad
from ..device import Device
from ..device import device as open_device
from ..dtypes import DType, float32
from ..errors import DeviceError, ShapeError
from ..shapes import Spec
from ..tensor import Tensor
from .arguments import DeviceLike, DTypeLike, check_tensor, count, kind_of
from .init import initialize
from .module import Module
from .parameter import Parameter, UninitializedParameter, new_parameter, replace
from .state import Slot


class Linear(Module):
    """y = x W^T + b.  (..., in_features) -> (..., out_features); weight (out_features, in_features).

    The weight starts from `initializer` (see clnn.nn.init.initializers), "xavier_uniform" by default,
    and the bias from zeros; initializer=None is torch's default for both.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: DeviceLike = None,
        dtype: DTypeLike = None, initializer: str | None = "xavier_uniform",
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_features = count("Linear", "in_features", in_features)
        self.out_features = count("Linear", "out_features", out_features)
        self.dtype, self.initializer = kind_of(dtype), initializer
        shape = self.out_features, self.in_features
        self.weight = new_parameter(shape, device, self.dtype)
        own = new_parameter(shape[:1], device, self.dtype) if bias else None
        self.register_parameter("bias", own)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        initialize(self.weight, self.bias, self.initializer)

    @property
    def is_built(self) -> bool:
        """Whether the weights exist: always, here."""
        return True

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        return ops.linear(x, self.weight, self.bias)


class Dense(Module):
    """A Linear that learns in_features from its first input.  (..., any) -> (..., out_features).

    Without `device` the weights are made where that input is; with one, or after `to(device)`, an
    input elsewhere raises DeviceError. Loading a state dict builds the layer, too. Weights start as
    those of Linear do.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, out_features: int, bias: bool = True, device: DeviceLike = None,
        dtype: DTypeLike = None, initializer: str | None = "xavier_uniform",
    ) -> None:  # fmt: skip
        super().__init__()
        self.out_features = count("Dense", "out_features", out_features)
        self.device = None if device is None else Device(device)
        self.dtype, self.initializer = kind_of(dtype), initializer
        self.weight = UninitializedParameter()
        self.register_parameter("bias", UninitializedParameter() if bias else None)

    @property
    def is_built(self) -> bool:
        """Whether the weights exist."""
        return not any(isinstance(p, UninitializedParameter) for p in self._parameters.values())

    @property
    def in_features(self) -> int | None:
        """Size of the last axis of inputs; None before the first."""
        return None if isinstance(self.weight, UninitializedParameter) else self.weight.shape[1]

    def build(self, in_features: int, device: DeviceLike = None) -> None:
        """Make the weights that do not exist yet."""
        shape = self.out_features, count("Dense", "in_features", in_features)
        place = open_device(device) if self.device is None else self.device
        weight = new_parameter(shape, place, self.dtype)
        bias = None if self.bias is None else new_parameter(shape[:1], place, self.dtype)
        initialize(weight, bias, self.initializer)
        for mine, fresh in ((self.weight, weight), (self.bias, bias)):
            if isinstance(mine, UninitializedParameter) and fresh is not None:
                replace(mine, fresh)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        if not self.is_built:
            self._adopt(x)
        return ops.linear(x, self.weight, self.bias)

    def _adopt(self, x: Tensor) -> None:
        check_tensor("Dense", x)
        if not x.ndim:
            raise ShapeError("Dense: expected x with at least 1 axis, got a scalar")
        if self.device is not None and x.device != self.device:
            raise DeviceError(
                f"Dense: expected x on {self.device}, got {x.device}; move it with .to()"
            )
        with no_grad():
            self.build(x.shape[-1], x.device)

    def _move(self, device: Device | None, dtype: DType | None) -> None:
        super()._move(device, dtype)
        self.device = device or self.device

    def _slot(self, name: str, given: Spec) -> Slot:
        if not isinstance(self._parameters.get(name), UninitializedParameter):
            return super()._slot(name, given)
        features = given.shape[-1:] if name == "weight" else ()
        return Slot((self.out_features, *features), self.dtype or float32, self.device)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and in_features once it is known."""
        extra = {} if self.in_features is None else {"in_features": self.in_features}
        return super().get_config() | extra

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any]) -> Self:
        """A new layer; built, on its device or the default one, if the config has in_features."""
        rest = {name: value for name, value in cfg.items() if name != "in_features"}
        layer = super().from_config(rest)
        if cfg.get("in_features") is not None:
            layer.build(cfg["in_features"])
        return layer


LazyLinear = Dense
