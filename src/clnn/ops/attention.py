"""Attention, said with matrix products and softmax."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from ..autograd import T, apply, create
from ..dtypes import bool_, float32, int32
from ..errors import DTypeError, SettingError, ShapeError
from ..shapes import Shape, broadcast
from .creation import ARANGE
from .elementwise import add, cast, eq, ge, logical_not, logical_or, mul, where
from .matmul import MATMUL
from .movement import reshape
from .random import dropout
from .reduce import amax
from .reduce import any as reduce_any
from .rules import operand, real
from .softmax import softmax

_NAME = "scaled_dot_product_attention"


def scaled_dot_product_attention(query: T, key: T, value: T, attn_mask: T | None = None,
                                 dropout_p: float = 0.0, is_causal: bool = False,
                                 scale: float | None = None, enable_gqa: bool = False) -> T:  # fmt: skip
    """softmax(query key^T * scale + attn_mask) value; scale None is 1 / sqrt(E).

    query (..., H, L, E), key (..., H, S, E), value (..., H, S, V) -> (..., H, L, V); leading axes broadcast. A bool
    attn_mask is True where query and key meet, another is added; it broadcasts to (..., H, L, S). A query that meets
    no key gets zeros. is_causal lets query l meet keys 0 to l. With enable_gqa key and value may have fewer heads, each
    for H / heads queries in a row. Dropout applies whenever dropout_p is not 0. Raises ShapeError, DTypeError or
    SettingError. Source: Vaswani et al., Attention Is All You Need, 2017; Ainslie et al., GQA, 2023.
    """
    for x in (query, key, value):
        operand(_NAME, x)
    _check(query, key, value, dropout_p, enable_gqa)
    width = query.shape[-1]
    factor = (1 / sqrt(width) if width else 1.0) if scale is None else real(_NAME, "scale", scale)
    if attn_mask is not None:
        if is_causal:
            raise SettingError(f"{_NAME}: expected attn_mask or is_causal, got both")
        _check_mask(attn_mask, query, key, enable_gqa)
    scores = _product(mul(query, factor), key, enable_gqa, transpose=True)
    dead = None
    if attn_mask is not None:
        scores, dead = _masked(scores, attn_mask, query)
    elif is_causal:
        scores = where(_causal(query, scores.shape[-2:]), scores, -inf)
    shares = softmax(scores, -1)
    if dead is not None:
        shares = where(dead, 0.0, shares)
    return _product(dropout(shares, dropout_p), value, enable_gqa, transpose=False)


def _check(query: Any, key: Any, value: Any, dropout_p: float, enable_gqa: bool) -> None:
    q, k, v = query.shape, key.shape, value.shape
    if min(len(q), len(k), len(v)) < (3 if enable_gqa else 2):
        raise ShapeError(
            f"{_NAME}: expected query (..., L, E), key (..., S, E), value (..., S, V), with an axis of heads "
            f"before for enable_gqa, got {q}, {k}, {v}"
        )
    if not query.dtype == key.dtype == value.dtype or not query.dtype.is_floating_point:
        raise DTypeError(
            f"{_NAME}: expected query, key and value of one floating dtype, "
            f"got {query.dtype}, {key.dtype}, {value.dtype}"
        )
    if q[-1] != k[-1] or k[-2] != v[-2]:
        raise ShapeError(
            f"{_NAME}: expected query (..., L, E), key (..., S, E), value (..., S, V), got {q}, {k}, {v}"
        )
    if enable_gqa:
        if any(not h or q[-3] % h for h in (k[-3], v[-3])):
            raise ShapeError(
                f"{_NAME}: expected heads of key and value that divide the {q[-3]} of query, "
                f"got {k[-3]} and {v[-3]}"
            )
        broadcast(_NAME, q[:-3], k[:-3], v[:-3])
    else:
        broadcast(_NAME, q[:-2], k[:-2], v[:-2])
    if not 0 <= real(_NAME, "dropout_p", dropout_p) <= 1:
        raise SettingError(f"{_NAME}: expected dropout_p in [0, 1], got {dropout_p}")


def _check_mask(mask: Any, query: Any, key: Any, grouped: bool) -> None:
    operand(_NAME, mask)
    heads = 3 if grouped else 2
    lead = broadcast(_NAME, query.shape[:-heads], key.shape[:-heads])
    shape = (*lead, *query.shape[-heads:-1], key.shape[-2])
    if mask.dtype not in (bool_, float32, query.dtype):
        raise DTypeError(
            f"{_NAME}: expected attn_mask of dtype bool or {query.dtype}, got {mask.dtype}"
        )
    if len(mask.shape) > len(shape) or broadcast(_NAME, mask.shape, shape) != shape:
        raise ShapeError(
            f"{_NAME}: expected attn_mask that broadcasts to {shape}, got {mask.shape}"
        )


def _product(a: Any, b: Any, grouped: bool, transpose: bool) -> Any:
    """a @ b or a @ b^T; with `grouped` every head of b serves a / b heads of a, and is not repeated in memory."""
    if not grouped or a.shape[-3] == b.shape[-3]:
        return apply(MATMUL, a, b, transpose_a=False, transpose_b=transpose)
    *batch, heads, rows, columns = a.shape
    own = b.shape[-3]
    a = reshape(a, (*batch, own, heads // own, rows, columns))
    b = reshape(b, (*b.shape[:-2], 1, *b.shape[-2:]))
    y = apply(MATMUL, a, b, transpose_a=False, transpose_b=transpose)
    return reshape(y, (*y.shape[:-4], heads, rows, y.shape[-1]))


def _masked(scores: Any, mask: Any, query: Any) -> tuple[Any, Any]:
    """Scores under the mask, and where a query meets no key: its scores stay finite, so no NaN is born there."""
    if not mask.spec.size:
        return scores, None
    if mask.dtype == bool_:
        dead = logical_not(reduce_any(mask, -1, keepdim=True))
        return where(logical_or(mask, dead), scores, -inf), dead
    mask = cast(mask, query.dtype)
    dead = eq(amax(mask, -1, keepdim=True), -inf)
    return add(scores, where(dead, 0.0, mask)), dead


def _causal(query: Any, shape: Shape) -> Any:
    """True on and below the main diagonal."""
    rows, columns = (
        create(ARANGE, type(query), query.device, start=0, end=n, step=1, dtype=int32)
        for n in shape
    )
    return ge(reshape(rows, (-1, 1)), columns)
