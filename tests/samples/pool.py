"""Samples of clnn.ops.pool."""

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample

NAN, INF = float("nan"), float("inf")
HALVES = ("float16", "bfloat16", "float64")
# (input, settings): odd sizes, 1-wide images, overlap, gaps, padding, ceil_mode with and without a dropped window
SLIDING = [
    ((2, 3, 8, 8), {"kernel_size": 2}),
    ((3, 7, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 1, 5, 37), {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)}),
    ((1, 2, 7, 6), {"kernel_size": 3, "stride": 1, "padding": 1}),
    ((1, 2, 7, 11), {"kernel_size": 2, "stride": 3}),
    ((1, 2, 7, 11), {"kernel_size": 2, "stride": 3, "ceil_mode": True}),
    ((1, 1, 6, 9), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ((1, 2, 5, 5), {"kernel_size": 5}),
    ((2, 2, 1, 1), {"kernel_size": 1}),
    ((1, 1, 20, 19), {"kernel_size": 9, "stride": 4, "padding": 4}),
    ((0, 3, 4, 4), {"kernel_size": 2}),
    ((1, 70, 3, 33), {"kernel_size": (1, 2), "stride": ()}),
]
# planes enough that work-items own some: rows shorter than a vector, windows that share rows, and rows in no window
OWNED = [
    ((3, 4, 9, 11), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 5, 9, 5), {"kernel_size": (4, 3), "stride": 2, "padding": 1}),
    ((2, 4, 7, 6), {"kernel_size": 3, "stride": 1, "padding": 1}),
    ((1, 9, 11, 21), {"kernel_size": 2, "stride": 4, "ceil_mode": True}),
    ((1, 8, 12, 19), {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2}),
]
DILATED = [
    ((2, 2, 9, 12), {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2}),
    (
        (1, 2, 8, 21),
        {
            "kernel_size": (2, 3),
            "stride": (2, 1),
            "padding": (1, 1),
            "dilation": (3, 2),
            "ceil_mode": True,
        },
    ),
    ((1, 1, 13, 17), {"kernel_size": 3, "stride": 3, "dilation": 4}),
]
ROWS = [
    ((2, 3, 16), {"kernel_size": 2}),
    ((3, 17), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ((2, 1, 300), {"kernel_size": (5,), "stride": 1, "padding": 2}),
    ((0, 2, 7), {"kernel_size": 4}),
]
CELLS = [((2, 3, 8, 8), 1), ((2, 3, 8, 9), (4, 3)), ((3, 7, 5), (3, 4)), ((1, 2, 4, 3), (7, 5)), ((2, 1, 5, 6), (None, 2)),
         ((2, 2, 3, 3), (None, None)), ((0, 2, 4, 4), 2)]  # fmt: skip
LINES = [((2, 3, 8), 1), ((3, 17), 5), ((1, 2, 4), (9,)), ((2, 1, 7), 7)]
DIVISORS = [
    {"count_include_pad": False},
    {"divisor_override": 5},
    {"divisor_override": -2, "count_include_pad": False},
]
TIES = [
    [[1.0, 1.0, 0.0, NAN], [1.0, 0.0, 0.0, 2.0], [-INF, -INF, NAN, 3.0], [-INF, -INF, 4.0, NAN]]
]


def functional(name):
    """torch.nn.functional's function; torch's own of that name takes fewer arguments."""
    return lambda *args, **kwargs: getattr(__import__("torch").nn.functional, name)(*args, **kwargs)


SAMPLES = [
    *[sample("max_pool2d", T(*x), numeric_grad=False, **s) for x, s in OWNED + SLIDING + DILATED],
    *[sample("max_pool2d", T(*x), numeric_grad=False, return_indices=True, oracle=functional("max_pool2d"), **s) for x, s in SLIDING[1:7] + DILATED],
    *[sample("max_pool2d", T(2, 3, 7, 9, dtype=d), 3, 2, 1, return_indices=True, oracle=functional("max_pool2d"), numeric_grad=False) for d in HALVES],
    *[sample("max_pool2d", T(values=TIES), k, 1, return_indices=True, oracle=functional("max_pool2d"), numeric_grad=False) for k in (1, 2, 3)],
    *[sample("max_pool2d", T(values=TIES), 2, padding=1, return_indices=True, oracle=functional("max_pool2d"), numeric_grad=False)],
    sample("max_pool2d", T(1, 1, 2, 20, grad=False), 2, 1, 1, 3, numeric_grad=False),
    *[sample("max_pool1d", T(*x), numeric_grad=False, **s) for x, s in ROWS],
    sample("max_pool1d", T(2, 3, 19), 3, 2, 1, 2, return_indices=True, oracle=functional("max_pool1d"), numeric_grad=False),
    *[sample("avg_pool2d", T(*x), **s) for x, s in SLIDING],
    *[sample("avg_pool2d", T(*x), **s, **d) for x, s in [SLIDING[1], SLIDING[2], SLIDING[6]] for d in DIVISORS],
    *[sample("avg_pool2d", T(2, 3, 7, 9, dtype=d), 3, 2, 1) for d in HALVES],
    sample("avg_pool2d", T(values=[[[1.0, INF, 0.0], [NAN, 0.0, 1.0], [0.0, 1.0, 2.0]]]), 2, 1, 1, numeric_grad=False),
    *[sample("avg_pool1d", T(*x), **s) for x, s in ROWS],
    sample("avg_pool1d", T(2, 3, 18), 4, 3, 2, True, False),
    *[sample("adaptive_avg_pool2d", T(*x), s) for x, s in CELLS],
    sample("adaptive_avg_pool2d", T(1, 2, 4, 4, grad=False), (0, 3)),
    *[sample("adaptive_max_pool2d", T(*x), s, return_indices=True, oracle=functional("adaptive_max_pool2d"), numeric_grad=False) for x, s in CELLS],
    sample("adaptive_max_pool2d", T(values=TIES), (3, 2), numeric_grad=False),
    *[sample(f, T(2, 3, 7, 9, dtype=d), 4, numeric_grad=False) for f in ("adaptive_avg_pool2d", "adaptive_max_pool2d") for d in HALVES],
    *[sample("adaptive_avg_pool1d", T(*x), s) for x, s in LINES],
    *[sample("adaptive_max_pool1d", T(*x), s, return_indices=True, oracle=functional("adaptive_max_pool1d"), numeric_grad=False) for x, s in LINES],
]  # fmt: skip

ERRORS = [
    bad("avg_pool2d", T(1, 1, 2, 2), 1, divisor_override=2**31, error=SettingError, match="avg_pool2d: expected divisor_override of 32 bits, got 2147483648"),
    bad("max_pool2d", T(5, 5), 2, error=ShapeError, match=r"max_pool2d: expected input of \(N, C, H, W\) or \(C, H, W\)"),
    bad("max_pool2d", T(2, 0, 5, 5), 2, error=ShapeError, match="only N may be 0"),
    bad("max_pool2d", T(0, 5, 5), 2, error=ShapeError, match="only N may be 0"),
    bad("max_pool1d", T(5), 2, error=ShapeError, match=r"max_pool1d: expected input of \(N, C, L\) or \(C, L\)"),
    bad("max_pool2d", T(1, 5, 5), 3, padding=2, error=ShapeError, match="max_pool2d: expected padding from 0 to half of kernel_size"),
    bad("avg_pool2d", T(1, 5, 5), 3, padding=-1, error=ShapeError, match="avg_pool2d: expected padding from 0"),
    bad("max_pool2d", T(1, 5, 5), 0, error=ShapeError, match="max_pool2d: expected kernel_size of at least 1, got"),
    bad("avg_pool1d", T(1, 5), 2, 0, error=ShapeError, match="avg_pool1d: expected stride of at least 1, got"),
    bad("max_pool2d", T(1, 5, 5), 2, dilation=0, error=ShapeError, match="expected dilation of at least 1"),
    bad("max_pool2d", T(1, 5, 5), 7, error=ShapeError, match="max_pool2d: expected a window that fits, got kernel_size"),
    bad("max_pool2d", T(1, 5, 5), (2, 3, 4), error=ShapeError, match="expected kernel_size to be an int or 2 ints"),
    bad("max_pool2d", T(1, 5, 5), 2.0, error=DTypeError, match="expected kernel_size to be an int"),
    bad("max_pool2d", T(1, 5, 5, dtype="int32"), 2, error=DTypeError, match="max_pool2d: expected a floating dtype, got int32"),
    bad("max_pool2d", [1.0], 2, error=DTypeError, match="max_pool2d: expected Tensors"),
    bad("avg_pool2d", T(1, 5, 5), 2, divisor_override=0, error=SettingError, match="avg_pool2d: expected divisor_override other than 0"),
    bad("adaptive_avg_pool2d", T(1, 5, 5), -1, error=ShapeError, match="adaptive_avg_pool2d: expected output_size of at least 0"),
    bad("adaptive_max_pool2d", T(1, 5, 5), (1, 2, 3), error=ShapeError, match="expected output_size to be an int or 2 ints"),
    bad("adaptive_avg_pool1d", T(1, 2, 3, 5), 2, error=ShapeError, match=r"adaptive_avg_pool1d: expected input of \(N, C, L\)"),
    bad("max_pool2d", T(1, 4, 4), None, error=DTypeError, match="max_pool2d: expected kernel_size to be an int or 2 ints, got None"),
    bad("avg_pool1d", T(1, 4), 2, 0.5, error=DTypeError, match="avg_pool1d: expected stride to be an int or 1 ints, got 0.5"),
    bad("max_pool1d", T(1, 4), 2, 2**31, error=ShapeError, match="max_pool1d: expected stride of 32 bits"),
]  # fmt: skip
