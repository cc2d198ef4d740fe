"""Samples of clnn.ops.attention."""

import numpy as np

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample

F = "scaled_dot_product_attention"
INF = float("inf")
ROW_WITHOUT_KEYS = [[True, False, True, True, False], [False] * 5, [True] * 5]
SAME = ((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 7))


def attend(q, k, v, *mask, dtype="float32", **settings):
    return sample(
        F,
        T(*q, dtype=dtype),
        T(*k, dtype=dtype),
        T(*v, dtype=dtype),
        *mask,
        oracle=math,
        **settings,
    )


def math(*args, **settings):
    """torch's definition, not one of its fused kernels, whose answers differ in the last digits."""
    import torch

    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return torch.nn.functional.scaled_dot_product_attention(*args, **settings)


SAMPLES = [
    *[attend(*shapes) for shapes in [SAME, ((3, 4), (5, 4), (5, 6)), ((2, 3, 4), (2, 5, 4), (2, 5, 6)), ((1, 1), (1, 1), (1, 1)), ((2, 1, 3, 4), (1, 3, 5, 4), (2, 3, 5, 4)),
      ((1, 2, 17, 33), (1, 2, 19, 33), (1, 2, 19, 5)), ((0, 3, 4), (0, 5, 4), (0, 5, 6)), ((2, 0, 4), (2, 5, 4), (2, 5, 6)), ((2, 3, 4), (2, 0, 4), (2, 0, 6))]],
    *[attend(*SAME, dtype=d) for d in ("float64", "float16", "bfloat16")],
    *[attend(*SAME, T(*m, dtype="bool")) for m in [(4, 5), (2, 1, 4, 5), (3, 1, 5), (2, 3, 4, 5), (1, 5)]],
    *[attend(*SAME, T(*m)) for m in [(4, 5), (2, 3, 4, 5), (1, 5)]],
    attend((2, 3, 4), (2, 5, 4), (2, 5, 6), T(values=ROW_WITHOUT_KEYS, dtype="bool")),
    attend((2, 3, 4), (2, 5, 4), (2, 5, 6), T(values=np.where(ROW_WITHOUT_KEYS, 0.5, -INF), grad=False), numeric_grad=False),
    attend(*SAME, T(4, 5, grad=False), dtype="float16"),
    attend(*SAME, T(4, 5, dtype="float16", grad=False), dtype="float16"),
    *[attend(*shapes, is_causal=True) for shapes in [SAME, ((7, 3), (4, 3), (4, 2)), ((2, 33, 8), (2, 33, 8), (2, 33, 8))]],
    attend(*SAME, is_causal=True, dtype="float64"),
    attend(*SAME, scale=0.7),
    attend((2, 3, 4), (2, 5, 4), (2, 5, 6), scale=100.0),
    *[attend((2, 6, 4, 5), (2, h, 3, 5), (2, h, 3, 5), enable_gqa=True) for h in (1, 2, 3, 6)],
    attend((6, 4, 5), (2, 3, 5), (3, 3, 5), T(6, 4, 3, dtype="bool"), enable_gqa=True),
    attend((6, 4, 5), (2, 3, 5), (2, 3, 5), is_causal=True, enable_gqa=True),
    attend(*SAME, dropout_p=0.0),
    attend(*SAME, dropout_p=1.0),
]  # fmt: skip

Q, K, V = T(2, 3, 4), T(2, 5, 4), T(2, 5, 6)
ERRORS = [
    bad(F, T(4), T(4), T(4), error=ShapeError, match=rf"{F}: expected query \(..., L, E\), .*got \(4,\), \(4,\), \(4,\)"),
    bad(F, T(2, 3, 4), T(2, 5, 3), V, error=ShapeError, match=rf"{F}: expected query .*got \(2, 3, 4\), \(2, 5, 3\), \(2, 5, 6\)"),
    bad(F, Q, K, T(2, 4, 6), error=ShapeError, match=rf"{F}: expected query"),
    bad(F, Q, T(3, 5, 4), T(3, 5, 6), error=ShapeError, match=rf"{F}: expected broadcastable shapes, got \(2,\) and \(3,\)"),
    bad(F, Q, T(2, 5, 4, dtype="float64"), V, error=DTypeError, match=f"{F}: expected query, key and value of one floating dtype, got float32, float64, float32"),
    bad(F, *(T(2, 3, 4, dtype="int64"),) * 3, error=DTypeError, match=f"{F}: expected query, key and value of one floating dtype"),
    bad(F, Q, K, V, T(3, 5, dtype="int64"), error=DTypeError, match=f"{F}: expected attn_mask of dtype bool or float32, got int64"),
    bad(F, Q, K, V, T(4, 5), error=ShapeError, match=f"{F}: expected broadcastable shapes"),
    bad(F, Q, K, V, T(1, 2, 3, 5), error=ShapeError, match=rf"{F}: expected attn_mask that broadcasts to \(2, 3, 5\), got \(1, 2, 3, 5\)"),
    bad(F, Q, K, V, T(3, 5), is_causal=True, error=SettingError, match=f"{F}: expected attn_mask or is_causal, got both"),
    bad(F, Q, K, V, dropout_p=1.5, error=SettingError, match=rf"{F}: expected dropout_p in \[0, 1\], got 1.5"),
    bad(F, T(6, 3, 4), T(4, 5, 4), T(4, 5, 4), enable_gqa=True, error=ShapeError, match=f"{F}: expected heads of key and value that divide the 6 of query, got 4 and 4"),
    bad(F, T(3, 4), T(5, 4), T(5, 4), enable_gqa=True, error=ShapeError, match="with an axis of heads"),
    bad(F, Q, K, np.zeros((2, 5, 6), np.float32), error=DTypeError, match=f"{F}: expected a Tensor, got numpy.ndarray; make a Tensor"),
]  # fmt: skip
