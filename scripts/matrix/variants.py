"""Which programs clnn asks a GPU's driver for: everything runs on paper, under the facts of the GPU.

Shapes and dtypes decide what is compiled, and they follow from the calls alone; so nothing is computed,
no memory is taken and no OpenCL is needed.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np

from clnn import backends
from clnn.backends import opencl
from clnn.backends.opencl import runtime
from clnn.backends.opencl.discovery import DeviceInfo
from clnn.backends.opencl.program import render
from clnn.device import Device
from clnn.dtypes import dtype
from clnn.errors import ClnnError
from clnn.op import Call
from clnn.shapes import Shape, Spec

from .targets import Target

_numbers = count(1000)


@dataclass
class Variant:
    """One source, and what was launched of it: kernels by name, each with its work-group sizes."""

    family: str
    defines: dict[str, Any]
    source: str
    kernels: dict[str, set[int]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A hash of the source."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]


# Defines that make another kernel of a program; dtypes do so in products alone, other defines hardly ever.
_FORM = ("engine", "op", "kernel", "kind", "stage", "job", "draw", "few", "split", "F", "M", "form", "TM", "TN", "TK",
         "RM", "RN")  # fmt: skip
_PRODUCTS = ("matmul", "conv", "winograd")


def thinned(variants: list[Variant], each: int, *, files: bool = False) -> list[Variant]:
    """At most so many programs of each form, products first; `files`: of each kernel file, engines being files."""
    taken: Counter[tuple[str, ...]] = Counter()
    out = []
    for v in variants:
        names = (*_FORM, "dtype") if v.family in _PRODUCTS else _FORM
        form = (v.family, *sorted(v.kernels), *(str(v.defines.get(name)) for name in names))
        if files:
            form = (v.family, str(v.defines.get("engine")), str(v.defines.get("stage")))
        taken[form] += 1
        if taken[form] <= each:
            out.append(v)
    return sorted(out, key=lambda v: (v.family not in _PRODUCTS, v.family))


class _Kernel:
    """What stands in for a kernel object, and knows where its launches are to be written down."""

    def __init__(self, variant: Variant, name: str) -> None:
        self.variant, self.name = variant, name
        self.groups = variant.kernels.setdefault(name, set())


class Paper(runtime.Runtime):
    """A Runtime that renders what would be compiled, and runs nothing."""

    def __init__(self, info: DeviceInfo) -> None:
        """Open nothing."""
        with patch.multiple(
            runtime,
            cl=MagicMock(),
            MemoryPool=MagicMock(),
            ImmediateAllocator=MagicMock(),
            Programs=MagicMock(),
        ):
            super().__init__(info)
        self.variants: dict[str, Variant] = {}
        self.launches: list[tuple[Variant, str, int]] = []  # kernels, each with its work-items

    def empty(self, spec: Spec) -> runtime.Buffer:
        """No memory for `spec`."""
        if spec.dtype == "float64" and not self.info.fp64:
            return super().empty(spec)
        return runtime.Buffer(None, spec)

    def upload(self, host: Any) -> runtime.Buffer:
        """An array as its own memory: some shapes follow from the contents, as those of x[mask] do."""
        host = np.array(host, order="C")
        return runtime.Buffer(host, Spec(host.shape, dtype(host.dtype)))

    def download(self, array: runtime.Buffer) -> Any:
        """What is known, else zeros."""
        if isinstance(array.mem, np.ndarray):
            return array.mem.astype(array.dtype).reshape(array.shape)
        return np.zeros(array.shape, array.dtype)

    def finish(self) -> None:
        """Nothing is ever queued."""

    def enqueue(self, kernel: Any, grid: Shape, group: Shape | None, flat: list[Any]) -> None:
        """Write the work-group size down; 0 is the driver's choice."""
        kernel.groups.add(0 if group is None else int(np.prod(group)))
        self.launches.append((kernel.variant, kernel.name, int(np.prod(grid))))

    def repeated(self, kernel: Any, grid: Shape, group: Shape | None, args: Sequence[Any]) -> Any:
        """What `repeat` takes."""
        made = object.__new__(runtime.Repeated)
        made.kernel, made.grid, made.group = kernel, grid, group
        made.at = tuple([k for k, a in enumerate(args) if type(a) is runtime.Buffer])
        made.given = tuple([k for k, a in enumerate(args) if a is runtime.GIVEN])
        return made

    def repeat(self, launch: Any, mems: Iterable[Any], given: Sequence[Any] = ()) -> None:
        """As it was enqueued once, it is again."""
        self.enqueue(launch.kernel, launch.grid, launch.group, [])

    def _build(self, family: str, name: str, defines: dict[str, Any]) -> Any:
        key = (family, *sorted(defines.items()))
        if key not in self._programs:
            source = render(family, {"wide": False, **defines, "device": self.info})
            made = Variant(family, dict(defines), source)
            self._programs[key] = self.variants.setdefault(made.key, made), source
        return _Kernel(self._programs[key][0], name)


class _Backend(opencl.OpenCL):
    """Ops on paper; of results, only what shapes follow from is known: how much of a mask is set."""

    def __init__(self, info: DeviceInfo) -> None:
        self.rt, self.trust = Paper(info), None
        self.impls = backends.collect(opencl.__name__, opencl.__path__)

    def run(
        self, op: str, inputs: Sequence[Any], outs: Sequence[Spec], settings: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Ask for what the op is made of."""
        arrays = super().run(op, inputs, outs, settings)
        if op == "sum" and not outs[0].shape and isinstance(inputs[0].mem, np.ndarray):
            arrays[0].mem = np.asarray(inputs[0].mem.sum())
        return arrays

    def perform(
        self, call: Call, inputs: Sequence[Any], settings: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Every call as if it were the first."""
        return self.run(call.op, inputs, call.outs, settings)


def on_paper(info: DeviceInfo) -> Device:
    """A device of these facts that computes nothing; none finds it by name."""
    device = object.__new__(Device)
    device.name, device.type, device.index = info.name, "opencl", 0
    device.info, device._key = info, next(_numbers)
    device.backend = _Backend(device.info)
    return device


def collect(
    target: Target, problems: dict[str, Callable[[Device], None]]
) -> tuple[list[Variant], list[str]]:
    """(programs that the problems ask for, what went wrong while they were asked)."""
    device = on_paper(target.info())
    failures = []
    for name, problem in problems.items():
        try:
            problem(device)
        except ClnnError as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
    return list(device.backend.rt.variants.values()), failures


@contextlib.contextmanager
def untuned() -> Iterator[None]:
    """Defaults only: what this machine's tuning found is not what others get."""
    with patch.dict("os.environ", CLNN_TUNE="off"):
        yield
