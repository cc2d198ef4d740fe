"""Samples of clnn.ops.distance."""

import numpy as np

from clnn.errors import DTypeError, IndexOutOfRangeError, ShapeError
from samples import T, bad, sample

NAN, INF = float("nan"), float("inf")

SAMPLES = [
    *[sample("normalize", T(*shape), dim=dim) for shape, dim in [((3, 5), 1), ((2, 3, 4, 5), 1), ((7,), 0), ((3, 5), -2), ((0, 3), 1), ((3, 1), 1), ((2, 3, 5), (1, 2))]],
    *[sample("normalize", T(3, 5), p) for p in (1.0, 3.0, INF)],
    sample("normalize", T(3, 5, dtype="float16")),
    sample("normalize", T(3, 5, dtype="float64"), p=2.5),
    sample("normalize", T(3, 5), eps=10.0),
    sample("normalize", T(values=[[0.0, 0.0], [NAN, 1.0], [1e-20, 0.0], [3.0, 4.0]]), numeric_grad=False),
    *[sample("cosine_similarity", T(*a), T(*b), dim=dim) for a, b, dim in [((3, 5), (3, 5), 1), ((2, 5, 3), (2, 5, 3), 1), ((5,), (5,), 0),
      ((4, 1, 5), (3, 5), -1), ((3, 5), (5,), 1), ((2, 5), (2, 1), 1), ((0, 5), (0, 5), 1)]],
    sample("cosine_similarity", T(3, 5, dtype="float16"), T(3, 5, dtype="float16")),
    sample("cosine_similarity", T(3, 5, dtype="float64"), T(3, 5), rtol=1e-6),  # torch takes norms before it promotes
    sample("cosine_similarity", T(2, 5), T(2, 5), eps=1e3, numeric_grad=False),  # lifts norms, not their slopes
    sample("cosine_similarity", T(values=[[float("inf"), 1.0], [1e10, 3.0]]), T(2, 2), numeric_grad=False),
    sample("cosine_similarity", T(values=[[0.0, 0.0], [1e10, 1e10]]), T(2, 2), eps=1e-3, numeric_grad=False),
    *[sample("pairwise_distance", T(*a), T(*b), p=p, keepdim=keepdim) for a, b, p, keepdim in [((3, 5), (3, 5), 2.0, False), ((3, 5), (3, 5), 1.0, True),
      ((5,), (5,), 2.0, False), ((3, 5), (5,), 3.0, False), ((2, 3, 5), (3, 5), 2.0, True), ((3, 5), (3, 5), INF, False), ((0, 5), (0, 5), 2.0, False)]],
    sample("pairwise_distance", T(3, 5, dtype="float64"), T(3, 5, dtype="float64"), 2.0, 0.1),
    sample("pairwise_distance", T(values=[[1.0, 2.0], [NAN, 0.0]]), T(values=[[1.0, 2.0], [0.0, 0.0]]), numeric_grad=False),
    sample("pairwise_distance", T(3, 5, dtype="int64"), T(3, 5, dtype="int64"), numeric_grad=False),
]  # fmt: skip

ERRORS = [
    bad("normalize", T(3, 5, dtype="int64"), error=DTypeError, match="normalize: expected a floating dtype, got int64"),
    bad("normalize", T(3), error=IndexOutOfRangeError, match=r"normalize: expected an axis in \[-1, 0\], got 1"),
    bad("normalize", np.zeros((2, 2), np.float32), error=DTypeError, match="normalize: expected a Tensor, got numpy.ndarray; make a Tensor"),
    bad("pairwise_distance", T(3, 5), T(3, 5), eps=None, error=DTypeError, match="pairwise_distance: expected a number as eps, got NoneType"),
    bad("cosine_similarity", T(3, 5), T(3, 4), error=ShapeError, match=r"cosine_similarity: expected broadcastable shapes, got \(3, 5\) and \(3, 4\)"),
    bad("cosine_similarity", T(3, dtype="int32"), T(3, dtype="int32"), dim=0, error=DTypeError, match="cosine_similarity: expected a floating dtype, got int32"),
    bad("cosine_similarity", T(3), T(3), error=IndexOutOfRangeError, match="cosine_similarity: expected an axis"),
    bad("cosine_similarity", T(3, 5), 2.0, error=DTypeError, match="cosine_similarity: expected a Tensor, got float"),
    bad("pairwise_distance", T(3, 5), T(3, 4), error=ShapeError, match="pairwise_distance: expected broadcastable shapes"),
    bad("pairwise_distance", T(3, 5), [1.0], error=DTypeError, match="pairwise_distance: expected a Tensor, got list"),
    bad("normalize", T(2, 3), eps=None, error=DTypeError, match="normalize: expected a number as eps, got NoneType"),
]  # fmt: skip
