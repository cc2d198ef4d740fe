"""MNIST and CIFAR: clnn.data's files, KeyDNN's items, which are normalised arrays (C, H, W) and int labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ... import data
from ...errors import DatasetError

_Transform = Callable[[Any], Any] | None


@dataclass
class _Images:
    """Items are images / 255 in `dtype`, less the mean and over the deviation if `normalize`, and labels."""

    root: str | Path
    train: bool = True
    download: bool = False
    transform: _Transform = None
    target_transform: _Transform = None
    normalize: bool = False
    return_numpy: bool = True
    dtype: str = "float32"

    _source: ClassVar[Any]
    _mean: ClassVar[tuple[float, ...]]
    _std: ClassVar[tuple[float, ...]]

    def __post_init__(self) -> None:
        self.root = Path(self.root).expanduser().resolve()
        # Below KeyDNN's own folder, whose files of MNIST are the same.
        self.raw_dir = self.root / type(self).__name__.lower() / "raw"
        found = self._source(self.raw_dir, self.train, download=self.download)
        self.images = found.data if found.data.ndim == 3 else found.data.transpose(0, 3, 1, 2)
        self.labels = found.targets

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, idx: int) -> tuple[Any, Any]:
        image = self.images[idx].reshape(-1, *self.images.shape[-2:]).astype(self.dtype) / 255.0
        if self.normalize:
            mean, std = (
                np.array(v, image.dtype).reshape(-1, 1, 1) for v in (self._mean, self._std)
            )
            image = (image - mean) / std
        label = int(self.labels[idx])
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )


class MNIST(_Images):
    """Handwritten digits, (1, 28, 28)."""

    _source, _mean, _std = data.MNIST, (0.1307,), (0.3081,)


class CIFAR10(_Images):
    """Photographs of ten classes, (3, 32, 32)."""

    _source, _mean, _std = data.CIFAR10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class CIFAR100(_Images):
    """Photographs of a hundred classes, (3, 32, 32)."""

    _source, _mean, _std = data.CIFAR100, (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)


def _load(cls: type[Any], root: str | Path, **options: Any) -> Any:
    """From the files there are, else downloaded; raises DatasetError."""
    try:
        return cls(root, **options)
    except DatasetError:
        return cls(root, download=True, **options)


def load_mnist(
    *, train: bool = True, transform: _Transform = None, target_transform: _Transform = None,
    normalize: bool = True, return_numpy: bool = False, dtype: str = "float32",
    root_path: str | Path = "data",
) -> MNIST:  # fmt: skip
    """Handwritten digits, downloaded below `root_path` unless they are there."""
    return _load(MNIST, root_path, train=train, transform=transform, target_transform=target_transform,
                 normalize=normalize, return_numpy=return_numpy, dtype=dtype)  # fmt: skip


def load_cifar10(
    *, train: bool = True, transform: _Transform = None, target_transform: _Transform = None,
    normalize: bool = True, return_numpy: bool = False, dtype: str = "float32",
    root_path: str | Path = "data",
) -> CIFAR10:  # fmt: skip
    """Photographs of ten classes, downloaded below `root_path` unless they are there."""
    return _load(CIFAR10, root_path, train=train, transform=transform, target_transform=target_transform,
                 normalize=normalize, return_numpy=return_numpy, dtype=dtype)  # fmt: skip


def load_cifar100(
    *, train: bool = True, transform: _Transform = None, target_transform: _Transform = None,
    normalize: bool = True, return_numpy: bool = False, dtype: str = "float32",
    root_path: str | Path = "data",
) -> CIFAR100:  # fmt: skip
    """Photographs of a hundred classes, downloaded below `root_path` unless they are there."""
    return _load(CIFAR100, root_path, train=train, transform=transform, target_transform=target_transform,
                 normalize=normalize, return_numpy=return_numpy, dtype=dtype)  # fmt: skip


__all__ = ["load_cifar10", "load_cifar100", "load_mnist"]
