"""MNIST, FashionMNIST, CIFAR10 and CIFAR100: files in their formats, made here, and damaged ones."""

import gzip
import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
from server import Mirror, serving

import clnn
from clnn.data import CIFAR10, CIFAR100, MNIST, DataLoader, Dataset, FashionMNIST, Subset
from clnn.data.download import Remote
from clnn.errors import DatasetError, FileFormatError, IndexOutOfRangeError

RNG = np.random.default_rng(0)
DIGITS = RNG.integers(0, 256, (7, 28, 28), dtype=np.uint8)
PHOTOS = RNG.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
LABELS = np.array([3, 0, 9, 9, 1, 5, 7])
MANY = np.array([3, 0, 9, 9, 1, 5, 7, 2, 8, 4])


def idx(array):
    array = np.asarray(array, np.uint8)
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes()


def put_mnist(folder, images=None, labels=None, end="", part="train"):
    folder.mkdir(parents=True, exist_ok=True)
    pack = gzip.compress if end else bytes
    images = idx(DIGITS) if images is None else images
    labels = idx(LABELS) if labels is None else labels
    (folder / f"{part}-images-idx3-ubyte{end}").write_bytes(pack(images))
    (folder / f"{part}-labels-idx1-ubyte{end}").write_bytes(pack(labels))


def records(photos, labels, before=b""):
    planes = photos.transpose(0, 3, 1, 2)
    return b"".join(
        before + bytes([k]) + image.tobytes() for image, k in zip(planes, labels, strict=True)
    )


def cifar10_files(photos=PHOTOS, labels=MANY):
    out = {
        f"cifar-10-batches-bin/data_batch_{k + 1}.bin": records(
            photos[2 * k : 2 * k + 2], labels[2 * k : 2 * k + 2]
        )
        for k in range(5)
    }
    return {**out, "cifar-10-batches-bin/test_batch.bin": records(photos[:3], labels[:3])}


def tarred(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


# --- MNIST --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("below", [None, "raw"])
def test_idx_files_are_read_plain_and_compressed(kind, end, below, tmp_path):
    put_mnist(tmp_path / kind.__name__ / below if below else tmp_path, end=end)
    data = kind(tmp_path)
    assert isinstance(data, Dataset)
    assert (data.data.dtype, data.targets.dtype) == (np.uint8, np.int64)
    assert np.array_equal(data.data, DIGITS)
    assert np.array_equal(data.targets, LABELS)
    assert len(data) == 7


def test_an_item_is_an_image_and_a_label(tmp_path):
    put_mnist(tmp_path, part="t10k")
    data = MNIST(str(tmp_path), train=False)
    image, label = data[-1]
    assert (image.shape, image.dtype) == ((1, 28, 28), np.float32)
    assert np.array_equal(image[0], DIGITS[6].astype(np.float32) / 255)
    assert label == 7
    assert type(label) is int
    assert data.class_to_idx["7 - seven"] == 7
    with pytest.raises(IndexOutOfRangeError, match="MNIST"):
        data[7]


def test_transforms_get_the_bytes_and_the_int(tmp_path):
    put_mnist(tmp_path)
    seen = []

    def keep(image):
        seen.append((image.dtype, image.shape))
        return image.astype("float32")[None]

    data = MNIST(tmp_path, transform=keep, target_transform=lambda k: 10 * k)
    image, label = data[0]
    assert (image.shape, label) == ((1, 28, 28), 30)
    assert seen == [(np.uint8, (28, 28))]
    x, y = next(iter(DataLoader(data, batch_size=7, device="cpu")))
    assert np.array_equal(x.numpy()[:, 0], DIGITS.astype("float32"))
    assert y.tolist() == (10 * LABELS).tolist()


@pytest.mark.parametrize("kind", [MNIST, CIFAR10])
def test_a_batch_is_the_items_stacked(kind, tmp_path, device):
    put_mnist(tmp_path)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(tarred(cifar10_files()))
    data = kind(tmp_path)
    (x, y), *_ = list(DataLoader(Subset(data, [6, 2, 4]), batch_size=3, device=device))
    items = [data[k] for k in (6, 2, 4)]
    assert np.array_equal(x.numpy(), np.stack([image for image, _ in items]))
    assert y.tolist() == [label for _, label in items]
    assert (x.dtype, y.dtype, x.device.name) == (clnn.float32, clnn.int64, device)


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (idx(DIGITS)[:-1], None, "5488 bytes for shape .7, 28, 28., got 5487"),
        (idx(DIGITS) + b"x", None, "got more"),
        (b"", None, "IDX file of bytes with 3 axes"),
        (idx(LABELS), None, "3 axes"),
        (bytes((0, 0, 13, 3)) + idx(DIGITS)[4:], None, "IDX file of bytes"),
        (bytes((0, 0, 8, 3)) + b"\xff" * 12, None, "expected at most"),
        (idx(DIGITS)[:10], None, "3 axes"),
        (None, idx(LABELS[:-1]), "a label for each of 7 images, got 6"),
        (None, idx(LABELS + 4), "labels below 10, got 13"),
    ],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_files_that_are_not_what_they_say_are_refused(images, labels, said, end, tmp_path):
    put_mnist(tmp_path, images, labels, end)
    with pytest.raises(FileFormatError, match=said):
        MNIST(tmp_path)


@pytest.mark.parametrize(
    "content", [gzip.compress(idx(DIGITS))[:-20], b"no gzip", b"\x1f\x8b\x08" + b"\0" * 40]
)
def test_damaged_gzip_is_refused(content, tmp_path):
    put_mnist(tmp_path, end=".gz")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(FileFormatError, match="intact file"):
        MNIST(tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(
        DatasetError, match=r"train-images-idx3-ubyte or .*\.gz below .*download=True"
    ):
        MNIST(tmp_path)
    with pytest.raises(
        DatasetError, match=r"cifar-10-batches-bin or cifar-10-binary\.tar\.gz .*pickles"
    ):
        CIFAR10(tmp_path)


def test_without_a_root_files_lie_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "clnn.data.images.user_cache_dir", lambda *args, **named: str(tmp_path / "cache")
    )
    put_mnist(tmp_path / "cache" / "datasets" / "MNIST" / "raw")
    assert len(MNIST()) == 7


# --- CIFAR --------------------------------------------------------------------------------------


def test_cifar10_is_read_from_the_archive_and_from_the_folder(tmp_path):
    files = cifar10_files()
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(
        tarred({"cifar-10-batches-bin/readme.html": b"", **files})
    )
    for _ in range(2):
        data, test = CIFAR10(tmp_path), CIFAR10(tmp_path, train=False)
        assert np.array_equal(data.data, PHOTOS)
        assert np.array_equal(data.targets, MANY)
        assert np.array_equal(test.data, PHOTOS[:3])
        (tmp_path / "cifar-10-batches-bin").mkdir(exist_ok=True)
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        (tmp_path / "cifar-10-binary.tar.gz").unlink(missing_ok=True)
    image, label = data[1]
    assert (image.shape, image.dtype, label) == ((3, 32, 32), np.float32, 0)
    assert np.array_equal(image, PHOTOS[1].transpose(2, 0, 1).astype("float32") / 255)
    assert CIFAR10.classes[0] == "airplane"


def test_cifar100_has_fine_labels_behind_coarse_ones(tmp_path):
    fine = np.arange(90, 100)
    (tmp_path / "cifar-100-binary.tar.gz").write_bytes(
        tarred({"cifar-100-binary/train.bin": records(PHOTOS, fine, b"\x13")})
    )
    data = CIFAR100(tmp_path)
    assert np.array_equal(data.data, PHOTOS)
    assert np.array_equal(data.targets, fine)
    assert len(data.classes) == 100
    assert list(data.classes) == sorted(set(data.classes))
    with pytest.raises(FileFormatError, match=r"cifar-100-binary/test.bin"):
        CIFAR100(tmp_path, train=False)


def link():
    member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"../escape": b"x"}, "inside of the archive, got '../escape'"),
        ({"/escape": b"x"}, "inside of the archive"),
        ({"cifar-10-batches-bin/../../escape": b"x"}, "inside of the archive"),
        ({link(): b""}, "a file of at most"),
        ({"cifar-10-batches-bin/test_batch.bin": b"x" * 3074}, "whole images of 3073 bytes"),
        ({"cifar-10-batches-bin/test_batch.bin": bytes([10]) + b"x" * 3072}, "labels below 10"),
        ({"elsewhere/test_batch.bin": b""}, "expected 'cifar-10-batches-bin/test_batch.bin'"),
    ],
)
def test_archives_that_are_not_what_they_should_be_are_refused(files, said, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "cifar-10-binary.tar.gz").write_bytes(tarred(files))
    with pytest.raises(FileFormatError, match=said):
        CIFAR10(tmp_path / "root", train=False)
    assert [p.name for p in tmp_path.iterdir()] == ["root"]


@pytest.mark.parametrize("keep", [0, 10, 200, -200])
def test_a_truncated_archive_is_refused(keep, tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(tarred(cifar10_files())[:keep])
    with pytest.raises(FileFormatError, match="intact archive"):
        CIFAR10(tmp_path, train=False)


def test_pickles_are_not_read(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps({}))
    with pytest.raises(DatasetError, match="pickles and is not read"):
        CIFAR10(tmp_path, train=False)


# --- downloads ----------------------------------------------------------------------------------


def listed(files):
    return tuple(Remote(n, len(c), hashlib.sha256(c).hexdigest()) for n, c in files.items())


def test_mnist_downloads_the_part_it_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    files = {
        f"{part}-{kind}.gz": gzip.compress(idx(array[:n]))
        for part, n in (("train", 7), ("t10k", 2))
        for kind, array in (("images-idx3-ubyte", DIGITS), ("labels-idx1-ubyte", LABELS))
    }
    mirror = Mirror(files)
    with serving(mirror) as urls:
        monkeypatch.setattr(MNIST, "mirrors", tuple(urls))
        monkeypatch.setattr(MNIST, "remotes", listed(files))
        assert len(MNIST(tmp_path, train=False, download=True)) == 2
        assert len(MNIST(tmp_path, train=True, download=True)) == 7
    assert sorted(name for name, _ in mirror.asked) == sorted(files)
    assert {p.name for p in (tmp_path / "MNIST" / "raw").iterdir()} == set(files)


def test_cifar_downloads_its_archive(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    files = {"cifar-10-binary.tar.gz": tarred(cifar10_files())}
    with serving(Mirror(files)) as urls:
        monkeypatch.setattr(CIFAR10, "mirrors", tuple(urls))
        monkeypatch.setattr(CIFAR10, "remote", listed(files)[0])
        assert np.array_equal(CIFAR10(tmp_path, download=True).data, PHOTOS)
    assert len(CIFAR10(tmp_path, train=False, download=True)) == 3


def test_checksums_are_sha256_and_mirrors_folders():
    for kind in (MNIST, FashionMNIST, CIFAR10, CIFAR100):
        remotes = kind.remotes if hasattr(kind, "remotes") else [kind.remote]
        assert all(len(bytes.fromhex(r.sha256)) == 32 for r in remotes)
        assert len(kind.mirrors) >= 2
        assert all(m.startswith("http") and m.endswith("/") for m in kind.mirrors)
