"""Host side of kernels/cross_entropy.cl.mako: samples as rows or columns, and their gradients in one launch."""

from __future__ import annotations

from math import prod
from typing import Any

from ...dtypes import accumulator
from ...shapes import Shape, Spec
from .. import implements
from .elementwise import chunking
from .plan import planned
from .runtime import Buffer, Runtime
from .streaming import streams

_ROW_GROUPS = 16384  # of a GPU; beyond that every group walks several rows
_BLOCKS = 32  # of 16 samples that a work-item of a CPU takes at a time, so that classes are read along rows


def _sizes(shape: Shape) -> tuple[int, int, int]:
    """(samples, classes, positions) of an input (N, C, ...) or (C,)."""
    if len(shape) == 1:
        return 1, shape[0], 1
    return shape[0], shape[1], prod(shape[2:])


def _run(
    rt: Runtime, stage: str, groups: int, *args: Any, x: Buffer, wg: int = 0, **defines: Any
) -> None:
    """Launch a kernel on `groups` work-groups; a kernel that has no use for a define gets the same one always."""
    idle = {
        "index": "i64",
        "weighted": False,
        "smooth": False,
        "logits": False,
        "mean": False,
        "each": False,
        "streamed": False,
    }
    wg = wg or rt.wg
    rt.launch("cross_entropy", stage, (groups * wg,), *args, group=(wg,), stage=stage, dtype=x.dtype.code, WG=wg,
              V=16 if rt.info.kind == "cpu" else 1, W=_BLOCKS if rt.info.kind == "cpu" else 1,
              **{**idle, **defines})  # fmt: skip


def _plan(rt: Runtime, n: int, c: int, d: int, logits: bool) -> tuple[str, int, int, int]:
    """(kernel, groups, work-group size, chunk) for N samples, C classes, D positions."""
    wg, cpu = rt.wg, rt.info.kind == "cpu"
    if not logits:
        chunk = chunking(rt, n * d)[1]
        return "pick", -(-n * d // (chunk * wg)), wg, chunk
    if d == 1:
        wg = min((k for k in (32, 64, 128) if c <= k <= wg), default=wg)
        rows = max(1, chunking(rt, n * c)[1] // (c or 1) if cpu else n // _ROW_GROUPS)
        return "rows", -(-n // rows), wg, rows
    width = 16 if cpu else 1
    blocks = n * -(-d // width)
    fair = -(-blocks // (4 * rt.info.compute_units))
    per = max(1, min(fair, _BLOCKS) if cpu else chunking(rt, n * c * d)[1] // (c or 1))
    return "columns", -(-blocks // (per * wg)), wg, per


def _forward(rt: Runtime, x: Buffer, target: Buffer, weight: tuple[Buffer, ...], loss: Buffer, lse: tuple[Buffer, ...],
             totals: Buffer, reduction: str, ignore_index: int, smoothing: float) -> None:  # fmt: skip
    """The losses of all samples, and their sum; log-softmax comes first if there is an lse to keep."""
    n, c, d = _sizes(x.shape)
    stage, groups, wg, chunk = _plan(rt, n, c, d, bool(lse))
    each = reduction == "none"
    into = loss if each else rt.empty(Spec((2 * groups,), accumulator(x.dtype)))
    _run(rt, stage, groups, x, target, *weight, into, *lse, totals, ignore_index, smoothing, n, c, d, chunk, x=x, wg=wg,
         index=target.dtype.code, weighted=bool(weight), smooth=smoothing > 0, logits=bool(lse), each=each)  # fmt: skip
    if not each:
        _run(rt, "finish", 1, into, loss, totals, groups, x=x, mean=reduction == "mean")


def _backward(rt: Runtime, g: Buffer, logits: tuple[Buffer, ...], target: Buffer, weight: tuple[Buffer, ...],
              totals: Buffer, gx: Buffer, reduction: str, ignore_index: int, smoothing: float) -> None:  # fmt: skip
    """One launch over the elements of gx; `logits` is (x, lse), or nothing for nll_loss."""
    n, c, d = _sizes(gx.shape)
    stage = "grad_rows" if d == 1 else "grad_columns"
    units, chunk = gx.size, chunking(rt, gx.size)[1]
    some: Shape = ()
    if d > 1:
        units, *rest = _columns(rt, n, c, d)
        chunk, some = 1, tuple(rest)
    _run(rt, stage, -(-units // (chunk * rt.wg)), g, *logits, target, *weight, totals, gx, ignore_index, smoothing,
         n, c, d, chunk, *some, x=gx, index=target.dtype.code, weighted=bool(weight), smooth=smoothing > 0,
         logits=bool(logits), each=reduction == "none", mean=reduction == "mean",
         streamed=streams(rt.info, gx.spec))  # fmt: skip


def _columns(rt: Runtime, n: int, c: int, d: int) -> Shape:
    """(work-items, classes of each) of a gradient by columns: on a CPU all classes, if that is work for all units."""
    if rt.info.kind != "cpu":
        return n * c * d, 1
    blocks = n * -(-d // (16 * _BLOCKS))
    parts = max(1, min(c, -(-4 * rt.info.compute_units // max(blocks, 1))))
    some = -(-c // parts)
    return blocks * -(-c // some), some


@implements("cross_entropy")
@planned
def cross_entropy(rt: Runtime, x: Buffer, target: Buffer, *rest: Buffer, reduction: str, ignore_index: int,
                  label_smoothing: float) -> None:  # fmt: skip
    """rest is (weight or nothing, loss, lse, totals)."""
    *weight, loss, lse, totals = rest
    _forward(
        rt, x, target, tuple(weight), loss, (lse,), totals, reduction, ignore_index, label_smoothing
    )


@implements("cross_entropy_grad")
@planned
def cross_entropy_grad(rt: Runtime, g: Buffer, x: Buffer, target: Buffer, lse: Buffer, totals: Buffer, *rest: Buffer,
                       reduction: str, ignore_index: int, label_smoothing: float) -> None:  # fmt: skip
    """rest is (weight or nothing, gx)."""
    *weight, gx = rest
    _backward(
        rt, g, (x, lse), target, tuple(weight), totals, gx, reduction, ignore_index, label_smoothing
    )


@implements("nll_loss")
@planned
def nll_loss(
    rt: Runtime, x: Buffer, target: Buffer, *rest: Buffer, reduction: str, ignore_index: int
) -> None:
    """rest is (weight or nothing, loss, totals)."""
    *weight, loss, totals = rest
    _forward(rt, x, target, tuple(weight), loss, (), totals, reduction, ignore_index, 0.0)


@implements("nll_loss_grad")
@planned
def nll_loss_grad(rt: Runtime, g: Buffer, target: Buffer, totals: Buffer, *rest: Buffer, shape: Shape, reduction: str,
                  ignore_index: int) -> None:  # fmt: skip
    """rest is (weight or nothing, gx)."""
    *weight, gx = rest
    _backward(rt, g, (), target, tuple(weight), totals, gx, reduction, ignore_index, 0.0)
