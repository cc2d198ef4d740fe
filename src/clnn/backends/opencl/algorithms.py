"""Several ways to run one op: which applies, which is chosen, and how a user overrides the choice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Protocol

from ...errors import SettingError, UnsupportedOpError
from ...switches import DISABLE
from .discovery import DeviceInfo

Values = Mapping[str, Any]
Tunables = Mapping[str, Sequence[Any]] | Callable[[Any, DeviceInfo], Sequence[Values]]


def always(problem: Any, info: DeviceInfo) -> bool:
    """The `applies` of the last algorithm of every op."""
    return True


def not_on_cpus(problem: Any, info: DeviceInfo) -> bool:
    """The `worth` of what stages operands in local memory, which costs a CPU a copy and its compiler a minute."""
    return info.kind != "cpu"


@dataclass(frozen=True)
class Algorithm:
    """A named way to run an op.

    applies(problem, info) -> bool is a pure function of the problem and the device;
    launch(rt, *arrays, **settings) enqueues it. tunables: what a tuner may try, as {name: values} or, where
    values depend on each other, as a function (problem, info) -> every combination. worth(problem, info) says
    whether it should bother, default(problem, info) whether the algorithm is chosen where nothing is tuned.
    """

    name: str
    applies: Callable[[Any, DeviceInfo], bool]
    launch: Callable[..., None]
    tunables: Tunables = field(default_factory=dict)
    worth: Callable[[Any, DeviceInfo], bool] = always
    default: Callable[[Any, DeviceInfo], bool] = always

    def candidates(self, problem: Any, info: DeviceInfo) -> list[dict[str, Any]]:
        """Every combination of values of the tunables."""
        if callable(self.tunables):
            return [dict(values) for values in self.tunables(problem, info)]
        names = list(self.tunables)
        return [dict(zip(names, at, strict=True)) for at in product(*self.tunables.values())]

    def allows(self, values: Values, problem: Any, info: DeviceInfo) -> bool:
        """Whether the tuner could have found these values, here and for this problem."""
        if callable(self.tunables):
            return not values or dict(values) in self.candidates(problem, info)
        known = self.tunables
        return all(name in known and value in known[name] for name, value in values.items())


class Advice(Protocol):
    """What is known of a device by tuning (see tuning.py)."""

    def choice(self, op: str, problem: Any) -> str | None:
        """The algorithm that won, if this class of problems was tuned."""


class Judge(Protocol):
    """What has proved itself on a device (see trust.py)."""

    def distrusts(self, op: str, algorithm: str) -> bool:
        """Whether it has computed something wrong."""

    def chosen(self, op: str, algorithm: str) -> None:
        """Note that it is about to run."""


_judges: dict[DeviceInfo, Judge] = {}


def judge(info: DeviceInfo, by: Judge) -> None:
    """Let `by` have a say in what is chosen for the device."""
    _judges[info] = by


@dataclass(frozen=True)
class _Force:
    name: str
    strict: bool
    used: set[str]


@dataclass(frozen=True)
class Candidate:
    """An algorithm and values of its tunables; names left out keep their defaults."""

    algorithm: str
    values: Values = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.algorithm, *(f"{k}={v}" for k, v in self.values.items())])


@dataclass(frozen=True)
class Context:
    """What this thread has been told to run, and the plans made under it."""

    forces: Mapping[str, _Force] = field(default_factory=dict)
    op: str = ""
    trial: Candidate | None = None  # what the tuner tries for `op`; else the user decides
    asked: dict[str, dict[str, Any]] = field(
        default_factory=dict
    )  # by algorithm, the values a trial ran with
    look: bool = False  # whether to stop at the choice, and say between what
    plans: dict[int, dict[Hashable, Any]] = field(default_factory=dict)  # by the id of the runtime


_context: ContextVar[Context | None] = ContextVar("algorithms", default=None)
current = _context.get  # what this thread has been told to run; None outside of every block


class Choice(Exception):  # noqa: N818 (it ends a launch, and is no error)
    """What `choose` was asked, for a tuner that only looks."""

    def __init__(self, op: str, problem: Any) -> None:
        super().__init__(op)
        self.op, self.problem = op, problem


def _disabled() -> frozenset[str]:
    return frozenset(s.strip() for s in DISABLE.text().split(",") if s.strip())


_off = _disabled()


def choose(op: str, algorithms: Sequence[Algorithm], problem: Any, info: DeviceInfo,
           tuning: Advice | None = None) -> Algorithm:  # fmt: skip
    """The forced algorithm, else the tuned one, else the first that applies and is not disabled.

    The last always applies. Families whose problems have a `tuning_class` pass the device's tuning.
    """
    context = _context.get()
    if context is not None:
        if context.look and tuning is not None:
            raise Choice(op, problem)
        force = context.forces.get(op)
        if force is not None:
            for a in algorithms:
                if a.name == force.name and a.applies(problem, info):
                    force.used.add(op)
                    return a
            if force.strict:
                raise _cannot_force(op, force.name, algorithms, problem, info)
    found = None
    if tuning is not None:
        name = tuning.choice(op, problem)
        tuned = (a for a in algorithms if a.name == name and _usable(op, a, problem, info))
        found = next(tuned, None)
    found = found or first(op, algorithms, problem, info)
    if info in _judges:
        _judges[info].chosen(op, found.name)
    return found


def first(op: str, algorithms: Sequence[Algorithm], problem: Any, info: DeviceInfo) -> Algorithm:
    """The first algorithm that applies by default and is not disabled, else the last."""
    for a in algorithms[:-1]:
        if _usable(op, a, problem, info) and a.default(problem, info):
            return a
    return algorithms[-1]


def usable(
    op: str, algorithms: Sequence[Algorithm], problem: Any, info: DeviceInfo
) -> list[Algorithm]:
    """Every algorithm that may run, in order."""
    return [*(a for a in algorithms[:-1] if _usable(op, a, problem, info)), algorithms[-1]]


def _usable(op: str, a: Algorithm, problem: Any, info: DeviceInfo) -> bool:
    if not a.applies(problem, info) or f"{op}.{a.name}" in _off:
        return False
    return info not in _judges or not _judges[info].distrusts(op, a.name)


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
def within(context: Context) -> Iterator[Context]:
    """Run what `context` says on this thread inside the block."""
    token = _context.set(context)
    try:
        yield context
    finally:
        _context.reset(token)


def trial(op: str, candidate: Candidate) -> Context:
    """A context in which `op` runs as `candidate` says, whatever is known."""
    return Context({op: _Force(candidate.algorithm, True, set())}, op, candidate)


@contextmanager
def algorithm(op: str, name: str, *, strict: bool = True) -> Iterator[set[str]]:
    """Run `op` by algorithm `name` inside the block, on OpenCL devices; gives the set of ops that did.

    When the op runs, raises SettingError for a name it has not and UnsupportedOpError where it does not
    apply; without `strict` the usual choice is made instead.
    """
    used: set[str] = set()
    outer = _context.get()
    forces = {} if outer is None else outer.forces
    with within(Context({**forces, op: _Force(name, strict, used)})):
        yield used
