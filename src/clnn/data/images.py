"""What the data sets of labelled images share: their folder, items and batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from platformdirs import user_cache_dir

from ..errors import DatasetError, FileFormatError
from .dataset import position
from .download import Remote, fetch


class ImageDataset:
    """Images and labels in memory; subclasses say which files they are in and read them.

    data: uint8, (N, H, W) or (N, H, W, 3); targets: int64, (N,). An item is (image, label): without a
    transform the image is float32 (C, H, W) in [0, 1], what torchvision's ToTensor makes of it; a transform gets
    the uint8 array (H, W) or (H, W, 3). target_transform gets the label as an int.
    """

    mirrors: ClassVar[tuple[str, ...]]
    classes: ClassVar[tuple[str, ...]]

    def __init__(
        self, root: Any = None, train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None, download: bool = False,
    ) -> None:  # fmt: skip
        """root: the folder the files are below or go to, the user's cache if None.

        Raises DatasetError for files that are missing or that no mirror has, FileFormatError for damaged ones.
        """
        cache = Path(user_cache_dir("clnn", appauthor=False), "datasets")
        self.root = cache if root is None else Path(root).expanduser()
        self.train, self.transform, self.target_transform = bool(train), transform, target_transform
        if download:
            for remote in self._remotes():
                fetch(type(self).__name__, remote, self.mirrors, self._home())
        self.data, self.targets = self._load()
        self._check()

    def _home(self) -> Path:
        """Where downloads go."""
        raise NotImplementedError

    def _remotes(self) -> Iterable[Remote]:
        """What has to be downloaded."""
        raise NotImplementedError

    def _load(self) -> tuple[Any, Any]:
        """Images and labels."""
        raise NotImplementedError

    def _check(self) -> None:
        who = type(self).__name__
        if len(self.data) != len(self.targets):
            raise FileFormatError(
                f"{who}: expected a label for each of {len(self.data)} images, got {len(self.targets)}"
            )
        if self.targets.size and not 0 <= self.targets.min() <= self.targets.max() < len(
            self.classes
        ):
            raise FileFormatError(
                f"{who}: expected labels below {len(self.classes)}, got {self.targets.max()}"
            )

    def _missing(self, names: Iterable[str], more: str = "") -> DatasetError:
        return DatasetError(
            f"{type(self).__name__}: expected {' or '.join(names)} below {self.root}, got none; "
            f"pass download=True{more}"
        )

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class."""
        return {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        row = position(type(self).__name__, index, len(self))
        image, label = self.data[row], int(self.targets[row])
        return (
            _normalised(image[None])[0] if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )

    @property
    def gather(self) -> Any:
        """The way to make a batch at once; AttributeError where transforms want single items."""
        if self.transform is not None or self.target_transform is not None:
            raise AttributeError(f"{type(self).__name__}: transforms take one item at a time")
        return lambda indices: (_normalised(self.data[indices]), self.targets[indices])

    def __repr__(self) -> str:
        part = "train" if self.train else "test"
        return f"{type(self).__name__}({len(self)} images, {part}, root={str(self.root)!r})"


def _normalised(images: Any) -> Any:
    """uint8 (N, H, W) or (N, H, W, C) -> float32 (N, C, H, W) in [0, 1]."""
    planes = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return np.divide(planes, np.float32(255), order="C")
