"""The harness must fail when it should."""

import numpy as np
import pytest

import clnn
from clnn.autograd import apply
from clnn.op import OPS, Op
from harness import check_against_reference, check_against_torch, check_numeric_grad
from samples import T, sample

DOUBLE = sample("add", T(3, 4), oracle=lambda x: x * 2)
NO_GRAD = sample("add", T(3, 4, grad=False), oracle=lambda x: x * 2)


@pytest.fixture
def double(monkeypatch):
    """A made-up op 2x whose forward and gradient factors the test chooses."""
    monkeypatch.setattr("clnn.op.OPS", dict(OPS))

    def make(forward, grad, dtype=None, shape=None):
        def infer(x):
            return clnn.shapes.Spec(shape or x.shape, clnn.dtypes.dtype(dtype or x.dtype))

        op = Op("double", infer, lambda g, outs, x, needs: (clnn.ops.mul(g, grad),))
        run = lambda x: np.asarray(np.resize(x * forward, shape or x.shape), dtype or x.dtype)  # noqa: E731
        monkeypatch.setitem(clnn.device("cpu").backend.impls, "double", run)
        return lambda x: apply(op, x)

    return make


def test_right_op_passes(double):
    check_numeric_grad(DOUBLE, double(2, 2))


def test_gradient_off_by_half_a_percent_fails(double):
    with pytest.raises(AssertionError, match="grad of operand 0"):
        check_numeric_grad(DOUBLE, double(2, 2.01))


@pytest.mark.peers
class TestAgainstTorch:
    def test_right_op_passes(self, double):
        check_against_torch(DOUBLE, double(2, 2))

    def test_forward_off_by_half_a_percent_fails(self, double):
        with pytest.raises(AssertionError, match="forward"):
            check_against_torch(DOUBLE, double(2.01, 2))

    def test_gradient_off_by_half_a_percent_fails(self, double):
        with pytest.raises(AssertionError, match="grad of operand 0"):
            check_against_torch(DOUBLE, double(2, 2.01))

    def test_wrong_dtype_fails(self, double):
        with pytest.raises(AssertionError, match="expected dtype float32, got float64"):
            check_against_torch(NO_GRAD, double(2, 2, dtype="float64"))

    def test_wrong_shape_fails(self, double):
        with pytest.raises(AssertionError, match="expected shape"):
            check_against_torch(NO_GRAD, double(2, 2, shape=(12,)))


def test_a_wrong_kernel_fails(plant, opencl_device):
    plant(opencl_device, "exp", clnn.device(opencl_device).backend.impls["expm1"])
    with pytest.raises(AssertionError, match="against reference"):
        check_against_reference(sample("exp", T(3, 4)), opencl_device)


def test_other_bits_the_second_time_fail(plant, opencl_device):
    impls = clnn.device(opencl_device).backend.impls
    runs = iter([impls["exp"], impls["expm1"]])
    plant(opencl_device, "exp", lambda *arrays: next(runs)(*arrays))
    with pytest.raises(AssertionError, match="again: array 0 has other bits"):
        check_against_reference(sample("exp", T(3, 4, grad=False)), opencl_device)


def test_an_unwritten_element_fails(plant, opencl_device):
    plant(opencl_device, "neg", lambda rt, x, y: None)
    with pytest.raises(AssertionError, match="against reference"):
        check_against_reference(sample("neg", T(3, 4)), opencl_device)


def test_the_reference_polices_specs(double):
    wrong = double(2, 2)
    backend = clnn.device("cpu").backend
    backend.impls["double"] = lambda x: x[:1]
    with pytest.raises(AssertionError, match="double"):
        wrong(clnn.tensor([1.0, 2.0], device="cpu"))
