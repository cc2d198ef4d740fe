"""What must hold of one call: reference, torch and every device agree, on results, gradients and refusals."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

import clnn
from clnn import ops
from clnn.backends.opencl.algorithms import algorithm
from clnn.errors import ClnnError
from fuzz import excused
from fuzz.draw import as_code
from fuzz.oracles import oracle
from harness import (
    TOLERANCE,
    algorithms_of,
    call,
    from_torch,
    host_operands,
    of_largest,
    outputs,
    seed_like,
    to_torch,
    torch,
    wants_grad,
)
from samples import Sample

ROOM = 64 << 20  # bytes of one result
LAYOUTS = ("rows", "columns", "strided", "reversed", "behind", "shared")


@dataclass(frozen=True)
class Case:
    """A call, how its operands lie in memory, and which algorithm is asked for (a number, modulo their count)."""

    sample: Sample
    layout: str = "rows"
    pick: int = 0
    spoiled: str = ""  # what was made wrong, if anything

    def __repr__(self) -> str:
        return " ".join([as_code(self.sample), self.layout, str(self.pick), self.spoiled]).rstrip()


@dataclass(frozen=True)
class Outcome:
    """What a call gave on one side."""

    outs: list[Any] = field(default_factory=list)
    grads: list[Any] = field(default_factory=list)
    error: BaseException | None = None
    ran: int = 0  # primitives that ran


class TooLarge(Exception):  # noqa: N818 (it ends a case, and is no error)
    """A call whose results would take more memory than the fuzzer has."""


class Finding(AssertionError):  # noqa: N818 (what it is called)
    """Something that does not hold."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


@st.composite
def cases(draw: Any, samples: st.SearchStrategy[Sample], spoil: Any = None) -> Case:
    """A case of a sample; with `spoil` a strategy made of it that makes something wrong."""
    made, what = draw(samples), ""
    if spoil is not None:
        family = made.family
        made, what = draw(spoil(made))
        object.__setattr__(made, "family", family)
    return Case(made, draw(st.sampled_from(LAYOUTS)), draw(st.integers(0, 143)), what)


# --- running -----------------------------------------------------------------------------------------------


def laid_out(a: np.ndarray, layout: str) -> Any:
    """The same numbers, elsewhere in memory."""
    if layout == "columns" and a.ndim:
        return np.asfortranarray(a)
    if layout == "strided" and a.ndim:
        wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
        wide[..., ::2] = a
        return wide[..., ::2]
    if layout == "reversed" and a.ndim:
        return np.ascontiguousarray(a[::-1])[::-1]
    return a


def upload(a: np.ndarray, layout: str, device: Any, grad: bool) -> Any:
    """A tensor of the numbers; some layouts are made on the device."""
    x = clnn.tensor(laid_out(a, layout), device=device)
    if layout == "behind" and a.ndim and a.size:  # a slice, copied out of something longer
        x = ops.narrow(clnn.tensor(np.concatenate([a, a]), device=device), 0, len(a), len(a))
    elif layout == "shared":  # an alias of other memory
        x = ops.reshape(ops.reshape(x, -1), a.shape)
    return x.requires_grad_() if grad else x


@contextlib.contextmanager
def counted(device: Any) -> Iterator[list[str]]:
    """The names of the primitives that run on a device inside of the block."""
    backend = clnn.device(device).backend
    run, ran = backend.run, []

    def watched(op: str, inputs: Any, outs: Any, settings: Any) -> Any:
        if any(spec.nbytes > ROOM for spec in outs):
            raise TooLarge
        if op != "reshape":  # it only gives memory another name
            ran.append(op)
        return run(op, inputs, outs, settings)

    backend.run = watched
    try:
        yield ran
    finally:
        del backend.run


def run_clnn(case: Case, device: Any, force: str | None = None) -> Outcome:
    """The call on a device of clnn's, by one algorithm where it applies."""
    sample, ran = case.sample, 0
    try:
        with contextlib.ExitStack() as stack:
            table = algorithms_of(sample.family) if force else {}
            for op, found in table.items():
                if force in {a.name for a in found}:
                    stack.enter_context(algorithm(op, force, strict=False))
            grads = wants_grad(sample)
            xs = [upload(a, case.layout, device, g) for a, g in zip(host_operands(sample), grads, strict=True)]  # fmt: skip
            clnn.manual_seed(0)
            with counted(device) as log:
                try:
                    outs = outputs(call(sample, getattr(ops, sample.fn), xs))
                except ClnnError:
                    ran = len(log)
                    raise
            if outs and outs[0].requires_grad:
                outs[0].backward(clnn.tensor(seed_like(outs[0].numpy()), device=device))
            return Outcome([o.numpy() for o in outs],
                           [None if x.grad is None else x.grad.numpy() for x in xs])  # fmt: skip
    except (Finding, TooLarge):
        raise
    except Exception as error:  # the subject of the test: what it is gets looked at
        return Outcome(error=error, ran=ran)


def run_torch(case: Case) -> Outcome:
    """The call by torch."""
    try:
        xs = [to_torch(a).requires_grad_(g) for a, g in zip(host_operands(case.sample), wants_grad(case.sample), strict=True)]  # fmt: skip
        torch.manual_seed(0)
        outs = outputs(call(case.sample, oracle(case.sample), xs))
        if outs and outs[0].requires_grad:
            outs[0].backward(to_torch(seed_like(from_torch(outs[0]))))
        return Outcome([from_torch(o) for o in outs],
                       [None if x.grad is None else from_torch(x.grad) for x in xs])  # fmt: skip
    except Finding:
        raise
    except Exception as error:  # as above
        return Outcome(error=error)


# --- comparing ---------------------------------------------------------------------------------------------


def check(case: Case, devices: Sequence[str]) -> None:
    """Raise Finding unless everything agrees."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            want = run_clnn(case, "cpu")
        except TooLarge:
            return
        _typed(case, want, "cpu")
        # what is refused here needs no second opinion; and zero factors make torch crash
        refused = case.spoiled and want.error is not None
        if torch is not None and not refused and not excused.by_torch(case):
            _against_torch(case, want, run_torch(case))
        names = sorted({a.name for found in algorithms_of(case.sample.family).values() for a in found})  # fmt: skip
        for device in _asked(case, devices, want):
            info = clnn.device(device).info
            if info is not None and not info.fp64 and "float64" in repr(case.sample):
                continue
            force = ([None, *names])[case.pick // 12 % (len(names) + 1)]
            got = run_clnn(case, device, force)
            _typed(case, got, device)
            _against_reference(case, want, got, f"{device} by {force or 'choice'}", of_largest(case.sample.family, force))  # fmt: skip


def _asked(case: Case, devices: Sequence[str], want: Outcome) -> Sequence[str]:
    """All devices where the call is refused, which costs nothing; else one for some, as compiling takes nearly all time."""
    if want.error is not None or not devices:
        return devices
    if case.spoiled and case.pick % 4:
        return ()
    return [devices[case.pick % len(devices)]] if case.pick // 4 % 3 == 0 else ()


def _typed(case: Case, got: Outcome, device: str) -> None:
    if got.error is None or (isinstance(got.error, MemoryError) and case.spoiled):
        return
    if not isinstance(got.error, ClnnError):
        raise Finding("untyped error", f"{device}: {got.error!r} on {case!r}") from got.error
    if got.ran and not excused.late(case):
        raise Finding("late error", f"{device}: {got.ran} primitives ran before {got.error!r} on {case!r}")  # fmt: skip


def _against_reference(case: Case, want: Outcome, got: Outcome, who: str, largest: float) -> None:
    if want.error is not None or got.error is not None:
        a, b = want.error, got.error
        if isinstance(a, MemoryError) or isinstance(
            b, MemoryError
        ):  # limits of memory are each device's own
            return
        if type(a) is not type(b) or str(a) != str(b):
            raise Finding("errors differ", f"cpu: {a!r}, {who}: {b!r} on {case!r}")
        return
    _same(case, want, got, "differs from reference", who, largest, 1.0)


def _against_torch(case: Case, want: Outcome, oracle: Outcome) -> None:
    if oracle.error is not None:
        if want.error is None and not excused.wider(case, oracle.error):
            raise Finding("torch refuses", f"{oracle.error!r} on {case!r}")
        return
    if want.error is not None:
        if not case.spoiled and not excused.narrower(case, want.error):
            raise Finding("torch takes", f"{want.error!r} on {case!r}")
        return
    if case.sample.fn in excused.NUMBERS_OF_ITS_OWN:
        for k, (a, b) in enumerate(zip(want.outs, oracle.outs, strict=False)):
            _alike(case, a, b, "differs from torch", f"output {k}")
        return
    _same(
        case,
        oracle,
        want,
        "differs from torch",
        "reference against torch",
        0.0,
        excused.slack(case),
    )


def _same(case: Case, want: Outcome, got: Outcome, kind: str, who: str, largest: float, slack: float) -> None:  # fmt: skip
    if len(want.outs) != len(got.outs):
        raise Finding(kind, f"{who}: {len(got.outs)} outputs, expected {len(want.outs)} on {case!r}")  # fmt: skip
    if case.sample.fn == "empty_like":
        return
    for k, (a, b) in enumerate(zip(got.outs, want.outs, strict=True)):
        _close(case, a, b, kind, f"{who}, output {k}", largest, slack)
    for k, (a, b) in enumerate(zip(got.grads, want.grads, strict=True)):
        if (a is None) != (b is None):
            if kind == "differs from torch" and excused.no_gradient(case, a, b):
                continue
            raise Finding(kind, f"{who}, gradient {k}: one side has none on {case!r}")
        if a is not None and not (kind == "differs from torch" and excused.gradient(case, b)):
            _close(case, a, b, kind, f"{who}, gradient {k}", largest, 2 * slack)


def _coarsest(case: Case, name: str) -> str:
    """The floating dtype of least precision among the result's and those that the call goes through."""
    text = repr((case.sample.args, case.sample.kwargs))
    return max(
        (k for k in TOLERANCE if k == name or f"'{k}'" in text), key=lambda k: TOLERANCE[k][0]
    )


def _alike(case: Case, got: np.ndarray, want: np.ndarray, kind: str, who: str) -> None:
    if got.shape != want.shape or got.dtype.name != want.dtype.name:
        raise Finding(kind, f"{who}: {got.dtype}{got.shape}, expected {want.dtype}{want.shape} on {case!r}")  # fmt: skip


def _close(case: Case, got: np.ndarray, want: np.ndarray, kind: str, who: str, largest: float, slack: float) -> None:  # fmt: skip
    _alike(case, got, want, kind, who)
    name = want.dtype.name
    if name not in TOLERANCE:
        same = got == want
    else:
        rtol, atol = TOLERANCE[_coarsest(case, name)]
        got, want = got.astype(np.float64), want.astype(np.float64)
        top = float(np.abs(want[np.isfinite(want)]).max(initial=0.0))
        room = (atol + (largest * top if name == "float32" else 0.0) + rtol * np.abs(want)) * slack
        same = (np.abs(got - want) <= room) | (got == want) | (np.isnan(got) & np.isnan(want))
    if not np.all(same):
        at = tuple(int(i) for i in np.argwhere(~np.asarray(same))[0])
        raise Finding(kind, f"{who}: {np.asarray(got)[at]} at {at}, expected {np.asarray(want)[at]} "
                      f"({int(np.sum(~np.asarray(same)))} of {want.size} wrong) on {case!r}")  # fmt: skip
