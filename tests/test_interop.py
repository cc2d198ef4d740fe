"""Tensors on their way to Python, NumPy, other devices, copies and text; what `import clnn` imports."""

import copy
import operator
import pickle
import subprocess
import sys

import numpy as np
import pytest

import clnn
from clnn.errors import AutogradError, DeviceError, DTypeError, ShapeError
from harness import torch


@pytest.fixture
def x(device):
    return clnn.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], device=device)


@pytest.fixture
def n(device):
    return clnn.tensor([7, -7, 3], device=device)


X = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], np.float32)
N = np.array([7, -7, 3])


class TestToPython:
    @pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
    def test_floats(self, dtype, device):
        x = clnn.tensor([[1.5]], dtype=dtype, device=device)
        assert type(x.item()) is float
        assert (x.item(), float(x), int(x), bool(x), x.tolist()) == (1.5, 1.5, 1, True, [[1.5]])
        with pytest.raises(DTypeError, match=f"index: expected an integer tensor, got {dtype}"):
            range(x)

    def test_integers_and_bool(self, device):
        k = clnn.tensor(3, device=device)
        assert type(k.item()) is int
        assert list(range(5))[k] == 3
        assert type((k == 3).item()) is bool
        assert not bool(k == 4)

    def test_more_than_one_element(self, x):
        for wrong in (bool, int, float, operator.methodcaller("item")):
            with pytest.raises(
                ShapeError, match=r"item: expected a tensor of one element, got shape \(2, 3\)"
            ):
                wrong(x)

    def test_format(self, x):
        assert f"{x.sum():.2f}" == "5.00"
        assert f"{x}" == repr(x)
        with pytest.raises(ShapeError, match=r"item: expected a tensor of one element"):
            f"{x:.2f}"

    def test_numpy_is_a_copy(self, x):
        host = x.numpy()
        host[:] = 0
        np.testing.assert_array_equal(x.to_numpy(), X)

    def test_array_protocol(self, x, n):
        assert np.asarray(x).dtype == np.float32
        assert np.array(x, dtype=np.float64).dtype == np.float64
        np.testing.assert_array_equal(np.asarray(x.requires_grad_()), X)
        assert np.mean(np.asarray(n)) == 1
        with pytest.raises(ValueError, match="expected copy None or True"):
            np.array(x, copy=False)

    @pytest.mark.parametrize(
        "dtype", ["float32", "float64", "float16", "int32", "int64", "uint8", "bool"]
    )
    def test_dlpack(self, dtype, device):
        x = clnn.tensor([[0, 1], [1, 0]], dtype=dtype, device=device)
        assert x.__dlpack_device__() == (1, 0)
        got = np.from_dlpack(x)
        assert got.dtype.name == dtype
        np.testing.assert_array_equal(got, x.numpy())

    @pytest.mark.peers
    def test_dlpack_to_torch(self, device):
        x = clnn.tensor([[0, 1], [1, 0]], device=device)
        assert torch.from_dlpack(x).tolist() == x.tolist()

    def test_dlpack_of_bfloat16_is_refused(self, device):
        with pytest.raises(DTypeError, match=r"got bfloat16; use \.float\(\)"):
            np.from_dlpack(clnn.zeros(2, dtype="bfloat16", device=device))


class TestRepr:
    def test_values_and_device(self, device):
        x = clnn.tensor([1.0, 2.5], device=device)
        assert repr(x) == f"tensor([1. , 2.5], device='{device}')"
        assert repr(clnn.tensor(3, device=device)) == f"tensor(3, device='{device}')"
        assert repr(x.half()) == f"tensor([1. , 2.5], device='{device}', dtype=clnn.float16)"
        assert repr(x.bfloat16()).startswith("tensor([1. , 2.5]")
        assert repr(x.requires_grad_()).endswith("requires_grad=True)")
        assert repr(x * 2).endswith("grad_fn=<gradient of mul>)")

    def test_large_tensors_are_summarised(self, device):
        text = repr(clnn.zeros(1000, 1000, device=device))
        assert "..." in text
        assert len(text) < 1000


class TestConversion:
    def test_to(self, x, device):
        assert x.to("float16").dtype == "float16"
        assert x.to(clnn.int32).dtype == "int32"
        assert x.to(float).dtype == "float32"
        assert x.to(np.float64).dtype == "float64"
        assert x.to(device) is x
        assert x.to("cpu").device == clnn.device("cpu")
        assert x.cpu().device == clnn.device("cpu")
        both = x.to("cpu", "int64")
        assert (both.device, both.dtype) == (clnn.device("cpu"), "int64")
        both = x.to(device=clnn.device("cpu"), dtype="float16")
        assert (both.device, both.dtype) == (clnn.device("cpu"), "float16")
        like = x.to(clnn.zeros(1, dtype="int32", device="cpu"))
        assert (like.device, like.dtype) == (clnn.device("cpu"), "int32")
        assert x.to(None) is x

    def test_to_what_is_not_there(self, x):
        with pytest.raises(DeviceError, match="got 'gpu'"):
            x.to("gpu")
        with pytest.raises(DTypeError, match="expected one of"):
            x.to(dtype="complex64")
        with pytest.raises(DTypeError, match="expected one of"):
            x.to(3)

    def test_by_name(self, x):
        names = {"float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16",
                 "int": "int32", "long": "int64", "byte": "uint8", "bool": "bool"}  # fmt: skip
        for name, dtype in names.items():
            assert getattr(abs(x), name)().dtype == dtype
        assert x.float() is x
        assert x.type() == "float32"
        assert x.type("int32").dtype == "int32"
        assert x.type_as(x.half()).dtype == "float16"

    def test_gradient_passes_through(self, device):
        x = clnn.ones(2, device=device, requires_grad=True)
        y = x.to("cpu", "float64")
        assert y.requires_grad
        assert not y.is_leaf
        y.backward(clnn.tensor([1.0, 2.0], dtype="float64", device="cpu"))
        assert (x.grad.tolist(), x.grad.dtype, x.grad.device) == ([1, 2], "float32", x.device)

    def test_detach_and_clone(self, device):
        x = clnn.ones(2, device=device, requires_grad=True)
        assert not x.detach().requires_grad
        assert x.detach().array is x.array
        y = x.clone()
        assert y.requires_grad
        assert y.array is not x.array
        y.sum().backward()
        assert x.grad.tolist() == [1, 1]

    def test_deepcopy(self, device):
        x = clnn.ones(2, device=device, requires_grad=True)
        (2 * x).sum().backward()
        y, z = copy.deepcopy([x, x])
        assert y is z
        assert (y.requires_grad, y.is_leaf, y.tolist(), y.grad.tolist()) == (
            True,
            True,
            [1, 1],
            [2, 2],
        )
        assert y.array is not x.array
        with pytest.raises(AutogradError, match="deepcopy: expected a leaf"):
            copy.deepcopy(2 * x)

    def test_pickling_is_refused(self, x):
        with pytest.raises(DTypeError, match=r"pickle: .* use clnn.save"):
            pickle.dumps(x)


def test_importing_clnn_touches_no_driver():
    code = (
        "import sys, clnn, clnn.testing\n"
        "clnn.algorithm('matmul', 'tile')\n"
        "clnn.tensor([1.0], device='cpu').exp().numpy()\n"
        "print([m for m in ('pyopencl', 'mako', 'torch', 'rich') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        check=True,
    )
    assert out.stdout.strip() == "[]"
