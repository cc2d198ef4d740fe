"""What an examination finds, and how it reads to a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FORMAT, VERSION = "clnn doctor", 1


@dataclass(frozen=True)
class Finding:
    """A sentence for the user. A problem makes a machine unhealthy; a warning or advice does not."""

    level: str  # "problem", "warning" or "advice"
    text: str


@dataclass(frozen=True)
class Evidence:
    """What reproduces a failure: kernels as (name, source), arrays by name, and what the driver said."""

    kernels: tuple[tuple[str, str], ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    got: Mapping[str, Any] = field(default_factory=dict)
    log: str = ""


@dataclass(frozen=True)
class Probe:
    """A capability: what the driver claims, what was seen, and whether clnn relies on it."""

    name: str
    claimed: str
    works: str
    relied: bool
    ok: bool
    why: str = ""
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Check:
    """A call compared with the reference; `way` and `variants` name the algorithm that was asked for, or nothing."""

    family: str
    call: str
    dtype: str
    way: str
    seconds: float
    why: str = ""
    evidence: Evidence | None = None
    variants: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it was right."""
        return not self.why

    def __str__(self) -> str:
        return f"{self.family}: {self.call} in {self.dtype}" + (f" by {self.way}" if self.way else "")  # fmt: skip


@dataclass
class Health:
    """What was found on one device; times in seconds."""

    name: str
    facts: dict[str, Any]
    probes: list[Probe] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    quarantined: dict[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()  # what was quarantined before
    left: int = 0  # checks that time did not suffice for
    error: str = ""  # why it could not be opened
    seconds: float = 0.0
    programs: int = 0  # that were compiled, or taken from a cache, and the seconds it took
    compiling: float = 0.0

    def families(self) -> dict[str, list[Check]]:
        """The checks by family, in the order in which they ran."""
        out: dict[str, list[Check]] = {}
        for check in self.checks:
            out.setdefault(check.family, []).append(check)
        return out


@dataclass(frozen=True)
class Cache:
    """A folder of files that come back by themselves: bytes, and days since the oldest and the newest was written."""

    name: str
    path: str
    size: int = 0
    entries: int = 0
    oldest: float = 0.0
    newest: float = 0.0
    complete: bool = True  # whether all of it was looked at
    damaged: tuple[str, ...] = ()
    writable: bool = True
    most: int = 0  # bytes that clnn keeps it below; 0: it does not


@dataclass(frozen=True)
class Switch:
    """A variable of the environment that is set."""

    name: str
    value: str
    known: bool
    means: str = ""
    why: str = ""  # what is wrong with the value


@dataclass
class Report:
    """Everything that was found."""

    versions: dict[str, str]
    notes: list[str] = field(default_factory=list)
    devices: list[Health] = field(default_factory=list)
    caches: list[Cache] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def healthy(self) -> bool:
        """Whether nothing is a problem."""
        return not any(f.level == "problem" for f in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, texts and numbers."""
        return {
            "format": FORMAT, "version": VERSION, "healthy": self.healthy,
            "seconds": round(self.seconds, 3), "versions": self.versions, "notes": self.notes,
            "devices": [_device(d) for d in self.devices],
            "caches": [_plain(c) for c in self.caches],
            "switches": [_plain(s) for s in self.switches],
            "findings": [_plain(f) for f in self.findings],
        }  # fmt: skip


def _plain(thing: Any) -> dict[str, Any]:
    found = {k: v for k, v in vars(thing).items() if k != "evidence"}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in found.items()}


def _device(health: Health) -> dict[str, Any]:
    return {
        "name": health.name, **health.facts, "error": health.error, "seconds": round(health.seconds, 3),
        "programs": health.programs, "compiling": round(health.compiling, 3), "left": health.left,
        "probes": [_plain(p) for p in health.probes],
        "families": {
            family: {
                "ok": all(c.ok for c in checks), "checks": len(checks),
                "seconds": round(sum(c.seconds for c in checks), 3),
                "failed": [_plain(c) for c in checks if not c.ok],
            }
            for family, checks in health.families().items()
        },
        "quarantined": health.quarantined,
    }  # fmt: skip
