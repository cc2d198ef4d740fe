"""A Keras config as a list of calls: nested models are spliced in, and each layer is called after its operands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...errors import FileFormatError, UnsupportedOpError

_MOST = 10_000  # layers of a model
_DEEPEST = 32  # models in models
_WITHIN = ("Sequential", "Functional", "Model")


class Layer(NamedTuple):
    """A layer by its class, its config, and the names of the models it is in and its own."""

    kind: str
    config: Mapping[str, Any]
    path: tuple[str, ...]

    @property
    def name(self) -> str:
        """What Keras calls it."""
        return self.path[-1]


class Call(NamedTuple):
    """A layer used on values, which are known by strings."""

    layer: Layer
    operands: tuple[str, ...]
    value: str


class Network(NamedTuple):
    """All calls in order; the shapes of inputs have the batch first and None for what is open."""

    calls: list[Call]
    inputs: dict[str, tuple[int | None, ...]]
    outputs: list[str]
    shared: set[tuple[str, ...]]  # paths of layers that are called more than once


def broken(what: str) -> FileFormatError:
    """The error for a config that no Keras wrote."""
    return FileFormatError(f"from_keras: expected a model of Keras, got {what}")


def children(model: Mapping[str, Any]) -> list[Layer]:
    """The layers of a model's config, with paths of one name."""
    found = []
    config = model.get("config")
    entries = config.get("layers") if isinstance(config, Mapping) else None
    if not isinstance(entries, list):
        raise broken(f"layers that are {entries!r:.80}")
    for entry in entries:
        own = entry.get("config") if isinstance(entry, Mapping) else None
        if not isinstance(own, Mapping):
            raise broken(f"a layer that is {entry!r:.80}")
        kind, name = entry.get("class_name"), own.get("name", entry.get("name"))
        if not isinstance(kind, str) or not isinstance(name, str):
            raise broken(f"a layer called {name!r:.80} of the class {kind!r:.80}")
        found.append(Layer(kind, entry, (name,)))
    return found


def is_model(layer: Layer) -> bool:
    """Whether it has layers of its own, which have a place in the graph."""
    return layer.kind in _WITHIN and "layers" in layer.config["config"]


def network(model: Mapping[str, Any]) -> Network:
    """The calls of a model; raises FileFormatError for a config that is none, UnsupportedOpError for other models."""
    try:
        name = model["class_name"]
        if name not in _WITHIN:
            raise UnsupportedOpError(
                f"from_keras: expected a Sequential or Functional model, got {name!r:.80}, whose layers are "
                "wired by its own code"
            )
        made = _Unfolded()
        outputs = made.unfold(model, (), None)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise broken(f"a config that lacks {error!r:.80}") from None
    if not outputs or not made.inputs:
        raise broken("a model without inputs or outputs")
    uses = Counter(call.layer.path for call in made.calls)
    return Network(made.calls, made.inputs, outputs, {path for path, n in uses.items() if n > 1})


class _Unfolded:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.inputs: dict[str, tuple[int | None, ...]] = {}

    def unfold(
        self, model: Mapping[str, Any], path: tuple[str, ...], operands: Sequence[str] | None
    ) -> list[str]:
        """The outputs of a model; without operands its inputs are those of the whole."""
        if len(path) > _DEEPEST or len(self.calls) > _MOST:
            raise UnsupportedOpError(
                "from_keras: expected a smaller model, got more layers than a network has"
            )
        if model["class_name"] == "Sequential":
            return self._chain(model, path, operands)
        return self._functional(model, path, operands)

    def _call(self, layer: Layer, path: tuple[str, ...], operands: tuple[str, ...]) -> list[str]:
        whole = layer._replace(path=(*path, *layer.path))
        if is_model(layer):
            return self.unfold(layer.config, whole.path, operands)
        value = f"v{len(self.calls)}"
        self.calls.append(Call(whole._replace(config=layer.config["config"]), operands, value))
        return [value]

    def _input(self, name: str, shape: Any) -> str:
        if not isinstance(shape, (list, tuple)) or not all(
            n is None or (isinstance(n, int) and n >= 0) for n in shape
        ):
            raise broken(f"an input of shape {shape!r:.80}")
        value = f"{name}#{len(self.inputs)}" if name in self.inputs else name
        self.inputs[value] = tuple(shape)
        return value

    def _chain(
        self, model: Mapping[str, Any], path: tuple[str, ...], operands: Sequence[str] | None
    ) -> list[str]:
        layers = children(model)
        if operands is None:
            name = next((x.name for x in layers if x.kind == "InputLayer"), "input")
            operands = [self._input(name, _first_shape(model, layers))]
        values = list(operands)
        for layer in layers:
            if layer.kind != "InputLayer":
                values = self._call(layer, path, tuple(values))
        return values

    def _functional(
        self, model: Mapping[str, Any], path: tuple[str, ...], operands: Sequence[str] | None
    ) -> list[str]:
        config = model["config"]
        layers = {layer.name: layer for layer in children(model)}
        known: dict[tuple[str, int, int], str] = {}
        inputs = _references(config["input_layers"])
        if operands is None:
            operands = [self._input(name, _shape_of(layers[name].config)) for name, *_ in inputs]
        if len(operands) != len(inputs):
            raise broken(f"{len(operands)} operands for a model of {len(inputs)} inputs")
        known.update(zip(inputs, operands, strict=True))
        waiting = [
            (layer, k, _operands(node))
            for layer in layers.values()
            if layer.kind != "InputLayer"
            for k, node in enumerate(layer.config["inbound_nodes"])
        ]
        while waiting:
            left = []
            for layer, k, needs in waiting:
                if all(x in known for x in needs):
                    found = self._call(layer, path, tuple(known[x] for x in needs))
                    known.update({(layer.name, k, at): value for at, value in enumerate(found)})
                else:
                    left.append((layer, k, needs))
            if len(left) == len(waiting):
                raise broken(f"operands of {left[0][0].name!r} that nothing computes")
            waiting = left
        return [known[x] for x in _references(config["output_layers"])]


def _first_shape(model: Mapping[str, Any], layers: Sequence[Layer]) -> Any:
    """The shape of what a Sequential takes, where the version of Keras that wrote it says so."""
    for config in (layers[0].config["config"] if layers else {}, model["config"]):
        for key in ("batch_shape", "batch_input_shape", "build_input_shape"):
            if config.get(key) is not None:
                return config[key]
    raise UnsupportedOpError(
        "from_keras: expected a model that knows its input's shape, got one without; build it in Keras first"
    )


def _shape_of(entry: Mapping[str, Any]) -> Any:
    config = entry["config"]
    return config.get("batch_shape") or config["batch_input_shape"]


def _references(listed: Any) -> list[tuple[str, int, int]]:
    """(layer, node, output) of each of a model's inputs or outputs: one such list, or several."""
    if not isinstance(listed, list):
        raise UnsupportedOpError(
            f"from_keras: expected inputs and outputs in a list, got {type(listed).__name__}"
        )
    found = [listed] if listed and isinstance(listed[0], str) else listed
    return [(name, int(node), int(at)) for name, node, at in found]


def _operands(node: Any) -> list[tuple[str, int, int]]:
    """What a layer is called on: Keras 3 writes the arguments, Keras 2 a list of references."""
    if isinstance(node, Mapping):
        found = list(_tensors(node["args"]))
        if not found or any(True for _ in _tensors(node.get("kwargs", {}))):
            raise UnsupportedOpError(
                f"from_keras: expected layers called on tensors alone, got {str(node)!r:.160}"
            )
        return found
    if any(len(x) > 3 and x[3] for x in node):
        raise UnsupportedOpError(
            f"from_keras: expected no arguments but tensors, got {node!r:.160}"
        )
    return [(x[0], int(x[1]), int(x[2])) for x in node]


def _tensors(value: Any) -> Iterator[tuple[str, int, int]]:
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            name, node, at = value["config"]["keras_history"]
            yield name, int(node), int(at)
            return
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for x in value:
            yield from _tensors(x)
