"""Tensors made from numbers: the same on every device, and what torch makes."""

import numpy as np
import pytest

import clnn
from clnn.errors import DeviceError, DTypeError, SettingError, ShapeError
from harness import from_torch, torch

FLOATS = ("float32", "float64", "float16", "bfloat16")
DTYPES = (*FLOATS, "int32", "int64", "uint8", "bool")

# calls that mean the same in torch; "dtype" is translated
CALLS = [
    *[("zeros", (2, 3), {"dtype": d}) for d in DTYPES],
    *[("ones", ((2, 3),), {"dtype": d}) for d in DTYPES],
    ("zeros", ((),), {}),
    ("ones", (0, 3), {}),
    ("ones", (5,), {}),
    ("full", ((2, 2), 7), {}),
    ("full", ((2, 2), 2.5), {}),
    ("full", ((2, 2), True), {}),
    ("full", ((3,), 2**40), {}),
    ("full", ((3,), -2.9), {"dtype": "int32"}),
    ("full", ((1000, 3), 0.1), {"dtype": "float64"}),
    ("arange", (5,), {}),
    ("arange", (5.0,), {}),
    ("arange", (2, 11, 3), {}),
    ("arange", (5, -5, -2), {}),
    ("arange", (0,), {}),
    ("arange", (3, 3), {}),
    ("arange", (0, 1, 0.1), {}),
    ("arange", (1, 2.5, 0.5), {}),
    ("arange", (2**40, 2**40 + 5), {}),
    ("arange", (0, 10, 2.5), {"dtype": "int64"}),
    ("arange", (100_000,), {"dtype": "float32"}),
    *[("arange", (7,), {"dtype": d}) for d in DTYPES if d != "bool"],
    ("linspace", (0, 1, 5), {}),
    ("linspace", (-3, 10.5, 1000), {}),
    ("linspace", (3, 7, 1), {}),
    ("linspace", (3, 7, 2), {}),
    ("linspace", (3, 7, 0), {}),
    ("linspace", (1, 0, 7), {"dtype": "float64"}),
    ("linspace", (0, 1, 11), {"dtype": "float16"}),
    ("linspace", (0.1, 0.7, 101), {}),
    ("eye", (4,), {}),
    ("eye", (3, 5), {}),
    ("eye", (5, 3), {"dtype": "int64"}),
    ("eye", (0, 3), {}),
    ("eye", (3, 70_000), {}),
    ("eye", (2, 300), {"dtype": "bool"}),
    ("eye", (2, 300), {"dtype": "float16"}),
]  # fmt: skip


@pytest.mark.peers
@pytest.mark.parametrize(("fn", "args", "options"), CALLS, ids=str)
def test_is_what_torch_makes(fn, args, options):
    theirs = {k: getattr(torch, v) if k == "dtype" else v for k, v in options.items()}
    want = from_torch(getattr(torch, fn)(*args, **theirs))
    got = getattr(clnn, fn)(*args, **options, device="cpu").numpy()
    check(got, want)


@pytest.mark.parametrize(("fn", "args", "options"), CALLS, ids=str)
def test_is_the_same_on_every_device(fn, args, options, opencl_device):
    want = getattr(clnn, fn)(*args, **options, device="cpu").numpy()
    got = getattr(clnn, fn)(*args, **options, device=opencl_device).numpy()
    check(got, want)


def check(got, want):
    assert (got.shape, got.dtype.name) == (want.shape, want.dtype.name)
    exact = want.dtype.name in ("int32", "int64", "uint8", "bool")
    rtol = {"float16": 1e-3, "bfloat16": 1e-2, "float64": 1e-12}.get(want.dtype.name, 3e-7)
    got, want = (got, want) if exact else (got.astype(np.float64), want.astype(np.float64))
    np.testing.assert_allclose(got, want, rtol=0 if exact else rtol, atol=0 if exact else 3e-7)


def test_ends_of_linspace_are_exact(device):
    x = clnn.linspace(0.1, 0.7, 1001, device=device).numpy()
    assert (x[0], x[-1]) == (np.float32(0.1), np.float32(0.7))


def test_eye_wider_than_float32_counts(device):
    wide = clnn.eye(2, 2**24 + 3, device=device, dtype="float16").numpy()
    assert np.flatnonzero(wide.view(np.uint16)).tolist() == [0, 2**24 + 4]


def test_nothing_is_uploaded(opencl_device, monkeypatch):
    backend = clnn.device(opencl_device).backend
    monkeypatch.setattr(backend.rt, "upload", None)
    clnn.arange(3, device=opencl_device)
    clnn.eye(3, device=opencl_device)
    clnn.rand(3, device=opencl_device)
    clnn.zeros(3, device=opencl_device)
    clnn.randperm(3, device=opencl_device)


def test_empty(device):
    x = clnn.empty(2, 3, dtype="float16", device=device)
    assert (x.shape, x.dtype, x.numpy().shape) == ((2, 3), "float16", (2, 3))


def test_requires_grad(device):
    assert clnn.zeros(2, device=device, requires_grad=True).requires_grad
    assert clnn.rand(2, device=device, requires_grad=True).requires_grad
    with pytest.raises(DTypeError, match="expected a floating dtype, got int64"):
        clnn.arange(2, device=device, requires_grad=True)


class TestTensor:
    @pytest.mark.parametrize(
        ("data", "dtype", "shape"),
        [
            (1.5, "float32", ()),
            (3, "int64", ()),
            (True, "bool", ()),
            ([], "float32", (0,)),
            ([[1, 2], [3, 4]], "int64", (2, 2)),
            ([[1, 2.0]], "float32", (1, 2)),
            (((1, 2), (3, 4)), "int64", (2, 2)),
            (np.ones((2, 3)), "float64", (2, 3)),
            (np.float64(2), "float64", ()),
            (np.arange(6, dtype=np.int32).reshape(2, 3).T, "int32", (3, 2)),
            (range(3), "int64", (3,)),
        ],
        ids=str,
    )
    def test_dtype_and_shape(self, data, dtype, shape, device):
        x = clnn.tensor(data, device=device)
        assert (x.dtype, x.shape) == (dtype, shape)
        np.testing.assert_array_equal(x.numpy(), np.asarray(data))

    def test_copies(self, device):
        host = np.ones(3, np.float32)
        x = clnn.tensor(host, device=device)
        host[:] = 7
        assert x.tolist() == [1, 1, 1]
        x.numpy()[:] = 7
        assert x.tolist() == [1, 1, 1]

    def test_of_a_tensor_and_of_tensors(self, device):
        x = clnn.tensor([1.0, 2.0], device=device, requires_grad=True)
        y = clnn.tensor(x, device=device)
        assert y.tolist() == [1, 2]
        assert not y.requires_grad
        assert clnn.tensor([x.sum(), x.sum()], device=device).tolist() == [3, 3]

    def test_from_numpy(self):
        assert clnn.from_numpy(np.arange(3)).tolist() == [0, 1, 2]
        with pytest.raises(DTypeError, match="from_numpy: expected a NumPy array, got list"):
            clnn.from_numpy([1])

    def test_bad_data(self):
        with pytest.raises(ShapeError, match="tensor: expected sequences of equal length"):
            clnn.tensor([[1], [1, 2]])
        with pytest.raises(DTypeError, match="got 'complex128'"):
            clnn.tensor(1j)
        with pytest.raises(DTypeError, match="expected one of"):
            clnn.tensor("text")
        with pytest.raises(DTypeError, match="got 'int8'"):
            clnn.tensor(np.zeros(2, np.int8))
        with pytest.raises(DeviceError, match="got 'gpu'"):
            clnn.tensor(1, device="gpu")


def test_like_takes_what_it_is_not_given(device):
    x = clnn.zeros(2, 3, dtype="float16", device=device)
    assert clnn.rand_like(x).dtype == "float16"
    assert clnn.ones_like(x, dtype="int32").dtype == "int32"
    assert clnn.zeros_like(x, device="cpu").device == clnn.device("cpu")
    assert clnn.randn_like(x, dtype=clnn.float32, requires_grad=True).requires_grad
    assert x.new_zeros(2, 2).dtype == "float16"
    assert x.new_ones((2, 2), dtype="int64").tolist() == [[1, 1], [1, 1]]
    assert x.new_full((2,), 2.5).tolist() == [2.5, 2.5]
    assert x.new_empty(4).shape == (4,)
    assert x.new_tensor([1, 2]).dtype == "float16"
    assert x.new_tensor([1, 2]).device == x.device


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: clnn.zeros(2, -1), ShapeError, r"zeros: expected sizes >= 0, got \(2, -1\)"),
        (lambda: clnn.zeros(2.0), DTypeError, "zeros: expected ints, got 2.0"),
        (lambda: clnn.zeros("ab"), DTypeError, "zeros: expected ints, got 'ab'"),
        (lambda: clnn.ones(2, dtype="complex64"), DTypeError, "got 'complex64'"),
        (lambda: clnn.arange(0, 5, 0), SettingError, "arange: .* a step other than 0"),
        (
            lambda: clnn.arange(0, 5, -1),
            SettingError,
            "arange: expected a step from 0 towards 5, got -1",
        ),
        (lambda: clnn.arange(0, float("inf")), SettingError, "arange: expected finite"),
        (lambda: clnn.arange(3, dtype="bool"), DTypeError, "arange: expected a numeric dtype"),
        (lambda: clnn.arange("a"), DTypeError, "arange: .* got str"),
        (lambda: clnn.linspace(0, 1, -1), ShapeError, "linspace: expected sizes >= 0"),
        (lambda: clnn.linspace(0, 1, 2.5), DTypeError, "linspace: expected a shape of ints"),
        (
            lambda: clnn.linspace(0, 1, 3, dtype="int64"),
            DTypeError,
            "linspace: expected a floating",
        ),
        (lambda: clnn.eye(-1), ShapeError, "eye: expected sizes >= 0"),
        (lambda: clnn.full((2,), None), DTypeError, "full: .* got NoneType"),
        (lambda: clnn.full((2,), 2**70, dtype="int64"), SettingError, "full: .* int64 holds"),
    ],
)
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()
