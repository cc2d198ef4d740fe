"""Samples of clnn.ops.rnn."""

import numpy as np

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample

GATES = {"rnn_sequence": 1, "lstm_sequence": 4, "gru_sequence": 3}


def by_steps(fn):
    """torch's definition of a layer without weights of its own, a step at a time, rounded once at the end."""

    def oracle(gates, *operands, reverse=False, nonlinearity="tanh", reset_after=True):
        import torch

        kind = gates.dtype
        lengths = operands[-1] if not operands[-1].is_floating_point() else None
        gates, *rest = [x.double() for x in (gates, *operands) if x.is_floating_point()]
        h, c = rest[0], rest[1] if fn == "lstm_sequence" else None
        w = rest[2 if c is not None else 1]
        bias = rest[2] if fn == "gru_sequence" and len(rest) > 2 else 0.0
        hs = [None] * len(gates)
        for t in range(len(gates))[:: -1 if reverse else 1]:
            x, p = gates[t], h @ w.T + bias
            if fn == "rnn_sequence":
                new, mem = (x + p).tanh() if nonlinearity == "tanh" else (x + p).relu(), None
            elif fn == "lstm_sequence":
                i, f, g, o = (x + p).chunk(4, 1)
                mem = f.sigmoid() * c + i.sigmoid() * g.tanh()
                new = o.sigmoid() * mem.tanh()
            else:
                (xr, xz, xn), (pr, pz, pn) = x.chunk(3, 1), p.chunk(3, 1)
                z, r = (xz + pz).sigmoid(), (xr + pr).sigmoid()
                pn = r * pn if reset_after else ((r * h) @ w.T + bias).chunk(3, 1)[2]
                new, mem = (1 - z) * (xn + pn).tanh() + z * h, None
            live = (
                torch.ones(len(h), 1, dtype=torch.bool)
                if lengths is None
                else (t < lengths)[:, None]
            )
            h = torch.where(live, new, h)
            c = None if c is None else torch.where(live, mem, c)
            hs[t] = torch.where(live, new, torch.zeros_like(new))
        found = (torch.stack(hs), h) if c is None else (torch.stack(hs), h, c)
        return tuple(x.to(kind) for x in found)

    return oracle


def run(fn, steps, rows, units, *, dtype="float32", lengths=None, bias=False, kind="int64", **settings):  # fmt: skip
    count, scale = GATES[fn], 1.5 / units**0.5
    states = [T(rows, units, dtype=dtype)] * (2 if fn == "lstm_sequence" else 1)
    weight = T(count * units, units, low=-scale, high=scale, dtype=dtype)
    more = [T(count * units, dtype=dtype)] if bias else [None] if fn == "gru_sequence" else []
    more += [] if lengths is None else [T(values=lengths, dtype=kind)]
    given = [m for m in more if m is not None]
    fill = {} if len(given) == len(more) else {"lengths": given[0]} if given else {}
    positional = given if not fill and (bias or fn != "gru_sequence") else []
    relu = settings.get("nonlinearity") == "relu"
    return sample(fn, T(steps, rows, count * units, dtype=dtype), *states, weight, *positional,
                  oracle=oracle_of(fn), numeric_grad=not relu, **fill, **settings)  # fmt: skip


def oracle_of(fn):
    inner = by_steps(fn)

    def oracle(*operands, bias_hh=None, lengths=None, **settings):
        more = [x for x in (bias_hh, lengths) if x is not None]
        return inner(*operands, *more, **settings)

    return oracle


ALL = tuple(GATES)
# batches of one row and of more than fit the registers; units that fill no vector, one, and several blocks
SIZES = [(1, 1, 1), (3, 2, 5), (5, 7, 16), (2, 17, 33), (4, 1, 70), (7, 3, 67)]
ENDS = [3, 0, 5, 1, 4, 9, 5]  # of 5 steps: some rows have none, some would have more

# tests/nn/test_rnn.py has every dtype by every algorithm
SAMPLES = [
    *[run(fn, *size, bias=fn == "gru_sequence") for fn in ALL for size in SIZES],
    *[run(fn, 3, 9, 20, bias=fn == "gru_sequence", reverse=True) for fn in ALL],
    *[run(fn, 5, 7, 19, lengths=ENDS, reverse=r) for fn in ALL for r in (False, True)],
    run("gru_sequence", 5, 7, 19, bias=True, lengths=ENDS, kind="int32", reverse=True),
    *[run("gru_sequence", *size, bias=True, reset_after=False) for size in SIZES],
    *[run("gru_sequence", 5, 7, 19, lengths=ENDS, reverse=r, reset_after=False) for r in (False, True)],
    run("gru_sequence", 3, 9, 20, bias=True, reverse=True, reset_after=False),
    *[run("gru_sequence", 3, 9, 37, bias=True, reset_after=False, dtype=d) for d in ("float64", "float16", "bfloat16")],
    *[run("rnn_sequence", *size, nonlinearity="relu") for size in [(3, 2, 5), (4, 9, 33)]],
    *[run("lstm_sequence", 3, 9, 37, dtype=d) for d in ("float64", "float16", "bfloat16")],
    *[run(fn, 2, 0, 3) for fn in ALL],
    run("gru_sequence", 2, 0, 3, reset_after=False),
]  # fmt: skip

H0, W = T(2, 4), T(16, 4)
ERRORS = [
    bad("lstm_sequence", T(3, 2, 15), H0, H0, W, error=ShapeError, match=r"lstm_sequence: expected gates \(T, N, 4 \* H\) with T and H of at least 1, got \(3, 2, 15\)"),
    bad("lstm_sequence", T(0, 2, 16), H0, H0, W, error=ShapeError, match=r"of at least 1, got \(0, 2, 16\)"),
    bad("lstm_sequence", T(3, 2, 16), H0, T(2, 5), W, error=ShapeError, match=r"expected an initial state of shape \(2, 4\), got \(2, 5\)"),
    bad("lstm_sequence", T(3, 2, 16), H0, H0, T(4, 16), error=ShapeError, match=r"expected weight_hh of shape \(16, 4\), got \(4, 16\)"),
    bad("lstm_sequence", T(3, 2, 16), H0, H0, T(16, 4, dtype="float64"), error=DTypeError, match="expected operands of one dtype, got float32 and float64"),
    bad("lstm_sequence", T(3, 2, 16), H0, H0, W, T(2), error=DTypeError, match="expected lengths of dtype int32 or int64, got float32"),
    bad("lstm_sequence", T(3, 2, 16), H0, H0, W, T(3, dtype="int64"), error=ShapeError, match=r"expected lengths of shape \(2,\), got \(3,\)"),
    bad("gru_sequence", T(3, 2, 12), H0, T(12, 4), T(4), error=ShapeError, match=r"gru_sequence: expected bias_hh of shape \(12,\), got \(4,\)"),
    bad("gru_sequence", T(3, 2, 12), H0, T(12, 4), T(4), reset_after=False, error=ShapeError, match=r"gru_sequence: expected bias_hh of shape \(12,\), got \(4,\)"),
    bad("gru_sequence", T(3, 2, 12, dtype="int64"), H0, T(12, 4), error=DTypeError, match="gru_sequence: expected a floating dtype, got int64"),
    bad("rnn_sequence", T(3, 2, 4), H0, T(4, 4), nonlinearity="sigmoid", error=SettingError, match="rnn_sequence: expected nonlinearity tanh or relu, got 'sigmoid'"),
    bad("rnn_sequence", T(2, 4), H0, T(4, 4), error=ShapeError, match=r"rnn_sequence: expected gates \(T, N, H\)"),
    bad("rnn_sequence", T(3, 2, 4), np.zeros((2, 4)), T(4, 4), error=DTypeError, match="rnn_sequence: expected a Tensor, got numpy.ndarray"),
]  # fmt: skip
