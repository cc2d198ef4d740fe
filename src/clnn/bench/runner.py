"""Runs suites: every case on every side, checked and then timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..device import Device
from ..device import device as open_device
from ..errors import SettingError
from . import conv, gemm, machine, measure, memory, networks, overhead, peers
from .case import Case, Job
from .report import Report, Row

SUITES: dict[str, Callable[[bool], list[Case]]] = {
    "gemm": gemm.cases, "conv": conv.cases, "memory": memory.cases, "models": networks.cases,
    "overhead": overhead.cases,
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What to run and how: `only` is part of a case's or group's name, peers None is all there are."""

    suites: Sequence[str] = tuple(SUITES)
    device: Device | None = None
    peers: Sequence[str] | None = None
    only: str = ""
    quick: bool = False
    threads: int = 0
    rounds: int = 5


def run(settings: Settings, progress: Callable[[str, float], None] = lambda text, share: None) -> Report:  # fmt: skip
    """Measure; `progress` hears the case at hand and the share of the work that is done.

    Raises SettingError for a suite or a peer that is not there, or where `only` leaves no case.
    """
    device = settings.device or open_device()
    pace = measure.QUICK if settings.quick else measure.Pace(rounds=settings.rounds)
    cases = _cases(settings)
    others = peers.find(settings.peers, device, settings.threads or machine.threads())
    sides: list[peers.Peer] = [peers.Clnn(device), *others]
    progress("limits of the device", 0.0)
    report = Report(
        machine.facts(device),
        machine.limits(device),
        {p.name: p.version for p in others},
        [],
        settings.quick,
    )
    for number, case in enumerate(cases):
        done = [0]

        def tick(case: Case = case, number: int = number, done: list[int] = done) -> None:
            share = min(1.0, done[0] / (pace.rounds * len(sides) + 1))
            progress(case.name, (number + share) / len(cases))
            done[0] += 1

        tick()
        report.rows.append(_measure(case, sides, device, pace, tick))
    # a limit is the most that was ever seen: other work may have been in the way before
    again = machine.limits(device)
    report.limits = machine.Limits(*map(max, report.limits, again))
    progress("done", 1.0)
    return report


def _cases(settings: Settings) -> list[Case]:
    for name in settings.suites:
        if name not in SUITES:
            raise SettingError(f"bench: expected suites among {', '.join(SUITES)}, got {name!r}")
    found = [case for name in settings.suites for case in SUITES[name](settings.quick)]
    kept = [c for c in found if settings.only.lower() in f"{c.suite} {c.group} {c.name}".lower()]
    if not kept:
        raise SettingError(f"bench: expected part of a case's name, got {settings.only!r}")
    return kept


def _measure(case: Case, sides: Sequence[peers.Peer], device: Device, pace: measure.Pace,
             tick: Callable[[], None]) -> Row:  # fmt: skip
    jobs: dict[str, Job] = {}
    results: dict[str, list[np.ndarray]] = {}
    for side in sides:
        job = side.job(case)
        if job is not None:
            jobs[side.name] = job
            results[side.name] = [job.read(y) for y in job.run()]
    errors = _errors(case, results, device)
    del results
    return Row(case, measure.compare(jobs, pace, tick=tick), errors)


def _errors(case: Case, results: dict[str, list[np.ndarray]], device: Device) -> dict[str, float]:
    """Largest difference of clnn's results from every peer's, relative to the largest value.

    Without a peer they are compared with the NumPy reference's.
    """
    ours = results.pop("clnn")
    if not results:
        job = None if device.is_cpu() else peers.Clnn(Device("cpu")).job(case)
        results["reference"] = ours if job is None else [job.read(y) for y in job.run()]
    return {
        name: max(_difference(a, b) for a, b in zip(ours, theirs, strict=True))
        for name, theirs in results.items()
    }


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape:
        return float("inf")
    if not a.size:
        return 0.0
    off = float(np.abs(a.astype(np.float64) - b).max())
    scale = float(np.abs(b).max())
    return off / scale if scale else off
