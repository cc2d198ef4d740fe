"""From calls of Keras' layers to clnn's modules: names, the order of axes, and what they are wired to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ... import nn
from ...errors import (
    DTypeError,
    FileFormatError,
    IndexOutOfRangeError,
    SettingError,
    ShapeError,
    UnsupportedOpError,
)
from .network import Call, Layer, Network

# How a value lies in memory, compared with Keras' axes: the same; with the last axis behind the batch; or such
# a value flattened.
SAME, FIRST, FLAT = "same", "first", "flat"


class Value(NamedTuple):
    """A tensor of the graph: Keras' number of axes and size of the last one, and how it lies in memory."""

    name: str
    ndim: int
    channels: int | None
    order: str = SAME


Weights = Callable[[Layer], list[Any]]


class Builder:
    """The modules and wires made so far; converters of layers use it."""

    def __init__(self, shared: set[tuple[str, ...]], weights: Weights) -> None:
        self.modules: dict[str, nn.Module] = {}
        self.wires: list[tuple[str, str, tuple[str, ...]]] = []
        self._names: dict[tuple[tuple[str, ...], str], str] = {}
        self._shared, self._weights = shared, weights

    def weights(self, layer: Layer, *counts: int) -> list[Any]:
        """A layer's weights; raises FileFormatError unless there are as many as one of `counts`."""
        found = self._weights(layer)
        if len(found) not in counts:
            raise FileFormatError(
                f"expected {' or '.join(map(str, counts))} weights, got {len(found)}"
            )
        return found

    def is_shared(self, layer: Layer) -> bool:
        """Whether it is called more than once, so that its weights cannot follow the order of one input."""
        return layer.path in self._shared

    def put(
        self, layer: Layer, make: Callable[[], nn.Module], *operands: Value, part: str = "", **changed: Any
    ) -> Value:  # fmt: skip
        """The value that a module makes of `operands`: like the first of them, but for what `changed` says.

        A layer that is called again uses the modules of its first call.
        """
        key = layer.path, part
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self._new_name("_".join((*layer.path, *part.split())))
            self.modules[name] = make()
        value = f"{name}.{len(self.wires)}"
        self.wires.append((value, name, tuple(x.name for x in operands)))
        return operands[0]._replace(name=value, **changed)

    def ordered(self, x: Value, order: str, layer: Layer) -> Value:
        """`x` lying in memory as SAME or FIRST."""
        if (x.ndim < 3 and x.order == SAME) or x.order == order:
            return x
        if x.order == FLAT:
            part = f"unflatten {x.channels}"
            x = self.put(layer, lambda: nn.Unflatten(1, (x.channels or 1, -1)), x, part=part)
            x = self.put(layer, lambda: nn.Permute((0, 2, 1)), x, part="last3")
            return self.put(layer, nn.Flatten, x, part="flatten", order=SAME)
        axes = tuple(range(1, x.ndim))
        dims = (0, axes[-1], *axes[:-1]) if order == FIRST else (0, *axes[1:], 1)
        return self.put(layer, lambda: nn.Permute(dims), x, part=f"{order}{x.ndim}", order=order)

    def _new_name(self, wanted: str) -> str:
        """A name that no other module and no attribute of a Graph has."""
        name = wanted.replace(".", "_").replace("/", "_") or "layer"
        while name in self.modules or name.isdecimal() or hasattr(nn.Graph, name):
            name += "_"
        return name


def refuse_unless(fits: bool, expected: str, got: Any) -> None:
    """Raise UnsupportedOpError for an option without a counterpart."""
    if not fits:
        raise UnsupportedOpError(f"expected {expected}, got {got!r:.80}")


def axis_of(x: Value, axis: int) -> int:
    """Where Keras' axis is in memory."""
    axis = axis % x.ndim
    if x.order != FIRST or axis == 0:
        return axis
    return 1 if axis == x.ndim - 1 else axis + 1


def loaded(module: nn.Module, **arrays: Any) -> nn.Module:
    """The module with these parameters and buffers."""
    module.load_state_dict({n: np.asarray(a, order="C") for n, a in arrays.items()})
    return module


Converter = Callable[[Builder, Layer, Mapping[str, Any], tuple[Value, ...]], Value]


def build(net: Network, weights: Weights, converters: Mapping[str, Converter]) -> nn.Module:
    """The modules of a network, as a Sequential where it is a chain, else as a Graph."""
    b = Builder(net.shared, weights)
    first = any(call.layer.config.get("data_format") == "channels_first" for call in net.calls)
    images = SAME if first else FIRST  # how inputs and outputs of 4 axes lie
    values = {
        name: Value(
            name, len(shape), shape[-1] if shape else None, images if len(shape) == 4 else SAME
        )
        for name, shape in net.inputs.items()
    }
    for call in net.calls:
        values[call.value] = _converted(b, call, values, converters)
    ends = Layer("Output", {}, ("output",))
    outputs = [
        b.ordered(x, images if x.ndim == 4 else SAME, ends) for x in (values[name] for name in net.outputs)
    ]  # fmt: skip
    return _container(b, list(net.inputs), [x.name for x in outputs])


def _converted(
    b: Builder, call: Call, values: Mapping[str, Value], converters: Mapping[str, Converter]
) -> Value:
    layer = call.layer
    where = f"layer {layer.name!r} ({layer.kind})"
    convert = converters.get(layer.kind)
    if convert is None:
        raise UnsupportedOpError(
            f"from_keras: expected a layer that clnn has a counterpart of, got {where}"
        )
    try:
        return convert(b, layer, layer.config, tuple(values[x] for x in call.operands))
    except UnsupportedOpError as error:
        raise UnsupportedOpError(f"from_keras: {where}: {error}") from None
    except FileFormatError as error:
        raise FileFormatError(f"from_keras: {where}: {error}") from None
    except (
        ShapeError, SettingError, DTypeError, IndexOutOfRangeError, KeyError, TypeError, ValueError, IndexError,
        AttributeError, OverflowError, ZeroDivisionError,
    ) as error:  # fmt: skip
        # a config and weights are data that anyone may have written
        raise FileFormatError(
            f"from_keras: expected a config and weights that fit {where}, got {error!r:.200}"
        ) from error


def _container(b: Builder, inputs: list[str], outputs: list[str]) -> nn.Module:
    """A Sequential if each module takes the value before it and stands there once."""
    names = [name for _, name, _ in b.wires]
    before = [inputs[0], *(value for value, _, _ in b.wires)]
    chain = all(operands == (x,) for (_, _, operands), x in zip(b.wires, before, strict=False))
    if len(inputs) == 1 and outputs == before[-1:] and chain and len(set(names)) == len(names):
        taken = {name: f"{name}_" for name in b.modules if hasattr(nn.Sequential, name)}
        return nn.Sequential({taken.get(name, name): module for name, module in b.modules.items()})
    return nn.Graph(b.modules, b.wires, inputs, outputs)
