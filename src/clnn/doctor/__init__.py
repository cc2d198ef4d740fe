"""Examine devices, drivers, kernels, caches and the environment, and say what is wrong."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata
from math import inf
from typing import TYPE_CHECKING, Any

from ..device import Device, devices
from ..errors import ClnnError
from . import advice, caches, families, probes, switches
from .report import Health as Health
from .report import Report as Report

if TYPE_CHECKING:
    from ..backends.opencl.discovery import DeviceInfo

_PACKAGES = ("clnn", "numpy", "pyopencl", "mako", "ml_dtypes")
_HIDDEN = ("index", "handle", "ordinal")  # facts of a device that say nothing by themselves
Say = Callable[[str, float], None]


def examine(of: Sequence[Device] | None = None, budget: float = inf,
            say: Say = lambda text, share: None) -> Report:  # fmt: skip
    """Look at everything; `of`: the devices to examine, all OpenCL devices if not given. After `budget` seconds
    on a device what is left of its checks is counted, and not run.

    `say(text, share)` is called before each step, with the part that is done. Caches are looked at first,
    for examining fills them.
    """
    from ..backends.opencl.discovery import notes

    start = time.perf_counter()
    report = Report(_versions(), notes=list(notes()), switches=switches.look())
    say("caches", 0.0)
    report.caches = caches.look()
    chosen = [d for d in (devices() if of is None else of) if d.info is not None]
    for k, device in enumerate(chosen):

        def tell(text: str, share: float, device: Device = device, k: int = k) -> None:
            say(f"{device}: {text}", (k + share) / len(chosen))

        report.devices.append(_health(device, budget, tell))
    report.findings = advice.findings(report)
    report.seconds = time.perf_counter() - start
    return report


def _health(device: Device, budget: float, say: Say) -> Health:
    info = device.info
    start = time.perf_counter()
    found = Health(device.name, {} if info is None else _facts(info))
    with warnings.catch_warnings():  # what is quarantined on the way is in the report
        warnings.simplefilter("ignore")
        try:
            say("opening", 0.0)
            backend: Any = device.backend
        except (ClnnError, OSError, RuntimeError) as error:
            found.error = str(error)
            return found
        before = backend.rt.compilations, backend.rt.compiling
        found.known = frozenset(_quarantined(backend))
        say("capabilities", 0.0)
        found.probes.extend(probes.probe(backend))
        for check in families.check(device, backend, budget, say):
            if check is None:
                found.left += 1
            else:
                found.checks.append(check)
    found.programs = backend.rt.compilations - before[0]
    found.compiling = backend.rt.compiling - before[1]
    found.quarantined = _quarantined(backend)
    found.seconds = time.perf_counter() - start
    return found


def _quarantined(backend: Any) -> dict[str, str]:
    trust = backend.trust
    return {} if trust is None else {str(v): why for v, why in trust.verdicts.failed.items()}


def _facts(info: DeviceInfo) -> dict[str, Any]:
    facts = {k: v for k, v in vars(info).items() if k not in _HIDDEN}
    return {"device": facts.pop("name")} | {
        k: list(v) if isinstance(v, tuple) else v for k, v in facts.items()
    }


def _versions() -> dict[str, str]:
    found = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    from .. import __version__

    return {**found, "clnn": __version__}
