"""Samples of clnn.ops.reduce."""

import warnings

from clnn.errors import DTypeError, IndexOutOfRangeError, SettingError, ShapeError
from samples import T, bad, sample

INF, NAN = float("inf"), float("nan")
# every pattern of merged axes: rows, columns, both, neither, sizes 0 and 1
SHAPES = [((7,), None), ((), None), ((5, 3), 0), ((5, 3), 1), ((5, 3), (0, 1)), ((2, 3, 4, 5), (0, 2, 3)), ((2, 3, 4, 5), (1, 3)),
          ((2, 3, 4, 5), (-4, 2)), ((2, 3, 4, 5), 1), ((2, 1, 4), 1), ((0, 3), 0), ((0, 3), 1), ((3, 0), None)]  # fmt: skip
# long enough for vectors, work-groups and pieces: a tail after 16s, a run shorter than a group, two pieces, a wide row
LONG = [
    ((3, 307), 1),
    ((307, 3), 0),
    ((2, 3, 131), (0, 2)),
    ((37, 2, 9), (0, 2)),
    ((2, 4133), 1),
    ((1031, 2), 0),
    ((3, 133), 0),
]
SLICED = [
    ((40_009,), None),
    ((2, 3, 12_007), (0, 2)),
    ((9001, 5), 0),
]  # cut, and merged in a second pass
EVERY = [*SHAPES, *LONG, *SLICED]
SOME = [*SHAPES[1:4], SHAPES[7], *LONG[:3], SLICED[0], SLICED[2]]
TYPES = ("float16", "bfloat16", "float64", "int32", "int64", "uint8", "bool")
FLOATS = TYPES[:3]
SPECIAL = [
    [1.0, NAN, 3.0, NAN],
    [INF, -INF, 0.0, 1.0],
    [-INF] * 4,
    [2.0, INF, INF, -1.0],
    [-0.0, 0.0, -0.0, 0.0],
]
# a column of 21 rows for each of them and its order of rows: vectors of columns, and a few beside
WIDE = [
    [SPECIAL[c % 5][(r + c) % 4] if r > c // 5 else 0.5 * c for c in range(19)] for r in range(21)
]
TIES = [[1.0, 3.0, 3.0, 2.0, 3.0], [0.0] * 5, [-1.0, -1.0, -2.0, 5.0, 5.0]]
ZEROS = [[1.5, 0.0, 2.0, -3.0], [0.0, 2.0, 0.0, 4.0], [1.0, 2.0, 3.0, -4.0], [0.0, 0.0, 0.0, 0.0]]
ONE_AXIS = (
    "amax",
    "max",
    "min",
    "argmax",
    "argmin",
    "var",
    "std",
    "logsumexp",
    "any",
    "all",
    "norm",
    "prod",
    "mean",
)


def _filled(shapes):
    return [(s, d) for s, d in shapes if 0 not in s]


def _one_axis(shapes):
    return [(s, d) for s, d in shapes if d is None or isinstance(d, int)]


def _each(fn, shapes, low=None, high=None, dtype="float32", **kwargs):
    """A sample per shape; torch's extremes take no dim=None."""
    return [
        sample(
            fn,
            T(*s, low=low, high=high, dtype=dtype),
            **({} if d is None else {"dim": d}),
            **kwargs,
        )
        for s, d in shapes
    ]


def _quiet(name):
    """torch's function without its warning about too few degrees of freedom."""

    def run(*args, **kwargs):
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return getattr(torch, name)(*args, **kwargs)

    return run


def _norm_of_doubles(x, p, dim):
    """In float32 torch loses the powers, and has 0 or infinity."""
    import torch

    return torch.linalg.vector_norm(x.double(), p, dim).to(x.dtype)


def _vector_norm(x, p, dim):
    import torch

    return torch.linalg.vector_norm(x, 2 if p == "fro" else p, dim)


SAMPLES = [
    *[sample("sum", T(*s), dim=d) for s, d in EVERY],
    *[sample("sum", T(*s), dim=d, keepdim=True) for s, d in SHAPES[::2]],
    *[sample("mean", T(*s), dim=d) for s, d in SOME],
    *[sample("mean", T(2, 0, 3), dim=1), sample("mean", T(2, 3), dim=(), keepdim=True), sample("sum", T(2, 3), dim=())],
    *_each("prod", _one_axis(SHAPES), 0.5, 1.5, rtol=2e-4),
    *_each("prod", [LONG[0], LONG[1], SLICED[2]], 0.98, 1.02, rtol=1e-3),
    *[sample("prod", T(values=ZEROS), dim=d) for d in (0, 1)],
    *_each("amax", _filled(EVERY)),
    *_each("amin", _filled(SOME)),
    *_each("max", _filled(_one_axis(EVERY))),
    *[s for f in ("min", "argmax", "argmin") for s in _each(f, _one_axis(SOME))],
    *[sample(f, T(values=TIES), dim=d, numeric_grad=False) for f in ("amax", "amin", "max", "min", "argmax", "argmin") for d in (0, 1)],
    *[sample(f, T(values=TIES)) for f in ("argmax", "argmin")],
    *[sample(f, T(0, 3), dim=1) for f in ("amax", "max", "argmax")],
    *[sample(f, T(3, 4, 5), dim=1, keepdim=True) for f in ONE_AXIS],
    *[sample(f, T(3, 4), T(4)) for f in ("max", "min")],
    *[sample(f, T(values=SPECIAL, grad=False), dim=d) for f in ("sum", "mean", "amax", "amin", "max", "argmin", "any", "all", "norm", "prod") for d in (0, 1)],
    *[sample("logsumexp", T(values=SPECIAL), dim=d, numeric_grad=False) for d in (0, 1)],
    *[sample(f, T(values=WIDE, grad=False), dim=0) for f in ("logsumexp", "amax", "amin", "max", "argmin", "prod")],
    *[sample(f, T(37, 50), dim=0) for f in ("argmax", "var", "std", "logsumexp", "prod")],
    # columns cut into slices, which are merged 16 outputs at a time, and what is left of them
    *[sample(f, T(500, 37, grad=False), dim=0) for f in ("argmax", "max", "logsumexp", "amax", "sum")],
    sample("var", T(500, 37), dim=0, numeric_grad=False),
    sample("prod", T(500, 37, low=0.95, high=1.05, grad=False), dim=0, rtol=1e-4),
    *_each("any", _one_axis(SHAPES), 0, 2, "int32"),
    *_each("all", SOME[:3] + SOME[4:6], 0, 2, "int32"),
    *[s for shape, d in EVERY for s in _each("var", [(shape, d)], oracle=_quiet("var"), rtol=1e-4, numeric_grad=shape not in ((), (2, 1, 4)))],
    *_each("std", SOME[1:], oracle=_quiet("std"), rtol=1e-4),
    *[sample(f, T(4, 9), dim=1, correction=c, oracle=_quiet(f), numeric_grad=False) for f in ("var", "std") for c in (0, 2.5, 9)],
    *[sample(f, T(0, 3, grad=False), dim=d, correction=-1, oracle=_quiet(f)) for f in ("var", "std") for d in (None, 0)],
    *[sample(f, T(4, 9), dim=1, correction=12, oracle=_quiet(f), numeric_grad=False) for f in ("var", "std")],
    *[sample(f, T(4, 5), 1, False) for f in ("var", "std")],
    *[sample(f, T(4, 5, grad=g), dim=0) for f in ("var_mean", "std_mean") for g in (True, False)],
    sample("var", T(50_000, low=10_000, high=10_001, grad=False), rtol=2e-3),
    sample("var", T(700, 3, low=10_000, high=10_001, grad=False), dim=0, rtol=2e-3),
    sample("std", T(values=[[3.0, 3.0, 3.0], [1.0, 2.0, 4.0]]), dim=1, numeric_grad=False),
    *[sample("logsumexp", T(*s), dim=tuple(range(len(s))) if d is None else d) for s, d in EVERY if s],
    sample("logsumexp", T(values=[[1e4, 1e4 + 1, -1e4], [-200.0, -201.0, -300.0]]), dim=1),
    sample("logsumexp", T(3, 4, dtype="int32"), dim=1),
    *[sample("norm", T(*s), p, d, oracle=_vector_norm) for p in ("fro", 3) for s, d in SOME],
    *[sample("norm", T(6, 5), p, d) for p in (1, 2, 0, 0.5, 1.5, INF, -INF, -1) for d in (0, 1)],
    # powers that no float32 holds
    *[sample("norm", T(values=[[1e-2, 1e-3], [1e3, -1e3]], dtype=t, grad=t == "float32"), p, 1, numeric_grad=False, oracle=_norm_of_doubles)
      for t in ("float32", "float16") for p in (30, 100, -40)],
    *[sample("norm", T(values=[[0.0] * 3, [1.0, 0.0, -2.0]]), p, 1, numeric_grad=False) for p in (0.5, 1, 1.5, 2, 3, INF)],
    *[sample(f, T(3, 37, dtype=t), dim=1) for t in TYPES for f in ("sum", "prod", "any")],
    *[sample(f, T(3, 37, dtype=t), dim=1, numeric_grad=False) for t in TYPES for f in ("amax", "amin")],
    *[sample(f, T(37, 3, dtype=t), dim=0) for t in TYPES[:-1] for f in ("argmin", "max", "sum")],
    *[sample(f, T(3, 37, dtype=t), dim=1) for t in FLOATS for f in ("mean", "var", "std", "logsumexp", "norm")],
    sample("sum", T(30_000, dtype="uint8")),
    sample("sum", T(4, 5, dtype="float16"), dim=1, dtype="float32", oracle=lambda x, dim, dtype: x.float().sum(dim), numeric_grad=False),
    sample("sum", T(1_000_003, low=0, high=1), rtol=1e-6),
    sample("sum", T(200_003, 5, low=0, high=1), dim=0, rtol=1e-6),
    *[sample(f, T(3, 4, dtype=d), ()) for f in ("any", "all") for d in ("float32", "uint8")],
]  # fmt: skip

ERRORS = [
    bad("sum", T(2, 3), 2, error=IndexOutOfRangeError, match=r"sum: expected an axis in \[-2, 1\], got 2"),
    bad("sum", T(2, 3), (0, -2), error=ShapeError, match="sum: expected distinct axes"),
    bad("sum", T(2, 3), 1.0, error=DTypeError, match="sum: expected dim to be an int, ints or None, got 1.0"),
    bad("sum", 3.0, error=DTypeError, match="sum: expected a Tensor, got float"),
    bad("mean", T(3, dtype="int32"), error=DTypeError, match="mean: expected a floating dtype, got int32"),
    bad("amax", T(0, 3), 0, error=IndexOutOfRangeError, match=r"amax: expected at least one element along axis 0, got shape \(0, 3\)"),
    bad("max", T(0), error=IndexOutOfRangeError, match="max: expected at least one element"),
    bad("argmin", T(3, 0), 1, error=IndexOutOfRangeError, match="argmin: expected at least one element"),
    bad("argmax", T(3, 2), (0, 1), error=DTypeError, match="argmax: expected an int axis"),
    bad("var", T(3, dtype="bool"), error=DTypeError, match="var: expected a floating dtype, got bool"),
    bad("std", T(3), 0, True, correction=1, error=SettingError, match="std: expected unbiased or correction, got both"),
    bad("norm", T(3), "nuc", error=SettingError, match="norm: expected a number or 'fro', got 'nuc'"),
    bad("norm", T(3, dtype="int64"), error=DTypeError, match="norm: expected a floating dtype, got int64"),
    *[bad(f, T(3, dtype="bool"), error=DTypeError, match=f"{f}: expected a numeric dtype, got bool") for f in ("argmax", "argmin")],
    *[bad("norm", T(0, 3), p, 0, error=IndexOutOfRangeError, match="norm: expected at least one element") for p in (-1, float("inf"))],
    bad("norm", T(3), None, error=DTypeError, match="norm: expected a number as p, got NoneType"),
    bad("var", T(3), correction=10**400, error=SettingError, match="var: expected correction that a float holds"),
    bad("sum", T(3), 0.5, error=DTypeError, match="sum: expected dim to be an int"),
]  # fmt: skip
