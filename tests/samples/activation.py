"""Samples of clnn.ops.activation."""

import numpy as np

from clnn.errors import DTypeError, IndexOutOfRangeError, SettingError, ShapeError
from samples import T, bad, sample

SMOOTH = ["elu", "selu", "gelu", "silu", "mish", "softplus", "softsign", "logsigmoid", "tanhshrink",
          "sigmoid", "tanh", "celu"]  # fmt: skip
KINKED = ["relu", "relu6", "leaky_relu", "hardswish", "hardsigmoid", "hardtanh", "hardshrink",
          "softshrink"]  # fmt: skip
ALL = SMOOTH + KINKED
NAN, INF = float("nan"), float("inf")
KNEES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 3.0, -3.0, 6.0, 1e-6, -1e-6, 20.0, 20.5]
LARGE = [1e4, -1e4, 100.0, -100.0, 89.0, -89.0, 1e20, -1e20, 3e38, -3e38]
# torch's own result at infinity depends on which of its loops runs for these
UNDEFINED_AT_INF = ("gelu", "silu", "mish", "hardswish", "softsign")


SAMPLES = [
    *[sample(f, T(5, 7)) for f in ALL],
    *[sample(f, T(5, 7, dtype=d)) for f in ALL for d in ("float64", "float16") if (f, d) != ("hardsigmoid", "float64")],
    sample("hardsigmoid", T(5, 7, dtype="float64"), rtol=1e-7),  # torch's gradient there is a float32 sixth
    *[sample(f, T(3, 5, dtype="bfloat16")) for f in ("relu", "gelu", "silu", "hardswish", "tanh", "softshrink")],
    *[sample(f, T(values=KNEES), numeric_grad=False) for f in ALL],
    *[sample(f, T(values=LARGE), numeric_grad=False) for f in ALL if f != "gelu"],
    sample("gelu", T(values=LARGE[:-2]), numeric_grad=False),
    *[sample(f, T(values=[NAN, INF, -INF]), numeric_grad=False) for f in ALL if f not in UNDEFINED_AT_INF],
    *[sample(f, T(values=[NAN, 1.0]), numeric_grad=False) for f in UNDEFINED_AT_INF],
    *[sample(f, T(*shape)) for f in ("relu", "silu") for shape in [(), (0,), (1,), (0, 3)]],
    *[sample(f, T(3, 5, dtype=d)) for f in ("sigmoid", "tanh", "softsign", "tanhshrink", "relu", "relu6")
      for d in ("int32", "int64", "uint8")],
    *[sample("gelu", T(5, 7, dtype=d), approximate="tanh") for d in ("float32", "float64", "bfloat16")],
    sample("gelu", T(values=KNEES), approximate="tanh", numeric_grad=False),
    sample("gelu", T(values=[1e4, -1e4, 1e12, -1e12, NAN]), approximate="tanh", numeric_grad=False),
    sample("leaky_relu", T(5, 7), 0.2),
    sample("leaky_relu", T(5, 7), negative_slope=-0.3),
    sample("leaky_relu", T(values=[NAN, INF, -INF, 1.0]), 0.0, numeric_grad=False),
    sample("elu", T(5, 7), alpha=0.3),
    sample("celu", T(5, 7), alpha=0.3),
    sample("celu", T(5, 7), alpha=-1.5),
    sample("softplus", T(5, 7), beta=2.5, threshold=1.0, numeric_grad=False),
    sample("softplus", T(5, 7), 0.5),
    sample("hardtanh", T(5, 7), -0.5, 0.25),
    sample("hardtanh", T(values=[NAN, -0.5, 0.25, INF]), min_val=-0.5, max_val=0.25, numeric_grad=False),
    sample("hardshrink", T(5, 7), lambd=0.75),
    sample("softshrink", T(5, 7), lambd=0.75),
    sample("softshrink", T(5, 7), 0.0),
    sample("threshold", T(5, 7), 0.3, -2.0),
    sample("threshold", T(values=[NAN, 0.3, INF, -INF]), 0.3, 20.0, numeric_grad=False),
    *[sample(f, T(3, 4), inplace=False) for f in ("silu", "mish", "hardswish")],
    *[sample("prelu", T(*shape), T(*w)) for shape, w in [((5, 7), (7,)), ((2, 3, 4, 5), (3,)), ((2, 3, 4), (1,)),
      ((4,), (1,)), ((), (1,)), ((0, 3), (3,)), ((2, 3, 5), ())]],
    sample("prelu", T(2, 3, 4, dtype="float16"), T(3, dtype="float16")),
    sample("prelu", T(values=[NAN, 0.0, -0.0, INF, -1.0]), T(values=[0.25]), numeric_grad=False),
    *[sample("glu", T(*shape), dim=dim) for shape, dim in [((3, 4), -1), ((4, 3), 0), ((2, 6, 3, 5), 1), ((2, 0), -1),
      ((2,), 0), ((0, 4), 1)]],
    sample("glu", T(3, 10)),
    sample("glu", T(33, 330)),
    sample("glu", T(3, 4, dtype="float16")),
    sample("glu", T(3, 4, dtype="float64")),
    sample("glu", T(values=[[NAN, INF, 2.0, 1e4, 1.0, 1.0, -INF, -1e4]]), numeric_grad=False),
    sample("relu", T(50_000)),
    *[sample("threshold", T(9, dtype=d), t, v) for d in ("int32", "int64", "uint8") for t, v in [(1, 7), (0.5, 2.5)]],
    *[sample("hardtanh", T(9, dtype=d), *limits) for d in ("int32", "uint8") for limits in [(0, 2), (0.5, 2.5)]],
    sample("hardtanh", T(9, dtype="int64")),
]  # fmt: skip

ERRORS = [
    *[bad(f, T(2, dtype=d), error=DTypeError, match=f"{f}: expected a floating dtype, got {d}; convert")
      for f in ("gelu", "leaky_relu", "softplus", "elu") for d in ("int64", "bool")],
    *[bad(f, T(2, dtype="bool"), 0, 1, error=DTypeError, match=f"{f}: expected a floating dtype, got bool") for f in ("hardtanh", "threshold")],
    *[bad(f, T(2, dtype="bool"), error=DTypeError, match=f"{f}: expected a numeric dtype, got bool") for f in ("relu", "relu6")],
    *[bad(f, np.zeros(2, np.float32), error=DTypeError, match=f"{f}: expected .* got numpy.ndarray; make a Tensor")
      for f in ("relu", "gelu", "sigmoid", "glu")],
    bad("gelu", T(2), approximate="erf", error=SettingError, match="gelu: expected approximate 'none' or 'tanh', got 'erf'"),
    bad("celu", T(2), alpha=0, error=SettingError, match="celu: expected alpha other than 0, got 0"),
    bad("softshrink", T(2), lambd=-1.0, error=SettingError, match="softshrink: expected lambd >= 0, got -1.0"),
    bad("hardtanh", T(2), 1.0, -1.0, error=SettingError, match="hardtanh: expected min_val <= max_val, got 1.0 and -1.0"),
    bad("prelu", T(2, 3), T(2), error=ShapeError, match=r"prelu: expected 1 or 3 weights for \(2, 3\), got \(2,\)"),
    bad("prelu", T(3), T(3), error=ShapeError, match="prelu: expected 1 or 1 weights"),
    bad("prelu", T(2, 3), T(1, 3), error=ShapeError, match="prelu: expected 1 or 3 weights"),
    bad("prelu", T(2, 3), T(3, dtype="float64"), error=DTypeError, match="prelu: expected weight of dtype float32, got float64"),
    bad("glu", T(2, 3), error=ShapeError, match=r"glu: expected an even size along dim -1, got shape \(2, 3\)"),
    bad("glu", T(), error=ShapeError, match="glu: expected an even size"),
    bad("glu", T(2, 4), dim=2, error=IndexOutOfRangeError, match=r"glu: expected an axis in \[-2, 1\], got 2"),
    bad("glu", T(2, 4, dtype="int64"), error=DTypeError, match="glu: expected a floating dtype, got int64"),
    bad("hardtanh", T(3), float("nan"), error=SettingError, match="hardtanh: expected min_val <= max_val, got nan"),
    bad("threshold", T(3), None, 1.0, error=DTypeError, match="threshold: expected a number as threshold, got NoneType"),
    bad("elu", T(3), "x", error=DTypeError, match="elu: expected a number as alpha, got str"),
]  # fmt: skip
