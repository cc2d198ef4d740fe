"""What a model is fed: arrays, data sets or batches, as (inputs, target) batches where the network is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ..data import DataLoader, Dataset, Subset, TensorDataset, default_collate
from ..device import Device
from ..dtypes import DType
from ..errors import DTypeError, SettingError, ShapeError
from ..ops.random import default_generator
from ..tensor import Tensor, tensor


class Place(NamedTuple):
    """Where the network is: batches go to its device, NumPy's floats become its dtype."""

    device: Device
    dtype: DType

    def host(self, batch: Any) -> Any:
        """`batch` with NumPy's floats in the network's dtype, so that no device has to convert them."""
        if isinstance(batch, tuple | list):
            return tuple(self.host(field) for field in batch)
        if isinstance(batch, np.ndarray) and batch.dtype.kind == "f":
            return batch.astype(str(self.dtype), copy=False)
        return batch

    def put(self, batch: Any) -> Any:
        """`batch` as Tensors on the network's device; raises DTypeError for what is no array."""
        if isinstance(batch, tuple | list):
            return tuple(self.put(field) for field in batch)
        if isinstance(batch, Tensor):
            return batch if batch.device is self.device else batch.to(self.device)
        if isinstance(batch, np.ndarray | np.generic):
            return tensor(self.host(np.asarray(batch)), device=self.device)
        raise DTypeError(
            f"Model: expected NumPy arrays or Tensors, got {type(batch).__name__}; "
            "make an array with numpy.asarray"
        )


class _Rows:
    """The rows of inputs and targets as samples: a batch is (inputs, targets), or (inputs,) alone."""

    def __init__(self, inputs: tuple[Any, ...], targets: tuple[Any, ...], several: bool) -> None:
        self.rows = TensorDataset(*inputs, *targets)
        self.inputs, self.several = len(inputs), several

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self._paired(self.rows[index])

    def gather(self, indices: Any) -> Any:
        """A batch of these rows."""
        return self._paired(self.rows.gather(indices))

    def _paired(self, fields: tuple[Any, ...]) -> tuple[Any, ...]:
        inputs, targets = fields[: self.inputs], fields[self.inputs :]
        if not targets:
            return (inputs,)
        return inputs, targets if self.several else targets[0]


class _Converted:
    """A data set whose batches have the network's dtype while they are still on the host."""

    def __init__(self, inner: Any, place: Place) -> None:
        self.inner, self.place = inner, place

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int) -> Any:
        return self.inner[index]

    def gather(self, indices: Any) -> Any:
        """A batch, made by the data set itself where it can."""
        gather = getattr(self.inner, "gather", None)
        if gather is None:
            return self.place.host(default_collate([self.inner[int(k)] for k in indices]))
        return self.place.host(gather(indices))


class Feed:
    """Batches as often as asked for: each (inputs as a tuple, target), as Tensors where the network is.

    Raises SettingError for an epoch without batches, ShapeError or DTypeError for a batch of another form.
    """

    def __init__(
        self, where: str, source: Iterable[Any], place: Place, targets: bool = True
    ) -> None:
        self.where, self.source, self.place, self.targets = where, source, place, targets
        self._ahead: Iterator[Any] | None = None

    @property
    def steps(self) -> int | None:
        """Batches of an epoch, None if the source does not say."""
        return len(self.source) if isinstance(self.source, Sized) else None

    def __iter__(self) -> Iterator[tuple[tuple[Any, ...], Any]]:
        found, self._ahead = self._ahead or iter(self.source), None
        empty = True
        for batch in found:
            empty = False
            yield self._paired(batch)
        if empty:
            raise SettingError(
                f"{self.where}: expected at least one batch, got none; "
                "a generator runs dry, pass something that can be iterated over again"
            )

    def first(self) -> tuple[tuple[Any, ...], Any]:
        """The first batch of the next epoch, which that epoch will still give."""
        found = iter(self.source)
        for batch in found:
            self._ahead = chain([batch], found)
            return self._paired(batch)
        raise SettingError(f"{self.where}: expected at least one batch, got none")

    def _paired(self, batch: Any) -> tuple[tuple[Any, ...], Any]:
        whole: Any = batch if isinstance(batch, tuple | list) else (batch,)
        if len(whole) != 2 and (self.targets or len(whole) != 1):
            want = "(inputs, targets)" if self.targets else "inputs, or (inputs, targets)"
            raise ShapeError(
                f"{self.where}: expected batches of {want}, got {_described(batch)}; "
                "several inputs go in a tuple of their own"
            )
        inputs = whole[0] if isinstance(whole[0], tuple | list) else (whole[0],)
        return self.place.put(inputs), self.place.put(whole[1]) if self.targets else None


def _described(batch: Any) -> str:
    if isinstance(batch, tuple | list):
        return f"a {type(batch).__name__} of {len(batch)}"
    return f"a {type(batch).__name__}"


def samples(where: str, x: Any, y: Any, targets: bool = True) -> Any:
    """x and y as a data set of samples, or None where x gives batches itself.

    Raises DTypeError, ShapeError or SettingError for what cannot be fed.
    """
    if _are_arrays(x):
        if y is None and targets:
            raise SettingError(f"{where}: expected targets for arrays, got y=None")
        return _rows(where, x, y)
    if y is not None and isinstance(x, list | tuple | int | float | np.generic):
        raise DTypeError(
            f"{where}: expected x to be NumPy arrays or Tensors, got {type(x).__name__}; "
            "make one with numpy.asarray"
        )
    if y is not None:
        raise SettingError(
            f"{where}: expected y=None, got targets beside a {type(x).__name__}, whose batches hold them"
        )
    if isinstance(x, Dataset) and not isinstance(x, list | tuple | dict | str | bytes):
        if not len(x):
            raise SettingError(f"{where}: expected data, got an empty data set")
        return x
    if not isinstance(x, Iterable) or isinstance(x, dict | str | bytes):
        raise DTypeError(
            f"{where}: expected NumPy arrays, Tensors, a data set or batches, got {type(x).__name__}"
        )
    return None


def _are_arrays(x: Any) -> bool:
    fields = x if isinstance(x, tuple) else (x,)
    return bool(fields) and all(isinstance(f, Tensor | np.ndarray) for f in fields)


def _rows(where: str, x: Any, y: Any) -> _Rows:
    inputs = x if isinstance(x, tuple) else (x,)
    targets = () if y is None else y if isinstance(y, tuple) else (y,)
    for name, fields in (("x", inputs), ("y", targets)):
        for field in fields:
            if not isinstance(field, Tensor | np.ndarray):
                raise DTypeError(
                    f"{where}: expected {name} to be a NumPy array or a Tensor, got {type(field).__name__}"
                )
            if not field.shape:
                raise ShapeError(
                    f"{where}: expected {name} with a first axis of samples, got shape ()"
                )
            if (
                isinstance(field, np.ndarray)
                and field.dtype.kind not in "biuf"
                and field.dtype.name != "bfloat16"
            ):
                raise DTypeError(f"{where}: expected {name} of numbers, got dtype {field.dtype}")
    lengths = [int(field.shape[0]) for field in (*inputs, *targets)]
    if len(set(lengths)) > 1:
        raise ShapeError(f"{where}: expected as many targets as inputs, got lengths {lengths}")
    if not lengths[0]:
        raise SettingError(f"{where}: expected data, got arrays of length 0")
    return _Rows(inputs, targets, isinstance(y, tuple))


def feed(
    where: str, data: Any, x: Any, place: Place, batch_size: int, *, shuffle: bool = False,
    seed: int | None = None, epoch: int = 0, targets: bool = True,
) -> Feed:  # fmt: skip
    """Batches of the samples `data`, or of `x` itself where data is None."""
    if data is None:
        return Feed(where, x, place, targets)
    if shuffle and seed is None:
        seed = drawn_seed()
    loader = DataLoader(
        _Converted(data, place), batch_size, shuffle=shuffle, seed=seed, device=place.device
    )
    loader.epoch = epoch
    return Feed(where, loader, place, targets)


def drawn_seed() -> int:
    """A seed from clnn's stream of random numbers: clnn.manual_seed repeats the order of samples too."""
    state = np.random.SeedSequence(list(default_generator.reserve(1).values()))
    return int(state.generate_state(1, np.uint32)[0])


def split(where: str, data: Any, fraction: float) -> tuple[Any, Any]:
    """The samples before and after the last `fraction` of them; raises SettingError if either is empty."""
    if data is None:
        raise SettingError(
            f"{where}: expected arrays or a data set to split, got batches; pass validation_data"
        )
    n = len(data)
    at = int(n * (1 - fraction))
    if not 0 < at < n:
        raise SettingError(
            f"{where}: expected validation_split to leave samples on both sides, got {fraction} of {n}"
        )
    everything = range(n)
    return Subset(data, everything[:at]), Subset(data, everything[at:])


def is_once(source: Any) -> bool:
    """Whether `source` can be iterated over only once, as a generator."""
    return isinstance(source, Iterator)
