"""The few calls that run every kernel of every family, for implementations too slow for all samples.

Every sample runs on paper, by the usual choice and by every algorithm, under several facts; what each would launch
is known then, and the cheapest calls that together launch everything are taken. The choice follows from the
samples and the kernels alone: it is the same every time, and a new kernel brings the call that it needs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import harness
from clnn.backends.opencl.algorithms import algorithm
from clnn.backends.opencl.discovery import DeviceInfo
from clnn.errors import ClnnError
from samples import Sample, gather

from .variants import Variant, on_paper

# Under which facts calls run. What a backend does differently on GPUs follows from them alone.
FACTS: dict[str, dict[str, Any]] = {
    "cpu": {"kind": "cpu", "integrated": True},
    "gpu": {
        "kind": "gpu", "integrated": False, "compute_units": 16, "max_group": 64, "max_items": (64, 64, 64),
    },
    "tiny": {
        "kind": "gpu", "integrated": True, "max_group": 12, "max_items": (12, 1, 1), "local_mem": 2048,
    },
}  # fmt: skip
_PROGRAM = 40_000  # work-items that take as long as the compilation of a program
# Defines that make another kernel of a program; `close` tells apart what a compiler hardly does.
_FORM = ("engine", "stage", "job", "few", "split", "M", "form")
_CLOSE = ("op", "kernel", "kind", "draw", "F", "dtype")

Form = tuple[str, ...]


class Call(NamedTuple):
    """A sample under some facts, by the usual choice or by an algorithm."""

    facts: str
    sample: Sample
    algorithm: str | None

    def __str__(self) -> str:
        by = f" by {self.algorithm}" if self.algorithm else ""
        return f"{self.sample.family} {self.sample}{by} as {self.facts}"


class _Asked(NamedTuple):
    call: Call
    forms: frozenset[Form]
    programs: frozenset[str]
    items: int


def chosen(
    info: DeviceInfo, facts: Iterable[str], close: bool = False, only: Collection[str] = ()
) -> list[Call]:
    """The cheapest calls found that launch all that samples launch on such a device, under each of the facts."""
    samples = [s for s in gather("SAMPLES") if not only or s.family in only]
    out = []
    for name in facts:
        asked = list(_asked(samples, name, dataclasses.replace(info, **FACTS[name]), close))
        left = frozenset[Form]().union(*(a.forms for a in asked))
        there: frozenset[str] = frozenset()
        while left:
            best = max(asked, key=lambda a: len(a.forms & left) / _cost(a, there))
            out.append(best.call)
            left, there = left - best.forms, there | best.programs
            asked = [a for a in asked if a.forms & left]
    return out


def _cost(a: _Asked, there: frozenset[str]) -> float:
    return a.items + _PROGRAM * (1 + len(a.programs - there))


def _asked(
    samples: Iterable[Sample], facts: str, info: DeviceInfo, close: bool
) -> Iterator[_Asked]:
    """What every call would launch."""
    device = on_paper(info)
    launches = device.backend.rt.launches
    for sample in samples:
        if harness.lacks(sample, device):
            continue
        table = harness.algorithms_of(sample.family)
        names = dict.fromkeys(a.name for found in table.values() for a in found)
        for name in (None, *names):
            launches.clear()
            try:
                used = run(sample, device, name)
            except ClnnError:  # an algorithm that does not go with the facts; the usual choice does
                if name is None:
                    raise
                continue
            if used and launches:
                forms = frozenset(form(variant, kernel, close) for variant, kernel, _ in launches)
                programs = frozenset(variant.key for variant, _, _ in launches)
                items = sum(n for *_, n in launches)
                yield _Asked(Call(facts, sample, name), forms, programs, items)


def run(sample: Sample, device: Any, name: str | None) -> bool:
    """Run a call and its gradients; False where the algorithm did not apply, and another ran in its place."""
    table = harness.algorithms_of(sample.family)
    with ExitStack() as stack:
        used = [
            stack.enter_context(algorithm(op, name, strict=False))
            for op, found in table.items()
            if name in {a.name for a in found}
        ]
        harness.run_clnn(sample, device)
    return name is None or any(used)


def form(variant: Variant, kernel: str, close: bool) -> Form:
    """What of a program makes a kernel of its own."""
    names = (*_FORM, *_CLOSE) if close else _FORM
    return (variant.family, kernel, *(str(variant.defines.get(n, "")) for n in names))
