"""KeyDNN's data sets, Keras import, command and quick start."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import clnn
from clnn import nn
from clnn.compat import keydnn
from clnn.compat.keydnn import Device, Sequential, Tensor, layers
from clnn.compat.keydnn.activations import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from clnn.compat.keydnn.cli import main
from clnn.compat.keydnn.infrastructure import CIFAR10, MNIST
from clnn.compat.keydnn.keras import converted
from clnn.errors import DatasetError

pytestmark = pytest.mark.usefixtures("home")


def idx(array):
    """An array in MNIST's file format, compressed."""
    head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(head + array.astype(np.uint8).tobytes())


@pytest.fixture
def root(tmp_path):
    """Folders as KeyDNN leaves them, with a few images: digits that are bright in a row of their own."""
    rng = np.random.default_rng(0)
    raw = tmp_path / "mnist" / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", 60), ("t10k", 20)):
        labels = np.arange(n) % 10
        images = rng.integers(0, 30, (n, 28, 28))
        images[np.arange(n), 2 * labels + 4] = 255
        (raw / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (raw / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    folder = tmp_path / "cifar10" / "raw" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"):
        rows = rng.integers(0, 255, (4, 3073)).astype(np.uint8)
        rows[:, 0] = np.arange(4)
        (folder / name).write_bytes(rows.tobytes())
    return tmp_path


class TestDatasets:
    def test_mnist(self, root):
        data = keydnn.load_mnist(root_path=root)
        image, label = data[3]
        assert (len(data), image.shape, image.dtype, label, type(label)) == (
            60,
            (1, 28, 28),
            np.float32,
            3,
            int,
        )
        want = (data.images[3].astype(np.float32) / 255 - 0.1307) / 0.3081
        np.testing.assert_allclose(image[0], want, rtol=1e-5)
        plain = keydnn.load_mnist(train=False, normalize=False, dtype="float64", root_path=root,
                                  transform=lambda v: v.sum(), target_transform=str)  # fmt: skip
        assert (len(plain), plain[1]) == (20, (pytest.approx(plain.images[1].sum() / 255), "1"))

    def test_cifar(self, root):
        data = CIFAR10(root)
        image, label = data[1]
        assert (len(data), data.images.shape, image.shape, label) == (
            20,
            (20, 3, 32, 32),
            (3, 32, 32),
            1,
        )
        assert 0 <= image.min() < image.max() <= 1
        normal = keydnn.load_cifar10(root_path=root)[1][0]
        np.testing.assert_allclose(normal[2], (image[2] - 0.4465) / 0.2616, rtol=1e-5)

    def test_files_that_are_missing(self, tmp_path):
        with pytest.raises(DatasetError):
            MNIST(tmp_path)


LAYERS = [
    (lambda: nn.Linear(3, 4, bias=False), layers.Linear, (2, 3)),
    (lambda: nn.Conv2d(2, 3, 3, 2, 1), layers.Conv2d, (2, 2, 6, 5)),
    (lambda: nn.ConvTranspose2d(2, 3, 3, 2, 1, 1), layers.Conv2dTranspose, (2, 2, 4, 4)),
    (lambda: nn.BatchNorm1d(3), layers.BatchNorm1d, (4, 3)),
    (lambda: nn.BatchNorm2d(3, momentum=0.2), layers.BatchNorm2d, (2, 3, 4, 4)),
    (lambda: nn.LayerNorm((3, 4)), layers.LayerNorm, (2, 3, 4)),
    (lambda: nn.MaxPool2d(2, 1), layers.MaxPool2d, (1, 2, 4, 4)),
    (lambda: nn.AvgPool2d((2, 1)), layers.AvgPool2d, (1, 2, 4, 4)),
    (lambda: nn.GlobalAvgPool2d(), layers.GlobalAvgPool2d, (1, 2, 4, 4)),
    (lambda: nn.Dropout(0.2), layers.Dropout, (2, 3)),
    (lambda: nn.Flatten(), layers.Flatten, (2, 3, 4)),
    (lambda: nn.ReLU(), ReLU, (2, 3)),
    (lambda: nn.LeakyReLU(0.2), LeakyReLU, (2, 3)),
    (lambda: nn.Sigmoid(), Sigmoid, (2, 3)),
    (lambda: nn.Tanh(), Tanh, (2, 3)),
    (lambda: nn.Softmax(0), Softmax, (2, 3)),
    # what KeyDNN has no layer for stays
    (lambda: nn.Conv2d(2, 2, 3, groups=2), nn.Conv2d, (2, 2, 6, 5)),
    (lambda: nn.Conv2d(2, 2, 3, padding="same"), nn.Conv2d, (2, 2, 6, 5)),
    (lambda: nn.MaxPool2d(3, ceil_mode=True), nn.MaxPool2d, (1, 2, 5, 5)),
    (lambda: nn.Softplus(), nn.Softplus, (2, 3)),
    (lambda: nn.AvgPool2d(2, padding=1, count_include_pad=False), nn.AvgPool2d, (1, 2, 4, 4)),
]


class TestKeras:
    @pytest.mark.parametrize(("make", "cls", "shape"), LAYERS)
    def test_layers(self, make, cls, shape, home):
        layer = make().to(home).eval()
        for k, p in enumerate(
            (*layer.parameters(), *(b for n, b in layer.named_buffers() if "running" in n))
        ):
            nn.init.uniform_(p, 0.5 + k, 1.0 + k)
        found = converted(layer).eval()
        assert type(found) is cls
        x = clnn.rand(*shape, device=home)
        np.testing.assert_allclose(found(x).numpy(), layer(x).numpy(), rtol=1e-5, atol=1e-6)

    @pytest.mark.peers
    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras
    def test_a_model(self, tmp_path, monkeypatch):
        monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
        pytest.importorskip("h5py")
        keras = pytest.importorskip("keras")
        model = keras.Sequential([
            keras.layers.Input((8, 8, 2)), keras.layers.Conv2D(3, 3, padding="same", activation="relu"),
            keras.layers.BatchNormalization(), keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(), keras.layers.Dense(4), keras.layers.Softmax()])  # fmt: skip
        x = np.random.default_rng(0).random((3, 8, 8, 2), np.float32)
        want = np.asarray(keras.ops.convert_to_numpy(model(x)))
        model.save(tmp_path / "m.keras")
        found = keydnn.from_keras(str(tmp_path / "m.keras"))
        given = keydnn.numpy_to_tensor(x.transpose(0, 3, 1, 2), Device("cpu"))
        assert isinstance(found, Sequential)
        np.testing.assert_allclose(found.predict(given).to_numpy(), want, rtol=1e-4, atol=1e-5)
        assert (
            main(["convert", "--src", str(tmp_path / "m.keras"), "--dst", str(tmp_path / "m.json")])
            == 0
        )
        again = Sequential.load_json(tmp_path / "m.json")
        np.testing.assert_allclose(again.predict(given).to_numpy(), want, rtol=1e-4, atol=1e-5)
        config = tmp_path / "c.json"
        assert (
            main(
                [
                    "convert",
                    "--src",
                    str(tmp_path / "m.keras"),
                    "--dst",
                    str(config),
                    "--config-only",
                ]
            )
            == 0
        )
        kept = json.loads(config.read_text())
        assert (kept["format"], kept["modules"][0]["type"]) == ("keydnn.model.v1", "Conv2d")


class TestCommand:
    def test_the_mnist_example(self, root, capsys):
        options = [
            "--root",
            str(root),
            "--epochs",
            "12",
            "--batch-size",
            "10",
            "--hidden-dim",
            "32",
            "--verbose",
            "0",
        ]
        assert main(["test", "--train_mnist_example", *options]) == 0
        accuracy = float(capsys.readouterr().out.split()[2])
        assert accuracy > 0.8

    def test_the_cifar_example(self, root, capsys):
        options = [
            "--root",
            str(root),
            "--epochs",
            "1",
            "--limit-train",
            "8",
            "--limit-test",
            "4",
            "--verbose",
            "0",
        ]
        assert main(["test", "--train_cifar_example", "--normalize", "--no-shuffle", *options]) == 0
        assert "test accuracy" in capsys.readouterr().out

    def test_errors_are_told(self, tmp_path, capsys):
        assert (
            main(
                ["convert", "--src", str(tmp_path / "no.keras"), "--dst", str(tmp_path / "m.json")]
            )
            == 1
        )
        assert "clnn.compat.keydnn convert:" in capsys.readouterr().err
        for wrong in (
            ["convert", "--src", "a.h5", "--dst", "b.txt"],
            ["test"],
            [],
            ["test", "--device"],
        ):
            with pytest.raises(SystemExit) as end:
                main(wrong)
            assert end.value.code == 2


def test_as_a_command():
    found = {**os.environ, "PYTHONPATH": str(Path(clnn.__file__).parents[1])}
    command = [sys.executable, "-m", "clnn.compat.keydnn", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=found)
    assert "convert" in done.stdout


class TestQuickStart:
    """What KeyDNN's first page shows, in other words."""

    def test_gradients(self):
        x = Tensor(shape=(2, 3), device=Device("cpu"), requires_grad=True)
        y = (x * 2.0).sum()
        y.backward()
        assert x.grad.to_numpy().tolist() == [[2.0] * 3] * 2

    def test_a_card_if_there_is_one(self):
        device = Device("cuda:0") if keydnn.backend.cuda_available() else Device("cpu")
        x = Tensor.rand((64, 64), device=device, requires_grad=True)
        y = (x @ x.T).mean()
        y.backward()
        a = x.to_numpy().astype(np.float64)
        assert y.item() == pytest.approx((a @ a.T).mean(), rel=1e-4)
        np.testing.assert_allclose(
            x.grad.to_numpy(), np.tile(2 * a.sum(0) / 64**2, (64, 1)), rtol=1e-3
        )
