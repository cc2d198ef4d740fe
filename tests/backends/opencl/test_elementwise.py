"""Elementwise maps: whole vectors, the elements that are left, and functions whose lanes must not meet."""

import math

import numpy as np
import pytest

import clnn
from clnn import ops


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 31, 33, 2047, 2049, 16385])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int64", "uint8"])
def test_every_length_is_mapped_to_its_end(opencl_device, n, dtype):
    x = (np.arange(n) % 100).astype(clnn.dtypes.dtype(dtype))
    y = clnn.tensor(x, device=opencl_device)
    np.testing.assert_array_equal(ops.add(y, y).numpy(), x + x)
    np.testing.assert_array_equal(ops.gt(y, 50).numpy(), x > 50)


@pytest.mark.parametrize("n", [1, 3, 16, 21, 49])
def test_rows_of_every_length_are_mapped_to_their_end(opencl_device, n):
    x, row, column = (np.random.default_rng(0).random(s, "float32") for s in ((9, n), (n,), (9, 1)))
    a, b, c = (clnn.tensor(v, device=opencl_device) for v in (x, row, column))
    np.testing.assert_array_equal(ops.add(ops.mul(a, c), b).numpy(), x * column + row)


@pytest.mark.parametrize("fn", ["sin", "cos", "tan"])
def test_a_huge_neighbour_changes_no_angle(opencl_device, fn):
    x = np.array([1e30, 0.0, -0.0, 1e-40, -1e-12, 7e-3, 7.9e-3, 0.1, 3.0, 1e5], "float32").repeat(3)
    got = getattr(ops, fn)(clnn.tensor(x, device=opencl_device)).numpy()
    np.testing.assert_allclose(got[3:], getattr(np, fn)(x[3:].astype("float64")), rtol=1e-6)
    np.testing.assert_array_equal(np.signbit(got[3:9]), np.signbit(getattr(np, fn)(x[3:9])))


def test_erf_is_within_two_units_in_the_last_place(opencl_device):
    x = np.concatenate([np.linspace(-4.5, 4.5, 4001), np.geomspace(1e-30, 1, 999)]).astype(
        "float32"
    )
    want = np.array([math.erf(v) for v in x])
    got = ops.erf(clnn.tensor(x, device=opencl_device)).numpy()
    assert np.max(np.abs(got - want) / np.spacing(np.abs(want).astype("float32"))) <= 2
    special = clnn.tensor([math.inf, -math.inf, math.nan, 0.0, -0.0], device=opencl_device)
    np.testing.assert_array_equal(ops.erf(special).numpy(), [1, -1, np.nan, 0, 0])
    assert np.signbit(ops.erf(special).numpy()[4])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integer_lanes_divide_and_raise_apart(opencl_device, dtype):
    a = np.array([7, -7, 0, 1, -1, 2, 5, -3] * 5, dtype)
    b = np.array([2, 2, 0, -3, -3, 9, 0, 3] * 5, dtype)
    x, y = clnn.tensor(a, device=opencl_device), clnn.tensor(b, device=opencl_device)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(ops.floor_divide(x, y).numpy(), a // b)
    np.testing.assert_array_equal(ops.pow(x, y).numpy()[:8], [49, 49, 1, 1, -1, 512, 1, -27])
