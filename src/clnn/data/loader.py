"""Batches of a data set on a device, in a repeatable order, prepared ahead by one thread."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from .. import ops
from ..device import Device
from ..device import device as open_device
from ..errors import DTypeError, SettingError, ShapeError
from ..tensor import Tensor, tensor
from .dataset import check_dataset

_THREAD = "clnn-data"


class DataLoader:
    """Iterates over `dataset` in batches, each with its arrays as Tensors on `device`.

    dataset: TensorDataset, Subset, or anything with a length and items. shuffle: a new order every epoch,
    which depends on `seed` and the `epoch` counter alone; with seed None it is drawn once, see `.seed`.
    drop_last: leave out a last batch that is not full. device: None is the default device for arrays, and
    leaves Tensors where they are. prefetch: batches one thread prepares ahead, 0 for none. collate_fn: makes
    a batch of a list of items. Raises SettingError or DTypeError; an error in the data set is raised in the loop.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: int | None = None,
        drop_last: bool = False,
        device: str | Device | None = None,
        prefetch: int = 2,
        collate_fn: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        check_dataset("DataLoader", dataset)
        for name, value, least in (("batch_size", batch_size, 1), ("prefetch", prefetch, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise SettingError(
                    f"DataLoader: expected {name} to be an int >= {least}, got {value!r}"
                )
        if seed is not None and (not isinstance(seed, int) or seed < 0):
            raise SettingError(f"DataLoader: expected seed to be an int >= 0, got {seed!r}")
        if collate_fn is not None and not callable(collate_fn):
            raise DTypeError(f"DataLoader: expected collate_fn to be callable, got {collate_fn!r}")
        self.dataset, self.batch_size, self.shuffle = dataset, batch_size, shuffle
        self.drop_last, self.prefetch, self.collate_fn = drop_last, prefetch, collate_fn
        self.device = None if device is None else open_device(device)
        self.seed = secrets.randbits(63) if seed is None else seed
        self.epoch = 0

    def __len__(self) -> int:
        n = len(self.dataset)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        batches = self._indices(self.epoch)
        self.epoch += 1
        return (
            _ahead(self._batch, batches, self.prefetch)
            if self.prefetch
            else map(self._batch, batches)
        )

    def _indices(self, epoch: int) -> list[Any]:
        """The items of every batch of an epoch."""
        n, size = len(self.dataset), self.batch_size
        order = np.arange(n)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(n)
        return [order[k * size : (k + 1) * size] for k in range(len(self))]

    def _batch(self, indices: Any) -> Any:
        gather = getattr(self.dataset, "gather", None)
        if gather is not None and self.collate_fn is None:
            return _place(gather(indices), self.device)
        items = [self.dataset[int(k)] for k in indices]
        return _place((self.collate_fn or default_collate)(items), self.device)


def _ahead(make: Callable[[Any], Any], batches: list[Any], depth: int) -> Iterator[Any]:
    """make(batch) for every batch, up to `depth` of them ahead of the consumer, on one thread."""
    pool = ThreadPoolExecutor(1, thread_name_prefix=_THREAD)
    waiting: deque[Future[Any]] = deque()
    try:
        for batch in batches:
            waiting.append(pool.submit(make, batch))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # A loop that was left early may be collected on the pool's own thread, which cannot wait for itself.
        inside = threading.current_thread().name.startswith(_THREAD)
        pool.shutdown(wait=not inside, cancel_futures=True)


def default_collate(items: list[Any]) -> Any:
    """Stack items to a batch: numbers and arrays along a new first axis, tuples and dicts field by field.

    Raises ShapeError for arrays of several shapes, DTypeError for items it cannot stack.
    """
    first = items[0]
    if isinstance(first, Tensor):
        return ops.stack(items)
    if isinstance(first, str | bytes):
        return items
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in items]) for key in first}
    if isinstance(first, Sequence):
        if any(len(item) != len(first) for item in items):
            lengths = sorted({len(item) for item in items})
            raise ShapeError(f"default_collate: expected items of one length, got {lengths}")
        fields = [default_collate(list(field)) for field in zip(*items, strict=True)]
        return type(first)(*fields) if hasattr(first, "_fields") else tuple(fields)
    if isinstance(first, float) and not isinstance(first, np.generic):
        return np.array(items, np.float32)
    if not isinstance(first, int | np.ndarray | np.generic):
        raise DTypeError(
            "default_collate: expected numbers, arrays, Tensors, tuples or dicts, got "
            f"{type(first).__name__}; pass collate_fn"
        )
    shapes = {np.shape(item) for item in items}
    if len(shapes) > 1:
        raise ShapeError(
            f"default_collate: expected arrays of one shape, got {sorted(shapes)}; pass collate_fn"
        )
    return np.stack(items)


def _place(batch: Any, device: Device | None) -> Any:
    """`batch` with its arrays as Tensors on `device`; what is neither is left alone."""
    if isinstance(batch, Tensor):
        return batch if device is None else batch.to(device)
    if isinstance(batch, np.ndarray | np.generic):
        return tensor(batch, device=device)
    if isinstance(batch, Mapping):
        return {key: _place(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        fields = [_place(value, device) for value in batch]
        if hasattr(batch, "_fields"):
            return type(batch)(*fields)
        return type(batch)(fields)
    return batch
