"""Saving and loading: what comes back, what a damaged file does, and that files are written whole."""

import json
import os
import pickle
import stat
import struct

import numpy as np
import pytest
import safetensors.numpy

import clnn
from clnn import io, optim
from clnn.errors import DTypeError, FileFormatError, SettingError

DTYPES = ["float32", "float16", "bfloat16", "int32", "int64", "uint8", "bool"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.clnn"


def state(device="cpu"):
    rng = np.random.default_rng(0)
    return {
        "weight": clnn.tensor(rng.standard_normal((3, 5)).astype("f4"), device=device),
        "scalar": clnn.tensor(2.5, device=device),
        "empty": clnn.tensor(np.zeros((0, 4), "f4"), device=device),
        "nested": {"a.b": [1, (2.5, None, True, "text")], "array": np.arange(6).reshape(2, 3)},
        3: {"step": 7, "nan": float("inf")},
    }


def same(a, b):
    if isinstance(a, dict):
        assert list(a) == list(b)
        for k in a:
            same(a[k], b[k])
    elif isinstance(a, (list, tuple)):
        assert type(a) is type(b)
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif hasattr(a, "shape"):
        assert isinstance(b, clnn.Tensor)
        x, y = (v.numpy() if isinstance(v, clnn.Tensor) else v for v in (a, b))
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)
    else:
        assert type(a) is type(b)
        assert a == b


def test_what_was_saved_comes_back(path, device):
    clnn.io.save(path, state(device))
    back = io.load(path, device=device)
    same(state("cpu"), back)
    assert back["weight"].device == clnn.device(device)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(path, device, dtype):
    x = np.array([[0, 1, 2], [3, 0.5, 200]]).astype(dtype)
    io.save(path, [clnn.tensor(x, device=device)])
    (back,) = io.load(path, device)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back.numpy(), x)


def test_float64_and_views(path):
    x = np.arange(12.0).reshape(3, 4)
    io.save(path, {"t": x.T, "part": x[::2, 1], "big": x.astype(">f8")})
    back = io.load(path, "cpu")
    np.testing.assert_array_equal(back["t"].numpy(), x.T)
    np.testing.assert_array_equal(back["part"].numpy(), x[::2, 1])
    np.testing.assert_array_equal(back["big"].numpy(), x)


def test_one_tensor_and_colliding_names(path):
    io.save(path, clnn.tensor([1.0], device="cpu"))
    assert io.load(path, "cpu").numpy().tolist() == [1]
    odd = {
        "a": {"b": np.ones(1)},
        "a.b": np.zeros(1),
        "__metadata__": np.full(1, 2.0),
        "": np.full(1, 3.0),
    }
    io.save(path, odd, metadata={"a": np.full(1, 4.0)})
    same(odd, io.load(path, "cpu"))
    same({"a": np.full(1, 4.0)}, io.load_metadata(path))


def test_plain_values_only(path):
    io.save(path, {"epoch": 3})
    assert io.load(path, "cpu") == {"epoch": 3}


def test_metadata(path):
    io.save(path, {}, metadata={"epoch": 3, "accuracy": 0.99, "classes": ["a", "b"]})
    assert io.load_metadata(path) == {"epoch": 3, "accuracy": 0.99, "classes": ["a", "b"]}
    io.save(path, {})
    assert io.load_metadata(path) == {}


def test_others_can_read_the_tensors(path):
    io.save(path, {"layer.weight": np.arange(3.0), "n": 1})
    theirs = safetensors.numpy.load_file(path)
    assert list(theirs) == ["layer.weight"]
    np.testing.assert_array_equal(theirs["layer.weight"], np.arange(3.0))


def test_an_optimizer_continues_from_a_file(path, device):
    def train(params, optimizer, steps):
        for k in steps:
            for p in params:
                p.grad = clnn.tensor(np.full(p.shape, np.sin(k + 1), "f4"), device=device)
            optimizer.step()

    def fresh(values):
        params = [clnn.tensor(v, device=device, requires_grad=True) for v in values]
        return params, optim.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}])

    params, optimizer = fresh([np.ones((2, 3), "f4"), np.ones(4, "f4")])
    train(params, optimizer, range(3))
    io.save(path, {"params": params, "optimizer": optimizer})
    saved = io.load(path, "cpu")
    again, other = fresh([p.numpy() for p in saved["params"]])
    other.load_state_dict(saved["optimizer"])
    assert other.param_groups[1]["betas"] == (0.9, 0.999)
    train(params, optimizer, range(3, 6))
    train(again, other, range(3, 6))
    for a, b in zip(params, again, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


# --- damage -------------------------------------------------------------------------------------


@pytest.fixture
def intact(path):
    io.save(path, state(), metadata={"epoch": 1})
    return path.read_bytes()


def test_truncated_anywhere(path, intact):
    cuts = {*range(64), *range(64, len(intact), 37), len(intact) - 1}
    for cut in sorted(cuts):
        path.write_bytes(intact[:cut])
        with pytest.raises(FileFormatError, match="load: expected"):
            io.load(path, "cpu")


def test_any_changed_byte(path, intact):
    rng = np.random.default_rng(0)
    header = 8 + struct.unpack("<Q", intact[:8])[0]
    wrong = []
    for at in [*range(header), *range(header, len(intact), 7)]:
        changed = bytearray(intact)
        changed[at] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        try:
            back = io.load(path, "cpu")
        except FileFormatError:
            continue
        try:  # white space may change to other white space: then nothing else may differ
            same(state(), back)
        except AssertionError:
            wrong.append(at)
    assert wrong == []


def test_longer_than_it_should_be(path, intact):
    path.write_bytes(intact + b"\0")
    with pytest.raises(FileFormatError):
        io.load(path, "cpu")


def test_foreign_files(path):
    for content in (
        b"",
        b"PK\x03\x04" + bytes(100),
        pickle.dumps([1]),
        b"{}" * 50,
        bytes(200),
        b"\xff" * 40,
    ):
        path.write_bytes(content)
        for read in (io.load, io.load_metadata, lambda p: io.load_model(p, dict)):
            with pytest.raises(FileFormatError, match=r"load: expected .* got .*model\.clnn"):
                read(path)


def test_safetensors_of_somebody_else(path):
    for metadata in (None, {"format": "pt"}):
        safetensors.numpy.save_file({"x": np.ones(3)}, path, metadata=metadata)
        with pytest.raises(FileFormatError, match="expected a file that clnn wrote"):
            io.load(path, "cpu")


def test_a_newer_version(path):
    safetensors.numpy.save_file({}, path, metadata={"format": "clnn", "version": "2"})
    with pytest.raises(FileFormatError, match="expected version 1 of the format, got '2'"):
        io.load(path, "cpu")


def test_fields_that_make_no_sense(path):
    deep = "[" * 100_000 + "]" * 100_000
    for field in ("not json", '{"tensor": "missing"}', '{"dict": [1]}', '{"a": 1, "b": 2}', deep):
        io.safe.write(path, {"state": field}, {})
        with pytest.raises(FileFormatError, match="load: expected a readable 'state'"):
            io.load(path, "cpu")


def test_a_missing_file(path):
    with pytest.raises(FileNotFoundError):
        io.load(path)


# --- writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("obj", "match"), [
    ({"a": {"b": object()}}, "got object at 'a.b'"),
    ({1.5: 2}, "keys to be str or int, got 1.5 at ''"),
    ({"f": print}, "got builtin_function_or_method at 'f'"),
    ({"c": [1j]}, r"got complex at 'c.0'"),
    (np.array(["x"]), "expected one of"),
])  # fmt: skip
def test_what_cannot_be_saved_writes_nothing(path, obj, match):
    io.save(path, {"old": 1})
    with pytest.raises(DTypeError, match=match):
        io.save(path, obj)
    assert io.load(path, "cpu") == {"old": 1}
    assert os.listdir(path.parent) == [path.name]


def test_a_write_that_fails_leaves_the_old_file(path, monkeypatch):
    io.save(path, {"old": 1})

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    for name in ("save_file", "os.replace", "os.fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(f"clnn.io.safe.{name}", full)
            with pytest.raises(OSError, match="No space"):
                io.save(path, state())
        assert io.load(path, "cpu") == {"old": 1}
        assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions and links")
def test_permissions_and_links_are_kept(path, tmp_path):
    io.save(path, {})
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o600)
    link = tmp_path / "latest"
    link.symlink_to(path)
    io.save(link, {"new": 1})
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert io.load(path, "cpu") == {"new": 1}


# --- modules ------------------------------------------------------------------------------------


class Scale:
    """The least of a module that io needs to know."""

    def __init__(self, size):
        self.size, self.weight = size, clnn.tensor(np.ones(size, "f4"), device="cpu")

    def state_dict(self):
        return {"weight": self.weight}

    def load_state_dict(self, state):
        self.weight = state["weight"]

    def architecture(self):
        return {"class": "Scale", "config": {"size": self.size}}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def to(self, device):
        self.weight = self.weight.to(device)
        return self


def test_a_module_is_rebuilt(path, device):
    module = Scale((2, 3))
    module.weight = clnn.tensor(np.arange(6, dtype="f4").reshape(2, 3), device="cpu")
    io.save(path, module)
    for build in (Scale, lambda a: {"Scale": Scale}[a["class"]](**a["config"])):
        back = io.load_model(path, build, device=device)
        assert back.size == (2, 3)
        assert back.weight.device == clnn.device(device)
        np.testing.assert_array_equal(back.weight.numpy(), module.weight.numpy())
    assert list(io.load(path, device)) == ["weight"]


def test_a_file_without_a_module(path):
    io.save(path, {"weight": np.ones(3)})
    with pytest.raises(SettingError, match="load_model: expected a file with a module"):
        io.load_model(path, Scale)


def test_the_header_is_plain_json(path):
    io.save(path, Scale(2), metadata={"epoch": 1})
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    fields = header["__metadata__"]
    assert (fields["format"], fields["version"]) == ("clnn", "1")
    assert json.loads(fields["metadata"]) == {"dict": [["epoch", 1]]}
