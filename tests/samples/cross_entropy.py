"""Samples of clnn.ops.cross_entropy."""

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad
from samples.loss import HALVES, INF, NAN, REDUCTIONS, loss, probabilities, weights

HUGE = [[1e4, -1e4, 3.0], [-1e4, -1e4, -1e4], [88.0, 89.0, 100.0], [3e38, -3e38, 0.0]]
SHAPES = [((5, 7), (5,)), ((7,), ()), ((1, 1), (1,)), ((3, 4, 5), (3, 5)), ((2, 3, 4, 5), (2, 4, 5)), ((4, 300), (4,)), ((700, 10), (700,)),
          ((2, 5, 17, 19), (2, 17, 19)), ((0, 3), (0,)), ((2, 3, 0), (2, 0)), ((33, 3, 1), (33, 1))]  # fmt: skip


def classes(*shape, n, dtype="int64"):
    return T(*shape, dtype=dtype, low=0, high=n)


def indexed(f, x, t, *more, dtype="int64", x_dtype="float32", **settings):
    n = x[1] if len(x) > 1 else x[0]
    return loss(f, T(*x, dtype=x_dtype), classes(*t, n=n, dtype=dtype), *more, **settings)


def long_targets(f):
    """torch takes no int32."""

    def oracle(x, t, **settings):
        import torch

        return getattr(torch.nn.functional, f)(x, t.long(), **settings)

    return oracle


def out_of_range(f):
    """torch raises; here the sample is NaN, and so is every gradient of its scores."""

    def oracle(x, t, *, reduction):
        import torch

        known = (t >= 0) & (t < x.shape[1])
        losses = getattr(torch.nn.functional, f)(x, torch.where(known, t, 0), reduction="none")
        losses = losses + (x * torch.where(known, 0.0, NAN).unsqueeze(1)).sum(1)
        if reduction == "none":
            return losses
        return losses.sum() * (NAN if reduction == "mean" else 1.0)

    return oracle


SAMPLES = [
    # class indices
    *[indexed(f, x, t, reduction=r) for f in ("cross_entropy", "nll_loss") for x, t in SHAPES for r in ("mean", "none")],
    *[indexed(f, x, t, weights(x[1]), reduction=r) for f in ("cross_entropy", "nll_loss") for x, t in SHAPES[3:5] for r in REDUCTIONS],
    *[indexed(f, x, t, weights(x[1]), ignore_index=1, reduction=r) for f in ("cross_entropy", "nll_loss") for x, t in [((9, 3), (9,)), ((3, 3, 7), (3, 7))] for r in REDUCTIONS],
    *[indexed("cross_entropy", x, t, w, ignore_index=1, reduction=r, label_smoothing=0.1)
      for x, t in [((9, 3), (9,)), ((3, 3, 7), (3, 7))] for w in (None, weights(3)) for r in REDUCTIONS],
    *[indexed("cross_entropy", (4, 300), (4,), label_smoothing=e) for e in (0.3, 1.0)],
    *[indexed(f, (5, 7), (5,), x_dtype=d, reduction=r) for f in ("cross_entropy", "nll_loss") for d in ("float64", *HALVES) for r in ("mean", "none")],
    indexed("cross_entropy", (3, 4, 5), (3, 5), weights(4, "float16"), x_dtype="float16", label_smoothing=0.2, reduction="sum"),
    indexed("cross_entropy", (5, 7), (5,), dtype="uint8"),
    *[loss(f, T(3, 4, 5), T(3, 5, dtype="int32", low=0, high=4), reduction=r, oracle=long_targets(f))
      for f in ("cross_entropy", "nll_loss") for r in ("mean", "none")],
    *[loss("cross_entropy", T(values=HUGE), T(values=[0, 1, 2, 1], dtype="int64"), reduction=r, numeric_grad=False) for r in ("none", "sum")],
    loss("cross_entropy", T(values=[[[a] * 2 for a in row] for row in HUGE]), T(values=[[0, 1], [2, 2], [0, 1], [0, 1]], dtype="int64"), reduction="none", numeric_grad=False),
    loss("cross_entropy", T(values=[[NAN, 1.0], [1.0, 2.0], [-INF, 1.0], [INF, 1.0], [-INF, -INF]]), T(values=[0, 1, 1, 0, 0], dtype="int64"), reduction="none", numeric_grad=False),
    loss("cross_entropy", T(values=[[-INF, 1.0]]), T(values=[0], dtype="int64"), numeric_grad=False),
    *[loss(f, T(3, 5), T(values=[-100, 2, -100], dtype="int64"), reduction=r) for f in ("cross_entropy", "nll_loss") for r in REDUCTIONS],
    *[loss(f, T(2, 5), T(values=[-100, -100], dtype="int64"), reduction=r, numeric_grad=False) for f in ("cross_entropy", "nll_loss") for r in ("mean", "sum")],
    *[loss(f, T(2, 5), T(values=[7, 2], dtype="int64"), ignore_index=7) for f in ("cross_entropy", "nll_loss")],
    # an index out of range: NaN for its sample, whatever its distance, and nothing for the others (torch raises)
    *[loss(f, T(3, 4), T(values=[1, bad_index, 3], dtype="int64"), reduction="none", numeric_grad=False, oracle=out_of_range(f))
      for f in ("cross_entropy", "nll_loss") for bad_index in (4, -1, 2**40, -(2**62))],
    *[loss(f, T(2, 4, 3), T(values=[[0, 1, 9], [2, 3, -7]], dtype="int64"), reduction=r, numeric_grad=False, oracle=out_of_range(f))
      for f, r in [("cross_entropy", "none"), ("cross_entropy", "mean"), ("cross_entropy", "sum"), ("nll_loss", "none"), ("nll_loss", "sum")]],
    # probabilities
    *[loss("cross_entropy", T(*s), probabilities(*s), reduction=r) for s in [(3, 5), (2, 3, 4)] for r in REDUCTIONS],
    *[loss("cross_entropy", T(2, 3, 4), probabilities(2, 3, 4), weights(3), reduction=r, label_smoothing=0.2) for r in REDUCTIONS],
    loss("cross_entropy", T(5), probabilities(5), weights(5)),
    loss("cross_entropy", T(3, 5, dtype="float16"), probabilities(3, 5, dtype="float16")),
    loss("cross_entropy", T(3, 5, dtype="float64"), probabilities(3, 5, dtype="float64")),
]  # fmt: skip

ERRORS = [
    *[bad(f, T(2, 3), T(2, dtype="int64"), reduction="max", error=SettingError, match=f"{f}: expected reduction 'none', 'mean', 'sum', got 'max'") for f in ("cross_entropy", "nll_loss")],
    *[bad(f, T(2, 3), T(3, dtype="int64"), error=ShapeError, match=rf"{f}: expected a target of shape \(2,\) for input \(2, 3\), got \(3,\)") for f in ("cross_entropy", "nll_loss")],
    *[bad(f, T(2, 3), T(2), error=DTypeError, match=f"{f}: expected class indices as int64, int32 or uint8, got float32") for f in ("cross_entropy", "nll_loss")],
    *[bad(f, T(2, 3, dtype="int64"), T(2, dtype="int64"), error=DTypeError, match=f"{f}: expected a floating dtype, got int64") for f in ("cross_entropy", "nll_loss")],
    *[bad(f, T(2, 3), T(2, dtype="int64"), T(2), error=ShapeError, match=rf"{f}: expected a weight of shape \(3,\), got \(2,\)") for f in ("cross_entropy", "nll_loss")],
    *[bad(f, T(2, 3), T(2, dtype="int64"), T(3, dtype="float64"), error=DTypeError, match=f"{f}: expected a weight of dtype float32, got float64") for f in ("cross_entropy", "nll_loss")],
    bad("nll_loss", T(), T(dtype="int64"), error=ShapeError, match=r"nll_loss: expected an input of shape \(N, C, ...\) or \(C,\), got \(\)"),
    bad("cross_entropy", T(2, 3, dtype="int64"), T(2, 3), label_smoothing=0.1, error=DTypeError, match="cross_entropy: expected a floating dtype, got int64"),
    bad("cross_entropy", T(2, 3), T(2, 3, dtype="int64"), error=DTypeError, match="cross_entropy: expected probabilities of a floating dtype"),
    bad("cross_entropy", T(2, 3), T(2, 3), ignore_index=1, error=SettingError, match="cross_entropy: expected no ignore_index for a target of probabilities, got 1"),
    bad("cross_entropy", T(2, 3), T(2, dtype="int64"), label_smoothing=1.5, error=SettingError, match=r"cross_entropy: expected label_smoothing in \[0, 1\], got 1.5"),
    *[bad(fn, T(2, 3), T(2, dtype="int64"), ignore_index=(), error=DTypeError, match=f"{fn}: expected ints") for fn in ("cross_entropy", "nll_loss")],
    bad("cross_entropy", T(2, 3), [0, 1], error=DTypeError, match="cross_entropy: expected a Tensor, got list"),
    bad("cross_entropy", T(2, 3), T(2, 3), 2.0, error=DTypeError, match="cross_entropy: expected a Tensor, got float"),
]  # fmt: skip
