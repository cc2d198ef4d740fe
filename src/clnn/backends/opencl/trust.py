"""Which algorithms have proved themselves here: each is compared with the reference before its first result counts."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import DeviceError, KernelBuildError
from ...switches import SELFTEST
from .. import Backend
from . import algorithms, tuning
from .failure import TooLargeError
from .selftest import SelfTest
from .trust_store import Variant, Verdicts

if TYPE_CHECKING:
    from . import OpenCL
    from .runtime import Buffer


class _Unproven(Exception):  # noqa: N818 (it ends a launch, and is no error)
    """What was about to run and has not proved itself: nothing is launched, no plan is kept."""

    def __init__(self, variant: Variant) -> None:
        super().__init__(str(variant))
        self.variant = variant


class _Call(threading.local):
    """The call that is being planned on this thread: its outputs, what was chosen for it, and what lacked memory."""

    def __init__(self) -> None:
        self.outs: Sequence[Buffer] = ()  # empty outside of a call
        # of which nothing can be said in a call of this kind
        self.passed: frozenset[Variant] = frozenset()
        self.chosen: list[tuple[str, str]] = []
        self.small: set[tuple[str, str]] = set()

    @property
    def dtype(self) -> str:
        """The dtype of the call, which that of its first output is."""
        return str(self.outs[0].dtype) if self.outs else ""


class Trust:
    """The judge of one device. A variant that fails is quarantined: warned about once, remembered, never chosen."""

    def __init__(self, backend: OpenCL, reference: Callable[[], Backend]) -> None:
        """Reads what earlier processes found, if CLNN_SELFTEST=first-use; with off nothing is compared."""
        self.backend, self.reference, self.info = backend, reference, backend.rt.info
        mode = SELFTEST.read()
        self.compares = mode != "off"
        self.verdicts = Verdicts(self.info, keep=mode == "first-use")
        families = {f"{__package__}.{table.family}" for table in tuning.tables().values()}
        # every op of a family that has a choice somewhere: one op may run by the algorithms of another
        self.ops = frozenset(op for op, run in backend.impls.items() if run.__module__ in families)
        self._call = _Call()
        algorithms.judge(self.info, self)

    def distrusts(self, op: str, algorithm: str) -> bool:
        """Whether the algorithm has failed in the dtype of the call that is being planned, or lacks memory for it."""
        failed, small = self.verdicts.failed, self._call.small
        if small and (op, algorithm) in small:
            return True
        return bool(failed) and Variant(op, algorithm, self._call.dtype) in failed

    def chosen(self, op: str, algorithm: str) -> None:
        """Note what a plan is made with; ends the call of one that is yet to be compared.

        Raises DeviceError where all there was to choose has failed.
        """
        call = self._call
        if not call.outs:
            return  # of another backend on the device, which nobody judges
        call.chosen.append((op, algorithm))
        variant = Variant(op, algorithm, call.dtype)
        if variant in self.verdicts.failed:
            raise DeviceError(
                f"{op}: expected an algorithm that computes {variant.dtype} right on {self.info.name}, "
                f"got none: {self.verdicts.failed[variant]}; use another device or driver"
            )
        if self.compares and variant not in self.verdicts.proven and variant not in call.passed:
            raise _Unproven(variant)

    def run(self, impl: Callable[..., None], op: str, inputs: Sequence[Any], outs: Sequence[Buffer],
            settings: dict[str, Any]) -> None:  # fmt: skip
        """Run `impl`; by other algorithms if those it chose turn out wrong, do not compile, or need too large an array.

        Raises DeviceError when none is left that is right, OutOfMemoryError when none is left that fits.
        """
        try:
            self._run(impl, op, inputs, outs, settings)
        except TooLargeError:
            if not self._call.chosen or self._call.chosen[-1] in self._call.small:
                self._call.chosen.clear()
                raise
            self._call.small.add(self._call.chosen[-1])
            try:
                self.run(impl, op, inputs, outs, settings)
            finally:
                self._call.small.clear()

    def _run(self, impl: Callable[..., None], op: str, inputs: Sequence[Any], outs: Sequence[Buffer],
             settings: dict[str, Any]) -> None:  # fmt: skip
        call = self._call
        outer = call.outs
        call.outs = outs
        call.chosen.clear()  # a call that failed may have left some
        refused: str | None = None
        try:
            return impl(self.backend.rt, *inputs, *outs, **settings)
        except _Unproven as found:
            variant = found.variant
        except KernelBuildError as error:
            if not call.chosen:
                raise
            variant, refused = Variant(*call.chosen[-1], call.dtype), str(error).splitlines()[-1]
        finally:
            call.outs = outer
        passed = call.passed
        if refused is not None:
            self._quarantine(variant, refused)
        elif not self._examined(variant, op, inputs, settings):
            passed |= {variant}
        before, call.passed = call.passed, passed
        try:
            self._run(impl, op, inputs, outs, settings)
        finally:
            call.passed = before

    def _examined(self, variant: Variant, op: str, inputs: Sequence[Any],
                  settings: dict[str, Any]) -> bool:  # fmt: skip
        """Compare it with the reference, and keep the verdict; False where nothing can be said."""
        specs = [a.spec for a in inputs if hasattr(a, "spec")]
        if len(specs) != len(inputs):
            return False
        way = variant.op, variant.algorithm
        why = SelfTest(self.backend, self.reference()).wrong(op, way, specs, settings)
        if why:
            self._quarantine(variant, why)
        elif why is not None:
            self.verdicts.prove(variant)
        return why is not None

    def _quarantine(self, variant: Variant, why: str) -> None:
        if variant not in self.verdicts.failed:
            self.verdicts.fail(variant, why)
            self.backend.rt.plans.clear()
            warnings.warn(
                f"{variant} is not used on {self.info.name} (driver {self.info.driver}): {why}",
                RuntimeWarning, stacklevel=2,
            )  # fmt: skip
