"""A network as the list of ops it ran, read off the graph that gradients would take: for other libraries to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..autograd import Node, enable_grad
from ..nn import Module
from ..shapes import Shape
from ..tensor import Tensor


@dataclass(frozen=True)
class Step:
    """One op on numbered values."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    settings: Mapping[str, Any]
    shapes: tuple[Shape, ...]  # of the outputs


@dataclass(frozen=True)
class Graph:
    """Steps in an order in which they can run; `constants` are weights and running statistics."""

    steps: tuple[Step, ...]
    constants: Mapping[int, np.ndarray]
    trained: frozenset[int]  # the constants that are parameters
    input: int
    output: int

    @property
    def flops(self) -> float:
        """Of all convolutions and linear layers; the rest is next to nothing."""
        weights = [self.constants[step.inputs[1]].shape for step in self.products]
        outputs = [step.shapes[0] for step in self.products]
        return float(sum(2 * prod(y) * prod(w[1:]) for y, w in zip(outputs, weights, strict=True)))

    @property
    def products(self) -> list[Step]:
        """The convolutions and linear layers."""
        return [s for s in self.steps if s.name in ("conv2d", "linear")]


def trace(model: Module, x: Tensor) -> Graph:
    """What `model(x)` does, for models whose ops all take arrays. Models that are not pure change as by a call."""
    leaf = Tensor(x.array, x.spec, x.device, requires_grad=True)
    with enable_grad():
        root = model(leaf)
    order: list[Node] = []
    _visit(root.node, order, set())
    numbers: dict[int, int] = {}  # by identity of the array, which the nodes keep alive

    def number(array: Any) -> int:
        return numbers.setdefault(id(array), len(numbers))

    steps = tuple(
        Step(
            node.name,
            tuple(map(number, node.arrays)),
            tuple(map(number, node.outs)),
            dict(node.settings),
            tuple(spec.shape for spec in node.specs[1]),
        )
        for node in order
    )
    made = {id(leaf.array), *(id(a) for node in order for a in node.outs)}
    given = {id(a): a for node in order for a in node.arrays if id(a) not in made}
    download = x.device.backend.download
    constants = {numbers[key]: np.asarray(download(a)) for key, a in given.items()}
    trained = {numbers[key] for p in model.parameters() if (key := id(p.array)) in numbers}
    return Graph(steps, constants, frozenset(trained), number(leaf.array), number(root.array))


def _visit(node: Node, order: list[Node], seen: set[int]) -> None:
    """Nodes in an order in which they can run; a stack of its own, for networks are deep."""
    stack = [(node, False)]
    while stack:
        at, ready = stack.pop()
        if ready:
            order.append(at)
        elif id(at) not in seen:
            seen.add(id(at))
            stack.append((at, True))
            stack += [(e, False) for e in reversed(at.edges) if isinstance(e, Node)]
