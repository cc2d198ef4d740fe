"""Recurrent layers in NumPy: a loop over steps; states are carried in the accumulator and rounded when stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...dtypes import accumulator, dtype
from .. import implements


def _wide(x: Any) -> Any:
    return x.astype(str(accumulator(dtype(x.dtype))))


def _sigmoid(x: Any) -> Any:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def _steps(count: int, rows: int, ends: tuple[Any, ...], backwards: bool) -> Iterator[tuple[int, Any]]:  # fmt: skip
    """Every step, and which rows (a column of bool) are not past their end in it."""
    for t in range(count)[:: -1 if backwards else 1]:
        yield t, (t < ends[0] if ends else np.ones(rows, bool))[:, None]


@implements("rnn_sequence")
def rnn_sequence(
    gates: Any, h0: Any, w: Any, *ends: Any, reverse: bool, nonlinearity: str, **_: Any
) -> Any:
    """The states, and the last."""
    act = np.tanh if nonlinearity == "tanh" else lambda x: np.maximum(x, 0)
    h, w, states = _wide(h0), _wide(w), np.zeros((len(gates) + 1, *h0.shape), h0.dtype)
    for t, live in _steps(len(gates), len(h0), ends, reverse):
        h = np.where(live, act(_wide(gates[t]) + h @ w.T), h)
        states[t] = np.where(live, h, 0)
    states[-1] = h
    return states


@implements("lstm_sequence")
def lstm_sequence(
    gates: Any, h0: Any, c0: Any, w: Any, *ends: Any, reverse: bool, keep: bool, **_: Any
) -> Any:
    """The states, the last h and the last c; to keep: every c, and i, f, g, o after their functions."""
    h, c, w = _wide(h0), _wide(c0), _wide(w)
    states = np.zeros((len(gates) + 2, *h0.shape), h0.dtype)
    cs, acts = np.zeros((len(gates), *h0.shape), h0.dtype), np.zeros(gates.shape, gates.dtype)
    for t, live in _steps(len(gates), len(h0), ends, reverse):
        i, f, g, o = np.split(_wide(gates[t]) + h @ w.T, 4, axis=1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        c = np.where(live, f * c + i * g, c)
        h = np.where(live, o * np.tanh(c), h)
        states[t], cs[t] = np.where(live, h, 0), c
        acts[t] = np.where(live, np.concatenate([i, f, g, o], axis=1), 0)
    states[-2], states[-1] = h, c
    return (states, cs, acts) if keep else states


@implements("gru_sequence")
def gru_sequence(
    gates: Any, h0: Any, w: Any, *rest: Any, reverse: bool, keep: bool, bias: bool, reset_after: bool = True,
    **_: Any,
) -> Any:  # fmt: skip
    """The states, and the last; to keep: r, z, n after their functions, and the product that r scales or r h."""
    h, w = _wide(h0), _wide(w)
    b = _wide(rest[0]) if bias else np.zeros(len(w), w.dtype)
    states = np.zeros((len(gates) + 1, *h0.shape), h0.dtype)
    acts = np.zeros((len(gates), len(h0), 4 * h0.shape[1]), gates.dtype)
    for t, live in _steps(len(gates), len(h0), rest[bias:], reverse):
        xr, xz, xn = np.split(_wide(gates[t]), 3, axis=1)
        pr, pz, pn = np.split(h @ w.T + b, 3, axis=1)
        r, z = _sigmoid(xr + pr), _sigmoid(xz + pz)
        if reset_after:
            scaled, pn = pn, r * pn
        else:
            scaled = r * h
            pn = scaled @ w.T[:, 2 * h0.shape[1] :] + b[2 * h0.shape[1] :]
        n = np.tanh(xn + pn)
        h = np.where(live, (1 - z) * n + z * h, h)
        states[t] = np.where(live, h, 0)
        acts[t] = np.where(live, np.concatenate([r, z, n, scaled], axis=1), 0)
    states[-1] = h
    return (states, acts) if keep else states


@implements("rnn_previous")
def rnn_previous(states: Any, h0: Any, *ends: Any, steps: int, reverse: bool) -> Any:
    """The state that each step started from."""
    if not reverse:
        return np.concatenate([h0[None], states[: steps - 1]])
    out = np.concatenate([states[1:steps], h0[None]])
    if ends:  # each sequence starts at its own end
        past = np.arange(1, steps + 1)[:, None] >= ends[0]
        out = np.where(past[:, :, None], h0, out)
    return out


@implements("leading")
def leading(x: Any, *, length: int) -> Any:
    """The first rows."""
    return x[:length]


# --- the way back -------------------------------------------------------------------------------


@implements("rnn_sequence_grad")
def rnn_sequence_grad(
    g: Any, states: Any, w: Any, *ends: Any, reverse: bool, nonlinearity: str, **_: Any
) -> Any:
    """Gradients by gates and h0."""
    steps, (rows, units) = len(g) - 1, g.shape[1:]
    carry, w, dx = _wide(g[-1]), _wide(w), np.zeros((steps, rows, units), g.dtype)
    for t, live in _steps(steps, rows, ends, not reverse):
        y = _wide(states[t])
        slope = 1 - y * y if nonlinearity == "tanh" else (y > 0).astype(y.dtype)
        d = np.where(live, (carry + _wide(g[t])) * slope, 0)
        dx[t] = d
        carry = np.where(live, 0, carry) + d @ w
    return dx, carry.astype(g.dtype)


@implements("lstm_sequence_grad")
def lstm_sequence_grad(
    g: Any, cs: Any, acts: Any, c0: Any, w: Any, *ends: Any, reverse: bool, **_: Any
) -> Any:
    """Gradients by gates, h0 and c0."""
    steps = len(acts)
    carry, dc, w, dx = _wide(g[-2]), _wide(g[-1]), _wide(w), np.zeros_like(acts)
    before = rnn_previous(cs, c0, steps=steps, reverse=reverse)
    for t, live in _steps(steps, len(c0), ends, not reverse):
        i, f, a, o = np.split(_wide(acts[t]), 4, axis=1)
        tc = np.tanh(_wide(cs[t]))
        dh = carry + _wide(g[t])
        inner = dc + dh * o * (1 - tc * tc)
        d = np.concatenate([
            inner * a * i * (1 - i), inner * _wide(before[t]) * f * (1 - f),
            inner * i * (1 - a * a), dh * tc * o * (1 - o),
        ], axis=1)  # fmt: skip
        d = np.where(live, d, 0)
        dx[t], dc = d, np.where(live, inner * f, dc)
        carry = np.where(live, 0, carry) + d @ w
    return dx, carry.astype(g.dtype), dc.astype(g.dtype)


@implements("gru_sequence_grad")
def gru_sequence_grad(
    g: Any, states: Any, acts: Any, h0: Any, w: Any, *ends: Any, reverse: bool, reset_after: bool = True,
    **_: Any,
) -> Any:  # fmt: skip
    """Gradients by gates, if reset_after by the products h @ w.T, and by h0."""
    steps, (rows, units) = len(acts), h0.shape
    carry, w = _wide(g[-1]), _wide(w)
    dx, dproduct = (np.zeros((steps, rows, 3 * units), g.dtype) for _ in range(2))
    before = rnn_previous(states, h0, *ends, steps=steps, reverse=reverse)
    for t, live in _steps(steps, rows, ends, not reverse):
        r, z, n, product = np.split(_wide(acts[t]), 4, axis=1)
        dh = carry + _wide(g[t])
        dz = dh * (_wide(before[t]) - n) * z * (1 - z)
        dn = dh * (1 - z) * (1 - n * n)
        if not reset_after:  # `product` is r h
            by = np.where(live, dn @ w[2 * units :], 0)
            d = np.where(live, np.concatenate([by * product * (1 - r), dz, dn], axis=1), 0)
            dx[t] = d
            carry = np.where(live, dh * z + by * r, carry) + d[:, : 2 * units] @ w[: 2 * units]
            continue
        dr = dn * product * r * (1 - r)
        d = np.where(live, np.concatenate([dr, dz, dn * r], axis=1), 0)
        dx[t] = np.where(live, np.concatenate([dr, dz, dn], axis=1), 0)
        dproduct[t] = d
        carry = np.where(live, dh * z, carry) + d @ w
    return (dx, dproduct, carry.astype(g.dtype)) if reset_after else (dx, carry.astype(g.dtype))
