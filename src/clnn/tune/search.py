"""The search: candidates in order, each verified, then timed; the best meets the default in a duel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from ..backends import Backend
from ..backends.opencl import OpenCL, algorithms, tuning
from ..backends.opencl.algorithms import Algorithm, Candidate
from ..backends.opencl.tuning_store import Entry
from ..device import Device
from ..errors import ClnnError
from ..shapes import Spec
from .case import Case, opencl

STOP = 3.0  # a candidate so many times slower than the best is not measured further
GAIN = 1.03  # what a candidate must gain over the default; less may be noise
ROUNDS = 5
SAMPLE = 4e-3  # seconds a block of calls takes at least, far above what a clock resolves
CHECKED = (
    2e10  # operations up to which a GPU's result is compared with NumPy's, which takes a second
)
WORTH = 2e8  # operations from which the last algorithm, which is simple and not fast, is not tried
_SETS = 8  # copies of the operands that calls rotate through, at most

# How far from the reference, in parts of its largest value. Wrong kernels are off by whole terms; good ones by
# rounding, which Winograd's transforms multiply.
TOLERANCE = {"float64": 1e-10, "float32": 5e-5, "float16": 4e-3, "bfloat16": 3e-2}


class Found(NamedTuple):
    """What a case is to the OpenCL backend."""

    owner: str  # the op under whose name it is tuned
    problem: Any
    group: str  # the class of the problem
    default: Algorithm
    usable: list[Algorithm]


@dataclass
class Result:
    """What tuning one case came to; seconds per call."""

    case: Case
    group: str
    default: Candidate
    winner: Candidate
    before: float
    after: float
    tried: int = 0
    rejected: list[tuple[Candidate, str]] = field(default_factory=list)
    complete: bool = True  # whether the budget lasted for all candidates

    @property
    def gain(self) -> float:
        """How many times faster than the default."""
        return self.before / self.after if self.after else 1.0


class Tuner:
    """Searches on one OpenCL device; `learn` makes what it found count."""

    def __init__(self, backend: Backend, *, clock: Callable[[], float] = time.perf_counter) -> None:
        """Raises DeviceError for the NumPy reference, which has nothing to tune."""
        self.backend, self.clock = opencl(backend), clock
        self.rt = self.backend.rt
        self.info = self.rt.info

    def look(self, case: Case) -> Found | None:
        """What would be tuned for a case, without running it; None where there is no choice to make."""
        if case.op not in tuning.tables() or 0 in (s.size for s in (*case.specs, *case.outs())):
            return None
        arrays = [self.rt.empty(s) for s in case.specs]
        try:
            with algorithms.within(algorithms.Context(look=True)):
                self._call(case, arrays)
        except algorithms.Choice as choice:
            ways, p = tuning.tables()[case.op].algorithms, choice.problem
            usable = algorithms.usable(case.op, ways, p, self.info)
            shipped = self.rt.tuning.shipped_choice(case.op, p)
            first = algorithms.first(case.op, ways, p, self.info)
            default = next((a for a in usable if a.name == shipped), first)
            return Found(tuning.owner(case.op), p, p.tuning_class(), default, usable)
        return None

    def tune(self, case: Case, budget: float, only: Sequence[Candidate] | None = None,
             tell: Callable[[str], None] = lambda text: None) -> Result | None:  # fmt: skip
        """Try every candidate, or `only` those, for about `budget` seconds; None where there is no choice.

        A candidate wins if its results are right before and after it was timed, and if it beats the default
        side by side. Raises ClnnError when the default itself is wrong.
        """
        found = self.look(case)
        if found is None:
            return None
        search = _Search(self, case, found, self.clock() + budget, tell)
        return search.run(only)

    def learn(self, results: Sequence[Result], *, keep: bool = True) -> None:
        """Use what was found from now on, and with `keep` in later processes too.

        Raises OSError where the user's cache cannot be written.
        """
        entries = [
            Entry(tuning.owner(r.case.op), r.group, r.winner.algorithm, dict(r.winner.values), r.case.pack(),
                  r.before, r.after)
            for r in results
        ]  # fmt: skip
        if entries:
            self.rt.tuning.learn(entries, keep=keep)

    def _call(self, case: Case, arrays: Sequence[Any]) -> tuple[Any, ...]:
        # not backend.run, which CLNN_TUNE=auto has replaced by one that tunes
        return OpenCL.run(self.backend, case.op, arrays, case.outs(), dict(case.settings))


class _Search:
    """One case: its operands, the truth about its results, and the candidates tried so far."""

    def __init__(self, tuner: Tuner, case: Case, found: Found, deadline: float,
                 tell: Callable[[str], None]) -> None:  # fmt: skip
        self.tuner, self.case, self.found, self.deadline, self.tell = (
            tuner,
            case,
            found,
            deadline,
            tell,
        )
        self.rt, self.outs, self.settings = tuner.rt, case.outs(), dict(case.settings)
        rng = np.random.default_rng(0)
        host = [_operand(rng, s) for s in case.specs]
        self.sets = [[self.rt.upload(h) for h in host] for _ in range(self._copies())]
        self.turn = 0
        self.want = self._truth(host)
        self.times: dict[str, float] = {}
        self.contexts: dict[str, algorithms.Context] = {}
        self.rejected: list[tuple[Candidate, str]] = []

    def run(self, only: Sequence[Candidate] | None) -> Result:
        default = Candidate(self.found.default.name)
        before = self.measure(default)
        if before is None:
            ((_, why), *_) = self.rejected
            raise ClnnError(f"tune: expected {self.case} by {default} to be right, got {why}")
        self.before = best = before
        winner, complete = default, True
        for candidate in self.candidates() if only is None else iter(only):
            if self.tuner.clock() >= self.deadline:
                complete = False
                break
            self.tell(f"{candidate}")
            if only is not None and not self._declared(candidate):
                self.rejected.append((candidate, "not among what this algorithm declares here"))
                continue
            seconds = self.measure(candidate, STOP * best)
            if seconds is not None and seconds < best:
                best, winner = seconds, candidate
        if winner is not default:
            before, best = self.duel(default, winner)
            if best * GAIN > before:
                winner, best = default, before
        return Result(self.case, self.found.group, default, winner, before, best, len(self.times),
                      self.rejected, complete)  # fmt: skip

    def candidates(self) -> Iterator[Candidate]:
        """Algorithms by their defaults first, then those worth it in full, from the default's neighbours on."""
        ways = [
            a
            for a in self.found.usable
            if a is not self.found.default and a.worth(self.found.problem, self.tuner.info)
        ]
        if self._flops() > WORTH:
            ways = [a for a in ways if a is not self.found.usable[-1]]
        for a in ways:
            yield Candidate(a.name)
        for a in [self.found.default, *ways]:
            slow = self.times.get(str(Candidate(a.name)), float("inf"))
            if slow <= STOP * min(self.times.values()):
                yield from self._neighbours(a)

    def _neighbours(self, a: Algorithm) -> list[Candidate]:
        known = self.contexts[str(Candidate(a.name))].asked.get(a.name, {})
        all_values = a.candidates(self.found.problem, self.tuner.info)
        ranks: dict[str, list[Any]] = {}
        for values in all_values:
            for name, value in values.items():
                if value not in ranks.setdefault(name, []):
                    ranks[name].append(value)

        def far(values: Mapping[str, Any]) -> tuple[int, int]:
            other = [n for n, v in values.items() if known.get(n, v) != v]
            steps = [
                abs(ranks[n].index(values[n]) - ranks[n].index(known[n]))
                for n in other
                if known[n] in ranks[n]
            ]
            return len(other), sum(steps)

        new = [v for v in all_values if any(known.get(n) != value for n, value in v.items())]
        return [Candidate(a.name, v) for v in sorted(new, key=far)]

    def _declared(self, candidate: Candidate) -> bool:
        """Whether launchers would take the candidate, once it is known."""
        return any(
            a.name == candidate.algorithm
            and a.allows(candidate.values, self.found.problem, self.tuner.info)
            for a in self.found.usable
        )

    # --- one candidate --------------------------------------------------------------------------

    def measure(self, candidate: Candidate, limit: float = float("inf")) -> float | None:
        """Seconds per call, the median of blocks; None for a candidate that is wrong, fails or is too slow."""
        self.contexts[str(candidate)] = algorithms.trial(self.case.op, candidate)
        try:
            why = self._wrong(candidate) or self._ignored(candidate)
            if why is None:
                seconds = self._time(candidate, limit)
                why = self._wrong(candidate)
        except ClnnError as error:
            why = str(error).splitlines()[0]
        if why is not None:
            self.rejected.append((candidate, why))
            return None
        self.times[str(candidate)] = seconds
        return seconds if seconds < limit else None

    def _time(self, candidate: Candidate, limit: float) -> float:
        once = self._block(candidate, 1)
        if once > limit:
            return once
        calls = max(1, min(1000, round(SAMPLE / max(once, 1e-7))))
        blocks = [self._block(candidate, calls) for _ in range(2)]
        while len(blocks) < ROUNDS and min(blocks) <= limit:
            blocks.append(self._block(candidate, calls))
        return median(blocks)

    def duel(self, a: Candidate, b: Candidate) -> tuple[float, float]:
        """Seconds of both, in alternating blocks, so that a slower minute of the machine hits both."""
        blocks: dict[str, list[float]] = {str(a): [], str(b): []}
        for _ in range(ROUNDS):
            for each in (a, b):
                calls = max(1, min(1000, round(2 * SAMPLE / max(self.times[str(each)], 1e-7))))
                blocks[str(each)].append(self._block(each, calls))
        return median(blocks[str(a)]), median(blocks[str(b)])

    def _block(self, candidate: Candidate, calls: int) -> float:
        """Seconds per call, waiting included; calls take turns at copies, so that no operand waits in a cache."""
        with algorithms.within(self.contexts[str(candidate)]):
            self.rt.finish()
            start = self.tuner.clock()
            for _ in range(calls):
                self.turn = (self.turn + 1) % len(self.sets)
                self._call(self.sets[self.turn])
            self.rt.finish()
            return (self.tuner.clock() - start) / calls

    def _call(self, arrays: Sequence[Any]) -> tuple[Any, ...]:
        return OpenCL.run(self.tuner.backend, self.case.op, arrays, self.outs, self.settings)

    # --- what is right --------------------------------------------------------------------------

    def _wrong(self, candidate: Candidate) -> str | None:
        """What is wrong with a candidate's results, into memory that held NaN; None if nothing is."""
        before, self.rt.poison = self.rt.poison, True
        try:
            with algorithms.within(self.contexts[str(candidate)]):
                got = [self.rt.download(y) for y in self._call(self.sets[0])]
        finally:
            self.rt.poison = before
        return next((why for a, b in zip(got, self.want, strict=True) if (why := compare(a, b))), None)  # fmt: skip

    def _ignored(self, candidate: Candidate) -> str | None:
        """Says so if the launcher never asked for the values: it asks for another op's, or for none."""
        asked = self.contexts[str(candidate)].asked.get(candidate.algorithm, {})
        unasked = [name for name in candidate.values if name not in asked]
        return f"its launcher does not ask for {', '.join(unasked)}" if unasked else None

    def _truth(self, host: list[Any]) -> list[Any]:
        """What the reference says; for what NumPy would take minutes over, the last algorithm on the device.

        That one needs no tuning, applies to everything, and the conformance tests hold it to the reference.
        """
        if self.tuner.info.kind == "cpu" or self._flops() <= CHECKED:
            reference = Device("cpu").backend
            return list(reference.run(self.case.op, host, self.outs, self.settings))
        last = Candidate(self.found.usable[-1].name)
        with algorithms.within(algorithms.trial(self.case.op, last)):
            return [self.rt.download(y) for y in self._call(self.sets[0])]

    def _flops(self) -> float:
        return float(self.found.problem.flops)

    def _copies(self) -> int:
        each = sum(s.nbytes for s in self.case.specs)
        cache = int(getattr(self.tuner.info.handle, "global_mem_cache_size", 0))
        wanted = -(-2 * cache // max(each, 1))
        return max(1, min(wanted, _SETS, self.tuner.info.global_mem // 8 // max(each, 1)))


def compare(got: Any, want: Any) -> str | None:
    """What is wrong with `got`; None if it is as near to `want` as its dtype allows."""
    tolerance = TOLERANCE.get(want.dtype.name, 0.0)
    a, b = got.astype(np.float64), want.astype(np.float64)
    if not np.isfinite(a).all():
        return "values that are not finite, or were never written"
    error, scale = np.abs(a - b).max(initial=0.0), np.abs(b).max(initial=0.0)
    if error > tolerance * scale:
        return f"an error of {error / max(scale, 1e-300):.1e} of the largest value, expected at most {tolerance:.0e}"
    return None


def _operand(rng: Any, spec: Spec) -> Any:
    if spec.dtype.is_floating_point:
        return rng.standard_normal(spec.shape, np.float32).astype(spec.dtype)
    return rng.integers(0, 4, spec.shape).astype(spec.dtype)
