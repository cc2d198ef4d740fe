"""What can be tuned: a call of an op, and how calls of a running program are seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..backends import Backend
from ..backends.opencl import OpenCL, tuning
from ..dtypes import dtype
from ..errors import ClnnError, DeviceError, SettingError
from ..op import OPS
from ..shapes import Spec


@dataclass(frozen=True)
class Case:
    """A call of an op, without the arrays: their specs, and the settings."""

    op: str
    specs: tuple[Spec, ...]
    settings: tuple[tuple[str, Any], ...] = ()

    def outs(self) -> tuple[Spec, ...]:
        """Specs of the results; raises what the op raises for operands that do not fit."""
        found = OPS[self.op].infer(*self.specs, **dict(self.settings))
        return (found,) if isinstance(found, Spec) else tuple(found)

    def pack(self) -> dict[str, Any]:
        """The case as JSON takes it."""
        return {"op": self.op, "specs": [[s.shape, str(s.dtype)] for s in self.specs],
                "settings": dict(self.settings)}  # fmt: skip

    def __str__(self) -> str:
        shapes = " ".join("x".join(map(str, s.shape)) for s in self.specs)
        return f"{self.op} {shapes}"


def unpack(found: Any) -> Case:
    """The case that `pack` packed; raises SettingError for anything else."""
    try:
        specs = tuple(Spec(_tuples(shape), dtype(kind)) for shape, kind in found["specs"])
        settings = tuple((str(k), _tuples(v)) for k, v in found["settings"].items())
        case = Case(found["op"], specs, settings)
        case.outs()
    except (KeyError, TypeError, ValueError, AttributeError, ClnnError) as error:
        raise SettingError(f"tune: expected a call of an op, got {found!r}: {error}") from None
    return case


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value


def opencl(backend: Backend) -> OpenCL:
    """The backend, if it is one that can be tuned; raises DeviceError for the NumPy reference."""
    if not isinstance(backend, OpenCL):
        raise DeviceError("tune: expected an OpenCL device, got the NumPy reference")
    return backend


@contextmanager
def record(backend: Backend) -> Iterator[list[Case]]:
    """The list of calls that could be tuned, filled by what runs on `backend` inside the block.

    Raises DeviceError for the NumPy reference.
    """
    tuned, cases = opencl(backend), dict[Case, None]()

    def note(case: Case) -> None:
        cases[case] = None

    found: list[Case] = []
    before = tuned.run
    watch(tuned, note)
    try:
        yield found
    finally:
        tuned.run = before  # type: ignore[method-assign]
        found += cases


def watch(backend: OpenCL, see: Callable[[Case], None]) -> None:
    """Let `see` have every call that could be tuned, before it runs."""

    def run(op: str, inputs: Sequence[Any], outs: Sequence[Spec], settings: dict[str, Any]) -> Any:
        if op in tuning.tables():
            see(Case(op, tuple([a.spec for a in inputs]), tuple(settings.items())))
        return OpenCL.run(backend, op, inputs, outs, settings)

    backend.run = run  # type: ignore[method-assign]
