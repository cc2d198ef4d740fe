"""Recurrent layers: all steps of one layer in one direction are one op, and so is their way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import T, Variable, apply, is_grad_enabled
from ..errors import DTypeError, SettingError, ShapeError
from ..op import Op
from ..shapes import Shape, Spec
from .matmul import MATMUL
from .movement import cat, narrow, reshape
from .parts import pad
from .reduce import sum as reduce_sum
from .rules import check_floating, operand

GATES = {"rnn_sequence": 1, "lstm_sequence": 4, "gru_sequence": 3}


def rnn_sequence(gates: T, h0: T, weight_hh: T, lengths: T | None = None, *, reverse: bool = False,
                 nonlinearity: str = "tanh") -> tuple[T, T]:  # fmt: skip
    """h[t] = tanh(gates[t] + h[t-1] @ weight_hh.T), or relu of it, for every step t; h[-1] is h0.

    gates (T, N, H), h0 (N, H), weight_hh (H, H), lengths (N,) of int -> all h (T, N, H) and the last (N, H).
    With lengths, sequence n ends after lengths[n] steps: h is 0 from there on, the last is that of its end. With
    reverse steps run from the end of each sequence to its start. Raises ShapeError, DTypeError or SettingError.
    Source: Elman, "Finding structure in time", 1990; Werbos, "Backpropagation through time", 1990.
    """
    if nonlinearity not in ("tanh", "relu"):
        raise SettingError(
            f"rnn_sequence: expected nonlinearity tanh or relu, got {nonlinearity!r}"
        )
    hs, h = _run(RNN, (gates, h0, weight_hh), lengths, 1, reverse, nonlinearity=nonlinearity)
    return hs, h


def lstm_sequence(gates: T, h0: T, c0: T, weight_hh: T, lengths: T | None = None, *,
                  reverse: bool = False) -> tuple[T, T, T]:  # fmt: skip
    """The steps of a long short-term memory: i, f, g, o = gates[t] + h[t-1] @ weight_hh.T.

    c[t] = sigmoid(f) c[t-1] + sigmoid(i) tanh(g) and h[t] = sigmoid(o) tanh(c[t]). gates (T, N, 4 H), h0 and c0
    (N, H), weight_hh (4 H, H) -> all h (T, N, H), the last h and the last c (N, H). lengths, reverse and errors are
    those of `rnn_sequence`. Source: Hochreiter, Schmidhuber, "Long short-term memory", 1997; Gers et al., 2000.
    """
    hs, h, c = _run(LSTM, (gates, h0, c0, weight_hh), lengths, 2, reverse)
    return hs, h, c


def gru_sequence(gates: T, h0: T, weight_hh: T, bias_hh: T | None = None, lengths: T | None = None, *,
                 reverse: bool = False, reset_after: bool = True) -> tuple[T, T]:  # fmt: skip
    """The steps of a gated recurrent unit: r, z, n are gates[t], and R, Z, N h[t-1] @ weight_hh.T + bias_hh.

    h[t] = (1 - u) tanh(n + sigmoid(r + R) N) + u h[t-1] with u = sigmoid(z + Z). gates (T, N, 3 H), h0 (N, H),
    weight_hh (3 H, H), bias_hh (3 H,) -> all h (T, N, H) and the last (N, H). lengths, reverse and errors are those of
    `rnn_sequence`. Without reset_after the reset scales h before its product, as Keras has it:
    tanh(n + (sigmoid(r + R) h[t-1]) @ W_n.T + b_n).
    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014.
    """
    bias = () if bias_hh is None else (bias_hh,)
    before = {} if reset_after else {"reset_after": False}
    hs, h = _run(GRU, (gates, h0, weight_hh, *bias), lengths, 1, reverse, bias=bool(bias), **before)
    return hs, h


def _run(op: Op, operands: tuple[Any, ...], lengths: Any, lasts: int, reverse: bool,
         **settings: Any) -> tuple[Any, ...]:  # fmt: skip
    """All states, and the `lasts` of them: the op gives the latter as more steps, as it has one gradient."""
    more = () if lengths is None else (lengths,)
    for x in (*operands, *more):
        operand(op.name, x)
    keep = is_grad_enabled() and any(x.requires_grad for x in operands)
    found = apply(op, *operands, *more, reverse=bool(reverse), keep=keep, lengths=bool(more), **settings)  # fmt: skip
    states = found[0]
    steps = states.shape[0] - lasts
    last = (reshape(narrow(states, 0, steps + k, 1), states.shape[1:]) for k in range(lasts))
    return apply(LEADING, states, length=steps), *last


# --- shape rules --------------------------------------------------------------------------------


def _check(name: str, gates: Spec, states: tuple[Spec, ...], weight: Spec, bias: tuple[Spec, ...],
           lengths: tuple[Spec, ...]) -> None:  # fmt: skip
    count = GATES[name]
    check_floating(name, gates.dtype)
    for x in (*states, weight, *bias):
        if x.dtype is not gates.dtype:
            raise DTypeError(
                f"{name}: expected operands of one dtype, got {gates.dtype} and {x.dtype}; convert with .to()"
            )
    width = f"{count} * H" if count > 1 else "H"
    if gates.rank != 3 or not gates.shape[0] or not gates.shape[2] or gates.shape[2] % count:
        raise ShapeError(
            f"{name}: expected gates (T, N, {width}) with T and H of at least 1, got {gates.shape}"
        )
    rows, units = gates.shape[1], gates.shape[2] // count
    for x in states:
        if x.shape != (rows, units):
            raise ShapeError(
                f"{name}: expected an initial state of shape {(rows, units)}, got {x.shape}"
            )
    if weight.shape != (count * units, units):
        raise ShapeError(
            f"{name}: expected weight_hh of shape {(count * units, units)}, got {weight.shape}"
        )
    if bias and bias[0].shape != (count * units,):
        raise ShapeError(
            f"{name}: expected bias_hh of shape {(count * units,)}, got {bias[0].shape}"
        )
    if lengths and lengths[0].dtype not in ("int32", "int64"):
        raise DTypeError(f"{name}: expected lengths of dtype int32 or int64, got {lengths[0].dtype}")  # fmt: skip
    if lengths and lengths[0].shape != (rows,):
        raise ShapeError(f"{name}: expected lengths of shape {(rows,)}, got {lengths[0].shape}")


def _made(gates: Spec, units: int, lasts: int, residuals: tuple[int, ...]) -> tuple[Spec, ...]:
    """Specs of the states with `lasts` more steps, and of residuals of so many units."""
    steps, rows, _ = gates.shape
    return (
        Spec((steps + lasts, rows, units), gates.dtype),
        *(Spec((steps, rows, n * units), gates.dtype) for n in residuals),
    )


def _infer_rnn(gates: Spec, h0: Spec, w: Spec, *rest: Spec, reverse: bool, keep: bool, lengths: bool,
               nonlinearity: str) -> tuple[Spec, ...]:  # fmt: skip
    _check("rnn_sequence", gates, (h0,), w, (), rest)
    return _made(gates, w.shape[1], 1, ())


def _infer_lstm(gates: Spec, h0: Spec, c0: Spec, w: Spec, *rest: Spec, reverse: bool, keep: bool,
                lengths: bool) -> tuple[Spec, ...]:  # fmt: skip
    _check("lstm_sequence", gates, (h0, c0), w, (), rest)
    return _made(gates, w.shape[1], 2, (1, 4) if keep else ())


def _infer_gru(gates: Spec, h0: Spec, w: Spec, *rest: Spec, reverse: bool, keep: bool, lengths: bool,
               bias: bool, reset_after: bool = True) -> tuple[Spec, ...]:  # fmt: skip
    _check("gru_sequence", gates, (h0,), w, rest[:bias], rest[bias:])
    return _made(gates, w.shape[1], 1, (4,) if keep else ())


def _infer_grad(count: int, products: int) -> Callable[..., tuple[Spec, ...]]:
    """Gradients by what the gates are made of, each (T, N, count * H), then by each initial state.

    An LSTM's operands are g, cs, acts, c0, w; a GRU's g, states, acts, h0, w; an RNN's g, states, w.
    """

    def infer(
        g: Spec, states: Spec, *rest: Spec, reverse: bool, lengths: bool, reset_after: bool = True,
        **_: Any,
    ) -> tuple[Spec, ...]:  # fmt: skip
        w = rest[-2 if lengths else -1]
        lasts = 2 if count == 4 else 1
        steps, rows, units = g.shape[0] - lasts, g.shape[1], w.shape[1]
        gate = Spec((steps, rows, count * units), g.dtype)
        return (
            *(gate,) * (products if reset_after else 1),
            *(Spec((rows, units), g.dtype),) * lasts,
        )

    return infer


def _infer_previous(states: Spec, h0: Spec, *lengths: Spec, steps: int, reverse: bool) -> Spec:
    return Spec((steps, *h0.shape), h0.dtype)


# --- gradient rules -----------------------------------------------------------------------------


def _weight_grads(dgates: Any, states: Any, h0: Any, lengths: tuple[Any, ...], reverse: bool,
                  needs: tuple[bool, ...]) -> tuple[Any, ...]:  # fmt: skip
    """Gradients of weight_hh and of bias_hh where there is one: one product over all steps."""
    rows = reshape(dgates, (-1, dgates.shape[-1]))
    dw = None
    if needs[0]:
        before = apply(PREVIOUS, states, h0, *lengths, steps=dgates.shape[0], reverse=reverse)
        before = reshape(before, (-1, h0.shape[-1]))
        dw = apply(MATMUL, rows, before, transpose_a=True, transpose_b=False)
    return (dw, *(reduce_sum(rows, 0) if needed else None for needed in needs[1:]))


def _reset_weight_grad(dx: Any, states: Any, acts: Any, h0: Any, ends: Any, reverse: bool) -> Any:
    """The gradient of weight_hh where the last third of it was multiplied by r h, which acts end in."""
    units = h0.shape[1]
    of_rz, of_n = narrow(dx, 2, 0, 2 * units), narrow(dx, 2, 2 * units, units)
    (by_rz,) = _weight_grads(of_rz, states, h0, ends, reverse, (True,))
    scaled = reshape(narrow(acts, 2, 3 * units, units), (-1, units))
    by_n = apply(MATMUL, reshape(of_n, (-1, units)), scaled, transpose_a=True, transpose_b=False)
    return cat([by_rz, by_n], 0)


def _vjp_rnn(g: Any, outs: Any, gates: Any, h0: Any, w: Any, *rest: Any, needs: Any, reverse: bool,
             lengths: bool, nonlinearity: str, **_: Any) -> Any:  # fmt: skip
    states = outs[0]
    dx, dh = apply(
        RNN_GRAD, g, states, w, *rest, reverse=reverse, lengths=lengths, nonlinearity=nonlinearity
    )
    dw = _weight_grads(dx, states, h0, rest, reverse, needs[2:3])
    return (dx, dh, *dw, *(None for _ in rest))


def _vjp_lstm(g: Any, outs: Any, gates: Any, h0: Any, c0: Any, w: Any, *rest: Any, needs: Any,
              reverse: bool, lengths: bool, **_: Any) -> Any:  # fmt: skip
    states, cs, acts = outs
    dx, dh, dc = apply(LSTM_GRAD, g, cs, acts, c0, w, *rest, reverse=reverse, lengths=lengths)
    dw = _weight_grads(dx, states, h0, rest, reverse, needs[3:4])
    return (dx, dh, dc, *dw, *(None for _ in rest))


def _vjp_gru(g: Any, outs: Any, gates: Any, h0: Any, w: Any, *rest: Any, needs: Any, reverse: bool,
             lengths: bool, bias: bool, reset_after: bool = True, **_: Any) -> Any:  # fmt: skip
    states, acts = outs
    ends = rest[bias:]
    if not reset_after:
        dx, dh = apply(GRU_GRAD, g, states, acts, h0, w, *ends, reverse=reverse, lengths=lengths,
                       reset_after=False)  # fmt: skip
        dw = _weight_grads(dx, states, h0, ends, reverse, (False, *needs[3 : 3 + bias]))
        by_w = _reset_weight_grad(dx, states, acts, h0, ends, reverse) if needs[2] else None
        return (dx, dh, by_w, *dw[1:], *(None for _ in ends))
    dx, dproduct, dh = apply(GRU_GRAD, g, states, acts, h0, w, *ends, reverse=reverse, lengths=lengths)  # fmt: skip
    dw = _weight_grads(dproduct, states, h0, ends, reverse, needs[2 : 3 + bias])
    return (dx, dh, *dw, *(None for _ in ends))


def _vjp_leading(g: Any, outs: Any, x: Variable, *, needs: Any, length: int) -> Any:
    return (pad(g, (*(0,) * (2 * x.ndim - 1), x.shape[0] - length)),)


def _leading(x: Spec, *, length: int) -> Spec:
    shape: Shape = (length, *x.shape[1:])
    return Spec(shape, x.dtype)


RNN = Op("rnn_sequence", _infer_rnn, _vjp_rnn)
LSTM = Op("lstm_sequence", _infer_lstm, _vjp_lstm)
GRU = Op("gru_sequence", _infer_gru, _vjp_gru)
RNN_GRAD = Op("rnn_sequence_grad", _infer_grad(1, 1))
LSTM_GRAD = Op("lstm_sequence_grad", _infer_grad(4, 1))
GRU_GRAD = Op("gru_sequence_grad", _infer_grad(3, 2))
PREVIOUS = Op("rnn_previous", _infer_previous)  # the state that each step started from
LEADING = Op("leading", _leading, _vjp_leading)  # the first rows, on the same memory
