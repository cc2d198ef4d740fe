"""clnn.testing must pass what is right and, above all, fail what is wrong."""

import numpy as np
import pytest

import clnn
from clnn.autograd import apply
from clnn.errors import AutogradError, DTypeError
from clnn.op import OPS, Op
from clnn.testing import assert_close, check_grads


class TestAssertClose:
    def test_equal_and_nearly_equal(self, device):
        x = clnn.tensor([1.0, 2.0], device=device)
        assert_close(x, x)
        assert_close(x * (1 + 1e-6), x)
        assert_close(x, np.array([1, 2], np.float32))
        assert_close(x.half(), [1.0, 2.0], check_dtype=False)
        assert_close(3, 3)
        assert_close(clnn.zeros(0, 3), clnn.zeros(0, 3))
        assert_close(clnn.full((2,), float("inf")), clnn.full((2,), float("inf")))

    @pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
    def test_half_a_percent_off_fails_where_the_dtype_can_tell(self, dtype):
        want = clnn.linspace(1, 2, 7, device="cpu").to(dtype)
        off = want * (1.005 if dtype != "bfloat16" else 1.05)
        with pytest.raises(AssertionError, match="assert_close: expected"):
            assert_close(off, want)

    def test_names_the_worst_element(self):
        got = np.zeros((2, 3), np.float32)
        got[1, 2], got[0, 1] = 0.5, 0.1
        with pytest.raises(AssertionError) as info:
            assert_close(got, np.zeros((2, 3), np.float32))
        assert str(info.value) == (
            "assert_close: expected 0.0 at index (1, 2), got 0.5: 0.5 apart, allowed 1e-05 "
            "(rtol 1.3e-06, atol 1e-05); 2 of 6 elements differ"
        )

    @pytest.mark.parametrize(
        ("got", "want", "match"),
        [
            (np.zeros(2), np.zeros(3), r"expected shape \(3,\), got \(2,\)"),
            (np.zeros(2, np.float32), np.zeros(2), "expected dtype float64, got float32"),
            ([1, 2], [1, 3], "expected 3 at index"),
            ([2**60], [2**60 + 1], "1 of 1 elements differ"),
            ([True], [False], "expected False at index"),
            ([float("nan")], [0.0], "got nan"),
            ([0.0], [float("nan")], "expected nan"),
            ([float("nan")], [float("nan")], "expected nan"),
            ([float("inf")], [1e30], "got inf"),
            ([float("inf")], [float("-inf")], "got inf"),
        ],
        ids=str,
    )
    def test_different(self, got, want, match):
        with pytest.raises(AssertionError, match=match):
            assert_close(got, want)

    def test_equal_nan_and_tolerances(self):
        assert_close([float("nan"), 1.0], [float("nan"), 1.0], equal_nan=True)
        assert_close([1, 10], [2, 11], atol=1)
        with pytest.raises(AssertionError, match="1 of 2"):
            assert_close([1, 10], [3, 11], atol=1)
        assert_close([100.0], [101.0], rtol=0.01)


@pytest.fixture
def double(monkeypatch):
    """A made-up op 2x whose gradient factor the test chooses."""
    monkeypatch.setattr("clnn.op.OPS", dict(OPS))

    def make(factor):
        name = f"double, gradient times {factor}"
        op = Op(name, lambda x: x, lambda g, outs, x, needs: (g * factor,))
        for device in clnn.devices():
            monkeypatch.setitem(device.backend.impls, name, device.backend.impls["clone"])
        return lambda x: apply(op, x) + apply(op, x)

    return make


class TestCheckGrads:
    def test_right_gradients_pass(self, device):
        x, y = clnn.randn(3, 4, device=device), clnn.rand(4, device=device) + 0.5
        check_grads(lambda a, b: (a * b).sin() / b, x, y)
        check_grads(lambda a, b: (a.exp(), b.log(), a > b), x, y)
        check_grads(lambda a: a.sum(), clnn.ones(0, 3, device=device))
        assert x.grad is None

    def test_a_gradient_off_by_half_a_percent_fails(self, double, device):
        x = clnn.randn(3, 4, device=device)
        check_grads(double(1.0), x)
        for factor in (1.005, 0.995):
            with pytest.raises(
                AssertionError, match="check_grads: gradient of operand 0: expected"
            ):
                check_grads(double(factor), x)

    def test_names_the_operand(self, double):
        wrong = double(1.005)
        with pytest.raises(AssertionError, match="gradient of operand 1"):
            check_grads(lambda a, b: a * wrong(b), clnn.randn(3), clnn.randn(3))

    def test_integer_operands_are_passed_on(self, device):
        k = clnn.tensor([1, 2, 3], device=device)
        check_grads(lambda a, n: a * n, clnn.randn(3, device=device), k)

    def test_works_under_no_grad(self):
        with clnn.no_grad():
            check_grads(lambda a: a * a, clnn.randn(3))

    def test_bad_calls(self):
        with pytest.raises(DTypeError, match="check_grads: expected Tensors after the function"):
            check_grads(lambda a: a, np.ones(3))
        with pytest.raises(AutogradError, match="check_grads: expected outputs that require grad"):
            check_grads(lambda a: a > 0, clnn.randn(3))
