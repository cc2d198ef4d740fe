"""Samples made of others: every op in float16 and bfloat16, and on operands with NaN and infinities."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from harness import host_operands, map_operands
from samples import Sample, T, gather

HALVES = ("float16", "bfloat16")
_LARGEST = 64.0  # of a narrowed operand: what a product of a few of them is in float16, too


def _operands(sample: Sample) -> list[T]:
    found: list[T] = []
    map_operands((sample.args, tuple(sample.kwargs.values())), found.append)
    return found


def _with(sample: Sample, operands: list[T]) -> Sample:
    """The sample with other operands, in order, and no differences: its twin in float32 has those."""
    rest = iter(operands)
    args, values = map_operands((sample.args, tuple(sample.kwargs.values())), lambda _: next(rest))
    kwargs = dict(zip(sample.kwargs, values, strict=True))
    return replace(sample, args=args, kwargs=kwargs, numeric_grad=False)


def plain(sample: Sample) -> bool:
    """Whether all floating operands are float32, finite and not too large, and there is something in them."""
    if any(word in f"{sample.args}{sample.kwargs}" for word in (*HALVES, "float64")):
        return False
    floats = [a for a in host_operands(sample) if a.dtype == np.float32]
    small = all(a.size and (np.abs(a[np.isfinite(a)]) < _LARGEST).all() for a in floats)
    return bool(floats) and small and all(np.isfinite(a).all() for a in floats)


def halves() -> list[Sample]:
    """Of every op without a sample in a half dtype, the first that is fit for it in that dtype."""
    samples = gather("SAMPLES")
    found = []
    for kind in HALVES:
        has = {s.fn for s in samples if f"'{kind}'" in f"{s.args}{s.kwargs}"}
        first: dict[str, Sample] = {}
        for s in samples:
            if s.fn not in has and plain(s):
                first.setdefault(s.fn, s)
        found += [_narrowed(s, kind) for s in first.values()]
    return found


def _narrowed(sample: Sample, kind: str) -> Sample:
    def narrow(t: T) -> T:
        if t.dtype != "float32":
            return t
        return T(*t.shape, dtype=kind, low=t.low, high=t.high, values=t.values, grad=t.grad)

    return replace(_with(sample, [narrow(t) for t in _operands(sample)]), rtol=None, atol=None)


SPECIAL = {"nan": (np.nan,), "inf": (np.inf, -np.inf)}


def odd() -> Iterator[tuple[str, Sample]]:
    """Of every op, the first sample of float32 with NaN, and with infinities, in what it computes on."""
    seen: set[str] = set()
    for s in gather("SAMPLES"):
        if s.fn in seen or not plain(s) or max(a.size for a in host_operands(s)) < 6:
            continue
        seen.add(s.fn)
        for name, values in SPECIAL.items():
            yield name, _poked(s, values)


def _poked(sample: Sample, values: tuple[float, ...]) -> Sample:
    """`values` in the first floating operand, of maps in all, each time at other places."""
    operands: list[Any] = []
    at = 0
    for t, a in zip(_operands(sample), host_operands(sample), strict=True):
        if a.dtype == np.float32:
            if a.size > 2 * len(values) and (not at or sample.family == "elementwise"):
                step = a.size // len(values)
                a.reshape(-1)[at::step][: len(values)] = values
                at += 1
            t = T(values=a, grad=t.grad)
        operands.append(t)
    return _with(sample, operands)
