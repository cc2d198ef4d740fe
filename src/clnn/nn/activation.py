"""Activations as layers. `inplace` is accepted for torch's sake; results are the same either way."""

from __future__ import annotations

from .. import ops
from ..tensor import Tensor
from .arguments import DeviceLike, DTypeLike, choice, count, kind_of
from .init import constant_
from .module import Module
from .parameter import Parameter, new_parameter


class _InPlace(Module):
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class ReLU(_InPlace):
    """max(x, 0).  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.relu(x)


class ReLU6(_InPlace):
    """min(max(x, 0), 6).  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.relu6(x)


class LeakyReLU(Module):
    """x where it is positive, negative_slope x elsewhere.  (*) -> (*).

    `alpha` is KeyDNN's name for the slope.
    """

    not_config = Module.not_config | {"alpha"}

    def __init__(
        self, negative_slope: float = 0.01, inplace: bool = False, *, alpha: float | None = None
    ) -> None:
        super().__init__()
        self.negative_slope = negative_slope if alpha is None else alpha
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.leaky_relu(x, self.negative_slope)


class PReLU(Module):
    """LeakyReLU with a learned slope, one for all or one for each channel.  (N, C, *) -> (N, C, *)."""

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_parameters = count("PReLU", "num_parameters", num_parameters)
        self.init, self.dtype = init, kind_of(dtype)
        self.weight = new_parameter((num_parameters,), device, self.dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every slope to `init`."""
        constant_(self.weight, self.init)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *) -> (N, C, *)."""
        return ops.prelu(x, self.weight)


class ELU(Module):
    """x where it is positive, alpha (exp(x) - 1) elsewhere.  (*) -> (*)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.elu(x, self.alpha)


class CELU(Module):
    """max(x, 0) + min(alpha (exp(x / alpha) - 1), 0).  (*) -> (*)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.celu(x, self.alpha)


class SELU(_InPlace):
    """ELU scaled so that activations keep mean 0 and variance 1 (Klambauer et al. 2017).  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.selu(x)


class GELU(Module):
    """x times the normal distribution function of x; approximate: "none" or "tanh".  (*) -> (*)."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = choice("GELU", "approximate", approximate, ("none", "tanh"))

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.gelu(x, self.approximate)


class SiLU(_InPlace):
    """x sigmoid(x), also called swish.  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.silu(x)


class Mish(_InPlace):
    """x tanh(softplus(x)).  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.mish(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)).  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent.  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.tanh(x)


class Softplus(Module):
    """log(1 + exp(beta x)) / beta, x itself where beta x exceeds threshold.  (*) -> (*)."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.softplus(x, self.beta, self.threshold)


class Softsign(Module):
    """x / (1 + |x|).  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.softsign(x)


class LogSigmoid(Module):
    """log(sigmoid(x)), without overflow.  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.logsigmoid(x)


class Hardswish(_InPlace):
    """x relu6(x + 3) / 6.  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.hardswish(x)


class Hardsigmoid(_InPlace):
    """relu6(x + 3) / 6.  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.hardsigmoid(x)


class Hardtanh(Module):
    """x clamped to [min_val, max_val].  (*) -> (*)."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.hardtanh(x, self.min_val, self.max_val)


class Hardshrink(Module):
    """x where |x| exceeds lambd, 0 elsewhere.  (*) -> (*)."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.hardshrink(x, self.lambd)


class Softshrink(Module):
    """x moved towards 0 by lambd, and 0 where it would cross it.  (*) -> (*)."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.softshrink(x, self.lambd)


class Tanhshrink(Module):
    """x - tanh(x).  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.tanhshrink(x)


class Threshold(Module):
    """x where it exceeds threshold, value elsewhere.  (*) -> (*)."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.threshold(x, self.threshold, self.value)


class Rescale(Module):
    """scale x + offset, both numbers.  (*) -> (*)."""

    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.add(ops.mul(x, self.scale), self.offset)


class GLU(Module):
    """The first half along `dim` times the sigmoid of the second.  (*, 2k, *) -> (*, k, *)."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """(*, 2k, *) -> (*, k, *)."""
        return ops.glu(x, self.dim)


class _OverAxis(Module):
    """Keeps the axis: `dim` is torch's name, `axis` KeyDNN's."""

    not_config = Module.not_config | {"axis"}

    def __init__(self, dim: int = -1, *, axis: int | None = None) -> None:
        super().__init__()
        self.dim = dim if axis is None else axis


class Softmax(_OverAxis):
    """exp(x) / sum(exp(x)) along one axis, the last by default.  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.softmax(x, self.dim)


class LogSoftmax(_OverAxis):
    """log(softmax(x)) along one axis, the last by default.  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.log_softmax(x, self.dim)


class Softmin(_OverAxis):
    """softmax(-x) along one axis, the last by default.  (*) -> (*)."""

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.softmin(x, self.dim)
