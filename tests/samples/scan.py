"""Samples of clnn.ops.scan."""

from clnn.errors import DTypeError, IndexOutOfRangeError
from samples import T, bad, sample

# rows and columns, narrow and wide, shorter and longer than a tile; long enough to be cut; sizes 0 and 1
SHAPES = [((7,), 0), ((), 0), ((5, 1), 1), ((1, 5), 0), ((0, 3), 0), ((3, 0), 0), ((3, 300), 1), ((2, 3, 4), 1), ((2, 9, 131), -2),
          ((2, 2001), 1), ((40_009,), 0), ((9001, 5), 0)]  # fmt: skip

SAMPLES = [
    *[sample("cumsum", T(*s), d, rtol=1e-4, atol=1e-4) for s, d in SHAPES],
    *[
        sample("cumsum", T(3, 37, dtype=t), 1)
        for t in ("float16", "bfloat16", "float64", "int32", "int64", "uint8", "bool")
    ],
    sample(
        "cumsum",
        T(3, 4, dtype="int32"),
        0,
        dtype="float32",
        oracle=lambda x, d, dtype: x.float().cumsum(d),
    ),
    sample("cumsum", T(values=[1.0, float("inf"), 2.0, float("-inf"), 3.0], grad=False), 0),
]

ERRORS = [
    bad(
        "cumsum",
        T(2, 3),
        2,
        error=IndexOutOfRangeError,
        match=r"cumsum: expected an axis in \[-2, 1\], got 2",
    ),
    bad("cumsum", T(2, 3), None, error=DTypeError, match="cumsum: expected an int axis, got None"),
    bad("cumsum", [1.0], 0, error=DTypeError, match="cumsum: expected a Tensor, got list"),
]
