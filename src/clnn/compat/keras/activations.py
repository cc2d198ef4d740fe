"""Keras' activations, as layers and as arguments of layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ... import nn
from ...errors import UnsupportedOpError
from .build import Builder, Converter, Value, axis_of, refuse_unless
from .network import Layer

Config = Mapping[str, Any]

# By Keras' names; those that clnn calls otherwise or that have other defaults say so.
_SIMPLE: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "relu6": nn.ReLU6, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "elu": nn.ELU, "selu": nn.SELU,
    "celu": nn.CELU, "gelu": nn.GELU, "softplus": nn.Softplus, "softsign": nn.Softsign, "silu": nn.SiLU,
    "swish": nn.SiLU, "mish": nn.Mish, "hard_sigmoid": nn.Hardsigmoid, "hard_silu": nn.Hardswish,
    "hard_swish": nn.Hardswish, "hard_tanh": nn.Hardtanh, "hard_shrink": nn.Hardshrink,
    "soft_shrink": nn.Softshrink, "tanh_shrink": nn.Tanhshrink, "log_sigmoid": nn.LogSigmoid,
    "leaky_relu": partial(nn.LeakyReLU, 0.2),
}  # fmt: skip
_OVER_AXIS = {"softmax": nn.Softmax, "log_softmax": nn.LogSoftmax}


def name_of(given: Any) -> str:
    """The name of a Keras activation as configs write it; None is linear."""
    if given is None:
        return "linear"
    if isinstance(given, Mapping) and given.get("class_name") == "function":
        given = given["config"]
    if not isinstance(given, str):
        kind = given.get("class_name") if isinstance(given, Mapping) else given
        raise UnsupportedOpError(f"expected an activation by name, got {kind!r:.80}")
    return given


def applied(b: Builder, layer: Layer, given: Any, x: Value, part: str = "activation") -> Value:
    """The activation that a layer's config asks for, of `x`."""
    if isinstance(given, Mapping) and given.get("class_name") in CONVERTERS:
        inner = Layer(given["class_name"], given["config"], (*layer.path, part))
        return CONVERTERS[inner.kind](b, inner, inner.config, (x,))
    name = name_of(given)
    if name == "linear":
        return x
    if name in _OVER_AXIS:
        return _over(b, layer, _OVER_AXIS[name], -1, x, part)
    if name not in _SIMPLE:
        raise UnsupportedOpError(
            f"expected an activation of {', '.join((*_SIMPLE, *_OVER_AXIS))}, got {name!r:.80}"
        )
    return b.put(layer, _SIMPLE[name], x, part=part)


def _over(
    b: Builder, layer: Layer, kind: Callable[[int], nn.Module], axis: Any, x: Value, part: str = ""
) -> Value:
    refuse_unless(isinstance(axis, int), "one axis", axis)
    dim = axis_of(x, axis)
    return b.put(layer, lambda: kind(dim), x, part=part)


def activation(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """An activation by name."""
    return applied(b, layer, c["activation"], xs[0], "")


def softmax(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Softmax along one axis."""
    return _over(b, layer, nn.Softmax, c["axis"], xs[0])


def relu(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """ReLU, bounded or leaky."""
    most, slope = c.get("max_value"), c.get("negative_slope") or 0.0
    refuse_unless(not c.get("threshold"), "threshold=0", c.get("threshold"))
    refuse_unless(most is None or not slope, "max_value or negative_slope, not both", (most, slope))

    def make() -> nn.Module:
        if most is not None:
            return nn.ReLU6() if most == 6 else nn.Hardtanh(0.0, float(most))
        return nn.LeakyReLU(float(slope)) if slope else nn.ReLU()

    return b.put(layer, make, xs[0])


def leaky_relu(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """LeakyReLU; Keras 2 calls the slope alpha."""
    slope = c["negative_slope"] if "negative_slope" in c else c["alpha"]
    return b.put(layer, lambda: nn.LeakyReLU(float(slope)), xs[0])


def elu(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """ELU."""
    return b.put(layer, lambda: nn.ELU(float(c["alpha"])), xs[0])


CONVERTERS: dict[str, Converter] = {
    "Activation": activation, "Softmax": softmax, "ReLU": relu, "LeakyReLU": leaky_relu, "ELU": elu,
}  # fmt: skip
