"""CIFAR-10 and CIFAR-100, by the binary version of their files: nothing is ever unpickled."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import FileFormatError
from .download import Remote
from .images import ImageDataset

_PIXELS = 3 * 32 * 32
_LARGEST = 1 << 28  # bytes of one file; the real ones have 154 million


class CIFAR10(ImageDataset):
    """Photographs of ten classes: 50,000 and 10,000 images of 32 x 32 x 3.  Krizhevsky 2009.

    Read from root/cifar-10-batches-bin, or straight from root/cifar-10-binary.tar.gz, which is what is downloaded.
    """

    mirrors = (
        "https://www.cs.toronto.edu/~kriz/",
        "https://cave.cs.toronto.edu/kriz/",
        "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
    )
    classes: ClassVar[tuple[str, ...]] = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    remote: ClassVar = Remote(
        "cifar-10-binary.tar.gz", 170052171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    )  # fmt: skip
    folder: ClassVar[str] = "cifar-10-batches-bin"
    parts: ClassVar[dict[bool, tuple[str, ...]]] = {
        True: tuple(f"data_batch_{k}.bin" for k in range(1, 6)), False: ("test_batch.bin",),
    }  # fmt: skip
    labels: ClassVar[int] = 1  # bytes before each image, of which the last one is the label

    def _home(self) -> Path:
        return self.root

    def _remotes(self) -> Iterable[Remote]:
        return (self.remote,)

    def _load(self) -> tuple[Any, Any]:
        names, archive = self.parts[self.train], self.root / self.remote.name
        if all((self.root / self.folder / name).is_file() for name in names):
            found = [_read_file(self.root / self.folder / name) for name in names]
        elif archive.is_file():
            found = read_members(archive, [f"{self.folder}/{name}" for name in names])
        else:
            raise self._missing(
                [self.folder, self.remote.name],
                "; the python version of the files holds pickles and is not read",
            )
        rows = np.concatenate([self._records(content) for content in found])
        images = rows[:, self.labels :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return images, rows[:, self.labels - 1].astype(np.int64)

    def _records(self, content: bytes) -> Any:
        size = self.labels + _PIXELS
        if len(content) % size:
            raise FileFormatError(
                f"{type(self).__name__}: expected whole images of {size} bytes, got {len(content)} bytes"
            )
        return np.frombuffer(content, np.uint8).reshape(-1, size)


class CIFAR100(CIFAR10):
    """Photographs of a hundred classes: 50,000 and 10,000 images of 32 x 32 x 3.  Krizhevsky 2009.

    Read from root/cifar-100-binary, or straight from root/cifar-100-binary.tar.gz, which is what is downloaded.
    """

    remote = Remote(
        "cifar-100-binary.tar.gz", 168513733, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
    )  # fmt: skip
    folder = "cifar-100-binary"
    parts: ClassVar[dict[bool, tuple[str, ...]]] = {True: ("train.bin",), False: ("test.bin",)}
    labels = 2
    classes = (
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
        "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
        "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
        "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
        "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
        "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
        "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
        "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
        "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger",
        "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
    )  # fmt: skip


def _read_file(path: Path) -> bytes:
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > _LARGEST:
            raise FileFormatError(f"CIFAR: expected at most {_LARGEST} bytes, got {size} in {path}")
        return file.read()


def read_members(path: Path, names: list[str]) -> list[bytes]:
    """The content of the files `names` of a .tar.gz, in that order; nothing is unpacked to disk.

    Raises FileFormatError for a damaged archive, one with names outside of their folder, and for members that
    are missing, no plain files or larger than any of these data sets'.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                if member.name.startswith(("/", "\\")) or ".." in Path(member.name).parts:
                    raise FileFormatError(
                        f"read_members: expected names inside of the archive, got {member.name!r} in {path}"
                    )
                if member.name not in names or member.name in found:
                    continue
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or member.size > _LARGEST:
                    raise FileFormatError(
                        f"read_members: expected a file of at most {_LARGEST} bytes, got {member.name!r} in {path}"
                    )
                found[member.name] = content.read()
    except (EOFError, tarfile.TarError, gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(
            f"read_members: expected an intact archive, got {path}: {error}"
        ) from None
    for name in names:
        if name not in found:
            raise FileFormatError(f"read_members: expected {name!r} in {path}, got {sorted(found)}")
    return [found[name] for name in names]
