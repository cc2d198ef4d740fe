"""Host side of kernels/optim.cl.mako: many tensors a launch, as many as a kernel has arguments for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import inf
from typing import Any, NamedTuple

from ...dtypes import DType
from ...shapes import Spec
from .. import implements
from .remembered import remember
from .runtime import GIVEN, Buffer, Runtime

_RESERVED = 128  # bytes of argument space for state pointers, numbers and sizes
_MOST_SLOTS = 256
_INDEX_END = 2**31 - 2**20  # a margin, because groups step past the end by less than a chunk


class _Launch(NamedTuple):
    """Tensors [first, last) of a list, which cover [start, ends[-1]) of its flat range."""

    first: int
    last: int
    ends: tuple[int, ...]  # one per slot
    start: int
    chunk: int
    groups: int
    wide: bool


def _launches(rt: Runtime, sizes: Sequence[int], start: int, pointers: int) -> Iterator[_Launch]:
    """The fewest launches that cover tensors of these sizes.

    OpenCL 1.2 cannot pass an array of buffers, so a tensor takes `pointers` arguments and its end
    another. Slots are rounded up to a power of two: fewer kernels to compile, and the same ones for
    all launches of a list.
    """
    ends = list(accumulate(sizes, initial=start))
    wide = ends[-1] > _INDEX_END
    room = (rt.info.handle.max_parameter_size - _RESERVED) // (8 * pointers + 8)
    room = min(room, _MOST_SLOTS)
    each = -(-len(sizes) // -(-len(sizes) // room))
    slots = min(1 << (each - 1).bit_length(), room)
    for first in range(0, len(sizes), each):
        last = min(first + each, len(sizes))
        begin, end = ends[first], ends[last]
        if begin < end:
            padded = (*ends[first + 1 : last + 1], *[end] * (slots - (last - first)))
            chunk = _chunk(rt, end - begin)
            yield _Launch(first, last, padded, begin, chunk, -(-(end - begin) // chunk), wide)


def _chunk(rt: Runtime, n: int) -> int:
    """Elements per work-group: enough groups for every unit, and enough work in each."""
    units = rt.info.compute_units
    if rt.wg == 1:
        return min(max(-(-n // (4 * units * 64)) * 64, 2048), 16384)
    return min(max(-(-n // (8 * units * rt.wg)), 1), 16) * rt.wg


def _arguments(tensors: Sequence[tuple[Buffer, ...]], launch: _Launch) -> list[Any]:
    """What a kernel takes of tuples of equally long buffers, all of one dtype."""
    used = list(tensors[launch.first : launch.last])
    used += [used[0]] * (len(launch.ends) - len(used))
    return [a for t, end in zip(used, launch.ends, strict=True) for a in (*t, end)]


def _defines(rt: Runtime, job: str, kind: DType, launch: _Launch, **defines: Any) -> dict[str, Any]:
    return {"state": (), "options": (), "out": None, **defines, "WG": rt.wg, "job": job,
            "slots": len(launch.ends), "wide": launch.wide, "dtype": kind.code}  # fmt: skip


def _all(
    rt: Runtime, job: str, tensors: Sequence[tuple[Buffer, ...]], *rest: Any, start: int = 0, **defines: Any
) -> None:  # fmt: skip
    """Enqueue `job`, which writes the first of every tuple, over all tensors, whatever their number.

    The launches follow from specs and are remembered; the numbers in `rest` are new every time.
    """
    for written, *_ in tensors:
        written.derived.clear()
    specs = [a.spec for t in tensors for a in t]
    more = [a.spec if type(a) is Buffer else None for a in rest]
    key = ("optim", job, rt.wg, len(tensors), start, *specs, *more, *defines.items())
    plan = rt.plans.get(key)
    if plan is None:
        plan = []
        for launch in _launches(rt, [t[0].size for t in tensors], start, len(tensors[0])):
            open_rest = [a if type(a) is Buffer else GIVEN for a in rest]
            args = (*_arguments(tensors, launch), *open_rest, launch.start, launch.chunk)
            kind = tensors[launch.first][0].dtype
            kernel, _ = rt.prepare("optim", job, args, _defines(rt, job, kind, launch, **defines))
            grid = (launch.groups * rt.wg,)
            plan.append((launch, rt.repeated(kernel, grid, (rt.wg,), args)))
        remember(rt.plans, key, plan)
    for launch, repeated in plan:
        args = (*_arguments(tensors, launch), *rest)
        rt.repeat(repeated, [args[k].mem for k in repeated.at], args)


def _split(arrays: tuple[Buffer, ...], count: int) -> tuple[list[tuple[Buffer, ...]], Any]:
    """(parameter, gradient) pairs and the state."""
    return list(zip(arrays[:count], arrays[count : 2 * count], strict=True)), arrays[2 * count :]


@implements("sgd_step")
def sgd_step(
    rt: Runtime, *arrays: Buffer, count: int, start: int, sign: float, weight_decay: float, lr: float,
    momentum: float, dampening: float, nesterov: bool,
) -> None:  # fmt: skip
    """State: the momentum buffer, if there is momentum."""
    pairs, state = _split(arrays, count)
    _all(rt, "sgd", pairs, *state, sign, weight_decay, lr, momentum, 1 - dampening, start=start,
             state=("buffer",)[: len(state)], options=("nesterov",) if nesterov else ())  # fmt: skip


@implements("adam_step")
def adam_step(
    rt: Runtime, *arrays: Buffer, count: int, start: int, sign: float, weight_decay: float, shrink: float,
    beta1: float, beta2: float, step_size: float, root_correction: float, eps: float,
) -> None:  # fmt: skip
    """State: means of the gradient and of its square, and the largest such for AMSGrad."""
    pairs, state = _split(arrays, count)
    # 1 - beta is taken here, in double precision: in float32 it would lose half of its digits
    _all(rt, "adam", pairs, *state, sign, weight_decay, shrink, 1 - beta1, beta2, 1 - beta2, step_size,
             1 / root_correction, eps, start=start, state=("mean", "square", "largest")[: len(state)])  # fmt: skip


@implements("rmsprop_step")
def rmsprop_step(
    rt: Runtime, *arrays: Buffer, count: int, start: int, sign: float, weight_decay: float, lr: float,
    alpha: float, eps: float, momentum: float, centered: bool,
) -> None:  # fmt: skip
    """State: the mean square, then the mean if centered, then the buffer if there is momentum."""
    pairs, state = _split(arrays, count)
    names = ("square", "mean", "buffer") if centered else ("square", "buffer")
    _all(rt, "rmsprop", pairs, *state, sign, weight_decay, lr, alpha, 1 - alpha, eps, momentum,
             start=start, state=names[: len(state)])  # fmt: skip


_NORMS = {1.0: "one", 2.0: "two", inf: "max"}


def _by_dtype(tensors: Iterable[tuple[Buffer, ...]]) -> list[list[tuple[Buffer, ...]]]:
    found: dict[str, list[tuple[Buffer, ...]]] = {}
    for t in tensors:
        found.setdefault(t[0].dtype, []).append(t)
    return list(found.values())


@implements("total_norm")
def total_norm(rt: Runtime, *arrays: Buffer, norm_type: float) -> None:
    """The norm of all gradients as one vector: a sum per chunk, then the sum of those."""
    *grads, y = arrays
    options = (_NORMS.get(norm_type, "power"),)
    plans = [
        (tensors, list(_launches(rt, [t[0].size for t in tensors], 0, 1)))
        for tensors in _by_dtype((g,) for g in grads)
    ]
    count = sum(launch.groups for _, launches in plans for launch in launches)
    partial = rt.empty(Spec((count,), y.dtype))
    slot = 0
    for tensors, launches in plans:
        for launch in launches:
            defines = _defines(
                rt, "norm", tensors[0][0].dtype, launch, options=options, out=y.dtype.code
            )
            rt.launch("optim", "norm", (launch.groups * rt.wg,), *_arguments(tensors, launch), partial, norm_type,
                      launch.start, launch.chunk, slot, group=(rt.wg,), **defines)  # fmt: skip
            slot += launch.groups
    rt.launch("optim", "finish", (rt.wg,), partial, y, norm_type, count, group=(rt.wg,), WG=rt.wg,
              job="finish", slots=0, dtype=y.dtype.code, out=y.dtype.code, state=(), options=options)  # fmt: skip


@implements("clip_norm")
def clip_norm(rt: Runtime, norm: Buffer, *arrays: Buffer, max_norm: float) -> None:
    """Scale by max_norm / norm where that is below 1."""
    half = len(arrays) // 2
    for pairs in _by_dtype(zip(arrays[half:], arrays[:half], strict=True)):
        _all(rt, "scale", pairs, norm, max_norm, out=norm.dtype.code)


@implements("clip_value")
def clip_value(rt: Runtime, *arrays: Buffer, bound: float) -> None:
    """Clamp to [-bound, bound]."""
    half = len(arrays) // 2
    for pairs in _by_dtype(zip(arrays[half:], arrays[:half], strict=True)):
        _all(rt, "clip", pairs, bound)
