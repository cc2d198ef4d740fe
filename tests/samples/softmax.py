"""Samples of clnn.ops.softmax."""

from clnn.errors import DTypeError, IndexOutOfRangeError
from samples import T, bad, sample

INF, NAN = float("inf"), float("nan")
BOTH = ("softmax", "log_softmax")
# rows shorter and longer than 16 lanes, a group, and what a group holds; columns narrow and wide; sizes 0 and 1
SHAPES = [((7,), 0), ((), 0), ((5, 1), 1), ((1, 5), 0), ((0, 3), 1), ((3, 0), 1), ((130, 3), 1), ((3, 37), -1), ((3, 16), 1), ((2, 4144), 1), ((2, 1000), 1),
          ((2, 5003), 1), ((17, 8209), 1), ((37, 33), 1), ((2, 3, 4), 1), ((37, 3), 0), ((2, 9, 131), 1), ((21, 1100), 0), ((5000, 2), 0), ((600, 300), 0)]  # fmt: skip
WILD = [[1e4, 1e4 + 1, -1e4, 0.0], [-200.0, -201.0, -300.0, -1e30], [88.0, 89.0, 90.0, 3e38]]
SPECIAL = [
    [-INF] * 4,
    [INF, 1.0, 2.0, 3.0],
    [NAN, 1.0, 2.0, -INF],
    [1.0, -INF, 2.0, -INF],
    [INF, -INF, INF, 0.0],
]
LOW = [[-1000.0 - i for i in range(48)]]  # no lane after these that might be larger
MASKED = [[-INF] * 4500 + [1.0, 2.0] * 400]  # pieces without any finite number

SAMPLES = [
    *[sample(f, T(*s), dim=d) for f in BOTH for s, d in SHAPES],
    *[sample("softmin", T(*s), dim=d) for s, d in SHAPES[:1] + SHAPES[7:8]],
    *[
        sample(f, T(values=v), dim=d, numeric_grad=False)
        for f in BOTH
        for v in (WILD, SPECIAL)
        for d in (0, 1)
    ],
    *[sample(f, T(values=LOW), dim=1) for f in BOTH],
    *[sample(f, T(values=MASKED, grad=f == "softmax"), dim=1, numeric_grad=False) for f in BOTH],
    *[
        sample(f, T(3, 37, dtype=t), dim=d)
        for f in BOTH
        for t in ("float16", "bfloat16", "float64")
        for d in (0, 1)
    ],
    sample(
        "softmax",
        T(2, 3, dtype="int32"),
        dim=1,
        dtype="float32",
        oracle=lambda x, dim, dtype: x.float().softmax(dim),
    ),
    sample("log_softmax", T(2, 3, 4), -2),
]

ERRORS = [
    bad(
        "softmax",
        T(2, 3),
        2,
        error=IndexOutOfRangeError,
        match=r"softmax: expected an axis in \[-2, 1\], got 2",
    ),
    bad(
        "log_softmax",
        T(2, dtype="int64"),
        0,
        error=DTypeError,
        match="log_softmax: expected a floating dtype, got int64; pass dtype=",
    ),
    bad("softmin", 2.0, 0, error=DTypeError, match="softmin: expected a Tensor, got float"),
    bad(
        "softmin",
        T(3),
        1,
        error=IndexOutOfRangeError,
        match=r"softmin: expected an axis in \[-1, 0\], got 1",
    ),
]
