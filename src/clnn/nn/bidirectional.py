"""Bidirectional: a recurrent layer in both directions of time."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..errors import DTypeError, SettingError, ShapeError
from ..tensor import Tensor
from .arguments import choice
from .config import module_config
from .module import Module
from .rnn import Lengths, Recurrent

_MODES = "concat", "sum", "mul", "ave"


class Bidirectional(Module):
    """A recurrent layer and its like on reversed time.  (T, N, input_size) -> (T, N, 2 H or H), states (2 * L, N, H).

    layer is an RNN, LSTM or GRU of one direction; the other has weights of its own. Outputs of one step are merged by
    merge_mode: concat, sum, mul or ave. Arguments and states are the layer's, those of the layer before those of its
    like: with one layer and concat this is bidirectional=True. Raises SettingError or DTypeError.
    Schuster, Paliwal 1997.
    """

    forward_layer: Recurrent
    backward_layer: Recurrent

    def __init__(self, layer: Module, merge_mode: str = "concat") -> None:
        super().__init__()
        if not isinstance(layer, Recurrent):
            raise DTypeError(
                f"Bidirectional: expected an RNN, LSTM or GRU, got {type(layer).__name__}"
            )
        if layer.bidirectional:
            raise SettingError("Bidirectional: expected a layer of one direction, got one of both")
        self.merge_mode = choice("Bidirectional", "merge_mode", merge_mode, _MODES)
        self.forward_layer = layer
        like = type(layer).from_config(layer.get_config())
        self.backward_layer = like.to(next(layer.parameters()).device)

    def forward(self, input: Tensor, hx: Any = None, lengths: Lengths = None) -> tuple[Tensor, Any]:
        """(T, N, input_size) -> the merged outputs, and the last states of both directions."""
        there, back = _halves(hx, self.forward_layer.num_layers)
        ahead, last = self.forward_layer.run(input, there, lengths)
        behind, first = self.backward_layer.run(input, back, lengths, reverse=True)
        if isinstance(last, tuple):
            states: Any = tuple(ops.cat(pair, 0) for pair in zip(last, first, strict=True))
        else:
            states = ops.cat((last, first), 0)
        return _merged(self.merge_mode, ahead, behind), states

    def get_config(self) -> dict[str, Any]:
        """The layer, and how outputs are merged."""
        return {"layer": module_config(self.forward_layer), "merge_mode": self.merge_mode}


class RecurrentOutput(Module):
    """One of the results of a recurrent layer, so that it can stand in a Sequential.

    which: "sequence", every output; or "state", the last output of each direction, (N, H), merged as Bidirectional
    merges. The layer has batch_first or is time-major, and num_layers 1. Raises SettingError.
    """

    def __init__(self, which: str = "sequence", merge_mode: str = "concat") -> None:
        super().__init__()
        self.which = choice("RecurrentOutput", "which", which, ("sequence", "state"))
        self.merge_mode = choice("RecurrentOutput", "merge_mode", merge_mode, _MODES)

    def forward(self, results: tuple[Tensor, Any]) -> Tensor:
        """What the layer returned -> its outputs, or (N, H)."""
        out, states = results
        if self.which == "sequence":
            return out
        h = states[0] if isinstance(states, tuple) else states
        if h.shape[0] > 2:
            raise SettingError(f"RecurrentOutput: expected one layer, got {h.shape[0]} states")
        ends = [ops.reshape(ops.narrow(h, 0, k, 1), h.shape[1:]) for k in range(h.shape[0])]
        return ends[0] if len(ends) == 1 else _merged(self.merge_mode, *ends)


def _merged(mode: str, a: Tensor, b: Tensor) -> Tensor:
    if mode == "concat":
        return ops.cat((a, b), a.ndim - 1)
    if mode == "mul":
        return ops.mul(a, b)
    total = ops.add(a, b)
    return ops.mul(total, 0.5) if mode == "ave" else total


def _halves(hx: Any, layers: int) -> tuple[Any, Any]:
    """The states of the one and of the other direction."""
    if hx is None:
        return None, None
    if isinstance(hx, (tuple, list)):
        pairs = [_halves(h, layers) for h in hx]
        return tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
    if not isinstance(hx, Tensor) or not hx.ndim or hx.shape[0] != 2 * layers:
        raise ShapeError(f"Bidirectional: expected hx of {2 * layers} states, got {hx!r:.80}")
    return ops.narrow(hx, 0, 0, layers), ops.narrow(hx, 0, layers, layers)
