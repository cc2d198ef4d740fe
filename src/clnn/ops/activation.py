"""Activations: elementwise functions of one tensor, and `prelu` and `glu`.

NaN propagates. `inplace` is accepted for the sake of calls written for torch; the input is never changed.
"""

from __future__ import annotations

from typing import Any

from ..autograd import T, Variable, apply
from ..dtypes import as_kind
from ..errors import DTypeError, SettingError, ShapeError
from ..op import Op
from ..shapes import Spec, normalize_axis
from .elementwise import clamp, gt, where
from .movement import reshape
from .rules import check_floating, like_floating, real, unary, unbroadcast

# --- rectifiers ---------------------------------------------------------------------------------


def relu(input: T, inplace: bool = False) -> T:
    """max(input, 0); gradient 0 at 0. Integers stay integers."""
    return apply(RELU, input)


def relu6(input: T, inplace: bool = False) -> T:
    """min(max(input, 0), 6); gradient 0 at both ends. Integers stay integers."""
    return apply(RELU6, input)


def leaky_relu(input: T, negative_slope: float = 0.01, inplace: bool = False) -> T:
    """input where it is positive, else negative_slope * input."""
    return apply(
        LEAKY_RELU, input, negative_slope=real("leaky_relu", "negative_slope", negative_slope)
    )


def threshold(input: T, threshold: float, value: float, inplace: bool = False) -> T:
    """input where it is above `threshold`, else `value`; both are cut off to integers for integers."""
    at, low = real("threshold", "threshold", threshold), real("threshold", "value", value)
    if _whole(input):
        limits = [as_kind("threshold", v, input.dtype) for v in (at, low)]
        return where(gt(input, limits[0]), input, limits[1])
    return apply(THRESHOLD, input, threshold=at, value=low)


def hardtanh(input: T, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> T:
    """input limited to [min_val, max_val]; gradient 0 at both ends. SettingError if min_val > max_val.

    The limits of integers are cut off to integers.
    """
    low, high = real("hardtanh", "min_val", min_val), real("hardtanh", "max_val", max_val)
    if not low <= high:
        raise SettingError(f"hardtanh: expected min_val <= max_val, got {min_val} and {max_val}")
    if _whole(input):
        limits = [as_kind("hardtanh", v, input.dtype) for v in (low, high)]
        return clamp(input, *limits)
    return apply(HARDTANH, input, min_val=low, max_val=high)


def prelu(input: T, weight: T) -> T:
    """input where it is positive, else weight * input, with one weight or one per channel.

    input (N, C, ...), weight (C,), (1,) or (). Raises ShapeError for other sizes, DTypeError when the
    dtypes differ. Source: He et al., Delving Deep into Rectifiers, 2015.
    """
    if isinstance(input, Variable) and isinstance(weight, Variable) and weight.ndim == 1:
        per_channel = (weight.spec.size, *(1,) * (input.ndim - 2))
        weight = reshape(weight, () if weight.spec.size == 1 else per_channel)
    return apply(PRELU, input, weight)


# --- exponential and smooth ---------------------------------------------------------------------


def elu(input: T, alpha: float = 1.0, inplace: bool = False) -> T:
    """input where it is positive, else alpha * expm1(input). Source: Clevert et al., 2015."""
    return apply(ELU, input, alpha=real("elu", "alpha", alpha))


def selu(input: T, inplace: bool = False) -> T:
    """elu scaled so that activations keep mean 0 and variance 1. Source: Klambauer et al., 2017."""
    return apply(SELU, input)


def celu(input: T, alpha: float = 1.0, inplace: bool = False) -> T:
    """input where it is positive, else alpha * expm1(input / alpha). Source: Barron, 2017.

    Raises SettingError for alpha 0.
    """
    scale = real("celu", "alpha", alpha)
    if scale == 0:
        raise SettingError(f"celu: expected alpha other than 0, got {alpha}")
    return apply(CELU, input, alpha=scale)


def gelu(input: T, approximate: str = "none") -> T:
    """input times the normal distribution function of it. Source: Hendrycks, Gimpel, 2016.

    approximate "tanh" is their approximation by tanh; SettingError for anything but it and "none".
    """
    if approximate not in ("none", "tanh"):
        raise SettingError(f"gelu: expected approximate 'none' or 'tanh', got {approximate!r}")
    return apply(GELU if approximate == "none" else GELU_TANH, input)


def silu(input: T, inplace: bool = False) -> T:
    """input * sigmoid(input), also known as swish."""
    return apply(SILU, input)


def mish(input: T, inplace: bool = False) -> T:
    """input * tanh(softplus(input)). Source: Misra, 2019."""
    return apply(MISH, input)


def softplus(input: T, beta: float = 1.0, threshold: float = 20.0) -> T:
    """log(1 + exp(beta * input)) / beta; input itself where beta * input is above `threshold`."""
    return apply(
        SOFTPLUS,
        input,
        beta=real("softplus", "beta", beta),
        threshold=real("softplus", "threshold", threshold),
    )


def logsigmoid(input: T) -> T:
    """log(sigmoid(input)), without overflow."""
    return apply(LOGSIGMOID, input)


def softsign(input: T) -> T:
    """input / (1 + abs(input)); integers give float32."""
    return apply(SOFTSIGN, input)


def tanhshrink(input: T) -> T:
    """input - tanh(input); integers give float32."""
    return apply(TANHSHRINK, input)


def sigmoid(input: T) -> T:
    """1 / (1 + exp(-input)); integers give float32."""
    return apply(SIGMOID, input)


def tanh(input: T) -> T:
    """Hyperbolic tangent; integers give float32."""
    return apply(TANH, input)


# --- piecewise linear ---------------------------------------------------------------------------


def hardswish(input: T, inplace: bool = False) -> T:
    """input * min(max(input + 3, 0), 6) / 6. Source: Howard et al., MobileNetV3, 2019."""
    return apply(HARDSWISH, input)


def hardsigmoid(input: T, inplace: bool = False) -> T:
    """min(max(input + 3, 0), 6) / 6; gradient 0 at both ends."""
    return apply(HARDSIGMOID, input)


def hardshrink(input: T, lambd: float = 0.5) -> T:
    """input outside of [-lambd, lambd], else 0."""
    return apply(HARDSHRINK, input, lambd=real("hardshrink", "lambd", lambd))


def softshrink(input: T, lambd: float = 0.5) -> T:
    """input moved toward 0 by lambd, at most to 0. SettingError for a negative lambd."""
    limit = real("softshrink", "lambd", lambd)
    if not limit >= 0:
        raise SettingError(f"softshrink: expected lambd >= 0, got {lambd}")
    return apply(SOFTSHRINK, input, lambd=limit)


# --- gates --------------------------------------------------------------------------------------


def glu(input: T, dim: int = -1) -> T:
    """The first half along `dim` times the sigmoid of the second. Source: Dauphin et al., 2016.

    (.., 2 n, ..) gives (.., n, ..). Raises ShapeError for an odd size or a 0-d input.
    """
    return apply(GLU, input, dim=dim)


def _whole(x: Any) -> bool:
    return isinstance(x, Variable) and x.dtype.category == 1


def _infer_prelu(x: Spec, weight: Spec) -> Spec:
    check_floating("prelu", x.dtype, weight.dtype)
    if x.dtype != weight.dtype:
        raise DTypeError(f"prelu: expected weight of dtype {x.dtype}, got {weight.dtype}")
    channels = x.shape[1] if len(x.shape) > 1 else 1
    if weight.shape not in ((), (channels, *(1,) * (len(x.shape) - 2))):
        raise ShapeError(
            f"prelu: expected 1 or {channels} weights for {x.shape}, got {weight.shape}"
        )
    return x


def _prelu_vjp(g: Any, outs: Any, x: Any, weight: Any, *, needs: Any) -> Any:
    gx = apply(PRELU_GRAD, g, x, weight) if needs[0] else None
    return gx, unbroadcast(apply(PRELU_WEIGHT_GRAD, g, x), weight) if needs[1] else None


def _infer_glu(x: Spec, *, dim: int) -> Spec:
    check_floating("glu", x.dtype)
    axis = normalize_axis("glu", dim, len(x.shape))
    if not x.shape or x.shape[axis] % 2:
        raise ShapeError(f"glu: expected an even size along dim {dim}, got shape {x.shape}")
    return Spec((*x.shape[:axis], x.shape[axis] // 2, *x.shape[axis + 1 :]), x.dtype)


def _glu_vjp(g: Any, outs: Any, x: Any, *, needs: Any, dim: int) -> Any:
    return (apply(GLU_GRAD, g, x, dim=dim),)


def _floating(name: str, saves: str = "x") -> Op:
    return unary(name, saves, infer=like_floating(name))


RELU = unary("relu", "y", floating=False)
RELU6 = unary("relu6", "y", floating=False)
SOFTSIGN = unary("softsign")
TANHSHRINK = unary("tanhshrink")
SIGMOID = unary("sigmoid", "y")
TANH = unary("tanh", "y")
LEAKY_RELU = _floating("leaky_relu")
THRESHOLD = _floating("threshold")
HARDTANH = _floating("hardtanh", "y")
ELU = _floating("elu")
SELU = _floating("selu")
CELU = _floating("celu")
GELU = _floating("gelu")
GELU_TANH = _floating("gelu_tanh")
SILU = _floating("silu")
MISH = _floating("mish")
SOFTPLUS = _floating("softplus")
LOGSIGMOID = _floating("logsigmoid")
HARDSWISH = _floating("hardswish")
HARDSIGMOID = _floating("hardsigmoid")
HARDSHRINK = _floating("hardshrink")
SOFTSHRINK = _floating("softshrink")
PRELU_GRAD = Op("prelu_grad", lambda g, x, weight: g)
PRELU_WEIGHT_GRAD = Op("prelu_weight_grad", lambda g, x: g)
PRELU = Op("prelu", _infer_prelu, _prelu_vjp)
GLU_GRAD = Op("glu_grad", lambda g, x, *, dim: x)
GLU = Op("glu", _infer_glu, _glu_vjp)
