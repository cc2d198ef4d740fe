"""Data sets: a length, items by index and, where it can, many items at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isclose
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .. import ops
from ..errors import DTypeError, IndexOutOfRangeError, SettingError, ShapeError
from ..tensor import Tensor, tensor


@runtime_checkable
class Dataset(Protocol):
    """Anything with a length and items by index: a list is one.

    A data set that also has `gather(indices)`, from an int64 array to a ready batch, is not asked for
    single items by a DataLoader.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


def check_dataset(where: str, dataset: Any) -> None:
    """Raise DTypeError for what has no length or no items."""
    if not isinstance(dataset, Dataset) or isinstance(dataset, dict | str | bytes):
        raise DTypeError(
            f"{where}: expected a data set with __len__ and __getitem__, got {type(dataset).__name__}"
        )


class TensorDataset:
    """Tuples of rows of tensors or NumPy arrays that have the same first size.

    NumPy arrays stay on the host until a batch is made of them; Tensors stay on their device, and so do
    their batches. Raises ShapeError for other sizes or 0-d tensors, DTypeError for other types.
    """

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise SettingError("TensorDataset: expected at least one tensor or array, got none")
        for t in tensors:
            if not isinstance(t, Tensor | np.ndarray):
                raise DTypeError(
                    f"TensorDataset: expected Tensors or NumPy arrays, got {type(t).__name__}"
                )
            if not t.shape or t.shape[0] != tensors[0].shape[0]:
                shapes = ", ".join(str(tuple(t.shape)) for t in tensors)
                raise ShapeError(f"TensorDataset: expected the same first size, got {shapes}")
        self.tensors = tensors

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        row = position("TensorDataset", index, len(self))
        return tuple(
            _rows(t, np.array([row])).reshape(t.shape[1:]) if isinstance(t, Tensor) else t[row]
            for t in self.tensors
        )

    def gather(self, indices: Any) -> tuple[Any, ...]:
        """One batch per tensor: rows `indices`, copied once."""
        return tuple(_rows(t, indices) for t in self.tensors)


def _rows(t: Any, indices: Any) -> Any:
    if isinstance(t, Tensor):
        return ops.index_select(t.detach(), 0, tensor(indices, device=t.device))
    return t[indices]


def position(where: str, index: int, length: int) -> int:
    """`index` counted from the start; raises IndexOutOfRangeError."""
    if not -length <= index < length:
        raise IndexOutOfRangeError(
            f"{where}: expected an index in [{-length}, {length - 1}], got {index}"
        )
    return index % length


class Subset:
    """The items of `dataset` at `indices`, in that order.

    Raises IndexOutOfRangeError for an index outside of the data set.
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        check_dataset("Subset", dataset)
        self.dataset = dataset
        found = np.asarray(indices)
        if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
            raise DTypeError(f"Subset: expected a sequence of ints, got {indices!r}")
        for outside in found[(found < -len(dataset)) | (found >= len(dataset))][:1]:
            position("Subset", int(outside), len(dataset))
        self.indices = found.astype(np.int64)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[position("Subset", index, len(self))])]

    @property
    def gather(self) -> Any:
        """The data set's own way to make a batch; AttributeError where it has none."""
        whole = self.dataset.gather
        return lambda indices: whole(self.indices[indices])


def random_split(dataset: Any, lengths: Sequence[float], seed: int | None = None) -> list[Subset]:
    """Disjoint random subsets of `dataset` of these lengths; the same ones for the same seed.

    lengths: ints that add up to len(dataset), or fractions that add up to 1, of which what rounding
    leaves goes to the first ones. Raises SettingError when they add up to something else.
    """
    check_dataset("random_split", dataset)
    n = len(dataset)
    if any(length < 0 for length in lengths):
        raise SettingError(f"random_split: expected lengths >= 0, got {list(lengths)}")
    if all(isinstance(length, int) for length in lengths):
        counts = [int(length) for length in lengths]
    elif isclose(sum(lengths), 1):
        counts = [floor(n * length) for length in lengths]
        for k in range(n - sum(counts)):
            counts[k % len(counts)] += 1
    else:
        raise SettingError(
            f"random_split: expected ints that add up to {n} or fractions that add up to 1, "
            f"got {list(lengths)}"
        )
    if sum(counts) != n:
        raise SettingError(f"random_split: expected lengths that add up to {n}, got {counts}")
    order = np.random.default_rng(seed).permutation(n)
    ends = np.cumsum(counts)
    return [Subset(dataset, part.tolist()) for part in np.split(order, ends[:-1])]
