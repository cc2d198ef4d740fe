"""Launchers that plan once: what an op launches follows from specs and settings, and these repeat."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import wraps
from typing import Any, NamedTuple, cast

from ...shapes import Shape, Spec
from .algorithms import current
from .remembered import remember
from .runtime import Buffer, Repeated, Runtime


class _Step(NamedTuple):
    """One launch. Memory is named by slot: the operands in order, then scratch as it was asked for."""

    launch: Repeated
    slots: tuple[int, ...]  # of the arguments that are memory
    fresh: tuple[tuple[int, Spec], ...]  # scratch that is first used here
    last: tuple[int, ...]  # scratch that is used no more after this


class _Launch(NamedTuple):
    """A launch as it was asked for."""

    kernel: Any
    grid: Shape
    group: Shape | None
    args: tuple[Any, ...]


class _Derive(NamedTuple):
    """Launches that compute what is kept with an operand, for when it is not there."""

    source: int
    key: Hashable
    slot: int
    spec: Spec
    steps: tuple[_Step, ...]


class Plan(NamedTuple):
    """How to answer a call that has been answered before."""

    steps: tuple[_Step | _Derive, ...]
    launch: Repeated | None = None  # the only step, where there is one that needs no scratch
    slots: tuple[int, ...] = ()  # of its arguments that are memory
    # settings that it takes as numbers, behind the operands and results
    given: tuple[str, ...] = ()

    def answer(self, rt: Runtime, inputs: Sequence[Any], outs: Sequence[Spec],
               settings: dict[str, Any]) -> tuple[Buffer, ...]:  # fmt: skip
        """Launch the same on other operands; gives the results."""
        steps, launch, slots, given = self
        made = tuple([rt.empty(spec) for spec in outs])
        arrays = (*inputs, *made)
        if launch is None:
            _repeat(rt, steps, arrays, dict(enumerate([a.mem for a in arrays])))
        elif launch.given:
            numbers = [*arrays, *[settings[name] for name in given]]
            rt.repeat(launch, [arrays[k].mem for k in slots], numbers)
        else:
            rt.repeat(launch, [arrays[k].mem for k in slots])
        return made


class _Recorder:
    """Stands in for a Runtime while a launcher runs: launches, and writes down what."""

    def __init__(self, rt: Runtime, arrays: Sequence[Buffer]) -> None:
        self.rt, self.info, self.wg = rt, rt.info, rt.wg
        self.tuning, self.tuned = rt.tuning, rt.tuned
        self.operands = len(arrays)
        self.buffers = list(arrays)
        self.launches: list[_Launch | _Derive] = []
        self.kept: set[int] = set()  # slots of derived memory, which is not scratch

    def empty(self, spec: Spec) -> Buffer:
        """Scratch memory."""
        made = self.rt.empty(spec)
        self.buffers.append(made)
        return made

    def derived(self, source: Buffer, key: Hashable, spec: Spec,
                fill: Callable[[Any, Buffer], None]) -> Buffer:  # fmt: skip
        """As Runtime.derived, but computed anew: how to is what a plan needs to know."""
        made = self.empty(spec)
        at, slot = self._slot(source), len(self.buffers) - 1
        self.kept.add(slot)
        before, self.launches = self.launches, []
        fill(self, made)
        steps, self.launches = self._written(), before
        self.launches.append(_Derive(at, key, slot, spec, steps))
        source.derived[key] = made
        return made

    def launch(self, family: str, name: str, grid: Shape, *args: Any, group: Shape | None = None,
               **defines: Any) -> None:  # fmt: skip
        """As Runtime.launch."""
        if 0 not in grid:
            kernel, flat = self.rt.prepare(family, name, args, defines)
            self.rt.enqueue(kernel, grid, group, flat)
            self.launches.append(_Launch(kernel, grid, group, args))

    def steps(self) -> tuple[_Step | _Derive, ...]:
        """The launches without the memory they ran on."""
        return self._written()

    def _slot(self, array: Buffer) -> int:
        return next(k for k, b in enumerate(self.buffers) if b is array)

    def _written(self) -> Any:
        slots = {id(b): k for k, b in enumerate(self.buffers)}
        at = [
            [slots[id(a)] for a in step.args if type(a) is Buffer] if type(step) is _Launch else []
            for step in self.launches
        ]
        outside = self.kept.union(range(self.operands))
        used = [set(named) - outside for named in at]
        out: list[_Step | _Derive] = []
        for n, step in enumerate(self.launches):
            if isinstance(step, _Derive):
                out.append(step)
                continue
            fresh = used[n].difference(*used[:n])
            last = used[n].difference(*used[n + 1 :])
            out.append(_Step(
                self.rt.repeated(step.kernel, step.grid, step.group, step.args), tuple(at[n]),
                tuple((slot, self.buffers[slot].spec) for slot in sorted(fresh)), tuple(last),
            ))  # fmt: skip
        return tuple(out)


def planned(launcher: Callable[..., None]) -> Callable[..., None]:
    """`launcher`, run once per device, specs and settings; afterwards its launches are repeated.

    Its operands are arrays, and it asks its Runtime for nothing but info, wg, tuned, empty, derived and launch.
    """

    def key_of(arrays: Sequence[Buffer], settings: dict[str, Any]) -> Hashable:
        return (launcher, *[a.spec for a in arrays], *settings.items())

    @wraps(launcher)
    def launch(rt: Runtime, *arrays: Buffer, **settings: Any) -> None:
        key = key_of(arrays, settings)
        # inside of a context algorithms may be forced, which is for no other to repeat
        context = current()
        plans = rt.plans if context is None else context.plans.setdefault(id(rt), {})
        steps = plans.get(key)
        if steps is None:
            # objects of their own, for an array may be several of the operands
            own = [Buffer(a.mem, a.spec, a.derived) for a in arrays]
            recorder = _Recorder(rt, own)
            launcher(cast(Runtime, recorder), *own, **settings)
            remember(plans, key, recorder.steps())
        else:
            _repeat(rt, steps, arrays, dict(enumerate([a.mem for a in arrays])))

    def plan(rt: Runtime, arrays: Sequence[Buffer], settings: dict[str, Any]) -> Plan | None:
        steps = rt.plans.get(key_of(arrays, settings))
        if steps is None:
            return None
        if len(steps) == 1 and type(steps[0]) is _Step and not steps[0].fresh:
            return Plan(steps, steps[0].launch, steps[0].slots)
        return Plan(steps)

    launch.plan = plan  # type: ignore[attr-defined]
    return launch


def _repeat(rt: Runtime, steps: Any, arrays: Sequence[Buffer], mems: dict[int, Any]) -> None:
    for step in steps:
        if type(step) is _Derive:
            made = arrays[step.source].derived.get(step.key)
            if made is None:
                made = rt.empty(step.spec)
                mems[step.slot] = made.mem
                _repeat(rt, step.steps, arrays, mems)
                arrays[step.source].derived[step.key] = made
            mems[step.slot] = made.mem
            continue
        launch, slots, fresh, last = step
        for slot, spec in fresh:
            mems[slot] = rt.empty(spec).mem
        rt.repeat(launch, [mems[slot] for slot in slots])
        for slot in last:
            del mems[slot]
