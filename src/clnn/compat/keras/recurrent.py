"""Keras' recurrent layers as clnn's: gates in torch's order, one result instead of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import nn
from .activations import name_of
from .build import SAME, Builder, Converter, Value, loaded, refuse_unless
from .network import Layer

Config = Mapping[str, Any]
_KINDS: dict[str, Any] = {"SimpleRNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
_GATES = {
    "SimpleRNN": (0,),
    "LSTM": (0, 1, 2, 3),
    "GRU": (1, 0, 2),
}  # where torch's are among Keras'
_MODES = "concat", "sum", "mul", "ave"


def _checked(kind: str, c: Config) -> None:
    """Raise UnsupportedOpError for what clnn's layer of that kind does not do."""
    refuse_unless(kind in _KINDS, "a SimpleRNN, LSTM or GRU", kind)
    for name in ("return_state", "stateful"):
        refuse_unless(not c.get(name), f"{name}=False", True)
    allowed = ("tanh", "relu") if kind == "SimpleRNN" else ("tanh",)
    activation = name_of(c["activation"])
    refuse_unless(activation in allowed, f"activation {' or '.join(allowed)}", activation)
    if kind != "SimpleRNN":
        inner = name_of(c["recurrent_activation"])
        refuse_unless(inner == "sigmoid", "recurrent_activation sigmoid", inner)


def _arrays(kind: str, c: Config, weights: list[Any]) -> dict[str, Any]:
    """Keras' kernel, recurrent kernel and bias as the parameters of one direction."""

    def gates(array: Any) -> Any:
        parts = np.split(array, len(_GATES[kind]), -1)
        return np.concatenate([parts[k] for k in _GATES[kind]], -1)

    kernel, recurrent, *bias = weights
    out = {"weight_ih_l0": gates(kernel).T, "weight_hh_l0": gates(recurrent).T}
    if bias:
        own, other = bias[0] if bias[0].ndim == 2 else (bias[0], np.zeros_like(bias[0]))
        out |= {"bias_ih_l0": gates(own), "bias_hh_l0": gates(other)}
    return out


def _layer(kind: str, c: Config, weights: list[Any]) -> nn.Module:
    units, features = weights[1].shape[0], weights[0].shape[0]
    extra: dict[str, Any] = {}
    if kind == "SimpleRNN":
        extra = {"nonlinearity": name_of(c["activation"])}
    elif kind == "GRU":
        extra = {"reset_after": bool(c.get("reset_after"))}
    layer = _KINDS[kind](
        features, units, bias=len(weights) == 3, batch_first=True, device="cpu", **extra
    )
    return loaded(layer, **_arrays(kind, c, weights))


def _result(b: Builder, layer: Layer, c: Config, x: Value, channels: int, mode: str) -> Value:
    which = "sequence" if c["return_sequences"] else "state"
    ndim = 3 if c["return_sequences"] else 2
    return b.put(
        layer,
        lambda: nn.RecurrentOutput(which, mode),
        x,
        part="output",
        ndim=ndim,
        channels=channels,
    )


def one_way(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """A layer of one direction."""
    _checked(layer.kind, c)
    refuse_unless(not c.get("go_backwards"), "go_backwards=False", True)
    weights = b.weights(layer, 2 + bool(c["use_bias"]))
    x = b.ordered(xs[0], SAME, layer)
    y = b.put(layer, lambda: _layer(layer.kind, c, weights), x)
    return _result(b, layer, c, y, weights[1].shape[0], "concat")


def two_ways(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """A layer of both directions, each with its weights."""
    inner = c["layer"]
    kind, own = inner["class_name"], inner["config"]
    _checked(kind, own)
    refuse_unless(not own.get("go_backwards"), "a forward layer that goes forward", True)
    refuse_unless(c["merge_mode"] in _MODES, "merge_mode concat, sum, mul or ave", c["merge_mode"])
    back = c.get("backward_layer")
    if back is not None:
        _checked(back["class_name"], back["config"])
        alike = ("units", "use_bias", "return_sequences", "activation", "reset_after")
        refuse_unless(
            back["class_name"] == kind and all(own.get(k) == back["config"].get(k) for k in alike),
            f"a backward layer like the forward one, a {kind}", back["class_name"],
        )  # fmt: skip
    half = 2 + bool(own["use_bias"])
    weights = b.weights(layer, 2 * half)
    mode = c["merge_mode"]

    def make() -> nn.Module:
        both = nn.Bidirectional(_layer(kind, own, weights[:half]), mode)
        loaded(both.backward_layer, **_arrays(kind, own, weights[half:]))
        return both

    x = b.ordered(xs[0], SAME, layer)
    y = b.put(layer, make, x)
    units = weights[1].shape[0] * (2 if mode == "concat" else 1)
    return _result(b, layer, own, y, units, mode)


CONVERTERS: dict[str, Converter] = {
    "SimpleRNN": one_way, "LSTM": one_way, "GRU": one_way, "Bidirectional": two_ways,
}  # fmt: skip
