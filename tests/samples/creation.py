"""Samples of clnn.ops.creation; what needs no tensor is in test_creation.py."""

from clnn.errors import DTypeError, SettingError
from samples import T, bad, sample

DTYPES = ["float64", "float16", "bfloat16", "int32", "int64", "uint8", "bool"]

SAMPLES = [
    *[sample("clone", T(3, 5, dtype=d)) for d in DTYPES],
    sample("clone", T(2, 3, 4)),
    sample("clone", T()),
    sample("clone", T(0, 3)),
    *[sample(f, T(2, 3, dtype=d)) for f in ("zeros_like", "ones_like") for d in DTYPES],
    sample("zeros_like", T()),
    sample("ones_like", T(0, 3)),
    sample("full_like", T(7, 5), 2.5),
    sample("full_like", T(7, 5, dtype="float16"), 6e4),
    sample("full_like", T(3, dtype="int64"), -(2**40)),
    sample("full_like", T(3, dtype="int32"), 2.9),
    sample("full_like", T(3, dtype="bool"), 3),
    sample("full_like", T(4, dtype="bfloat16"), float("nan")),
    sample("full_like", T(4), float("-inf")),
    sample("ones_like", T(3), dtype="int32", oracle=lambda x, dtype: x.new_ones(3).int()),
    *[sample("empty_like", T(0, 5, dtype=d)) for d in ("float32", "float16", "bfloat16")],
]

ERRORS = [
    bad("zeros_like", 3.0, error=DTypeError, match="zeros_like: expected a Tensor, got float"),
    bad("full_like", T(2), "a", error=DTypeError, match="full_like: .* got str"),
    bad("full_like", T(2, dtype="int32"), 2**31, error=SettingError, match="that int32 holds"),
    bad("full_like", T(2, dtype="uint8"), -1, error=SettingError, match="that uint8 holds, got -1"),
    bad("full_like", T(2, dtype="int64"), float("inf"), error=SettingError, match="got inf"),
    bad("ones_like", T(2), dtype="int32", requires_grad=True, error=DTypeError,
        match="expected a floating dtype, got int32"),
]  # fmt: skip
