"""What a backend is: a dict from op names to functions, collected from its folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple, Protocol, TypeVar

from ..op import Call
from ..shapes import Spec

Impls = dict[str, Callable[..., Any]]
F = TypeVar("F", bound=Callable[..., Any])


class Launch(NamedTuple):
    """Something a device did: the kernel (or the op, where there are no kernels) and its seconds."""

    name: str
    seconds: float


class Backend(Protocol):
    """What a device needs: move arrays, and run a named op on arrays that fit its specs."""

    impls: Impls

    def upload(self, host: Any) -> Any:
        """A device array with a copy of a C-contiguous NumPy array."""

    def download(self, array: Any) -> Any:
        """A new NumPy array with the contents; waits for the work that produces them."""

    def run(
        self, op: str, inputs: Sequence[Any], outs: Sequence[Spec], settings: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Run `op`; returns one array per spec in `outs`."""

    def perform(
        self, call: Call, inputs: Sequence[Any], settings: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Run a call that may come again; returns one array per spec that comes out."""

    def synchronize(self) -> None:
        """Wait until all queued work is done."""

    def memory_stats(self) -> dict[str, int]:
        """Bytes: allocated (in use), reserved (held from the device), peak (most ever allocated)."""

    def empty_cache(self) -> None:
        """Give memory that is held but not in use back to the device."""

    def profiling(self) -> AbstractContextManager[list[Launch]]:
        """Record what runs inside of the block; the list is filled when it ends."""


def implements(*ops: str, aliases: bool = False) -> Callable[[F], F]:
    """Mark a function as this backend's implementation of `ops`.

    With `aliases` it returns arrays on its inputs' memory instead of filling outputs made for it.
    """

    def mark(fn: F) -> F:
        fn._implements, fn.aliases = ops, aliases  # type: ignore[attr-defined]
        return fn

    return mark


def collect(package: str, path: Sequence[str]) -> Impls:
    """Import every family module of a backend; gather `@implements` functions and IMPLEMENTATIONS tables."""
    impls: Impls = {}
    for info in iter_modules(path):
        module = import_module(f"{package}.{info.name}")
        found = [(op, fn) for fn in vars(module).values() if getattr(fn, "__module__", "") == module.__name__
                 for op in getattr(fn, "_implements", ())]  # fmt: skip
        for op, fn in [*found, *getattr(module, "IMPLEMENTATIONS", {}).items()]:
            if op in impls:
                raise ValueError(f"{package}: {op!r} is implemented twice")
            impls[op] = fn
    return impls
