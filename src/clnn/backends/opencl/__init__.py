"""OpenCL backend: allocates outputs from specs, then calls the family's launch function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ...errors import UnsupportedOpError
from ...op import Call
from ...shapes import Spec
from .. import Backend, Launch, collect
from .algorithms import current
from .discovery import DeviceInfo
from .remembered import remember

if TYPE_CHECKING:
    from .runtime import Buffer


class OpenCL:
    """Runs ops as OpenCL kernels on one device."""

    def __init__(self, info: DeviceInfo, reference: Callable[[], Backend] | None = None) -> None:
        """Open the device; without a `reference` to compare with, algorithms are trusted as they are."""
        from . import trust, tuning
        from .runtime import Runtime  # late, so that discovery works where pyopencl is missing

        self.rt = Runtime(info)
        self.impls = collect(__name__, __path__)
        self.trust = None if reference is None else trust.Trust(self, reference)
        if self.rt.tuning.mode == "auto" and tuning.automate is not None:
            tuning.automate(self)

    def upload(self, host: Any) -> Buffer:
        """A copy of a NumPy array on the device; does not wait for queued work."""
        return self.rt.upload(host)

    def download(self, array: Buffer) -> Any:
        """A NumPy array with the contents of `array`; waits for it."""
        return self.rt.download(array)

    def run(
        self, op: str, inputs: Sequence[Any], outs: Sequence[Spec], settings: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Enqueue `op`; an implementation fills the outputs it is given, or returns arrays that alias inputs."""
        impl = self.impls.get(op)
        if impl is None:
            raise UnsupportedOpError(
                f"{op}: no OpenCL kernel yet; the reference backend has one (device='cpu')"
            )
        rt = self.rt
        if getattr(impl, "aliases", False):
            got = impl(rt, *inputs, outs[0], **settings)
            return got if isinstance(got, tuple) else (got,)
        arrays = tuple([rt.empty(spec) for spec in outs])
        trust = self.trust
        if trust is not None and op in trust.ops:
            trust.run(impl, op, inputs, arrays, settings)
        else:
            impl(rt, *inputs, *arrays, **settings)
        return arrays

    def perform(
        self, call: Call, inputs: Sequence[Any], settings: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Enqueue a call; one that was answered before is answered by its plan alone.

        What is answered inside of a context, where algorithms may be forced, is for no other to repeat.
        """
        rt = self.rt
        calls = rt.plans.calls  # before anything runs: it may be replaced by another meanwhile
        plan = calls.get(call)
        if plan is not None and current() is None:
            arrays: tuple[Any, ...] = plan.answer(rt, inputs, call.outs, settings)
            return arrays
        arrays = self.run(call.op, inputs, call.outs, settings)
        made = getattr(self.impls[call.op], "plan", None)
        plan = None if made is None or current() else made(rt, (*inputs, *arrays), settings)
        if plan is not None:
            remember(calls, call, plan)
        return arrays

    def synchronize(self) -> None:
        """Wait until all queued work is done."""
        self.rt.finish()

    def memory_stats(self) -> dict[str, int]:
        """Bytes: allocated (in use), reserved (held from the device), peak (most ever allocated)."""
        return self.rt.memory_stats()

    def empty_cache(self) -> None:
        """Give pooled memory that is not in use back to the device."""
        self.rt.empty_cache()

    def profiling(self) -> AbstractContextManager[list[Launch]]:
        """Record every kernel that is launched inside of the block, by the device's own clock."""
        return self.rt.profiling()
