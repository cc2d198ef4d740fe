"""Numbers as kernels take them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Any

from .program import scalar_types

# A float too large for its type becomes infinity; an integer too large is an error.
_AS: dict[str, Callable[[Any], Any]] = {
    "int": Struct("=i").pack, "uint": Struct("=I").pack, "long": Struct("=q").pack, "ulong": Struct("=Q").pack,
    "float": ctypes.c_float, "double": ctypes.c_double,
}  # fmt: skip


def converters(source: str, name: str) -> list[Callable[[Any], Any] | None]:
    """How each argument of kernel `name` is made of a number; None for memory."""
    return [None if kind is None else _AS[kind] for kind in scalar_types(source, name)]


def set_numbers(kernel: Any, places: Iterable[tuple[int, Any]], values: Sequence[Any]) -> None:
    """Give a kernel some of `values`, its arguments: `places` are positions and converters of these numbers.

    pyopencl's own launches do it with this call, in code that it generates and caches on disk; its public
    set_arg takes microseconds for each number.
    """
    flat: list[Any] = []
    for k, number in places:
        flat += (k, number(values[k]))
    kernel._set_arg_buf_multi(tuple(flat))


def set_all(kernel: Any, types: Iterable[Any], values: Iterable[Any]) -> None:
    """Give a kernel all of its arguments; `types` are their converters."""
    flat: list[Any] = []
    for k, (number, value) in enumerate(zip(types, values, strict=True)):
        if number is None:
            kernel.set_arg(k, value)
        else:
            flat += (k, number(value))
    kernel._set_arg_buf_multi(tuple(flat))
