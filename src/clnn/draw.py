"""Tensors of random numbers, the same on every device."""

from __future__ import annotations

from typing import Any

from .dtypes import int64
from .errors import SettingError
from .methods import Where
from .ops.creation import as_shape, like, make
from .ops.movement import as_ints
from .ops.random import RANDINT, RANDPERM, Generator, drawn, normal, uniform
from .tensor import Tensor, kind_of


def rand(*size: Any, generator: Generator | None = None, dtype: Any = None, device: Where = None,
         requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Uniform numbers from [0, 1), the same on every device."""
    return uniform(Tensor, as_shape("rand", size), kind_of(dtype), device, generator=generator,
                   requires_grad=requires_grad)  # fmt: skip


def randn(*size: Any, generator: Generator | None = None, dtype: Any = None, device: Where = None,
          requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Normal numbers of mean 0 and variance 1, the same on every device up to rounding."""
    return normal(Tensor, as_shape("randn", size), kind_of(dtype), device, generator=generator,
                  requires_grad=requires_grad)  # fmt: skip


def randint(low: int = 0, high: Any = None, size: Any = None, *, generator: Generator | None = None,
            dtype: Any = None, device: Where = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Integers from [low, high), as randint(high, size) from [0, high). int64 unless told otherwise."""
    if size is None:
        high, size = None, high
    if high is None:
        low, high = 0, low
    if size is None:
        raise SettingError("randint: expected a size, got none")
    shape = as_shape("randint", (size,))
    (low, high) = as_ints("randint", (low, high))
    return make(RANDINT, Tensor, device, requires_grad, shape=shape, dtype=kind_of(dtype, int64), low=low,
                high=high, **drawn(shape, generator))  # fmt: skip


def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: Any = None,
                 device: Where = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Integers from [low, high), or from [0, low), in input's shape, dtype and device, unless given."""
    kind, where = like("randint_like", input, dtype, device)
    if high is None:
        low, high = 0, low
    return randint(low, high, input.shape, dtype=kind, device=where, requires_grad=requires_grad)


def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = None, device: Where = None
) -> Tensor:
    """The numbers 0 to n - 1 in random order, the same on every device. int64 unless told otherwise."""
    return make(
        RANDPERM, Tensor, device, False, n=n, dtype=kind_of(dtype, int64), **drawn((1,), generator)
    )
