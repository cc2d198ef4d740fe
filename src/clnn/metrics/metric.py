"""What all metrics share: sums that stay on the device until somebody asks for the number."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..autograd import no_grad
from ..errors import DTypeError, SettingError, ShapeError
from ..tensor import Tensor

_BLOCK = 64  # steps summed before their sum is added to the whole: rounding grows with the blocks


class Total(NamedTuple):
    """A sum of Tensors, kept where they are; it is never changed, `plus` gives the next one."""

    whole: Tensor | None = None
    block: Tensor | None = None
    steps: int = 0

    def plus(self, value: Tensor) -> Total:
        """This sum and `value`; floats of 16 bits are summed in 32."""
        value = wide(value)
        block = value if self.block is None else self.block + value
        if self.steps + 1 < _BLOCK:
            return Total(self.whole, block, self.steps + 1)
        return Total(block if self.whole is None else self.whole + block)

    def read(self) -> Any:
        """The sum as a NumPy array of float64 (0 of nothing); waits for the device."""
        parts = [t.numpy().astype(np.float64) for t in (self.whole, self.block) if t is not None]
        return sum(parts, np.zeros(()))


class Metric:
    """Base of all metrics: `update(pred, target)` per batch, `compute()` for the number, `reset()`.

    A subclass replaces what it keeps and never changes it in place, so that a shallow copy is a snapshot:
    a training loop reads the state of a batch after the next one has begun. `larger_is_better` tells
    callbacks which way is up; None where nothing says so. Raises DTypeError unless `name` is a str.
    """

    larger_is_better: bool | None = None

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise DTypeError(f"{type(self).__name__}: expected name to be a str, got {name!r}")
        self.name = name
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError

    def update(self, pred: Any, target: Any) -> None:
        """Add a batch; waits for nothing."""
        raise NotImplementedError

    def compute(self) -> float:
        """The number for all batches since the last reset, NaN if there were none; waits for the device."""
        raise NotImplementedError

    def __call__(self, pred: Any, target: Any) -> float:
        """The number for these alone; what `update` has gathered stays as it is."""
        alone = copy.copy(self)
        alone.reset()
        alone.update(pred, target)
        return alone.compute()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class Mean(Metric):
    """The mean over samples of fn(pred, target), a number per batch; or of the numbers given to `add`.

    A batch counts with its size, the first axis of the target. Raises ShapeError for more than one number.
    """

    def __init__(
        self, fn: Callable[[Any, Any], Any] | None = None, name: str | None = None
    ) -> None:
        if fn is not None and not callable(fn):
            raise DTypeError(f"Mean: expected a function of (pred, target), got {fn!r}")
        super().__init__(name or str(getattr(fn, "__name__", "mean")))
        self.fn = fn

    def reset(self) -> None:
        """Forget all batches."""
        # One sum per batch size: weighing is left to `compute`, and a step costs one addition.
        self._totals: dict[int, Total] = {}
        self._host, self._count = 0.0, 0

    def update(self, pred: Any, target: Any) -> None:
        """Add a batch: fn decides the number."""
        if self.fn is None:
            raise SettingError(
                f"{self.name}: expected a function of (pred, target), got none; use add"
            )
        with no_grad():
            self.add(self.fn(pred, target), batch_size(target))

    def add(self, value: Any, count: int = 1) -> None:
        """Add a number, or a Tensor of one element, that stands for `count` samples."""
        if isinstance(value, Tensor):
            if value.spec.size != 1:
                raise ShapeError(
                    f"{self.name}: expected one number per batch, got shape {value.shape}"
                )
            with no_grad():
                flat = value.detach().reshape(()) if value.shape else value.detach()
                total = self._totals.get(count, Total()).plus(flat)
            self._totals = {**self._totals, count: total}
        else:
            self._host += float(value) * count
        self._count += count

    def compute(self) -> float:
        """The mean; waits for the device."""
        parts = [float(total.read()) * count for count, total in self._totals.items()]
        return sum(parts, self._host) / self._count if self._count else float("nan")


def batch_size(target: Any) -> int:
    """Samples of a batch: the first axis of a Tensor, or of the first of several."""
    while isinstance(target, tuple | list):
        target = target[0]
    return int(target.shape[0]) if target.shape else 1


def aligned(where: str, pred: Tensor, target: Tensor) -> Tensor:
    """`target` in the shape and dtype of `pred`; an axis of size 1 at the end may be missing or too many.

    Raises ShapeError otherwise: to broadcast (N, 1) with (N,) would compare everything with everything.
    """
    if target.shape != pred.shape:
        if pred.shape not in (
            (*target.shape, 1),
            target.shape[:-1] if target.shape[-1:] == (1,) else None,
        ):
            raise ShapeError(
                f"{where}: expected a target of shape {pred.shape}, got {target.shape}"
            )
        target = target.reshape(pred.shape)
    return target.to(pred.dtype)


def wide(x: Tensor) -> Tensor:
    """x, in float32 if its own dtype has 16 bits: a sum over it would lose digits or overflow."""
    return x.float() if x.dtype.itemsize < 4 and x.dtype.is_floating_point else x
