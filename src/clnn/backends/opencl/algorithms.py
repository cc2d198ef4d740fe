"""Several ways to run one op: which applies, which is chosen, and how a user overrides the choice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ...errors import SettingError, UnsupportedOpError
from .discovery import DeviceInfo


@dataclass(frozen=True)
class _Force:
    name: str
    strict: bool
    used: set[str]


_forced: ContextVar[dict[str, _Force]] = ContextVar("forced_algorithms")


@dataclass(frozen=True)
class Algorithm:
    """A named way to run an op.

    applies(problem, info) -> bool is a pure function of the problem and the device;
    launch(rt, *arrays, **settings) enqueues it.
    """

    name: str
    applies: Callable[[Any, DeviceInfo], bool]
    launch: Callable[..., None]


def always(problem: Any, info: DeviceInfo) -> bool:
    """The `applies` of the last algorithm of every op."""
    return True


def _disabled() -> frozenset[str]:
    return frozenset(s.strip() for s in os.environ.get("CLNN_DISABLE", "").split(",") if s.strip())


_off = _disabled()


def choose(op: str, algorithms: Sequence[Algorithm], problem: Any, info: DeviceInfo) -> Algorithm:
    """The forced algorithm, else the first that applies and is not disabled; the last always applies."""
    force = _forced.get({}).get(op)
    if force is not None:
        for a in algorithms:
            if a.name == force.name and a.applies(problem, info):
                force.used.add(op)
                return a
        if force.strict:
            raise _cannot_force(op, force.name, algorithms, problem, info)
    for a in algorithms[:-1]:
        if a.applies(problem, info) and f"{op}.{a.name}" not in _off:
            return a
    return algorithms[-1]


def forcing() -> bool:
    """Whether this thread is inside of a block of `algorithm`."""
    return bool(_forced.get({}))


def _cannot_force(
    op: str, name: str, algorithms: Sequence[Algorithm], problem: Any, info: DeviceInfo
) -> Exception:
    names = [a.name for a in algorithms]
    if name in names:
        return UnsupportedOpError(
            f"{op}: algorithm {name!r} does not apply to {problem} on {info.name}"
        )
    return SettingError(f"algorithm: expected one of {', '.join(names)} for {op}, got {name!r}")


@contextmanager
def algorithm(op: str, name: str, *, strict: bool = True) -> Iterator[set[str]]:
    """Run `op` by algorithm `name` inside the block, on OpenCL devices; gives the set of ops that did.

    When the op runs, raises SettingError for a name it has not and UnsupportedOpError where it does not
    apply; without `strict` the usual choice is made instead.
    """
    used: set[str] = set()
    token = _forced.set({**_forced.get({}), op: _Force(name, strict, used)})
    try:
        yield used
    finally:
        _forced.reset(token)
