"""MNIST and Fashion-MNIST: files in the IDX format, plain or compressed."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import FileFormatError
from .download import Remote
from .images import ImageDataset

_PARTS = {True: "train", False: "t10k"}
_BYTES = 8  # the code of unsigned bytes in the third byte of a file
_LARGEST = 1 << 28  # bytes of one file; the real ones have 47 million


class MNIST(ImageDataset):
    """Handwritten digits: 60,000 and 10,000 images of 28 x 28.  LeCun, Cortes, Burges 1998.

    Files are looked for in root/MNIST/raw, where downloads go, and in root; plain or as .gz.
    """

    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    classes: ClassVar[tuple[str, ...]] = (
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    )  # fmt: skip
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            "train-images-idx3-ubyte.gz", 9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        Remote(
            "train-labels-idx1-ubyte.gz", 28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        Remote(
            "t10k-images-idx3-ubyte.gz", 1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        Remote(
            "t10k-labels-idx1-ubyte.gz", 4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    )  # fmt: skip

    def _home(self) -> Path:
        return self.root / type(self).__name__ / "raw"

    def _remotes(self) -> Iterable[Remote]:
        return [r for r in self.remotes if r.name.startswith(_PARTS[self.train])]

    def _load(self) -> tuple[Any, Any]:
        images = read_idx(self._find("images-idx3-ubyte"), 3)
        labels = read_idx(self._find("labels-idx1-ubyte"), 1)
        return images, labels.astype(np.int64)

    def _find(self, name: str) -> Path:
        stem = f"{_PARTS[self.train]}-{name}"
        places = [
            folder / (stem + end) for folder in (self._home(), self.root) for end in ("", ".gz")
        ]
        for path in places:
            if path.is_file():
                return path
        raise self._missing([stem, f"{stem}.gz"])


class FashionMNIST(MNIST):
    """Pictures of clothes: 60,000 and 10,000 images of 28 x 28.  Xiao, Rasul, Vollgraf 2017.

    Files are looked for in root/FashionMNIST/raw, where downloads go, and in root; plain or as .gz.
    """

    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    )
    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
    remotes = (
        Remote(
            "train-images-idx3-ubyte.gz", 26421880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        Remote(
            "train-labels-idx1-ubyte.gz", 29515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        Remote(
            "t10k-images-idx3-ubyte.gz", 4422102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        Remote(
            "t10k-labels-idx1-ubyte.gz", 5148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    )  # fmt: skip


def read_idx(path: str | os.PathLike[str], ndim: int) -> Any:
    """The uint8 array of `ndim` axes in an IDX file, compressed if its name ends in .gz.

    Raises FileFormatError for any other content, and for more or less than the header announces.
    """
    path = Path(path)
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            magic, head = file.read(4), file.read(4 * ndim)
            if magic != bytes((0, 0, _BYTES, ndim)) or len(head) < 4 * ndim:
                raise FileFormatError(
                    f"read_idx: expected an IDX file of bytes with {ndim} axes, got {path}, which starts "
                    f"with {magic!r}"
                )
            shape = tuple(int(n) for n in np.frombuffer(head, ">u4"))
            if prod(shape) > _LARGEST:
                raise FileFormatError(
                    f"read_idx: expected at most {_LARGEST} bytes, got shape {shape} in {path}"
                )
            content = _content(file, prod(shape))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(f"read_idx: expected an intact file, got {path}: {error}") from None
    if len(content) != prod(shape):
        more = "more" if len(content) > prod(shape) else len(content)
        raise FileFormatError(
            f"read_idx: expected {prod(shape)} bytes for shape {shape}, got {more} in {path}"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _content(file: Any, size: int) -> bytearray:
    """Up to one byte more than `size`, taking memory only for what is there."""
    found = bytearray()
    while part := file.read(min(1 << 20, size + 1 - len(found))):
        found += part
    return found
