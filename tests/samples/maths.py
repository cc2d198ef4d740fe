"""Samples of clnn.ops.maths."""

from clnn.errors import DTypeError, SettingError
from samples import T, bad, sample
from samples.elementwise import SPECIAL

ANY = ["exp", "expm1", "sin", "cos", "tan", "erf"]
POSITIVE = ["log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal"]
STEPS = ["sign", "floor", "ceil", "round"]

SAMPLES = [
    *[sample(f, T(5, 7)) for f in ANY],
    *[sample(f, T(5, 7, low=0.1, high=3)) for f in POSITIVE],
    *[sample(f, T(5, 7), numeric_grad=False) for f in STEPS],
    *[sample(f, T(values=SPECIAL), numeric_grad=False) for f in ANY + POSITIVE + STEPS if f != "tan"],
    sample("sign", T(3, 2, dtype="bool")),
    *[sample("round", T(30, low=-200, high=200), decimals=d, numeric_grad=False) for d in (1, 2, -1)],
]  # fmt: skip

ERRORS = [
    bad("round", T(2), decimals="x", error=DTypeError, match="round: expected decimals to be an int, got 'x'"),
    bad("round", T(2), decimals=2**31, error=SettingError, match=r"round: expected decimals in \[-300, 300\], got 2147483648"),
    *[bad(f, T(2, dtype="bool"), error=DTypeError, match=f"{f}: expected a numeric dtype, got bool") for f in ("floor", "ceil", "round")],
]  # fmt: skip
