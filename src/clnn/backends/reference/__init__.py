"""NumPy backend: the definition of every op. Written to be read, not to be fast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import ml_dtypes  # noqa: F401  (registers "bfloat16" with NumPy)
import numpy as np

from ...errors import OutOfMemoryError, UnsupportedOpError
from ...op import Call
from ...shapes import Spec
from .. import Launch, collect


class Reference:
    """Runs ops with NumPy, and holds every result against the spec its op promised."""

    def __init__(self) -> None:
        """Collect the implementations of every family."""
        self.impls = collect(__name__, __path__)
        self._launches: list[Launch] | None = None

    def upload(self, host: Any) -> Any:
        """A private copy, so that later changes of `host` do not reach the tensor."""
        return np.array(host, order="C")

    def download(self, array: Any) -> Any:
        """A copy; the caller may write to it."""
        return array.copy()

    def run(
        self, op: str, inputs: Sequence[Any], outs: Sequence[Spec], settings: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Run `op`; a result that differs from its spec is a bug of the op and raises AssertionError."""
        if op not in self.impls:
            raise UnsupportedOpError(f"{op}: no implementation on the reference backend")
        start = perf_counter()
        try:
            with np.errstate(all="ignore"):  # NaN and infinity are results here, as on every device
                got = self.impls[op](*inputs, **settings)
        except MemoryError as error:
            asked = sum(spec.nbytes for spec in outs)
            why = f"{op}: expected memory for {asked} bytes, got {error}"
            raise OutOfMemoryError(why, asked) from None
        if self._launches is not None:
            self._launches.append(Launch(op, perf_counter() - start))
        got = got if isinstance(got, tuple) else (got,)
        arrays = tuple(np.asarray(a, order="C") for a in got)
        for array, spec in zip(arrays, outs, strict=True):
            assert (array.shape, array.dtype.name) == (spec.shape, spec.dtype), (
                op,
                array.shape,
                array.dtype,
                spec,
            )
        return arrays

    def perform(
        self, call: Call, inputs: Sequence[Any], settings: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Run a call as it comes."""
        return self.run(call.op, inputs, call.outs, settings)

    def synchronize(self) -> None:
        """Nothing to wait for: NumPy returns when it is done."""

    def memory_stats(self) -> dict[str, int]:
        """NumPy keeps no account; all zeros."""
        return {"allocated": 0, "reserved": 0, "peak": 0}

    def empty_cache(self) -> None:
        """Nothing is held."""

    @contextmanager
    def profiling(self) -> Iterator[list[Launch]]:
        """Record every op that runs inside of the block."""
        before, self._launches = self._launches, []
        try:
            yield self._launches
        finally:
            self._launches = before
