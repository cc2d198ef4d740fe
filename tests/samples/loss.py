"""Samples of clnn.ops.loss."""

import numpy as np

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample

NAN, INF = float("nan"), float("inf")
REDUCTIONS = ("none", "mean", "sum")
REGRESSION = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
HALVES = ("float16", "bfloat16")


def probabilities(*shape, dtype="float32"):
    return T(*shape, dtype=dtype, low=0.01, high=0.99)


def weights(n, dtype="float32"):
    return T(n, dtype=dtype, low=0.2, high=3.0, grad=False)


def loss(f, *args, oracle=None, **settings):
    """A sample whose oracle is the function users of torch call; torch.<f> may be a private one."""

    def functional(*args, **settings):
        import torch

        return getattr(torch.nn.functional, f)(*args, **settings)

    return sample(f, *args, oracle=oracle or functional, **settings)


SAMPLES = [
    # one loss per element
    *[loss(f, T(5, 7), T(5, 7), reduction=r) for f in REGRESSION for r in REDUCTIONS],
    *[loss(f, T(5, 7, dtype=d), T(5, 7, dtype=d)) for f in REGRESSION for d in ("float64", *HALVES)],
    *[loss(f, T(*s), T(*s), reduction=r) for f in ("mse_loss", "l1_loss") for s in [(), (1,), (0, 3), (3001,)] for r in ("mean", "sum")],
    *[loss("mse_loss", T(n), T(n)) for n in (2048, 2049, 4099, 70_001)],
    *[loss(f, T(values=[NAN, INF, 1e4, -1e4, 2.0]), T(values=[1.0, 1.0, -1e4, 1.0, 2.0]), reduction="none", numeric_grad=False)
      for f in ("mse_loss", "smooth_l1_loss", "huber_loss")],
    loss("mse_loss", T(3, 4, dtype="float16"), T(3, 4), reduction="mean"),
    loss("mse_loss", T(3, 4), T(3, 4, dtype="int64")),
    *[loss(f, T(3, 4), T(3, 4), reduction=r, weight=T(3, 4, low=0.1, high=2.0, grad=False)) for f in ("mse_loss", "l1_loss", "huber_loss") for r in REDUCTIONS],
    *[loss("smooth_l1_loss", T(5, 7), T(5, 7), reduction=r, beta=b) for r, b in [("mean", 0.3), ("sum", 2.5), ("none", 0.0)]],
    *[loss("huber_loss", T(5, 7), T(5, 7), r, b) for r, b in [("mean", 0.3), ("sum", 2.5), ("none", 0.7)]],
    *[loss("binary_cross_entropy", probabilities(5, 7), probabilities(5, 7), reduction=r) for r in REDUCTIONS],
    *[loss("binary_cross_entropy", probabilities(5, 7, dtype=d), probabilities(5, 7, dtype=d)) for d in ("float64", "float16")],
    *[loss("binary_cross_entropy", probabilities(5, 7), probabilities(5, 7), w, reduction=r)
      for w in (T(5, 7, low=0.1, high=2.0, grad=False), T(7, low=0.1, high=2.0, grad=False)) for r in REDUCTIONS],
    loss("binary_cross_entropy", T(values=[0.0, 1.0, 0.0, 1.0, 0.5, 1e-30]), T(values=[0.0, 1.0, 1.0, 0.0, 1.0, 1.0], grad=False), reduction="none", numeric_grad=False),
    *[loss("binary_cross_entropy_with_logits", T(5, 7), probabilities(5, 7), reduction=r) for r in REDUCTIONS],
    *[loss("binary_cross_entropy_with_logits", T(5, 7, dtype=d), probabilities(5, 7, dtype=d)) for d in ("float64", *HALVES)],
    *[loss("binary_cross_entropy_with_logits", T(5, 7), probabilities(5, 7), weight=weights(7), pos_weight=weights(7), reduction=r) for r in REDUCTIONS],
    *[loss("binary_cross_entropy_with_logits", T(2, 3, 4), probabilities(2, 3, 4), pos_weight=T(*s, low=0.2, high=2.0, grad=False))
      for s in [(4,), (3, 1), (2, 3, 4), ()]],
    loss("binary_cross_entropy_with_logits", T(values=[1e4, -1e4, 1e4, -1e4, 100.0, NAN, INF]), T(values=[1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]), reduction="none", numeric_grad=False),
    *[loss("kl_div", T(3, 5), probabilities(3, 5), reduction=r) for r in REDUCTIONS if r != "mean"],
    *[loss("kl_div", T(3, 5), T(3, 5), reduction=r, log_target=True) for r in ("none", "sum", "batchmean")],
    *[loss("kl_div", T(3, 5, dtype=d), probabilities(3, 5, dtype=d), reduction="batchmean") for d in ("float32", "float64", "float16")],
    loss("kl_div", T(3, 5), probabilities(5), reduction="sum"),
    loss("kl_div", T(values=[1.0, -INF, 2.0]), T(values=[0.0, 0.5, 1.0], grad=False), reduction="none", numeric_grad=False),
    # distances
    *[loss("margin_ranking_loss", T(7), T(7), T(7, values=[1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0], grad=False), m, reduction=r) for m, r in [(0.0, "mean"), (0.5, "sum"), (0.3, "none")]],
    *[loss("cosine_embedding_loss", T(4, 5), T(4, 5), T(values=[1.0, -1.0, -1.0, 0.5], grad=False), margin=m, reduction=r) for m, r in [(0.0, "mean"), (-0.2, "sum"), (0.3, "none")]],
    loss("cosine_embedding_loss", T(5), T(5), T(values=-1, dtype="int64"), margin=-0.9),
    loss("cosine_embedding_loss", T(2, 3, dtype="float64"), T(2, 3, dtype="float64"), T(values=[1, -1], dtype="int64")),
    loss("cosine_embedding_loss", T(2, 3), T(1, 3), T(values=[1, -1], dtype="int64")),
    *[loss("triplet_margin_loss", T(4, 5), T(4, 5), T(4, 5), margin=m, p=p, swap=s, reduction=r)
      for m, p, s, r in [(1.0, 2.0, False, "mean"), (0.5, 1.0, True, "sum"), (1.0, 3.0, True, "none")]],
    loss("triplet_margin_loss", T(5), T(5), T(5)),
]  # fmt: skip

ERRORS = [
    bad("kl_div", T(2), 1.0, error=DTypeError, match="kl_div: expected a Tensor, got float"),
    bad("margin_ranking_loss", T(2, 1), T(2), T(2), error=ShapeError, match=r"margin_ranking_loss: expected operands with as many axes, got \(2, 1\)"),
    *[bad(f, T(2), T(2), reduction="max", error=SettingError, match=f"{f}: expected reduction 'none', 'mean', 'sum', got 'max'")
      for f in ("mse_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")],
    bad("kl_div", T(2), T(2), reduction="max", error=SettingError, match="kl_div: expected reduction .*'batchmean', got 'max'"),
    bad("mse_loss", T(2, dtype="int64"), T(2, dtype="int64"), error=DTypeError, match="mse_loss: expected a floating dtype, got int64"),
    bad("mse_loss", T(2), np.zeros(2, np.float32), error=DTypeError, match="mse_loss: expected a Tensor, got numpy.ndarray; make a Tensor"),
    bad("mse_loss", T(2), T(2), weight=T(1), error=ShapeError, match=r"mse_loss: expected a weight of input's shape \(2,\), got \(1,\)"),
    bad("kl_div", T(2), T(3), reduction="sum", error=ShapeError, match=r"kl_div: expected broadcastable shapes, got \(2,\) and \(3,\)"),
    bad("smooth_l1_loss", T(2), T(2), beta=-1.0, error=SettingError, match="smooth_l1_loss: expected beta >= 0, got -1.0"),
    bad("huber_loss", T(2), T(2), delta=0.0, error=SettingError, match="huber_loss: expected delta > 0, got 0.0"),
    *[bad(f, T(2), T(1), error=ShapeError, match=rf"{f}: expected a target of shape \(2,\), got \(1,\)") for f in ("binary_cross_entropy", "binary_cross_entropy_with_logits")],
    bad("binary_cross_entropy_with_logits", T(3), T(3), pos_weight=T(2, 3), error=ShapeError, match=r"expected a pos_weight that broadcasts to \(3,\), got \(2, 3\)"),
    bad("triplet_margin_loss", T(2, 3), T(2, 3), T(2, 3), margin=0.0, error=SettingError, match="triplet_margin_loss: expected margin > 0, got 0.0"),
    bad("cosine_embedding_loss", T(2, 3), T(2, 3), T(2, dtype="uint8"), error=DTypeError, match="expected a target of a signed dtype"),
    bad("cosine_embedding_loss", T(2, 3), T(2, 3), T(3), error=ShapeError, match=r"cosine_embedding_loss: expected \(N, D\), \(N, D\), \(N,\)"),
    bad("l1_loss", T(3, dtype="bool"), T(3), error=DTypeError, match="l1_loss: expected a floating dtype, got bool"),
    bad("binary_cross_entropy_with_logits", T(3), T(3), weight=T(2, 3), error=ShapeError, match="expected a weight that broadcasts to"),
    bad("triplet_margin_loss", T(3), T(1, 3), T(1, 3), error=ShapeError, match="triplet_margin_loss: expected operands with as many axes"),
    bad("margin_ranking_loss", T(3), T(3), T(4), error=ShapeError, match="margin_ranking_loss: expected broadcastable shapes"),
]  # fmt: skip
