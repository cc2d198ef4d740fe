"""What follows from a report, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator

from .report import Cache, Finding, Health, Report


def findings(report: Report) -> list[Finding]:
    """Problems first, then warnings, then advice."""
    found = [
        *_devices(report),
        *(f for d in report.devices for f in _device(d)),
        *(f for c in report.caches for f in _cache(c)),
        *(Finding("warning", s.why) for s in report.switches if s.why),
    ]
    order = {"problem": 0, "warning": 1, "advice": 2}
    return sorted(found, key=lambda f: order[f.level])


def _devices(report: Report) -> Iterator[Finding]:
    from ..backends.opencl.discovery import discover, hint

    if not discover():
        yield Finding("problem", f"There is no OpenCL device: {hint()}.")
    for note in report.notes:
        yield Finding("warning", f"Drivers: {note}.")
    switched = {s.name: s.value.strip().lower() for s in report.switches}
    if switched.get("CLNN_SELFTEST") == "off":
        yield Finding(
            "warning", "CLNN_SELFTEST=off: algorithms are used as they are, tried or not."
        )
    if "CLNN_PRETEND" in switched:
        yield Finding(
            "warning", "CLNN_PRETEND: devices are opened under the facts of another, as tests do."
        )


def _device(d: Health) -> Iterator[Finding]:
    if d.error:
        yield Finding("problem", f"{d.name} cannot be opened: {d.error}.")
        return
    for probe in d.probes:
        if not probe.ok and probe.relied:
            yield Finding("problem", f"{d.name}: {probe.name}: the driver claims {probe.claimed}, but {probe.why}; "
                                     "clnn relies on it, so update the driver or use another device.")  # fmt: skip
        elif not probe.ok:
            yield Finding("advice", f"{d.name}: {probe.name}: the driver claims {probe.claimed}, but {probe.why}; "
                                    "clnn does without it.")  # fmt: skip
    wrong = [c for c in d.checks if not c.ok]
    for check in wrong:
        yield Finding("problem", f"{d.name}: {check}: {check.why}.")
    if wrong or d.quarantined:
        driver = d.facts.get("driver")
        yield Finding("advice", f"{d.name}: update its driver ({driver}); `clnn doctor --bundle FILE.zip` writes what "
                                "reproduces the failures, to be attached to a report.")  # fmt: skip
    again = {v for c in wrong for v in c.variants}
    tried = {v for c in d.checks for v in c.variants}
    for variant, why in d.quarantined.items():
        fate = ""
        if variant in d.known and variant not in tried:
            fate = "; it was not tried again today"
        elif variant in d.known and variant not in again:
            fate = "; it was right when tried today: `clnn doctor --clear` forgets the verdict"
        yield Finding("problem", f"{d.name}: {variant} is quarantined: {why}{fate}.")
    if d.left:
        yield Finding("warning", f"{d.name}: {d.left} checks were left out, for compiling takes long here and time was "
                                 "up; run it again, as kernels are kept, or give a longer --budget.")  # fmt: skip
    if not d.facts.get("fp64"):
        yield Finding("advice", f"{d.name} has no fp64: float64 tensors raise DTypeError there.")


def _cache(cache: Cache) -> Iterator[Finding]:
    for why in cache.damaged:
        yield Finding(
            "problem",
            f"The {cache.name} cache is damaged: {why}; `clnn doctor --clear` empties it.",
        )
    if not cache.writable:
        yield Finding("problem", f"The {cache.name} cache at {cache.path} cannot be written, and every process starts "
                                 "anew: make it writable, or set XDG_CACHE_HOME to a folder that is.")  # fmt: skip
