"""The part that runs: rounds over the ops until its time is over; says what it does in lines of JSON."""

from __future__ import annotations

import ctypes
import gc
import json
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

import clnn
from fuzz import draw, files
from fuzz.check import Finding, cases, check
from fuzz.spoil import spoil

PER_OP = 12  # cases of an op before the next one
PER_FILE = 200  # damaged files of a kind
EPOCH = 3  # rounds over all ops with the same few compiled-in values
MOST_DATA = 3 << 30  # bytes that a case may ask for
MOST_OF_FILE = (
    256 << 20
)  # bytes that a reader may ask for: no file here has more than some kilobytes
MOST_SECONDS = 60.0  # of processor time for a case: compilers of several devices are in it
MOST_MEMORY = 3 << 30  # bytes this process may hold before it makes room for a fresh one
ENOUGH = 3  # findings of an op, after which it is left alone


def say(**event: Any) -> None:
    """One line for whoever watches."""
    print(json.dumps(event), flush=True)


def memory() -> int:
    """Bytes this process holds."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def bounded(more: int) -> Iterator[None]:
    """No case inside of the block gets more than `more` bytes beside what is held now: it meets a MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with suppress(OSError, ValueError, IndexError):
        held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (held + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def limited(case: Any) -> Iterator[None]:
    """A Finding where a case takes longer than MOST_SECONDS of processor time."""

    def late(*_: Any) -> None:
        raise Finding("too slow", f"more than {MOST_SECONDS} s on {case!r}")

    old = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)


def forget() -> None:
    """Let go of kernels: a driver takes megabytes for a program."""
    for d in clnn.devices():
        if d.info is not None:
            d.backend.rt.forget()
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def examples(strategy: Any, body: Callable[[Any], None], count: int, seed: int) -> str | None:
    """Run `body` on examples of the strategy; the smallest that fails, as text."""
    failed: list[BaseException] = []

    @hypothesis.seed(seed)
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck),
              phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False, print_blob=False)  # fmt: skip
    @given(strategy)
    def test(case: Any) -> None:
        try:
            body(case)
        except Finding as finding:
            failed[:] = [finding]
            raise

    try:
        test()
    except Finding as finding:
        return str(finding)
    except hypothesis.errors.Flaky:
        return f"not repeatable: {failed[0]}" if failed else "not repeatable"
    return None


class Worker:
    """One process's share of the work."""

    def __init__(
        self, seed: int, until: float, devices: Sequence[str], only: Sequence[str], last: Path
    ) -> None:
        self.seed, self.until, self.devices, self.last = seed, until, devices, last
        self.jobs = jobs(only, last.parent)
        self.found: dict[str, int] = {}

    def run(self, first: int) -> None:
        """Rounds from `first` on."""
        for n in range(first, sys.maxsize):
            rng = random.Random(f"{self.seed} {n}")
            draw.epoch(rng.getrandbits(32) if n % EPOCH == 0 else draw._Epoch.seed)
            for name, job in rng.sample(sorted(self.jobs.items()), len(self.jobs)):
                if time.time() > self.until:
                    return
                if self.found.get(name, 0) < ENOUGH:
                    self.turn(name, job, rng.getrandbits(32), n)
            forget()
            if memory() > MOST_MEMORY:
                return

    def turn(self, name: str, job: Any, seed: int, n: int) -> None:
        """Some cases of one op."""
        ran = 0
        strategy, body = job(self.devices)

        def counted(case: Any) -> None:
            nonlocal ran
            ran += 1
            self.last.write_text(f"{name}\n{case!r}", "utf-8")
            with limited(case):
                body(case)

        started = time.time()
        of_file = name.startswith("file ")
        with bounded(MOST_OF_FILE if of_file else MOST_DATA):
            found = examples(strategy, counted, PER_FILE if of_file else PER_OP, seed)
        if found:
            self.found[name] = self.found.get(name, 0) + 1
            say(event="finding", job=name, text=found)
        say(
            event="turn",
            job=name,
            round=n,
            cases=ran,
            seconds=time.time() - started,
            memory=memory(),
        )


def jobs(only: Sequence[str], folder: Path) -> dict[str, Any]:
    """What there is to do, by name: a function of the devices that gives a strategy and what to do with a case."""
    made: dict[str, Any] = {}
    for name, calls in draw.gather().items():
        made[name] = _of_op(calls, None)
        made[f"bad {name}"] = _of_op(calls, spoil)
    for reader in files.good():
        made[f"file {reader}"] = _of_file(reader, folder)
    return {
        k: v for k, v in made.items() if not only or {k, k.split()[0], k.split()[-1]} & set(only)
    }


def _of_op(calls: draw.Calls, how: Any) -> Any:
    return lambda devices: (cases(calls.draws(), how), lambda case: check(case, devices))


def _of_file(reader: str, folder: Path) -> Any:
    return lambda devices: (files.damaged(reader), lambda case: files.check_file(case, folder))


def work(
    seed: int, devices: Sequence[str], only: Sequence[str], first: str, until: str, last: str
) -> None:
    """What a child process does."""
    named = list(devices) or [d.name for d in clnn.devices() if d.name != "cpu"]
    for d in named:
        info = clnn.device(d).info
        if info is not None:  # an element that no kernel writes cannot pass
            clnn.device(d).backend.rt.poison = True
    Worker(seed, float(until), named, only, Path(last)).run(int(first))
