"""Initial values for parameters, under torch.nn.init's names and under KeyDNN's strings.

Functions fill a tensor in place (by giving it fresh memory) and return it. Random numbers come from
clnn's generator: the same seed gives the same weights on every device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np

from ..draw import rand, randn
from ..errors import DTypeError, SettingError, ShapeError
from ..ops import random
from ..shapes import Shape
from ..tensor import Tensor, full, tensor
from .parameter import replace

T = TypeVar("T", bound=Tensor)
Initializer = Callable[[Tensor], Tensor]

# Recommended gains, by nonlinearity (He et al. 2015 for relu; Klambauer et al. 2017 for selu).
_GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv_transpose1d": 1.0, "conv_transpose2d": 1.0,
    "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 0.75,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance of activations through `nonlinearity`.

    `param` is the negative slope of leaky_relu, 0.01 by default. Raises SettingError.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        names = ", ".join([*_GAINS, "leaky_relu"])
        raise SettingError(f"calculate_gain: expected one of {names}, got {nonlinearity!r}")
    return _GAINS[nonlinearity]


def constant_(tensor: T, val: float) -> T:
    """Fill with `val`."""
    return _fill(tensor, full(tensor.shape, val, dtype=tensor.dtype, device=tensor.device))


def zeros_(tensor: T) -> T:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: T) -> T:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0) -> T:
    """Draw from U(a, b)."""
    fresh = random.uniform(Tensor, tensor.shape, tensor.dtype, tensor.device, low=a, high=b)
    return _fill(tensor, fresh)


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0) -> T:
    """Draw from N(mean, std**2)."""
    fresh = random.normal(Tensor, tensor.shape, tensor.dtype, tensor.device, mean=mean, std=std)
    return _fill(tensor, fresh)


def trunc_normal_(
    tensor: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0
) -> T:
    """Draw from N(mean, std**2) restricted to [a, b], by inverting its distribution function.

    Raises SettingError if a >= b.
    """
    if not a < b:
        raise SettingError(f"trunc_normal_: expected a < b, got a={a} and b={b}")
    low, high = (math.erf((edge - mean) / (std * math.sqrt(2.0))) for edge in (a, b))
    u = rand(*tensor.shape, device="cpu").numpy().astype(np.float64)
    x = _erfinv(np.clip(low + u * (high - low), -1 + 1e-15, 1 - 1e-15))
    return _from_host(tensor, np.clip(x * std * math.sqrt(2.0) + mean, a, b))


def eye_(tensor: T) -> T:
    """Fill a matrix with the identity; raises ShapeError for anything but two axes."""
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: expected a tensor with 2 axes, got shape {tensor.shape}")
    return _from_host(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def orthogonal_(tensor: T, gain: float = 1.0) -> T:
    """Fill with a (semi-)orthogonal matrix, axes after the first taken as one.

    Raises ShapeError for fewer than two axes. QR of a Gaussian matrix: Saxe et al. 2013.
    """
    rows = tensor.shape[0] if tensor.ndim > 1 else 0
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: expected at least 2 axes, got shape {tensor.shape}")
    columns = math.prod(tensor.shape[1:])
    flat = randn(rows, columns, device="cpu").numpy().astype(np.float64)
    q, r = np.linalg.qr(flat if rows >= columns else flat.T)
    q *= np.sign(np.diag(r))  # makes the distribution uniform
    return _from_host(tensor, (q if rows >= columns else q.T).reshape(tensor.shape) * gain)


def xavier_uniform_(tensor: T, gain: float = 1.0) -> T:
    """Draw from U(-s, s), s = gain * sqrt(6 / (fan_in + fan_out)): Glorot & Bengio 2010."""
    bound = gain * math.sqrt(6.0 / max(1, sum(_fans("xavier_uniform_", tensor.shape))))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: T, gain: float = 1.0) -> T:
    """Draw from N(0, s**2), s = gain * sqrt(2 / (fan_in + fan_out)): Glorot & Bengio 2010."""
    fans = _fans("xavier_normal_", tensor.shape)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / max(1, sum(fans))))


def kaiming_uniform_(
    tensor: T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> T:
    """Draw from U(-s, s), s = gain * sqrt(3 / fan), `a` the slope of leaky_relu: He et al. 2015."""
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor.shape, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> T:
    """Draw from N(0, s**2), s = gain / sqrt(fan), `a` the slope of leaky_relu: He et al. 2015."""
    std = _kaiming_std("kaiming_normal_", tensor.shape, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std)


# ------------------------------------------------------------------------------- by name

_registry: dict[str, Initializer] = {
    "zeros": zeros_,
    "ones": ones_,
    "eye": eye_,
    "uniform": uniform_,
    "normal": normal_,
    "trunc_normal": trunc_normal_,
    "orthogonal": orthogonal_,
    "xavier": xavier_normal_,
    "xavier_normal": xavier_normal_,
    "xavier_uniform": xavier_uniform_,
    "xavier_relu": partial(xavier_normal_, gain=_GAINS["relu"]),
    "xavier_tanh": partial(xavier_normal_, gain=_GAINS["tanh"]),
    "kaiming": kaiming_normal_,
    "kaiming_normal": kaiming_normal_,
    "kaiming_relu": partial(kaiming_normal_, nonlinearity="relu"),
    "kaiming_uniform": kaiming_uniform_,
    "kaiming_fan_out": partial(kaiming_normal_, mode="fan_out", nonlinearity="relu"),
}

# Names that end in a number: "constant_0.1", "normal_0.01", "kaiming_leaky_relu_0.2".
_numbered: dict[str, Callable[[Tensor, float], Tensor]] = {
    "constant": constant_,
    "normal": lambda t, std: normal_(t, std=std),
    "kaiming_leaky_relu": lambda t, slope: kaiming_normal_(t, a=slope),
    "xavier_leaky_relu": lambda t, slope: xavier_normal_(t, calculate_gain("leaky_relu", slope)),
}


def register_initializer(name: str, fn: Initializer, overwrite: bool = False) -> None:
    """Make `fn`, which fills a tensor, known to layers as `name`.

    Raises SettingError for a name that is taken, unless `overwrite`.
    """
    if name in _registry and not overwrite:
        raise SettingError(
            f"register_initializer: expected a new name, got {name!r}; pass overwrite=True"
        )
    _registry[name] = fn


def initializers() -> list[str]:
    """The names layers accept as `initializer`; <x> stands for any number."""
    return sorted([*_registry, *(f"{stem}_<x>" for stem in _numbered)])


def get_initializer(name: str) -> Initializer:
    """The function registered as `name`; raises SettingError listing what there is."""
    found = _registry.get(name)
    if found is not None:
        return found
    stem, _, number = name.rpartition("_")
    try:
        fn, value = _numbered[stem], float(number)
    except (KeyError, ValueError):
        raise SettingError(
            f"initializer: expected one of {', '.join(initializers())}, got {name!r}"
        ) from None
    return lambda t: fn(t, value)


def initialize(weight: Tensor, bias: Tensor | None, name: str | None) -> None:
    """Fill a layer's weight by the initializer `name` and its bias with zeros.

    None is torch's default for Linear and convolutions: both from U(-s, s), s = 1 / sqrt(fan_in).
    """
    if name is not None:
        get_initializer(name)(weight)
        if bias is not None:
            zeros_(bias)
        return
    bound = 1 / math.sqrt(max(1, _fans("initialize", weight.shape)[0]))
    for t in (weight, bias):
        if t is not None:
            uniform_(t, -bound, bound)


def _fans(who: str, shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel)."""
    if len(shape) < 2:
        raise ShapeError(f"{who}: expected a weight with at least 2 axes, got shape {shape}")
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


def _kaiming_std(who: str, shape: Shape, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise SettingError(f"{who}: expected mode 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(who, shape)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fan))


def _fill(tensor: T, value: Tensor) -> T:
    """Give `tensor` the memory of `value`, converted to its dtype."""
    if tensor.node is not None:
        raise DTypeError(f"init: expected a leaf, got the result of {tensor.node.name}")
    replace(tensor, value if value.dtype == tensor.dtype else value.to(tensor.dtype))
    return tensor


def _from_host(like: T, array: np.ndarray) -> T:
    return _fill(like, tensor(array, dtype=like.dtype, device=like.device))


def _erfinv(x: np.ndarray) -> np.ndarray:
    """Inverse of erf to about 3e-7: Giles, "Approximating the erfinv function", 2010."""
    w = -np.log((1 - x) * (1 + x))
    centre = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
              -0.00125372503, -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
    tail = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
            -0.0076224613, 0.00943887047, 1.00167406, 2.83297682)  # fmt: skip
    return x * np.where(
        w < 5, np.polyval(centre, w - 2.5), np.polyval(tail, np.sqrt(np.maximum(w, 5)) - 3)
    )
