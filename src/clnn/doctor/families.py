"""The calls of cases.py on one device, held against the reference: by every algorithm that applies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from math import inf
from typing import Any

import numpy as np

from ..backends.opencl import OpenCL, tuning
from ..backends.opencl.algorithms import algorithm
from ..backends.opencl.selftest import TOLERANCE
from ..backends.opencl.trust_store import Variant
from ..device import Device
from ..errors import ClnnError, KernelBuildError
from ..tensor import tensor
from .cases import CASES, FLOATS, Case
from .report import Check, Evidence

Arrays = dict[str, Any]
Say = Callable[[str, float], None]


_SLOW = (
    "conv",
    "fused",
)  # what compiles longest comes last, so that little time still sees most families


def check(device: Device, backend: OpenCL, budget: float = inf, say: Say = lambda text, share: None
          ) -> Iterator[Check | None]:  # fmt: skip
    """Every call in every dtype that the device has, by the usual choice and by every algorithm that applies.

    What covers most comes first: None stands for what is not begun within `budget` seconds. What is in quarantine
    is tried in any case, for a verdict without a call that reproduces it helps nobody.
    """
    poison, backend.rt.poison = (
        backend.rt.poison,
        True,
    )  # what no kernel writes is not right by luck
    until = time.monotonic() + budget
    try:
        jobs = _jobs(device, backend)
        for k, (call, name) in enumerate(jobs):
            if time.monotonic() > until and not call.suspects(name):
                yield None
                continue
            say(f"{call} by {name}" if name else str(call), k / len(jobs))
            yield from call.by(name) if name else call.usual()
    finally:
        backend.rt.poison = poison


def _jobs(device: Device, backend: OpenCL) -> list[tuple[_Call, str]]:
    """By dtype, and in each first all usual choices, which have no name, then the other algorithms."""
    out: list[tuple[_Call, str]] = []
    for dtype in FLOATS:
        if dtype == "float64" and not backend.rt.info.fp64:
            continue
        calls = [_Call(case, dtype, device, backend) for case in CASES if dtype in case.dtypes]
        calls.sort(key=lambda c: c.case.family in _SLOW)
        out += [(c, "") for c in calls]
        out += [(c, n) for c in calls for n in c.names()]
    return out


class _Call:
    """One case in one dtype."""

    def __init__(self, case: Case, dtype: str, device: Device, backend: OpenCL) -> None:
        self.case, self.dtype, self.device, self.backend = case, dtype, device, backend

    def __str__(self) -> str:
        return f"{self.case.family}: {self.case.call}, {self.dtype}"

    def usual(self) -> list[Check]:
        """By the usual choice."""
        return [self.check("", ())[0]]

    def by(self, name: str) -> list[Check]:
        """By one algorithm, wherever it applies."""
        found, used = self.check(name, self.case.ways)
        if found.ok or len(used) < 2:
            return [found] if used else []
        # several ops of the call ran by it: which of them is wrong?
        alone = [self.check(name, (op,))[0] for op in used]
        return [c for c in alone if not c.ok] or [found]

    def suspects(self, name: str) -> bool:
        """Whether some op of the call is in quarantine by this algorithm."""
        trust = self.backend.trust
        return trust is not None and any(
            Variant(op, name, self.dtype) in trust.verdicts.failed for op in self.case.ways
        )

    def names(self) -> list[str]:
        """The algorithms of the call's ops; those the device would never choose are left out."""
        info = self.backend.rt.info
        names: dict[str, None] = {}
        for op in self.case.ways:
            for a in tuning.tables()[op].algorithms:
                if a.worth(None, info):
                    names[a.name] = None
        return list(names)

    def check(self, name: str, ops: Sequence[str]) -> tuple[Check, list[str]]:
        """The call with `ops` by algorithm `name`, and which of them really ran by it."""
        wanted = _expected(self.case, self.dtype)[1]
        start = time.perf_counter()
        got, error, used = self._tried(name, ops)
        why = str(error).splitlines()[0] if error is not None else difference(got, wanted)
        seconds = time.perf_counter() - start
        evidence = self._evidence(name, ops, got, error) if why else None
        way = f"{', '.join(used)}: {name}" if len(used) != 1 else f"{used[0]}.{name}"
        variants = tuple([str(Variant(op, name, self.dtype)) for op in used])
        return Check(self.case.family, self.case.call, self.dtype, way if used else "", seconds, why,
                     evidence, variants), used  # fmt: skip

    def _tried(self, name: str, ops: Sequence[str]) -> tuple[Arrays, Exception | None, list[str]]:
        with ExitStack() as stack:
            sets = [stack.enter_context(algorithm(op, name, strict=False)) for op in ops]
            got: Arrays = {}
            error: Exception | None = None
            try:
                got = _results(self.case, _expected(self.case, self.dtype)[0], self.device)
            except ClnnError as found:
                error = found
            return got, error, [op for op, used in zip(ops, sets, strict=True) if op in used]

    def _evidence(self, name: str, ops: Sequence[str], got: Arrays, error: Exception | None) -> Evidence:  # fmt: skip
        with self.backend.rt.sources() as kernels:
            self._tried(name, ops)
        sources, log = list(kernels), "" if error is None else str(error)
        if isinstance(error, KernelBuildError):
            sources, log = [*sources, ("not_compiled", error.source)], error.log
        return Evidence(tuple(sources), *_expected(self.case, self.dtype), got, log)


@cache
def _expected(case: Case, dtype: str) -> tuple[Arrays, Arrays]:
    rng = np.random.default_rng(0)
    inputs = {f"operand {k}": a.make(rng, dtype) for k, a in enumerate(case.operands)}
    return inputs, _results(case, inputs, Device("cpu"))


def _results(case: Case, inputs: Arrays, device: Device) -> Arrays:
    """Outputs and gradients; the first output gets a gradient of small whole numbers."""
    made = zip(inputs.values(), case.operands, strict=True)
    xs = [tensor(x, device=device, requires_grad=a.grad) for x, a in made]
    out = case.run(*xs)
    outs = list(out) if isinstance(out, tuple | list) else [out]
    if outs[0].requires_grad:
        seed = np.random.default_rng(1).integers(-3, 4, outs[0].shape)
        outs[0].backward(tensor(seed, dtype=outs[0].dtype, device=device))
    got = {f"output {k}": y.detach().numpy() for k, y in enumerate(outs)}
    grads = {f"gradient of operand {k}": x.grad for k, x in enumerate(xs)}
    return got | {name: g.numpy() for name, g in grads.items() if g is not None}


def difference(got: Arrays, wanted: Arrays) -> str:
    """What is wrong with results, or nothing: each may be off by a part of its largest element."""
    for name, want in wanted.items():
        found = got.get(name)
        if found is None or found.shape != want.shape or found.dtype != want.dtype:
            return f"{name} is missing, or of another shape or dtype"
        if want.dtype.name not in TOLERANCE:
            if not np.array_equal(found, want):
                return f"{name} has other integers than the reference's"
            continue
        a, b = found.astype(np.float64), want.astype(np.float64)
        if not np.isfinite(a).all():
            return f"{name} has NaN or infinity where the reference has none"
        scale = float(np.abs(b).max(initial=0.0)) or 1.0
        off = float(np.abs(a - b).max(initial=0.0)) / scale
        if off > TOLERANCE[want.dtype.name]:
            return f"{name} is off by {off:.2g} of the largest"
    return ""
