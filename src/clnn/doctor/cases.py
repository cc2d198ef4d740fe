"""Small calls of every family of ops, chosen so that each kernel of the family runs at least once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import optim
from ..nn.parameter import Parameter
from ..ops import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    amax,
    argmax,
    avg_pool2d,
    batch_norm,
    cat,
    conv2d,
    conv_transpose2d,
    cross_entropy,
    cumsum,
    dropout,
    embedding,
    erf,
    exp,
    flip,
    fold,
    fused_batch_norm,
    fused_conv2d,
    fused_linear,
    gather,
    gelu,
    getitem,
    group_norm,
    gru_sequence,
    huber_loss,
    index_select,
    interpolate,
    kl_div,
    layer_norm,
    linear,
    log,
    log_softmax,
    logsumexp,
    lstm_sequence,
    lt,
    matmul,
    max_pool2d,
    pad,
    permute,
    pixel_shuffle,
    pow,
    rand_like,
    randn_like,
    rms_norm,
    rnn_sequence,
    roll,
    scaled_dot_product_attention,
    scatter_add,
    silu,
    softmax,
    std,
    sum,
    tril,
    unfold,
    where,
)
from ..ops.random import Generator
from ..shapes import Shape

# Every family runs in each dtype by some call; all calls in all dtypes would take minutes to compile.
FLOATS, ONE = ("float32", "float16", "float64"), ("float32",)
HALF, DOUBLE = ("float32", "float16"), ("float32", "float64")
_CONV = ("conv2d", "conv2d_input_grad", "conv2d_weight_grad", "conv_transpose2d")
_POOLS = ("max_pool2d", "avg_pool2d", "max_pool_grad", "avg_pool_grad")
_CELLS = ("adaptive_max_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool_grad", "adaptive_avg_pool_grad")  # fmt: skip


@dataclass(frozen=True)
class Array:
    """An operand: normal numbers, numbers of [low, 2 low), or with `below` integers of [0, below)."""

    shape: Shape
    low: float = 0.0
    below: int = 0

    @property
    def grad(self) -> bool:
        """Whether it has a gradient."""
        return not self.below

    def make(self, rng: np.random.Generator, dtype: str) -> Any:
        """The numbers, rounded to `dtype` if they are no integers."""
        if self.below:
            return rng.integers(0, self.below, self.shape)
        if self.low:
            return rng.uniform(self.low, 2 * self.low, self.shape).astype(dtype)
        return rng.standard_normal(self.shape).astype(dtype)


@dataclass(frozen=True)
class Case:
    """A call, and the ops in it (also of its gradients) that have a choice of algorithms."""

    family: str
    call: str
    run: Callable[..., Any]
    operands: tuple[Array, ...]
    ways: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = FLOATS


def _case(family: str, call: str, run: Callable[..., Any], *operands: Shape | Array,
          ways: tuple[str, ...] = (), dtypes: tuple[str, ...] = FLOATS) -> Case:  # fmt: skip
    arrays = tuple([a if isinstance(a, Array) else Array(a) for a in operands])
    return Case(family, call, run, arrays, ways, dtypes)


def _train(method: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
    """Two steps of an optimizer down a bowl."""

    def run(x: Any) -> Any:
        weight = Parameter(x.detach().clone())
        optimizer = method([weight], lr=0.1, **settings)
        for _ in range(2):
            optimizer.zero_grad()
            sum(weight * weight * 0.5).backward()
            optimizer.step()
        return weight.detach()

    return run


def _drawn(x: Any) -> tuple[Any, ...]:
    generator = Generator(5)
    return (dropout(x, 0.3, generator=generator), rand_like(x.detach(), generator=generator),
            randn_like(x.detach(), generator=generator))  # fmt: skip


def _mathematics(x: Any) -> Any:
    return log(x) + pow(x, 1.5) - erf(x)


def _conv(**settings: Any) -> Callable[..., Any]:
    return lambda x, w, *bias: conv2d(x, w, *bias, **settings)


CASES = (
    _case("elementwise", "exp(a) + where(a < b, a, b)",
          lambda a, b: exp(a) + where(lt(a, b), a, b), (33, 50), (50,), dtypes=HALF),
    _case("maths", "log, pow, erf", _mathematics, Array((7, 45), low=0.5), dtypes=ONE),
    _case("elementwise", "integers", lambda a: a // 7 + a % 5, Array((7, 45), below=1000), dtypes=ONE),
    _case("activation", "gelu(x) + silu(x)", lambda x: gelu(x) + silu(x),
          (33, 50), dtypes=HALF),
    _case("reduce", "sum", lambda x: sum(x, dim=1), (33, 150), ways=("sum",)),
    _case("reduce", "amax of an inner axis", lambda x: amax(x, dim=1), (5, 33, 19), ways=("amax",), dtypes=ONE),
    _case("reduce", "std", lambda x: std(x, dim=-1), (9, 67), ways=("std",), dtypes=ONE),
    _case("reduce", "logsumexp", lambda x: logsumexp(x, dim=-1), (9, 67), ways=("logsumexp",), dtypes=ONE),
    _case("reduce", "argmax", lambda x: argmax(x, dim=-1), (9, 67), ways=("argmax",), dtypes=ONE),
    _case("softmax", "softmax", lambda x: softmax(x, dim=-1), (13, 67), ways=("softmax", "softmax_grad")),
    _case("softmax", "log_softmax of an inner axis", lambda x: log_softmax(x, dim=1), (3, 37, 11),
          ways=("log_softmax", "log_softmax_grad"), dtypes=ONE),
    _case("norm", "layer_norm", lambda x, w, b: layer_norm(x, (67,), w, b), (13, 67), (67,), (67,),
          ways=("layer_norm", "row_norm_grad", "channel_sums"), dtypes=HALF),
    _case("norm", "group_norm", lambda x, w, b: group_norm(x, 3, w, b), (2, 6, 5, 7), (6,), (6,),
          ways=("group_norm", "row_norm_grad", "channel_sums"), dtypes=ONE),
    _case("norm", "rms_norm", lambda x, w: rms_norm(x, (67,), w), (13, 67), (67,),
          ways=("rms_norm", "row_norm_grad"), dtypes=ONE),
    _case("batch_norm", "batch_norm", lambda x, w, b: batch_norm(x, None, None, w, b, training=True),
          (5, 7, 9, 6), (7,), (7,), ways=("batch_norm", "batch_norm_grad"), dtypes=DOUBLE),
    _case("matmul", "(33, 50) @ (50, 70)", matmul, (33, 50), (50, 70), ways=("matmul",)),
    _case("matmul", "batches", matmul, (3, 17, 20), (3, 20, 35), ways=("matmul",), dtypes=ONE),
    _case("matmul", "a row by a matrix", matmul, (1, 300), (300, 35), ways=("matmul",), dtypes=ONE),
    _case("matmul", "linear", linear, (17, 37), (45, 37), (45,), ways=("linear", "matmul"), dtypes=HALF),
    _case("conv", "3 x 3", _conv(padding=1), (2, 32, 9, 11), (35, 32, 3, 3), (35,), ways=_CONV, dtypes=HALF),
    _case("conv", "5 x 5 in groups, stride 2", _conv(stride=2, padding=2, groups=2), (2, 8, 11, 9), (20, 4, 5, 5),
          ways=_CONV, dtypes=DOUBLE),
    _case("conv", "depthwise", _conv(padding=1, groups=19), (2, 19, 9, 11), (19, 1, 3, 3), ways=_CONV, dtypes=HALF),
    _case("conv", "transposed", lambda x, w: conv_transpose2d(x, w, stride=2, padding=1), (2, 18, 5, 6),
          (18, 17, 3, 3), ways=_CONV, dtypes=ONE),
    _case("fused", "convolution, bias, residual, relu",
          lambda x, w, b, r: fused_conv2d(x, w, b, padding=1, activation="relu", residual=r),
          (2, 16, 7, 6), (19, 16, 3, 3), (19,), (2, 19, 7, 6), dtypes=ONE),
    _case("fused", "linear, bias, gelu", lambda x, w, b: fused_linear(x, w, b, activation="gelu"),
          (9, 37), (21, 37), (21,), dtypes=ONE),
    _case("fused", "batch norm, relu",
          lambda x, w, b: fused_batch_norm(x, None, None, w, b, training=True, activation="relu"),
          (5, 7, 9, 6), (7,), (7,), dtypes=ONE),
    _case("pool", "max_pool2d", lambda x: max_pool2d(x, 3, 2, 1), (2, 9, 13, 11), ways=_POOLS),
    _case("pool", "avg_pool2d", lambda x: avg_pool2d(x, 3, 2, 1), (2, 9, 13, 11), ways=_POOLS, dtypes=ONE),
    _case("pool", "adaptive_max_pool2d", lambda x: adaptive_max_pool2d(x, (3, 4)), (2, 9, 13, 11), ways=_CELLS,
          dtypes=ONE),
    _case("pool", "adaptive_avg_pool2d", lambda x: adaptive_avg_pool2d(x, (3, 4)), (2, 9, 13, 11), ways=_CELLS,
          dtypes=ONE),
    _case("movement", "permute", lambda x: permute(x, (2, 0, 1)) * 1.0, (17, 18, 35), ways=("permute",)),
    _case("movement", "cat, flip, roll, tril", lambda a, b: tril(roll(flip(cat((a, b), 1), (0,)), 3, 1)),
          (13, 9), (13, 12)),
    _case("movement", "pad and slices", lambda x: getitem(pad(x, (1, 2, 3, 1)), (slice(1, None, 2), slice(None, -1))),
          (9, 11), dtypes=ONE),
    _case("indexing", "index_select", lambda x, i: index_select(x, 0, i), (21, 13), Array((40,), below=21),
          ways=("take_grad",)),
    _case("indexing", "gather", lambda x, i: gather(x, 1, i), (9, 13), Array((9, 30), below=13),
          ways=("gather_grad",), dtypes=HALF),
    _case("indexing", "scatter_add", lambda x, i, y: scatter_add(x, 0, i, y), (9, 13), Array((20, 13), below=9),
          (20, 13), dtypes=ONE),
    _case("scan", "cumsum", lambda x: cumsum(x, dim=-1), (9, 133), ways=("cumsum",)),
    _case("scan", "cumsum of an outer axis", lambda x: cumsum(x, dim=0), (33, 19), ways=("cumsum",), dtypes=ONE),
    _case("sort", "embedding of many rows", lambda w, i: embedding(i, w), (700, 5), Array((900,), below=700),
          ways=("take_grad",), dtypes=ONE),
    _case("rnn", "LSTM", lambda x, h, c, w: lstm_sequence(x, h, c, w * 0.2), (4, 9, 148), (9, 37), (9, 37), (148, 37),
          ways=("lstm_sequence", "lstm_sequence_grad")),
    _case("rnn", "GRU, ends, reverse",
          lambda x, h, w, b, n: gru_sequence(x, h, w * 0.2, b, n, reverse=True)[0],
          (5, 7, 57), (7, 19), (57, 19), (57,), Array((7,), below=6), ways=("gru_sequence", "gru_sequence_grad"),
          dtypes=ONE),
    _case("rnn", "RNN", lambda x, h, w: rnn_sequence(x, h, w * 0.2)[0], (3, 2, 17), (2, 17), (17, 17),
          ways=("rnn_sequence", "rnn_sequence_grad"), dtypes=ONE),
    _case("loss", "cross_entropy", lambda x, t: cross_entropy(x, t), (19, 33), Array((19,), below=33), dtypes=HALF),
    _case("loss", "huber_loss", huber_loss, (17, 9), (17, 9), dtypes=DOUBLE),
    _case("loss", "kl_div", lambda a, b: kl_div(a, b, reduction="batchmean"), (9, 11), Array((9, 11), low=0.1),
          dtypes=ONE),
    _case("attention", "causal", lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True),
          (2, 3, 9, 16), (2, 3, 9, 16), (2, 3, 9, 16), dtypes=HALF),
    _case("spatial", "unfold and fold", lambda x: fold(unfold(x, 3, padding=1), (7, 6), 3, padding=1), (2, 3, 7, 6),
          dtypes=DOUBLE),
    _case("spatial", "bilinear", lambda x: interpolate(x, (9, 14), mode="bilinear"), (2, 3, 7, 6), dtypes=HALF),
    _case("spatial", "pixel_shuffle", lambda x: pixel_shuffle(x, 2) * 1.0, (2, 8, 3, 5), dtypes=ONE),
    _case("random", "dropout, rand, randn", _drawn, (33, 50), dtypes=HALF),
    _case("optim", "SGD with momentum", _train(optim.SGD, momentum=0.9), (33, 50), dtypes=DOUBLE),
    _case("optim", "AdamW", _train(optim.AdamW), (33, 50), dtypes=ONE),
)  # fmt: skip
