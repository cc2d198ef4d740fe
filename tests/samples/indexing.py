"""Samples of clnn.ops.indexing and clnn.ops.subscript."""

from typing import Any

import numpy as np

from clnn.errors import DTypeError, IndexOutOfRangeError, SettingError, ShapeError
from samples import T, bad, sample

KINDS = ["float64", "float16", "bfloat16", "int32", "int64", "uint8", "bool"]
ALL = slice(None)
MANY = [k * 7 % 11 for k in range(300)]


def ix(*values: Any, dtype: str = "int64") -> T:
    return T(values=np.array(values), dtype=dtype)


def draw(*shape: int, below: int, dtype: str = "int64") -> T:
    return T(*shape, low=0, high=below, dtype=dtype)


def get(x: Any, index: Any) -> Any:
    return x[index]


def put(x: Any, index: Any, value: Any) -> Any:
    out = x.clone()
    out[index] = value
    return out


def last_wins(x: Any, dim: int, index: Any, src: Any) -> Any:
    out = x.clone()
    for i in range(index.shape[dim]):
        at = index.narrow(dim, i, 1)
        out = out.scatter(dim, at, src.narrow(dim, i, 1))
    return out


def read_or_nan(x: Any, dim: int, index: Any) -> Any:
    import torch

    rows = [
        x.select(dim, k) if 0 <= k < x.shape[dim] else x.select(dim, 0) * 0 + float("nan")
        for k in index.tolist()
    ]
    return torch.stack(rows, dim)


def add_part(x: Any, dim: int, index: Any, src: Any) -> Any:
    return x.scatter_add(dim, index, src[tuple(slice(n) for n in index.shape)])


def rows_of(index: Any, weight: Any, *args: Any, **kwargs: Any) -> Any:
    from torch.nn.functional import embedding

    return embedding(index, weight, *args, **kwargs)


MASK = T(values=[[True, False, True], [False, False, True]], dtype="bool")

SAMPLES = [
    # basic indices
    *[sample("getitem", T(4, 5, 6), i, oracle=get) for i in [
        0, -1, slice(1, 3), slice(None, None, 2), slice(-3, None), slice(3, 1), slice(1, 99, 3), None, Ellipsis, (),
        (1, 2, 3), (Ellipsis, 2), (1, Ellipsis), (ALL, slice(4, 0)), (slice(None), 1, slice(0, 6, 4)), (None, 2, Ellipsis, None),
        (0, None, slice(1, 4, 2), None, -2), (slice(1, 2), ALL, None)]],
    sample("getitem", T(), (), oracle=get),
    sample("getitem", T(), (None, Ellipsis), oracle=get),
    sample("getitem", T(0, 3), (ALL, 1), oracle=get),
    *[sample("getitem", T(3, 4, dtype=d), (slice(0, 3, 2), -1), oracle=get) for d in KINDS],
    # advanced indices
    sample("getitem", T(5, 3), ix(0, 4, 4, -1), oracle=get),
    sample("getitem", T(5, 3), ix([0, 4], [2, -5]), oracle=get),
    sample("getitem", T(5, 3), [0, 4, -1], oracle=get),
    sample("getitem", T(5, 3), [[0, 4], [1, 1]], oracle=lambda x, i: x[np.array(i)]),
    sample("getitem", T(5, 3), [], oracle=get),
    sample("getitem", T(5, 3), range(1, 3), oracle=get),
    sample("getitem", T(5, 3), [True, False, True, True, False], oracle=get),
    sample("getitem", T(2, 3), ([[True, False, True], [False, False, True]],), oracle=get),
    sample("getitem", T(5, 3), ix(2, dtype="int32"), oracle=get),
    sample("getitem", T(5, 3), T(values=3, dtype="int64"), oracle=get),
    sample("getitem", T(4, 5, 6), (T(values=-1, dtype="int64"), ALL, ix(1, 5)), oracle=get),
    sample("getitem", T(4, 5, 6), (0, ALL, ix(1, 5)), oracle=get),
    sample("getitem", T(4, 5, 6), (ix(1, 2), ix(0, -1)), oracle=get),
    sample("getitem", T(4, 5, 6), (ALL, ix([1], [2]), ix(0, -1, 3)), oracle=get),
    sample("getitem", T(4, 5, 6), (ix(1, 2, 2), ALL, ix(0, -1, 0)), oracle=get),
    sample("getitem", T(4, 5, 6), (ix(1, 2), slice(0, 5, 2), [3, 3]), oracle=get),
    sample("getitem", T(4, 5, 6), (Ellipsis, ix(1, 2), None), oracle=get),
    sample("getitem", T(4, 5, 6), (ix(1, 2), None, ix(1, 2)), oracle=get),
    sample("getitem", T(4, 5, 6), (slice(1, 3), 2, [0, 5]), oracle=get),
    sample("getitem", T(3, 2, 4, 5), (ALL, [1], ALL, [[0], [4]]), oracle=get),
    sample("getitem", T(2, 3), MASK, oracle=get),
    sample("getitem", T(2, 3, 2), MASK, oracle=get),
    sample("getitem", T(4, 2, 3), (ix(1, 2, 0), MASK), oracle=get),
    sample("getitem", T(4, 3), (ALL, ix(True, False, True, dtype="bool")), oracle=get),
    sample("getitem", T(3, 2), ix(False, False, False, dtype="bool"), oracle=get),
    sample("getitem", T(70, 60), T(70, 60, dtype="bool"), oracle=get),
    sample("getitem", T(2, 3), True, oracle=get),
    sample("getitem", T(2, 3), (False, 1), oracle=get),
    sample("getitem", T(2, 3), T(values=True, dtype="bool"), oracle=get),
    sample("getitem", T(0, 3), ix(dtype="int64"), oracle=get),
    *[sample("getitem", T(5, 3, dtype=d), (ix(0, 4), [2, 1]), oracle=get) for d in KINDS],
    sample("getitem", T(11, 5), T(values=MANY, dtype="int64"), oracle=get),
    # writing
    *[sample("setitem", T(4, 5), i, v, oracle=put) for i, v in [
        (0, 1.5), ((ALL, slice(1, 5, 2)), 2), (slice(1, 3), T(5)), (slice(1, 3), T(2, 1)), ((1, 2), T()), (Ellipsis, T(1, 4, 5)),
        ((None, ALL, 0), T(1, 4)), (slice(3, 1), 7.0), ((slice(0, 4, 3), -1), T(2)), ([1, -1], T(2, 5)), (ix(0, 2), 3.0),
        ((ALL, ix(0, 2)), T(4, 1)), ((ix(0, 2), [1, 1]), T(2)), (ix(True, False, True, False, dtype="bool"), 0.0),
        (ix(True, False, True, False, dtype="bool"), T(2, 5)), ((0, [True, False, True, True, False]), T(3)),
        (T(4, 5, dtype="bool"), T(1)), (T(values=2, dtype="int64"), T(5)), (T(4, 5, dtype="bool"), float("-inf"))]
      if v != float("-inf")],
    sample("setitem", T(2, 3, 4), (ALL, 1), T(2, 4), oracle=put),
    sample("setitem", T(), (), 2.0, oracle=put),
    *[sample("setitem", T(3, 4, dtype=d), (ALL, slice(1, 3)), 1, oracle=put) for d in KINDS],
    sample("setitem", T(3, 4, dtype="float16"), 1, T(4), oracle=put),
    sample("setitem", T(3, 4, dtype="int64"), [0, 2], 5, oracle=put),
    sample("setitem", T(3, 4, dtype="bool"), T(3, 4, dtype="bool"), True, oracle=put),
    sample("setitem", T(5), ix(1, 3, 1, 1), T(4), oracle=lambda x, i, v: last_wins(x, 0, i, v)),
    sample("masked_select", T(2, 3), MASK),
    sample("masked_select", T(4, 1, 3), MASK),
    sample("masked_select", T(2, 1), MASK),
    sample("masked_select", T(2, 3, dtype="int32"), MASK),
    # one index for whole rows
    sample("index_select", T(5, 3), 0, ix(4, 0, 4)),
    sample("index_select", T(2, 3, 4), -2, ix(2, 2, 0, 1, 2)),
    sample("index_select", T(2, 3, 4), 2, ix(3, dtype="int32")),
    sample("index_select", T(2, 3), 1, T(values=1, dtype="int64")),
    sample("index_select", T(2, 3), 1, ix()),
    sample("index_select", T(), 0, ix(0)),
    sample("index_select", T(3, 2), 0, ix(0, 3, -1, 2), oracle=read_or_nan, numeric_grad=False),
    *[sample("index_select", T(3, 4, dtype=d), 1, ix(3, 3, 0)) for d in KINDS],
    sample("index_select", T(13, 70), 0, T(values=[k * 5 % 13 for k in range(97)], dtype="int64")),
    sample("index_add", T(5, 3), 0, ix(4, 0, 4), T(3, 3)),
    sample("index_add", T(2, 5), 1, ix(4, 0, 4), T(2, 3), alpha=2.5),
    sample("index_add", T(4, dtype="int32"), 0, ix(1, 1, 1), T(3, dtype="int32")),
    sample("embedding", draw(2, 7, below=5), T(5, 3), oracle=rows_of),
    sample("embedding", draw(2, 7, below=5, dtype="int32"), T(5, 3), oracle=rows_of),
    sample("embedding", draw(40, below=4), T(4, 3), padding_idx=2, numeric_grad=False, oracle=rows_of),
    sample("embedding", draw(40, below=4), T(4, 3), -1, numeric_grad=False, oracle=rows_of),
    sample("embedding", T(values=3, dtype="int64"), T(5, 3), oracle=rows_of),
    sample("embedding", draw(0, 2, below=5), T(5, 3), oracle=rows_of),
    sample("embedding", draw(33, 67, below=300), T(300, 66), rtol=1e-4, atol=1e-4, oracle=rows_of),
    *[sample("embedding", draw(6, below=3), T(3, 5, dtype=d), oracle=rows_of) for d in ("float16", "bfloat16", "float64")],
    sample("one_hot", draw(2, 3, below=4), 4),
    sample("one_hot", draw(5, below=4)),
    sample("one_hot", T(values=2, dtype="int64"), 3),
    sample("one_hot", draw(3, 0, below=4), 2),
    sample("one_hot", draw(601, below=7), num_classes=7),
    # an index for every element
    sample("gather", T(4, 3), 0, draw(2, 3, below=4)),
    sample("gather", T(4, 3), 1, draw(4, 7, below=3)),
    sample("gather", T(4, 3, 2), 1, draw(2, 5, 1, below=3)),
    sample("gather", T(4, 3), -1, draw(4, 1, below=3, dtype="int32")),
    sample("gather", T(), 0, T(values=0, dtype="int64")),
    sample("gather", T(4, 3), 0, draw(0, 3, below=4)),
    sample("gather", T(67, 131), 1, draw(67, 40, below=131)),
    *[sample("gather", T(2, 5, dtype=d), 1, draw(2, 3, below=5)) for d in KINDS],
    sample("take_along_dim", T(4, 3), draw(1, 3, below=4), 0),
    sample("take_along_dim", T(1, 3), draw(4, 2, below=3), dim=-1),
    sample("take_along_dim", T(2, 3), draw(5, below=6)),
    sample("scatter", T(4, 3), 0, T(values=[[0, 1, 2], [3, 0, 1]], dtype="int64"), T(2, 3)),
    sample("scatter", T(4, 3), 0, T(values=[[0, 1, 2], [0, 1, 1], [0, 3, 3]], dtype="int64"), T(3, 3), oracle=last_wins),
    sample("scatter", T(4, 5), 1, T(values=[[3, 3], [0, 0]], dtype="int32"), T(3, 4),
           oracle=lambda x, d, i, s: last_wins(x, d, i.long(), s[:2, :2])),
    sample("scatter", T(4, 3), 1, draw(4, 1, below=3), 2.5),
    sample("scatter", T(4, 3), 1, draw(4, 2, below=3), value=-1.0),
    sample("scatter", T(), 0, T(values=0, dtype="int64"), T()),
    sample("scatter", T(5), 0, draw(301, below=5), T(301), oracle=last_wins),
    sample("scatter", T(3, dtype="int32"), 0, ix(2, -1, 7, 0), T(4, dtype="int32"), oracle=lambda x, d, i, s: last_wins(x, d, i[::3], s[::3])),
    *[sample("scatter", T(2, 5, dtype=d), 1, ix([4], [0]), T(2, 1, dtype=d)) for d in KINDS],
    *[sample("scatter", T(2, 5, dtype=d), 1, ix([4], [0]), 1) for d in ("float16", "bool", "int64")],
    sample("scatter_add", T(4, 3), 0, draw(7, 3, below=4), T(7, 3)),
    sample("scatter_add", T(4, 3), 1, draw(2, 9, below=3), T(3, 10), oracle=add_part),
    sample("scatter_add", T(), 0, T(values=0, dtype="int64"), T()),
    sample("scatter_add", T(3), 0, draw(0, below=3), T(2), oracle=add_part),
    sample("scatter_add", T(5), 0, draw(3001, below=5), T(3001), rtol=1e-4, atol=1e-3),
    sample("scatter_add", T(5, 80), 1, draw(5, 200, below=80), T(5, 200), rtol=1e-4, atol=1e-4),
    sample("scatter_add", T(3, 4, dtype="int64"), 0, draw(2, 4, below=3), T(2, 4, dtype="int64")),
    sample("scatter_add", T(3, dtype="uint8"), 0, draw(9, below=3), T(9, dtype="uint8")),
    sample("scatter_add", T(3, 4, dtype="float16"), 0, ix([0, 1, 2, 0], [1, 2, 0, 1]), T(2, 4, dtype="float16")),
]  # fmt: skip

ERRORS = [
    bad("index_add", T(2, 3, dtype="int32"), 0, T(2, dtype="int64", low=0, high=2), T(2, 3, dtype="int32"), alpha=0.5, error=DTypeError, match="index_add: expected alpha to be an int for int32, got 0.5"),
    bad("scatter", T(2, dtype="uint8"), 0, T(1, dtype="int64", low=0, high=1), 300, error=SettingError, match="scatter: expected a number that uint8 holds, got 300"),
    bad("getitem", T(4, 5), 4, error=IndexOutOfRangeError, match=r"getitem: expected an index in \[-4, 3\]"),
    bad("getitem", T(4, 5), (0, -6), error=IndexOutOfRangeError, match=r"getitem: expected an index in \[-5, 4\]"),
    bad("getitem", T(4, 5), [0, 4], error=IndexOutOfRangeError, match=r"getitem: expected an index in \[-4, 3\]"),
    bad("getitem", T(4, 5), (0, 0, 0), error=IndexOutOfRangeError, match="at most 2 indices"),
    bad("getitem", T(4, 5), (Ellipsis, 0, Ellipsis), error=IndexOutOfRangeError, match=r"at most one \.\.\."),
    bad("getitem", T(0), 0, error=IndexOutOfRangeError, match="for an axis of size 0, got 0"),
    bad("getitem", T(4), slice(None, None, -1), error=ShapeError, match="positive step, got -1; use flip"),
    bad("getitem", T(4), slice(None, None, 0), error=DTypeError, match="a step other than 0"),
    bad("getitem", T(4), slice(0.5, None), error=DTypeError, match="getitem: expected a slice of ints"),
    bad("getitem", T(4), 1.5, error=DTypeError, match="getitem: expected ints, slices, None"),
    bad("getitem", T(4), "a", error=DTypeError, match="got str"),
    bad("getitem", T(4), np.array([1, 2]), error=DTypeError, match=r"got ndarray; make a Tensor with clnn.tensor"),
    bad("getitem", T(4), T(2), error=DTypeError, match="getitem: expected an index of int32 or int64, got float32"),
    bad("getitem", T(4), [0.5], error=DTypeError, match="getitem: expected a list of ints or one of bools"),
    bad("getitem", T(4), [[0], [1, 2]], error=ShapeError, match="getitem: expected nested lists of equal lengths"),
    bad("getitem", T(4), T(3, dtype="bool"), error=ShapeError, match=r"mask of the shape it masks, \(4,\), got \(3,\)"),
    bad("getitem", T(4, 5), (ix(0, 1), ix(0, 1, 2)), error=ShapeError, match="getitem: expected broadcastable shapes"),
    bad("setitem", T(4, 5), 4, 0.0, error=IndexOutOfRangeError, match=r"setitem: expected an index in \[-4, 3\]"),
    bad("setitem", T(4, 5), 0, T(4), error=ShapeError, match="setitem: expected"),
    bad("setitem", T(4, 5), ix(0, 1), T(3, 5), error=ShapeError, match="setitem: expected"),
    bad("setitem", T(4), 0, "x", error=DTypeError, match="assign|setitem"),
    bad("setitem", T(4), T(3, dtype="bool"), 0.0, error=ShapeError, match="setitem: expected a mask"),
    bad("masked_select", T(4), T(4), error=DTypeError, match="masked_select: expected a bool mask, got float32"),
    bad("index_select", T(4), 0, T(2), error=DTypeError, match="index_select: expected an index of int32 or int64"),
    bad("index_select", T(4), 0, ix([1], [2]), error=ShapeError, match="index_select: expected a vector of indices"),
    bad("index_select", T(4), 1, ix(1), error=IndexOutOfRangeError, match="index_select: expected an axis in"),
    bad("index_add", T(4), 0, ix(1, 2), T(3), error=ShapeError, match="index_add: expected a source of input's shape"),
    bad("index_add", T(4), 0, ix(1), T(1, dtype="float64"), error=DTypeError, match="index_add: expected a source of input's dtype"),
    bad("embedding", T(3), T(4, 2), error=DTypeError, match="embedding: expected an index of int32 or int64, got float32"),
    bad("embedding", ix(1), T(4), error=ShapeError, match=r"embedding: expected a weight of shape \(V, D\)"),
    bad("embedding", ix(1), T(4, 2), 4, error=SettingError, match=r"padding_idx in \[-4, 3\], got 4"),
    bad("embedding", ix(1), T(4, 2), max_norm=1.0, error=SettingError, match="embedding: expected neither max_norm"),
    bad("one_hot", T(3), error=DTypeError, match="one_hot: expected an index of int32 or int64"),
    bad("one_hot", T(0, dtype="int64"), error=SettingError, match="one_hot: expected num_classes"),
    bad("one_hot", ix(1), 0, error=SettingError, match="one_hot: expected at least one class"),
    bad("gather", T(2, 3), 0, ix(1), error=ShapeError, match="gather: expected an index inside of input's shape"),
    bad("gather", T(2, 3), 0, ix([1, 1, 1, 1]), error=ShapeError, match="gather: expected an index inside of input's shape"),
    bad("gather", T(2, 3), 2, ix([1]), error=IndexOutOfRangeError, match="gather: expected an axis in"),
    bad("take_along_dim", T(2, 3), ix(1), 0, error=ShapeError, match="take_along_dim: expected indices of 2 axes"),
    bad("scatter", T(2, 3), 0, ix([1]), error=SettingError, match="scatter: expected either src or value"),
    bad("scatter", T(2, 3), 0, ix([1]), T(1, 1, dtype="int64"), error=DTypeError, match="scatter: expected a source of input's dtype"),
    bad("scatter", T(2, 3), 0, ix([1], [0]), T(1, 1), error=ShapeError, match="scatter: expected an index inside of src's shape"),
    bad("scatter_add", T(2, 3), 1, ix([1], [0], [0]), T(3, 3), error=ShapeError, match="scatter_add: expected an index inside of input's"),
    bad("scatter_add", T(2, 3), 1, ix([1]), 2.0, error=DTypeError, match="scatter_add: expected a Tensor, got float"),
    bad("index_select", T(), 0, ix(0, 0), error=ShapeError, match=r"index_select: expected one index for a tensor of shape \(\)"),
    bad("index_add", T(), 0, ix(0), T(1), error=ShapeError, match="index_add: expected an input of at least one axis"),
    bad("embedding", ix(0), T(2, 2), "x", error=DTypeError, match="embedding: expected ints"),
    bad("getitem", T(2, 3), (T(2, dtype="bool"), 3), error=IndexOutOfRangeError, match=r"getitem: expected an index in \[-3, 2\]"),
]  # fmt: skip
