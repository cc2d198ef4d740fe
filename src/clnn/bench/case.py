"""What is measured: cases, and the namespace of a library that runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..shapes import Shape

if TYPE_CHECKING:
    from .networks import Network


class Lib(NamedTuple):
    """A library with torch's names: module, functional, nn, optim, and how to place an array in it."""

    m: Any
    f: Any
    nn: Any
    optim: Any
    tensor: Callable[[Any], Any]
    device: Any


Thunk = Callable[[], Sequence[Any]]


@dataclass(frozen=True)
class Case:
    """One computation. `build(lib, *operands)` gives a function that runs it and returns its results.

    `numpy` computes the result from arrays, where NumPy is a peer; `op` and `settings` tell libraries
    with names of their own what it is. `network` is there where the case runs one.
    """

    suite: str
    group: str
    name: str
    shapes: tuple[Shape, ...]
    build: Callable[..., Thunk]
    flops: float = 0.0
    nbytes: float = 0.0
    numpy: Callable[..., Any] | None = None
    op: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    network: Network | None = None
    tolerance: float = 1e-4  # largest difference, relative to the largest value of the result

    def operands(self) -> list[np.ndarray]:
        """Random normal float32 arrays of the case's shapes, the same in every process."""
        rng = np.random.default_rng(0)
        return [rng.standard_normal(shape, dtype=np.float32) for shape in self.shapes]


@dataclass(frozen=True)
class Job:
    """A case made ready in one library: run it, wait for what was queued, read results as arrays."""

    run: Thunk
    wait: Callable[[], None]
    read: Callable[[Any], np.ndarray]


def forward(call: Callable[..., Any]) -> Callable[..., Thunk]:
    """A build for a call of one result: call(lib, *operands)."""

    def build(lib: Lib, *operands: Any) -> Thunk:
        return lambda: (call(lib, *operands),)

    return build


def forward_backward(call: Callable[..., Any]) -> Callable[..., Thunk]:
    """A build for a call and the gradients of all operands but the last, which is the result's gradient."""

    def build(lib: Lib, *operands: Any) -> Thunk:
        *xs, g = operands
        for x in xs:
            x.requires_grad_()

        def run() -> Sequence[Any]:
            for x in xs:
                x.grad = None
            y = call(lib, *xs)
            y.backward(g)
            return [y, *(x.grad for x in xs)]

        return run

    return build
