"""What a device can do, found out by doing it: host side of kernels/capability.cl.mako."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..backends.opencl import OpenCL
from ..errors import ClnnError, KernelBuildError
from ..shapes import Spec
from .images import DEFINES, doubled_through_an_image
from .report import Evidence, Probe

_ITEMS = 64
_RNG = 4  # seed of what is computed with


def probe(backend: OpenCL) -> Iterator[Probe]:
    """Every capability in turn; none raises."""
    rt, info = backend.rt, backend.rt.info
    look = _Look(backend)
    extensions = info.handle.extensions.split()
    yield look.claim("float16 storage", True, True, look.half_store)
    yield look.claim("int64", True, True, look.long_math)
    yield look.claim("float64 (fp64)", info.fp64, True, look.double)
    yield look.claim("float16 arithmetic (fp16)", info.fp16, False, look.half_math)
    yield look.groups()
    yield look.claim(
        "local memory", info.local_mem > 0, True, look.local, f"{info.local_mem // 1024} KiB"
    )
    sub_groups = any("subgroups" in name for name in extensions)
    yield look.claim("sub-groups", sub_groups, False, look.sub_group)
    image = bool(info.handle.image_support)
    yield look.claim("images", image, False, lambda: doubled_through_an_image(rt))


class _WrongResultError(Exception):
    def __init__(self, why: str, inputs: dict[str, Any], expected: Any, got: Any) -> None:
        super().__init__(why)
        self.inputs, self.expected, self.got = inputs, expected, got


class _Look:
    def __init__(self, backend: OpenCL) -> None:
        self.backend, self.rt, self.info = backend, backend.rt, backend.rt.info

    def claim(self, name: str, claimed: bool, relied: bool, look: Callable[[], None],
              amount: str = "") -> Probe:  # fmt: skip
        """What is claimed beside what `look`, which raises where it fails, sees."""
        said = (amount or "yes") if claimed else "no"
        why, evidence = self._tried(look)
        ok = not (claimed and why)
        works = (amount or "yes") if not why else "no"
        return Probe(name, said, works, relied, ok, "" if ok else why, None if ok else evidence)

    def _tried(self, look: Callable[[], None]) -> tuple[str, Evidence | None]:
        with self.rt.sources() as kernels, _quiet():
            wrong = self._caught(look)
        if wrong is None:
            return "", None
        sources, log = list(kernels), str(wrong)
        if isinstance(wrong, KernelBuildError):
            sources, log = [("capability", wrong.source)], wrong.log
        arrays: dict[str, Any] = {}
        if isinstance(wrong, _WrongResultError):
            arrays = {"inputs": wrong.inputs, "expected": {"y": wrong.expected}, "got": {"y": wrong.got}}  # fmt: skip
        return _first_line(wrong), Evidence(tuple(sources), log=log, **arrays)

    def _caught(self, look: Callable[[], None]) -> Exception | None:
        try:
            look()
        except (ClnnError, _WrongResultError) as error:
            return error
        return None

    def _run(self, kernel: str, out: Any, *operands: Any, group: int | None = None, items: int = _ITEMS,
             **defines: Any) -> Any:  # fmt: skip
        arrays = [self.rt.upload(a) for a in operands]
        y = self.rt.upload(np.zeros_like(out))
        where = None if group is None else (group,)
        self.rt.launch(
            "capability", kernel, (items,), *arrays, y, group=where, **{**DEFINES, **defines}
        )
        return self.rt.download(y)

    def _same(self, got: Any, want: Any, off: float, **inputs: Any) -> None:
        if not np.allclose(got, want, rtol=off, atol=off, equal_nan=True):
            bad = int((~np.isclose(got, want, rtol=off, atol=off, equal_nan=True)).sum())
            raise _WrongResultError(f"{bad} of {want.size} results are wrong", inputs, want, got)

    def half_math(self) -> None:
        a, b, c = np.random.default_rng(_RNG).standard_normal((3, _ITEMS)).astype(np.float16)
        got = self._run("half_math", a, a, b, c, job="half_math")
        want = a.astype(np.float32) * b + c
        self._same(got.astype(np.float32), want, 4e-3, a=a, b=b, c=c)

    def double(self) -> None:
        a, b, c = np.random.default_rng(_RNG).standard_normal((3, _ITEMS))
        bits = [v.view(np.int64) for v in (a, b, c)]
        got = self._run("double_math", bits[0], *bits, job="double").view(np.float64)
        self._same(got, a * b + c, 1e-14, a=a, b=b, c=c)

    def half_store(self) -> None:
        x = np.random.default_rng(_RNG).standard_normal(_ITEMS).astype(np.float32)
        # halfway cases, subnormal numbers, the largest, what overflows, and what has no number
        odd = [
            1 + 2**-11,
            1 + 3 * 2**-11,
            2**-24,
            2**-25,
            3 * 2**-25,
            6e-5,
            65504,
            65519,
            65520,
            np.inf,
            -np.inf,
            0,
        ]
        x[: len(odd)] = odd
        with np.errstate(over="ignore"):
            want = x.astype(np.float16)
        xs, h = self.rt.upload(x), self.rt.upload(np.zeros_like(want))
        y = self.rt.empty(Spec(x.shape))
        self.rt.launch("capability", "half_store", (_ITEMS,), xs, h, y,
                       group=None, job="half_store", **DEFINES)  # fmt: skip
        self._same(self.rt.download(h), want, 0.0, x=x)
        self._same(self.rt.download(y), want.astype(np.float32), 0.0, x=x)

    def long_math(self) -> None:
        a, b = np.random.default_rng(_RNG).integers(-(2**62), 2**62, (2, _ITEMS))
        with np.errstate(over="ignore"):
            want = a * b + (a >> 7) - (b << 3)
        got = self._run("long_math", a, a, b, job="long")
        if not np.array_equal(got, want):
            raise _WrongResultError("results are wrong", {"a": a, "b": b}, want, got)

    def groups(self) -> Probe:
        """Work-groups of powers of four, and of the claimed maximum, with barriers and local memory."""
        most = self.info.max_group
        sizes = sorted({*(1 << k for k in range(0, most.bit_length(), 2)), most})
        works, failures = 0, []
        for size in sizes:
            why, evidence = self._tried(lambda n=size: self._group(n))  # type: ignore[misc]
            if why:
                failures.append((size, why, evidence))
            elif not failures:
                works = size
        if not failures:
            return Probe("work-groups with barriers", str(most), str(most), True, True)
        size, why, evidence = failures[0]
        return Probe("work-groups with barriers", str(most), str(works), works < self.rt.wg, False,
                     f"groups of {size} fail: {why}", evidence)  # fmt: skip

    def _group(self, size: int) -> None:
        x = np.arange(2 * size, dtype=np.float32)
        got = self._run("group_reverse", x, x, group=size, items=2 * size, job="group", WG=size)
        self._same(got, x.reshape(2, size)[:, ::-1].ravel(), 0.0, x=x)

    def local(self) -> None:
        size, group = max(1, self.info.local_mem // 4), min(64, self.info.max_group)
        x = np.arange(size, dtype=np.float32)
        got = self._run("local_reverse", x, x, group=group, items=group, job="local", WG=group,
                        SIZE=size)  # fmt: skip
        self._same(got, x[::-1], 0.0, x=x)

    def sub_group(self) -> None:
        group = min(64, self.info.max_group)
        got = self._run("sub_group_sum", np.zeros(group, np.int32), group=group, items=group,
                        job="sub_group", WG=group)  # fmt: skip
        self._same(got, np.zeros(group, np.int32), 0.0)


@contextmanager
def _quiet() -> Iterator[None]:
    """Compilers complain on stderr by themselves, and here what they refuse is an answer."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return "it does not compile" if isinstance(error, KernelBuildError) else lines[0]
