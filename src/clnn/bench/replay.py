"""A traced network in torch's own functions, as a torch user writes it: sums and activations in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import UnsupportedOpError
from .trace import Graph

Kernel = Callable[..., Any]


class Replay:
    """The network: call it with an image; `parameters` are what an optimizer trains."""

    def __init__(self, graph: Graph, torch: Any, device: str) -> None:
        self.graph, self.torch = graph, torch
        self.values: dict[int, Any] = {}
        for number, array in graph.constants.items():
            held = torch.tensor(array, device=device)
            train = number in graph.trained
            self.values[number] = torch.nn.Parameter(held) if train else held
        self.parameters = [self.values[number] for number in sorted(graph.trained)]
        table = _table(torch)
        missing = sorted({s.name for s in graph.steps} - table.keys())
        if missing:
            raise UnsupportedOpError(f"bench: expected ops that torch replays, got {', '.join(missing)}")  # fmt: skip
        self.steps = [(table[s.name], s.inputs, s.outputs[0], dict(s.settings)) for s in graph.steps]  # fmt: skip

    def __call__(self, x: Any) -> Any:
        """The network's output."""
        values = {**self.values, self.graph.input: x}
        for call, inputs, output, settings in self.steps:
            values[output] = call(*[values[n] for n in inputs], **settings)
        return values[self.graph.output]


def _table(torch: Any) -> dict[str, Kernel]:
    f = torch.nn.functional
    activations = {"relu": f.relu_, "relu6": lambda y: f.hardtanh_(y, 0.0, 6.0)}

    def ended(y: Any, activation: str | None, residual: Any) -> Any:
        if residual is not None:
            y += residual
        return y if activation is None else activations[activation](y)

    def split(rest: tuple[Any, ...], residual: bool) -> tuple[tuple[Any, ...], Any]:
        return (rest[:-1], rest[-1]) if residual else (rest, None)

    def conv2d(x: Any, w: Any, *rest: Any, stride: Any, padding: Any, dilation: Any, groups: int,
               activation: str | None = None, residual: bool = False) -> Any:  # fmt: skip
        bias, added = split(rest, residual)
        (top, bottom), (left, right) = padding
        if (top, left) != (bottom, right):
            x, top, left = f.pad(x, (left, right, top, bottom)), 0, 0
        y = f.conv2d(x, w, *(bias or (None,)), stride, (top, left), dilation, groups)
        return ended(y, activation, added)

    def linear(x: Any, w: Any, *rest: Any, activation: str | None = None,
               residual: bool = False) -> Any:  # fmt: skip
        bias, added = split(rest, residual)
        return ended(f.linear(x, w, *bias), activation, added)

    def batch_norm(x: Any, w: Any, b: Any, mean: Any, var: Any, *rest: Any, momentum: float, eps: float,
                   activation: str | None = None, **_: Any) -> Any:  # fmt: skip
        y = f.batch_norm(x, mean, var, w, b, True, momentum, eps)
        return ended(y, activation, rest[0] if rest else None)

    def batch_norm_eval(x: Any, mean: Any, var: Any, w: Any, b: Any, *rest: Any, eps: float,
                        activation: str | None = None, **_: Any) -> Any:  # fmt: skip
        y = f.batch_norm(x, mean, var, w, b, False, 0.0, eps)
        return ended(y, activation, rest[0] if rest else None)

    def max_pool2d(x: Any, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
                   ceil_mode: bool, **_: Any) -> Any:  # fmt: skip
        return f.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode)

    return {
        "conv2d": conv2d, "linear": linear, "batch_norm": batch_norm,
        "batch_norm_eval": batch_norm_eval, "max_pool2d": max_pool2d,
        "adaptive_avg_pool2d": lambda x, output_size: f.adaptive_avg_pool2d(x, output_size),
        "relu": f.relu_, "relu6": activations["relu6"],
        "mean": lambda x, axes, keepdim: torch.mean(x, axes, keepdim),
        "reshape": lambda x, shape: torch.reshape(x, shape),
    }  # fmt: skip
