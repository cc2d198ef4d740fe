"""Samples of clnn.ops.random that draw nothing; what is drawn is checked in test_random.py."""

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample


def _limit(x, p):
    """What dropout does when it drops nothing, or everything."""
    return x * float(p < 1)


SAMPLES = [
    *[sample("dropout", T(3, 5, dtype=d), 0.0, oracle=_limit) for d in ("float32", "float16")],
    sample("dropout", T(3, 5), 1.0, oracle=_limit),
    sample("dropout", T(3, 5), 0.5, False),
    sample("dropout", T(0, 5), 0.5, oracle=_limit),
    sample("dropout1d", T(3, 5, 2), 0.5, False),
    sample("dropout1d", T(5, 2), 1.0),
    sample("dropout2d", T(3, 5, 2, 2), 0.0),
    sample("dropout2d", T(3, 5, 2, 2), 1.0),
    *[
        sample(f, T(0, 3, dtype=d))
        for f in ("rand_like", "randn_like")
        for d in ("float32", "float16", "bfloat16")
    ],
]

ERRORS = [
    bad("dropout", T(2), 1.5, error=SettingError, match=r"dropout: expected a probability in \[0, 1\], got 1.5"),
    bad("dropout", T(2), -0.1, error=SettingError, match="got -0.1"),
    bad("dropout", T(2), float("nan"), error=SettingError, match="got nan"),
    bad("dropout", T(2, dtype="int32"), error=DTypeError, match="dropout: expected a floating dtype, got int32"),
    bad("dropout", [1.0], error=DTypeError, match="dropout: expected a Tensor, got list"),
    bad("dropout", T(2), generator=3, error=DTypeError, match="expected a clnn.Generator, got int"),
    bad("dropout1d", T(2, 2, 2, 2), error=ShapeError, match=r"dropout1d: .* 2 or 3 axes, got shape \(2, 2, 2, 2\)"),
    bad("dropout2d", T(2, 2), error=ShapeError, match=r"dropout2d: expected a tensor of 4 axes, got shape \(2, 2\)"),
    bad("rand_like", T(2, dtype="int64"), error=DTypeError, match="rand: expected a floating dtype, got int64"),
    bad("randn_like", T(2, dtype="bool"), error=DTypeError, match="randn: expected a floating dtype, got bool"),
    bad("dropout2d", T(1, 1, 2, 2, dtype="int64"), error=DTypeError, match="dropout2d: expected a floating dtype, got int64"),
    bad("dropout", T(2), None, error=DTypeError, match="dropout: expected a number as p, got NoneType"),
]  # fmt: skip
