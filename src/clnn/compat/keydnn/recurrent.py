"""Recurrent layers over (T, N, D): one layer and direction, weights (D, gates * H), gates z, r, n in a GRU."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, ClassVar, Self

from ... import ops
from ...autograd import Variable
from ...errors import DTypeError, SettingError
from ...nn.arguments import check_rank, count
from ...nn.init import uniform_
from .module import MODULES, Layer
from .tensor import Parameter, Tensor

_WEIGHTS = ("W_ih", "W_hh", "b_ih", "b_hh")


class _Cell(Layer):
    """The weights of one step, from U(-1/sqrt(H), 1/sqrt(H)), and how they are applied to all."""

    _gates: ClassVar[int] = 1
    _states: ClassVar[int] = 1

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        who = type(self).__name__
        self.input_size = count(who, "input_size", input_size)
        self.hidden_size = count(who, "hidden_size", hidden_size)
        self.bias = bool(bias)
        width, bound = self._gates * self.hidden_size, 1 / sqrt(self.hidden_size)
        shapes = (self.input_size, width), (self.hidden_size, width), (width,), (width,)
        for name, shape in zip(_WEIGHTS, shapes, strict=True):
            made = Parameter(shape) if len(shape) == 2 or self.bias else None
            self.register_parameter(name, None if made is None else uniform_(made, -bound, bound))

    def _turned(self) -> tuple[Any, ...]:
        """The weights as clnn's ops take them: W_ih and W_hh (gates * H, any), b_ih, b_hh."""
        weights: list[Any] = [self._parameters[name] for name in _WEIGHTS]
        return ops.t(weights[0]), ops.t(weights[1]), *weights[2:]

    def run(self, x: Any, states: tuple[Any, ...], reverse: bool = False) -> tuple[Any, ...]:
        """x (T, N, D) and a state (N, H) each -> all h (T, N, H), and the last of each state."""
        raise NotImplementedError

    def step(self, x: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """x (N, D) and states (N, H) -> the next states."""
        check_rank(type(self).__name__, x, 2)
        return self.run(ops.unsqueeze(x, 0), states)[1:]


def _both(b_ih: Any, b_hh: Any) -> Any:
    return None if b_ih is None else ops.add(b_ih, b_hh)


class RNNCell(_Cell):
    """One step of an RNN: tanh(x W_ih + b_ih + h W_hh + b_hh).  (N, D), (N, H) -> (N, H)."""

    def run(self, x: Any, states: tuple[Any, ...], reverse: bool = False) -> tuple[Any, ...]:
        """All steps."""
        ih, hh, *biases = self._turned()
        (h,) = states
        return ops.rnn_sequence(ops.linear(x, ih, _both(*biases)), h, hh, reverse=reverse)

    def forward(self, x_t: Any, h_prev: Any) -> Any:
        """(N, D), (N, H) -> (N, H)."""
        return self.step(x_t, (h_prev,))[0]


class LSTMCell(_Cell):
    """One step of an LSTM, gates i, f, g, o.  (N, D), (N, H), (N, H) -> two (N, H)."""

    _gates, _states = 4, 2

    def run(self, x: Any, states: tuple[Any, ...], reverse: bool = False) -> tuple[Any, ...]:
        """All steps."""
        ih, hh, *biases = self._turned()
        h, c = states
        return ops.lstm_sequence(ops.linear(x, ih, _both(*biases)), h, c, hh, reverse=reverse)

    def forward(self, x_t: Any, h_prev: Any, c_prev: Any) -> tuple[Any, Any]:
        """(N, D), (N, H), (N, H) -> h and c, (N, H) each."""
        h, c = self.step(x_t, (h_prev, c_prev))
        return h, c


class GRUCell(_Cell):
    """One step of a GRU, gates z, r, n, of which r scales h before its product.  (N, D), (N, H) -> (N, H)."""

    _gates = 3

    def run(self, x: Any, states: tuple[Any, ...], reverse: bool = False) -> tuple[Any, ...]:
        """All steps."""
        ih, hh, b_ih, b_hh = (w if w is None else _reordered(w) for w in self._turned())
        (h,), gates = states, ops.linear(x, ih, b_ih)
        return ops.gru_sequence(gates, h, hh, b_hh, reverse=reverse, reset_after=False)

    def forward(self, x_t: Any, h_prev: Any) -> Any:
        """(N, D), (N, H) -> (N, H)."""
        return self.step(x_t, (h_prev,))[0]


def _reordered(w: Any) -> Any:
    """Gates z, r, n as r, z, n."""
    z, r, n = ops.chunk(w, 3, 0)
    return ops.cat((r, z, n), 0)


class _Recurrent(Layer):
    cell: Any
    _cell: ClassVar[type[_Cell]]

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *,
        return_sequences: bool = True, return_state: bool = True, keras_compat: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.cell = self._cell(input_size, hidden_size, bias)
        self.return_sequences, self.return_state = bool(return_sequences), bool(return_state)
        self.keras_compat = bool(keras_compat)

    def run(self, x: Any, states: tuple[Any, ...], reverse: bool = False) -> tuple[Any, ...]:
        """All h, and the last of each state; states that are None start at zero."""
        check_rank(type(self).__name__, x, 3)
        shape = x.shape[1], self.cell.hidden_size
        start = (Tensor(shape, x.device, dtype=x.dtype) if s is None else s for s in states)
        return self.cell.run(x, tuple(start), reverse)

    def _out(self, found: tuple[Any, ...]) -> Any:
        """What the flags ask for."""
        every, *last = found
        state = last[0] if len(last) == 1 else tuple(last)
        out = every if self.return_sequences else last[0]
        # KeyDNN's RNN and GRU return the last state once where it would be both.
        once = len(last) == 1 and not self.return_sequences and not self.keras_compat
        return (out, state) if self.return_state and not once else out

    def get_config(self) -> dict[str, Any]:
        """The cell's arguments and the flags."""
        flags = ("return_sequences", "return_state", "keras_compat")
        return {**self.cell.get_config(), **{name: getattr(self, name) for name in flags}}


class RNN(_Recurrent):
    """Steps of an RNNCell.  (T, N, D), (N, H) -> (T, N, H) and the last (N, H), as the flags say."""

    _cell = RNNCell

    def forward(self, x: Any, h0: Any = None) -> Any:
        """(T, N, D) -> all h, the last h, or both."""
        return self._out(self.run(x, (h0,)))


class LSTM(_Recurrent):
    """Steps of an LSTMCell.  (T, N, D), (N, H), (N, H) -> (T, N, H) and the last (h, c), as the flags say."""

    _cell = LSTMCell

    def forward(self, x: Any, h0: Any = None, c0: Any = None) -> Any:
        """(T, N, D) -> all h or the last, and (h, c) if asked for."""
        return self._out(self.run(x, (h0, c0)))


class GRU(_Recurrent):
    """Steps of a GRUCell.  (T, N, D), (N, H) -> (T, N, H) and the last (N, H), as the flags say."""

    _cell = GRUCell

    def forward(self, x: Any, h0: Any = None) -> Any:
        """(T, N, D) -> all h, the last h, or both."""
        return self._out(self.run(x, (h0,)))


class Bidirectional(Layer):
    """A recurrent layer and its like on reversed time.  (T, N, D) -> (T, N, 2 H), or (N, 2 H) of the last states.

    Both have weights of their own; what return_state adds are the states of both. Raises DTypeError or SettingError.
    """

    forward_layer: Any
    backward_layer: Any

    def __init__(
        self, layer: Any, *, merge_mode: str = "concat", return_sequences: bool = True,
        return_state: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if merge_mode != "concat":
            raise SettingError(
                f"Bidirectional: expected merge_mode 'concat', got {merge_mode!r}; clnn.nn.Bidirectional has others"
            )
        if not isinstance(layer, _Recurrent):
            raise DTypeError(
                f"Bidirectional: expected an RNN, LSTM or GRU, got {type(layer).__name__}"
            )
        self.merge_mode, self.return_sequences = merge_mode, bool(return_sequences)
        self.return_state = bool(return_state)
        flags = {"return_sequences": True, "return_state": True, "keras_compat": True}
        cfg = {**layer.get_config(), **flags}
        self.forward_layer, self.backward_layer = (type(layer).from_config(cfg) for _ in range(2))
        self._post_load()

    def _post_load(self) -> None:
        # Names under which KeyDNN registers both a second time: its checkpoints have them.
        self.forward_rnn, self.backward_rnn = self.forward_layer, self.backward_layer

    def forward(self, x: Any, h0: Any = None) -> Any:
        """(T, N, D) -> (T, N, 2 H) or (N, 2 H), and the states of both if asked for.

        h0: a state for both directions, or a pair of them; an LSTM's state is a pair (h, c).
        """
        pairs = self.forward_layer.cell._states == 2
        ahead, back = h0 if _is_pair_of_states(h0, pairs) else (h0, h0)
        there = self.forward_layer.run(x, _state(ahead, pairs))
        behind = self.backward_layer.run(x, _state(back, pairs), reverse=True)
        part = 0 if self.return_sequences else 1
        out = ops.cat((there[part], behind[part]), -1)
        if not self.return_state:
            return out
        ends = (last[0] if len(last) == 1 else tuple(last) for last in (there[1:], behind[1:]))
        return (out, *ends)

    def get_config(self) -> dict[str, Any]:
        """The flags, and the layer of each direction."""
        return {
            "merge_mode": self.merge_mode, "return_sequences": self.return_sequences,
            "return_state": self.return_state, "layer_type": type(self.forward_layer).__name__,
            "layer": self.forward_layer.get_config(),
        }  # fmt: skip

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any]) -> Self:
        """A new layer; raises SettingError for a layer_type that is none of the three."""
        rest = {k: v for k, v in cfg.items() if k not in ("layer", "layer_type")}
        kind = MODULES.get(str(cfg.get("layer_type", "RNN")))
        if kind is None or not issubclass(kind, _Recurrent):
            raise SettingError(
                f"Bidirectional: expected layer_type RNN, LSTM or GRU, got {cfg.get('layer_type')!r:.80}"
            )
        return cls(kind.from_config(cfg.get("layer")), **rest)  # type: ignore[arg-type]


def _is_pair_of_states(h0: Any, pairs: bool) -> bool:
    """Whether h0 is one state per direction."""
    if not isinstance(h0, tuple | list) or len(h0) != 2:
        return False
    return not pairs or not all(isinstance(s, Variable) for s in h0)


def _state(given: Any, pairs: bool) -> tuple[Any, ...]:
    if given is None:
        return (None, None) if pairs else (None,)
    found = tuple(given) if pairs and isinstance(given, tuple | list) else (given,)
    if len(found) != 1 + pairs or not all(isinstance(s, Variable) for s in found):
        raise DTypeError(
            f"Bidirectional: expected a Tensor, an LSTM's (h, c), or a pair of those, got {given!r:.80}"
        )
    return found
