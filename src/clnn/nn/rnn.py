"""Recurrent layers and their cells, with torch's names, gate orders and initial weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Any, ClassVar, NamedTuple

from .. import ops
from ..errors import DTypeError, SettingError, ShapeError
from ..tensor import Tensor, tensor, zeros
from .arguments import DeviceLike, DTypeLike, check_rank, choice, count, kind_of
from .init import uniform_
from .module import Module
from .parameter import Parameter, new_parameter

States = Tensor | tuple[Tensor, Tensor]
Lengths = Tensor | Sequence[int] | None
_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Weights(NamedTuple):
    """The parameters of one layer in one direction; None where there is no bias."""

    ih: Parameter
    hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None


# --- what a step is -----------------------------------------------------------------------------


class _Kind(Module):
    """The parameters of a kind of recurrent unit, and how they are applied to all steps."""

    _gates: ClassVar[int] = 1
    _states: ClassVar[int] = 1  # tensors that go from step to step

    def __init__(self, input_size: int, hidden_size: int, bias: bool, dtype: DTypeLike) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_size = count(name, "input_size", input_size)
        self.hidden_size = count(name, "hidden_size", hidden_size)
        self.bias, self.dtype = bool(bias), kind_of(dtype)

    def _add_weights(self, suffix: str, features: int, device: DeviceLike) -> None:
        rows = self._gates * self.hidden_size
        shapes = (rows, features), (rows, self.hidden_size), (rows,), (rows,)
        for name, shape in zip(_WEIGHTS, shapes, strict=True):
            made = len(shape) == 2 or self.bias
            weight = new_parameter(shape, device, self.dtype) if made else None
            if weight is not None or not suffix:
                self.register_parameter(name + suffix, weight)

    def reset_parameters(self) -> None:
        """Draw the weights anew, from U(-1/sqrt(H), 1/sqrt(H))."""
        bound = 1 / sqrt(self.hidden_size)
        for p in self.parameters():
            uniform_(p, -bound, bound)

    def _advance(self, x: Tensor, w: Weights, states: tuple[Tensor, ...], lengths: Tensor | None,
                 reverse: bool) -> tuple[Tensor, ...]:  # fmt: skip
        """x (T, N, D) -> all h (T, N, H), and the last of each state (N, H)."""
        raise NotImplementedError

    def _given(self, hx: Any, shape: tuple[int, ...], x: Tensor) -> tuple[Tensor, ...]:
        """The initial states, of `shape`; zeros if there are none."""
        name = type(self).__name__
        if hx is None:
            return (zeros(*shape, dtype=x.dtype, device=x.device),) * self._states
        found = tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
        if len(found) != self._states or not all(isinstance(h, Tensor) for h in found):
            wanted = "a pair of Tensors (h_0, c_0)" if self._states == 2 else "a Tensor"
            raise DTypeError(f"{name}: expected hx to be {wanted}, got {hx!r:.80}")
        for h in found:
            if h.shape != shape:
                raise ShapeError(f"{name}: expected hx of shape {shape}, got {h.shape}")
        return found


def _both(w: Weights) -> Tensor | None:
    return None if w.bias_ih is None or w.bias_hh is None else ops.add(w.bias_ih, w.bias_hh)


class _Elman(_Kind):
    nonlinearity: str

    def _advance(self, x: Tensor, w: Weights, states: tuple[Tensor, ...], lengths: Tensor | None,
                 reverse: bool) -> tuple[Tensor, ...]:  # fmt: skip
        gates = ops.linear(x, w.ih, _both(w))
        return ops.rnn_sequence(
            gates, states[0], w.hh, lengths, reverse=reverse, nonlinearity=self.nonlinearity
        )


class _Lstm(_Kind):
    _gates, _states = 4, 2

    def _advance(self, x: Tensor, w: Weights, states: tuple[Tensor, ...], lengths: Tensor | None,
                 reverse: bool) -> tuple[Tensor, ...]:  # fmt: skip
        h, c = states
        return ops.lstm_sequence(
            ops.linear(x, w.ih, _both(w)), h, c, w.hh, lengths, reverse=reverse
        )


class _Gru(_Kind):
    _gates = 3
    reset_after = True

    def _advance(self, x: Tensor, w: Weights, states: tuple[Tensor, ...], lengths: Tensor | None,
                 reverse: bool) -> tuple[Tensor, ...]:  # fmt: skip
        gates = ops.linear(x, w.ih, w.bias_ih)
        return ops.gru_sequence(
            gates, states[0], w.hh, w.bias_hh, lengths, reverse=reverse,
            reset_after=self.reset_after,
        )  # fmt: skip


# --- layers -------------------------------------------------------------------------------------


class Recurrent(_Kind):
    """Layers of steps, one or both directions each."""

    def _setup(self, num_layers: int, batch_first: bool, dropout: float, bidirectional: bool,
               device: DeviceLike) -> None:  # fmt: skip
        name = type(self).__name__
        self.num_layers = count(name, "num_layers", num_layers)
        self.batch_first, self.bidirectional = bool(batch_first), bool(bidirectional)
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)):
            raise DTypeError(f"{name}: expected dropout to be a number, got {dropout!r}")
        if not 0 <= dropout <= 1:
            raise SettingError(f"{name}: expected dropout in [0, 1], got {dropout}")
        self.dropout = float(dropout)
        for layer, suffix in self._suffixes():
            features = self.hidden_size * (1 + self.bidirectional) if layer else self.input_size
            self._add_weights(suffix, features, device)
        self.reset_parameters()

    def _suffixes(self) -> Iterator[tuple[int, str]]:
        for layer in range(self.num_layers):
            yield layer, f"_l{layer}"
            if self.bidirectional:
                yield layer, f"_l{layer}_reverse"

    def forward(self, input: Tensor, hx: Any = None, lengths: Lengths = None) -> tuple[Tensor, Any]:
        """(T, N, input_size) -> (T, N, D * H) and the last states; see the class."""
        return self.run(input, hx, lengths)

    def run(self, input: Tensor, hx: Any = None, lengths: Lengths = None, *,
            reverse: bool = False) -> tuple[Tensor, Any]:  # fmt: skip
        """As `forward`; with `reverse` each direction is the other."""
        name = type(self).__name__
        check_rank(name, input, 2, 3)
        batched = input.ndim == 3
        x = input if batched else ops.reshape(input, (input.shape[0], 1, input.shape[1]))
        if batched and self.batch_first:
            x = ops.permute(x, (1, 0, 2))
        steps, rows, features = x.shape
        if features != self.input_size:
            raise ShapeError(
                f"{name}: expected input with {self.input_size} features, got shape {input.shape}"
            )
        ways, middle = self.num_layers * (1 + self.bidirectional), (rows,) if batched else ()
        states = self._given(hx, (ways, *middle, self.hidden_size), x)
        if not batched and lengths is not None:
            raise SettingError(f"{name}: expected no lengths for one sequence, got {lengths!r:.80}")
        x, last = self._layers(x, states, _ends(name, lengths, steps, rows, x), reverse)
        shape = ways, *middle, self.hidden_size
        joined = [_joined(each, shape) for each in zip(*last, strict=True)]
        if not batched:
            x = ops.reshape(x, (steps, x.shape[2]))
        elif self.batch_first:
            x = ops.permute(x, (1, 0, 2))
        return x, (joined[0] if len(joined) == 1 else tuple(joined))

    def _layers(self, x: Tensor, states: tuple[Tensor, ...], ends: Tensor | None, reverse: bool
                ) -> tuple[Tensor, list[tuple[Tensor, ...]]]:  # fmt: skip
        last: list[tuple[Tensor, ...]] = []
        outs: list[Tensor] = []
        for k, (layer, suffix) in enumerate(self._suffixes()):
            w = Weights(*(self._parameters.get(name + suffix) for name in _WEIGHTS))  # type: ignore[arg-type]
            start = tuple(_part(s, k, (x.shape[1], self.hidden_size)) for s in states)
            out, *ended = self._advance(x, w, start, ends, reverse != suffix.endswith("_reverse"))
            last.append(tuple(ended))
            outs.append(out)
            if len(outs) == 1 + self.bidirectional:
                x = outs[0] if len(outs) == 1 else ops.cat(outs, 2)
                outs = []
                if self.dropout and layer < self.num_layers - 1:
                    x = ops.dropout(x, self.dropout, self.training)
        return x, last


def _part(states: Tensor, k: int, shape: tuple[int, ...]) -> Tensor:
    """State k of all layers' and directions'."""
    one = states if states.shape[0] == 1 else ops.narrow(states, 0, k, 1)
    return ops.reshape(one, shape)


def _joined(each: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
    """The last states of all layers and directions as one tensor."""
    return ops.reshape(each[0] if len(each) == 1 else ops.cat(each, 0), shape)


def _ends(name: str, lengths: Lengths, steps: int, rows: int, x: Tensor) -> Tensor | None:
    """lengths as a Tensor where x is."""
    if lengths is None or isinstance(lengths, Tensor):
        return lengths
    found = list(lengths)
    if any(isinstance(n, bool) or not isinstance(n, int) for n in found):
        raise DTypeError(f"{name}: expected lengths to be a Tensor or ints, got {lengths!r:.80}")
    if len(found) != rows:
        raise ShapeError(f"{name}: expected {rows} lengths, got {len(found)}")
    if not all(0 <= n <= steps for n in found):
        raise SettingError(f"{name}: expected lengths in [0, {steps}], got {found!r:.80}")
    return tensor(found, dtype="int32", device=x.device)


class RNN(_Elman, Recurrent):
    """h[t] = tanh(W_ih x[t] + b_ih + W_hh h[t-1] + b_hh), or relu.  (T, N, input_size) -> (T, N, D * H), (L * D, N, H).

    L = num_layers, each of D = 1 or, bidirectional, 2 directions; batch_first: N before T; one sequence
    (T, input_size) needs no N. layer(input, hx=None, lengths=None) gives every h of the last layer and the last h of
    each. Sequence n ends after lengths[n] steps (a Tensor or a list of ints): outputs past it are 0, the last state is
    that of the end, and the reverse direction starts there, as torch's packed sequences do. dropout acts between
    layers, in training. Weights start from U(-1/sqrt(H), 1/sqrt(H)). Raises SettingError, ShapeError or DTypeError.
    Elman 1990.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
        bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *,
        device: DeviceLike = None, dtype: DTypeLike = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, dtype)
        self.nonlinearity = choice("RNN", "nonlinearity", nonlinearity, ("tanh", "relu"))
        self._setup(num_layers, batch_first, dropout, bidirectional, device)


class LSTM(_Lstm, Recurrent):
    """Long short-term memory.  (T, N, input_size) -> (T, N, D * H), and (h, c) of (L * D, N, H) each.

    Gates are in the order i, f, g, o. hx is a pair (h_0, c_0); all else is as in RNN. proj_size must be 0, else
    SettingError. Hochreiter, Schmidhuber 1997; Gers et al. 2000.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
        device: DeviceLike = None, dtype: DTypeLike = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, dtype)
        if proj_size != 0:
            raise SettingError(
                f"LSTM: expected proj_size 0, got {proj_size!r}; put a Linear behind the layer"
            )
        self.proj_size = 0
        self._setup(num_layers, batch_first, dropout, bidirectional, device)


class GRU(_Gru, Recurrent):
    """Gated recurrent units.  (T, N, input_size) -> (T, N, D * H), (L * D, N, H).

    Gates are in the order r, z, n, and r scales W_hn h + b_hn, or without reset_after h itself, as in Keras.
    All else is as in RNN. Cho et al. 2014.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *,
        device: DeviceLike = None, dtype: DTypeLike = None, reset_after: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, dtype)
        self.reset_after = bool(reset_after)
        self._setup(num_layers, batch_first, dropout, bidirectional, device)


# --- cells --------------------------------------------------------------------------------------


class _Cell(_Kind):
    """One step, for loops written by hand."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, dtype)
        self._add_weights("", self.input_size, device)
        self.reset_parameters()

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """(N, input_size) -> the next state; or both without N."""
        name = type(self).__name__
        check_rank(name, input, 1, 2)
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: expected input with {self.input_size} features, got shape {input.shape}"
            )
        shape = *input.shape[:-1], self.hidden_size
        start = self._given(hx, shape, input)
        rows = (input.shape[0] if input.ndim == 2 else 1, self.hidden_size)
        x = ops.reshape(input, (1, rows[0], self.input_size))
        w = Weights(*(self._parameters[n] for n in _WEIGHTS))  # type: ignore[arg-type]
        _, *last = self._advance(x, w, tuple(ops.reshape(s, rows) for s in start), None, False)
        found = tuple(ops.reshape(s, shape) for s in last)
        return found[0] if len(found) == 1 else found


class RNNCell(_Elman, _Cell):
    """One step of an RNN.  (N, input_size), (N, H) -> (N, H); or all without N. hx None: zeros."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
        device: DeviceLike = None, dtype: DTypeLike = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = choice("RNNCell", "nonlinearity", nonlinearity, ("tanh", "relu"))


class LSTMCell(_Lstm, _Cell):
    """One step of an LSTM.  (N, input_size), a pair of (N, H) -> a pair of (N, H); or all without N."""


class GRUCell(_Gru, _Cell):
    """One step of a GRU, its formula too.  (N, input_size), (N, H) -> (N, H); or all without N. hx None: zeros."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: DeviceLike = None,
        dtype: DTypeLike = None, *, reset_after: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.reset_after = bool(reset_after)
