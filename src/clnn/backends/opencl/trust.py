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


class _Call(threading.local):
    """The call that is being planned on this thread: its dtype, what was chosen for it, and what lacked memory."""

    def __init__(self) -> None:
        self.dtype = ""
        self.chosen: list[tuple[str, str]] = []
        self.small: set[tuple[str, str]] = set()


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
        self.choices = 0
        self._call = _Call()
        algorithms.judge(self.info, self)

    def distrusts(self, op: str, algorithm: str) -> bool:
        """Whether the algorithm has failed in the dtype of the call that is being planned, or lacks memory for it."""
        failed, small = self.verdicts.failed, self._call.small
        if small and (op, algorithm) in small:
            return True
        return bool(failed) and Variant(op, algorithm, self._call.dtype) in failed

    def chosen(self, op: str, algorithm: str) -> None:
        """Note what a plan is made with."""
        self._call.chosen.append((op, algorithm))
        self.choices += 1

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
        before, error = self.choices, None
        self._call.chosen.clear()  # another backend on the device may have left some
        if self.verdicts.failed:
            self._call.dtype = str(outs[0].dtype)
        try:
            impl(self.backend.rt, *inputs, *outs, **settings)
            if self.choices == before:
                return  # a plan that has run before: all of it is known
        except KernelBuildError as found:
            error = found
        except TooLargeError:
            raise
        except BaseException:
            self._call.chosen.clear()
            raise
        chosen = [Variant(*way, str(outs[0].dtype)) for way in dict.fromkeys(self._call.chosen)]
        self._call.chosen.clear()
        if error is not None and not chosen:
            raise error
        failed = self._examine(chosen, error, op, inputs, settings)
        if failed:
            for variant, why in failed:
                self._quarantine(variant, why)
            self.backend.rt.plans.clear()
            self._run(impl, op, inputs, outs, settings)

    def _examine(self, chosen: Sequence[Variant], error: KernelBuildError | None, op: str,
                 inputs: Sequence[Any], settings: dict[str, Any]) -> list[tuple[Variant, str]]:  # fmt: skip
        for variant in chosen:
            if variant in self.verdicts.failed:
                raise DeviceError(
                    f"{variant.op}: expected an algorithm that computes {variant.dtype} right on {self.info.name}, "
                    f"got none: {self.verdicts.failed[variant]}; use another device or driver"
                ) from error
        if error is not None:
            return [(chosen[-1], str(error).splitlines()[-1])]
        specs = [a.spec for a in inputs if hasattr(a, "spec")]
        if not self.compares or len(specs) != len(inputs):
            return []
        failed = []
        for variant in dict.fromkeys(chosen):
            if variant not in self.verdicts.proven:
                way = variant.op, variant.algorithm
                why = SelfTest(self.backend, self.reference()).wrong(op, way, specs, settings)
                if why:
                    failed.append((variant, why))
                elif why is not None:
                    self.verdicts.prove(variant)
        return failed

    def _quarantine(self, variant: Variant, why: str) -> None:
        if variant not in self.verdicts.failed:
            self.verdicts.fail(variant, why)
            warnings.warn(
                f"{variant} is not used on {self.info.name} (driver {self.info.driver}): {why}",
                RuntimeWarning, stacklevel=2,
            )  # fmt: skip
