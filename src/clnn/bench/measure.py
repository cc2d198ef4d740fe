"""Times that compare: every side in blocks of its own, in turns, several rounds.

The threads of NumPy, torch and OpenCL runtimes spin for a while after work, so on few cores whoever is
timed right after another looks slower than it is: each block begins after a rest and a warm-up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .case import Job


@dataclass(frozen=True)
class Pace:
    """How long to measure: rounds of blocks of about `block` seconds, `rest` seconds before each."""

    rounds: int = 5
    block: float = 0.06
    rest: float = 0.25


QUICK = Pace(rounds=1, block=0.0, rest=0.0)


def compare(
    jobs: Mapping[str, Job], pace: Pace, *, tick: Callable[[], None] = lambda: None
) -> dict[str, list[float]]:
    """Seconds per call of every job in every round; `tick` is called after each block."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(pace.rounds):
        # the other way round every second time, so that nobody always follows the same one
        for name in list(jobs)[:: -1 if number % 2 else 1]:
            times[name].append(_block(jobs[name], pace))
            tick()
    return times


def _block(job: Job, pace: Pace) -> float:
    time.sleep(pace.rest)
    job.run()
    job.wait()
    once = _seconds(job, 1)
    if once >= pace.block:
        return once
    # the first calls of a block meet cold caches and sleeping threads: how many fit is found by the next
    once = min(once, _seconds(job, 2))
    return _seconds(job, max(2, min(10000, int(pace.block / max(once, 1e-7)))))


def _seconds(job: Job, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        job.run()
    job.wait()
    return (time.perf_counter() - start) / repeats
