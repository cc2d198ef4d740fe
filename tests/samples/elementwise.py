"""Samples of clnn.ops.elementwise."""

import numpy as np

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample

PAIRS = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((2, 1, 4), (3, 1)),
    ((1,), (5, 2)),
    ((0, 3), (3,)),
    ((), (2, 2)),
    ((2, 3, 1, 5), (1, 4, 1)),
]
# float32 between two halves, to which the even one is right: of bfloat16, of float16, of its subnormal numbers, beside
# infinity; and NaNs whose bits are all below those that a half keeps
EDGES = np.concatenate([
    np.float32([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 1 + 2**-11, 1 + 3 * 2**-11, 2**-25, 3 * 2**-25, 65519.0, 65520.0, 3.4e38]),
    np.uint32([0x7F800001, 0xFF800001, 0x7F800000]).view(np.float32),
])  # fmt: skip
UNARY = ["neg", "abs", "square", "isnan", "isinf", "isfinite", "logical_not"]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-30, 3e38, float("inf"), float("-inf"), float("nan")]

SAMPLES = [
    *[sample(f, T(*a), T(*b)) for f in ("add", "sub", "mul") for a, b in PAIRS],
    *[sample("div", T(*a), T(*b, low=0.5, high=2)) for a, b in PAIRS],
    *[sample("pow", T(*a, low=0.2, high=2), T(*b)) for a, b in PAIRS],
    *[sample(f, T(2, 1, 4), T(3, 1)) for f in ("maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge")],
    *[sample(f, T(5, 7)) for f in UNARY],
    *[sample(f, T(values=SPECIAL), numeric_grad=False) for f in UNARY],
    *[sample(f, T(3, 5, dtype=d), 2.5) for f in ("add", "mul", "sub", "div", "maximum") if f != "maximum"
      for d in ("float16", "bfloat16", "float64", "int32", "int64", "uint8")],
    *[sample(f, T(3, 5, dtype=a), T(5, dtype=b)) for f in ("add", "mul", "eq", "lt")
      for a, b in [("int32", "int64"), ("int32", "float32"), ("float16", "bfloat16"), ("float16", "float32"),
                   ("uint8", "int32"), ("bool", "int32"), ("bool", "float32"), ("float64", "float32"), ("int64", "float16")]],
    *[sample(f, T(3, 5, dtype="int32"), T(5, dtype="int32", low=1, high=5)) for f in ("div", "floor_divide", "remainder", "pow", "maximum", "minimum", "sub")],
    sample("floor_divide", T(4, 4, grad=False), T(4, low=0.5, high=3, grad=False)),
    sample("remainder", T(4, 4), T(4, low=0.5, high=3), numeric_grad=False),
    sample("sub", 2.0, T(3)),
    *[sample("pow", T(3, dtype=d), 2) for d in ("float32", "int32", "uint8", "float16")],
    sample("pow", T(3), 3),
    sample("pow", T(3), 2.0),
    sample("div", 1, T(3, low=0.5, high=2)),
    sample("add", T(3), T(3), alpha=2.5),
    sample("maximum", T(values=[1.0, float("nan"), 2.0, 2.0]), T(values=[float("nan"), 1.0, 2.0, 1.0]), numeric_grad=False),
    sample("minimum", T(values=[1.0, float("nan"), 2.0, 2.0]), T(values=[float("nan"), 1.0, 2.0, 1.0]), numeric_grad=False),
    *[sample(f"logical_{f}", T(2, 3, dtype=a), T(3, dtype=b)) for f in ("and", "or", "xor")
      for a, b in [("bool", "bool"), ("int32", "float32")]],
    sample("where", T(2, 3, dtype="bool"), T(2, 3), T(3)),
    sample("where", T(2, 1, dtype="bool"), T(2, 3), 0.0, oracle=lambda c, a, b: a.where(c, a.new_tensor(b))),
    sample("masked_fill", T(2, 3), T(3, dtype="bool"), -1e9),
    sample("masked_fill", T(2, 3, dtype="float16"), T(2, 3, dtype="bool"), float("-inf"), numeric_grad=False),
    sample("clamp", T(4, 5), -0.5, 0.5),
    sample("clamp", T(4, 5), min=0.0),
    sample("clamp", T(4, 5), max=0.3),
    sample("clamp", T(4, 5, dtype="int32"), -2, 3),
    *[sample("cast", T(3, 4, dtype=a, low=0, high=9), b, numeric_grad=False, oracle=lambda x, d: x.to(getattr(__import__("torch"), d)))
      for a in ("float32", "float16", "bfloat16", "int32", "int64", "uint8", "bool")
      for b in ("float32", "float16", "bfloat16", "int32", "int64", "uint8", "bool", "float64")],
    *[sample("cast", T(values=np.resize(EDGES, n), grad=False), b, rtol=0.0, atol=0.0, numeric_grad=False, oracle=lambda x, d: x.to(getattr(__import__("torch"), d)))
      for n in (13, 45) for b in ("float16", "bfloat16")],
    sample("add", T(97, 131), T(131)),
    sample("mul", T(50_000), T(50_000)),
    # numbers and 0-d tensors on both sides, bool, and quotients rounded toward zero
    *[sample("where", T(3, dtype="bool"), a, b) for a, b in [(T(), T()), (T(), 2.5), (1, T(dtype="float64")), (T(dtype="int64"), True)]],
    sample("square", T(3, 2, dtype="bool")),
    sample("pow", T(5, dtype="bool"), 2),
    sample("pow", T(values=[1, 2, 3], dtype="int32"), 0.5),
    sample("sub", T(3), 2, alpha=3),
    sample("add", T(3, dtype="int32"), True, alpha=2),
    sample("add", T(3, dtype="bool"), T(3, dtype="bool"), alpha=0),
    *[sample("div", T(40, dtype=d, grad=False), T(40, dtype=d, low=1, high=5, grad=False), rounding_mode="trunc") for d in ("int32", "int64", "float32")],
    sample("div", T(7, dtype="int64"), -2, rounding_mode="trunc"),
    sample("masked_fill", T(2, 3), T(3, dtype="bool"), T(grad=False)),
    sample("masked_fill", T(3, dtype="int64"), T(3, dtype="bool"), 1.5),
    sample("masked_fill", T(3, dtype="bool"), T(3, dtype="bool"), 2),
    sample("mul", T(3, dtype="int32"), -(2**31)),
    sample("sub", T(3, dtype="float64"), T(values=[200, 1, 255], dtype="uint8"), alpha=2),
    sample("add", T(3), T(values=[200, 1, 255], dtype="uint8"), alpha=3),
]  # fmt: skip

ERRORS = [
    bad(
        "sub",
        T(2),
        T(2, dtype="float16"),
        alpha=None,
        error=DTypeError,
        match="sub: expected Tensors or Python numbers, got NoneType",
    ),
    *[
        bad(
            f,
            T(2, dtype=d),
            n,
            error=SettingError,
            match=f"{f}: expected a number that {d} holds, got {n}",
        )
        for f, d, n in [
            ("add", "uint8", 300),
            ("lt", "uint8", -1),
            ("mul", "int32", 2**40),
            ("eq", "int64", -(2**63) - 1),
        ]
    ],
    bad(
        "mul", 10**400, T(2), error=SettingError, match="mul: expected a number that float32 holds"
    ),
    *[
        bad(
            "masked_fill",
            T(2, dtype=d),
            T(2, dtype="bool"),
            v,
            error=SettingError,
            match=f"masked_fill: expected a number that {d} holds, got {v}",
        )
        for d, v in [("uint8", 300), ("int32", float("inf")), ("int64", float("nan"))]
    ],
    bad(
        "masked_fill",
        T(2),
        T(2, dtype="bool"),
        T(1),
        error=ShapeError,
        match=r"masked_fill: expected a 0-d value, got shape \(1,\)",
    ),
    *[
        bad(
            f,
            T(2, dtype="bool"),
            T(2, dtype="bool"),
            error=DTypeError,
            match=f"{f}: expected a numeric dtype, got bool; convert",
        )
        for f in ("sub", "pow", "remainder", "floor_divide")
    ],
    *[
        bad(
            f,
            T(2, dtype="bool"),
            error=DTypeError,
            match=f"{f}: expected a numeric dtype, got bool",
        )
        for f in ("neg", "abs")
    ],
    bad(
        "pow",
        T(2, dtype="int32"),
        -1,
        error=SettingError,
        match="pow: expected an exponent >= 0 for integers, got -1",
    ),
    bad(
        "div",
        T(2),
        T(2),
        rounding_mode="up",
        error=SettingError,
        match="div: expected rounding_mode None, 'floor' or 'trunc', got 'up'",
    ),
    bad(
        "add",
        T(2, 3),
        T(4),
        error=ShapeError,
        match=r"add: expected broadcastable shapes, got \(2, 3\) and \(4,\)",
    ),
    bad(
        "add",
        T(2),
        [1, 2],
        error=DTypeError,
        match="add: expected Tensors or Python numbers, got list",
    ),
    bad(
        "clamp",
        T(2),
        0.0,
        "x",
        error=DTypeError,
        match="clamp: expected Tensors or Python numbers, got str",
    ),
    bad(
        "sub",
        None,
        T(2),
        alpha=2,
        error=DTypeError,
        match="sub: expected Tensors or Python numbers, got NoneType",
    ),
    bad("clamp", T(2), error=SettingError, match="clamp: expected min, max or both"),
    bad(
        "where",
        T(2),
        T(2),
        T(2),
        error=DTypeError,
        match="where: expected a bool condition, got float32",
    ),
    bad("cast", T(2), "complex64", error=DTypeError, match="expected one of .* got 'complex64'"),
    bad(
        "sub",
        T(2),
        T(2, dtype="bool"),
        error=DTypeError,
        match="sub: expected a numeric dtype, got bool",
    ),
    bad(
        "clamp",
        T(2, dtype="uint8"),
        0,
        -1,
        error=SettingError,
        match="clamp: expected a number that uint8 holds, got -1",
    ),
    bad(
        "add",
        T(2),
        1,
        alpha="x",
        error=DTypeError,
        match="add: expected Tensors or Python numbers, got str",
    ),
]
