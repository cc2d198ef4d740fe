"""Samples of clnn.ops.reduce."""

from samples import T, sample

SHAPES = [((7,), None), ((), None), ((5, 3), 0), ((5, 3), 1), ((5, 3), (0, 1)), ((2, 3, 4, 5), (0, 2, 3)), ((2, 3, 4, 5), (1, 3)),
          ((2, 3, 4, 5), 1), ((2, 1, 4), 1), ((0, 3), 0), ((0, 3), 1), ((3, 0), None), ((4, 300), 1), ((300, 4), 0)]  # fmt: skip

SAMPLES = [
    *[sample("sum", T(*s), dim=d) for s, d in SHAPES],
    *[sample("sum", T(*s), dim=d, keepdim=True) for s, d in SHAPES],
    *[sample("sum", T(3, 5, dtype=t), dim=1) for t in ("float16", "bfloat16", "float64", "int32", "int64", "uint8", "bool")],
]
