"""What tuning knows of a device: values of tunables, and the algorithm that won, per class of problems."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

from ...switches import TUNE
from .algorithms import Algorithm, Values, current
from .discovery import DeviceInfo
from .program import KERNELS
from .tuning_store import Entry, Store

automate: Callable[[Any], None] | None = None  # how a backend tunes at first use; clnn.tune sets it
_LEVELS = ("vendor", "device")  # what a shipped rule may ask for, the more special last


class Rule(NamedTuple):
    """A line of kernels/tuning/*.toml: for which devices and problems which values are better defaults."""

    op: str
    algorithm: str
    values: Values
    problems: str = "*"  # classes, as a pattern
    choose: bool = False  # whether the algorithm itself is the better choice
    kind: str = ""
    vendor: str = ""  # text in the vendor's or platform's name
    device: str = ""  # text in the device's name

    def holds(self, info: DeviceInfo) -> bool:
        """Whether the rule is meant for this device."""
        return (
            self.kind in ("", info.kind)
            and self.vendor.lower() in f"{info.vendor}\n{info.platform}".lower()
            and self.device.lower() in info.name.lower()
        )


class Tuning:
    """The layers for one device: shipped rules, then the user's cache; a candidate under test beats both.

    `changed` is called whenever what launchers may have remembered no longer holds.
    """

    def __init__(self, info: DeviceInfo, changed: Callable[[], None] = lambda: None) -> None:
        """Reads nothing yet; raises SettingError for a CLNN_TUNE that is no mode."""
        self.info, self.mode = info, TUNE.read()
        self._changed = changed
        self._rules: list[Rule] | None = None
        self._known: dict[tuple[str, str], Entry] | None = None

    def choice(self, op: str, problem: Any) -> str | None:
        """The algorithm that is best for problems of this class, if that is known."""
        op, group = owner(op), problem.tuning_class()
        if _on_trial(op):
            return None
        entry = self.known.get((op, group))
        return self.shipped_choice(op, problem) if entry is None else entry.algorithm

    def shipped_choice(self, op: str, problem: Any) -> str | None:
        """The algorithm that the shipped rules prefer, if they do."""
        rules = self._meant(owner(op), problem.tuning_class())
        return next((r.algorithm for r in reversed(rules) if r.choose), None)

    def values(self, op: str, algorithm: str, problem: Any, defaults: Values) -> dict[str, Any]:
        """`defaults`, overridden by what is known of problems of this class.

        op is the first of those that share a list of algorithms. Values that the algorithm does not
        declare, or not for this problem and device, are passed over.
        """
        group, out = problem.tuning_class(), dict(defaults)
        way = next(a for a in tables()[op].algorithms if a.name == algorithm)
        layers = [r.values for r in self._meant(op, group) if r.algorithm == algorithm]
        context, tried = current(), _on_trial(op)
        if not tried and (entry := self.known.get((op, group))) and entry.algorithm == algorithm:
            layers.append(entry.values)
        for values in layers:
            if way.allows(values, problem, self.info):
                out.update({name: values[name] for name in out if name in values})
        if tried and context is not None and context.trial is not None:
            if context.trial.algorithm == algorithm:
                out.update({k: v for k, v in context.trial.values.items() if k in out})
            context.asked.setdefault(algorithm, {}).update(out)
        return out

    # --- what is known --------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        """The user's cache for this device."""
        return Store(self.info)

    @property
    def known(self) -> Mapping[tuple[str, str], Entry]:
        """What tuning has found here, by op and class; read once."""
        if self._known is None:
            entries = [] if self.mode == "off" else self.store.read(template_hash, usable)
            self._known = {(e.op, e.problems): e for e in entries}
        return self._known

    def learn(self, entries: Sequence[Entry], *, keep: bool = True) -> None:
        """Use these from now on, and with `keep` write them to the user's cache."""
        if keep:
            self.store.write(entries, template_hash, usable)
        self._known = {**self.known, **{(e.op, e.problems): e for e in entries}}
        self._changed()

    def forget(self) -> None:
        """Read the cache again at the next question."""
        self._known = self._rules = None
        self._changed()

    def _meant(self, op: str, group: str) -> list[Rule]:
        if self._rules is None:
            mine = [r for r in shipped() if r.holds(self.info)]
            self._rules = sorted(mine, key=lambda r: [bool(getattr(r, at)) for at in reversed(_LEVELS)])  # fmt: skip
        return [r for r in self._rules if r.op == op and fnmatchcase(group, r.problems)]


def _on_trial(op: str) -> bool:
    context = current()
    return context is not None and context.trial is not None and owner(context.op) == op


def bucket(n: int) -> int:
    """The power of two next to n: sizes of one bucket are tuned alike."""
    if n <= 0:
        return 0
    low = n.bit_length() - 1
    return 1 << (low + (n * n >= 1 << (2 * low + 1)))


# --- the families -------------------------------------------------------------------------------


class Table(NamedTuple):
    """The algorithms of an op, and the family it belongs to."""

    family: str
    algorithms: Sequence[Algorithm]


@cache
def tables() -> dict[str, Table]:
    """Every op with several algorithms, in the order in which families declare them."""
    package = __name__.rpartition(".")[0]
    found = {}
    for info in iter_modules(import_module(package).__path__):
        module = import_module(f"{package}.{info.name}")
        for op, algorithms in getattr(module, "ALGORITHMS", {}).items():
            found[op] = Table(info.name, algorithms)
    return found


@cache
def owner(op: str) -> str:
    """The op under whose name `op` is tuned: the first of those that share its list of algorithms."""
    mine = tables()[op].algorithms
    return next(name for name, table in tables().items() if table.algorithms is mine)


def usable(entry: Entry) -> bool:
    """Whether the op and the algorithm of an entry exist, under the name that is looked up."""
    table = tables().get(entry.op)
    return (
        table is not None
        and owner(entry.op) == entry.op
        and any(a.name == entry.algorithm for a in table.algorithms)
    )


_INCLUDED = re.compile(r'file="([^"]+)\.cl\.mako"')


@cache
def template_hash(op: str) -> str:
    """A hash over the templates an op is compiled from: its family's, its algorithms', and their parts."""
    from hashlib import sha256

    table = tables()[op]
    modules = [getattr(a.launch, "__module__", "").rpartition(".")[2] for a in table.algorithms]
    wanted = {"_prelude", table.family, *modules, *(a.name for a in table.algorithms)}
    texts: dict[str, str] = {}
    while wanted:
        # a part that is chosen by an expression may be any of those it could name
        for path in KERNELS.glob(re.sub(r"\$\{.*?\}", "*", wanted.pop()) + ".cl.mako"):
            if path.name not in texts:
                texts[path.name] = path.read_text("utf-8")
                wanted.update(_INCLUDED.findall(texts[path.name]))
    return sha256("\0".join(texts[name] for name in sorted(texts)).encode()).hexdigest()[:16]


@cache
def shipped() -> tuple[Rule, ...]:
    """The rules of kernels/tuning/*.toml."""
    rules = []
    for path in sorted((KERNELS / "tuning").glob("*.toml")):
        for rule in tomllib.loads(path.read_text("utf-8")).get("rule", ()):
            rules.append(Rule(**rule))
    return tuple(rules)
