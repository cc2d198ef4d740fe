"""Tensor: operators, in-place forms, conversions and the ways in and out."""

import inspect
import math
import operator

import numpy as np
import pytest

import clnn
from clnn import ops
from clnn.errors import AutogradError, DTypeError, IndexOutOfRangeError, ShapeError
from harness import torch


@pytest.fixture
def x(device):
    return clnn.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], device=device)


@pytest.fixture
def n(device):
    return clnn.tensor([7, -7, 3], device=device)


X = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], np.float32)
N = np.array([7, -7, 3])


class TestOperators:
    @pytest.mark.parametrize("op", ["add", "sub", "mul", "truediv", "floordiv", "mod"])
    def test_arithmetic_on_both_sides(self, op, x, n):
        fn = getattr(operator, op)
        row = np.array([1.5, 2.0, -0.5], np.float32)
        np.testing.assert_allclose(
            fn(x, clnn.tensor(row, device=x.device)).numpy(), fn(X, row), rtol=1e-6
        )
        np.testing.assert_allclose(fn(x, 2.5).numpy(), fn(X, np.float32(2.5)), rtol=1e-6)
        np.testing.assert_allclose(fn(2.5, x).numpy(), fn(np.float32(2.5), X), rtol=1e-6)
        np.testing.assert_allclose(fn(n, 3).numpy(), fn(N, 3), rtol=1e-6)
        np.testing.assert_allclose(fn(20, n).numpy(), fn(20, N), rtol=1e-6)

    def test_power(self, x, n):
        np.testing.assert_allclose((abs(x) ** 2.5).numpy(), np.abs(X) ** 2.5, rtol=1e-5)
        np.testing.assert_allclose((2.0**x).numpy(), 2.0**X, rtol=1e-5)
        assert (n**2).tolist() == [49, 49, 9]

    def test_signs(self, x):
        np.testing.assert_array_equal((-x).numpy(), -X)
        np.testing.assert_array_equal(abs(x).numpy(), abs(X))
        assert +x is x

    def test_matmul(self, x):
        np.testing.assert_allclose((x @ x.T).numpy(), X @ X.T, rtol=1e-6)

    @pytest.mark.parametrize("op", ["eq", "ne", "lt", "le", "gt", "ge"])
    def test_comparison_is_by_element(self, op, x):
        fn = getattr(operator, op)
        assert fn(x, 3.0).tolist() == fn(X, 3.0).tolist()
        assert fn(3.0, x).tolist() == fn(3.0, X).tolist()
        assert fn(x, x).dtype == "bool"

    def test_equality_with_what_no_tensor_can_equal(self, x):
        assert (x == None) is False  # noqa: E711
        assert (x != "text") is True
        assert x not in [None, "text"]
        with pytest.raises(DTypeError, match=r"eq: .* make a Tensor"):
            x == X  # noqa: B015

    def test_hash_is_by_identity(self, x):
        assert {x: 1}[x] == 1
        assert hash(x) != hash(x.clone())

    def test_logic_of_bool(self, device):
        a = clnn.tensor([True, True, False, False], device=device)
        b = clnn.tensor([True, False, True, False], device=device)
        assert (a & b).tolist() == [True, False, False, False]
        assert (a | b).tolist() == [True, True, True, False]
        assert (a ^ b).tolist() == [False, True, True, False]
        assert (~a).tolist() == [False, False, True, True]
        assert (a & True).tolist() == (True & a).tolist() == a.tolist()

    def test_logic_of_integers_is_refused(self, n):
        for wrong in (lambda: n & n, lambda: n | 1, lambda: True ^ n):
            with pytest.raises(DTypeError, match=r"[&|^]: expected bool operands, got int64"):
                wrong()
        with pytest.raises(DTypeError, match="~: expected a bool tensor, got int64"):
            ~n  # noqa: B018

    def test_gradients_of_reflected_operators(self, device):
        x = clnn.tensor(2.0, device=device, requires_grad=True)
        (1 - x + 6 / x + 2**x).backward()
        assert x.grad.item() == pytest.approx(-1 - 1.5 + 4 * math.log(2))


class TestInPlace:
    @pytest.mark.parametrize(
        "op", ["iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow"]
    )
    def test_operators(self, op, x):
        fn, same = getattr(operator, op), x
        x = fn(x, 2.0)
        assert x is same
        np.testing.assert_allclose(x.numpy(), fn(X.copy(), np.float32(2)), rtol=1e-6)

    def test_methods_return_the_tensor(self, x):
        assert x.add_(1.0).mul_(2.0).sub_(x).add_(x, alpha=3) is x
        assert x.tolist() == [[0, 0, 0], [0, 0, 0]]
        assert x.fill_(-3).abs_().neg_().clamp_(min=-2).div_(4).tolist() == [[-0.5] * 3] * 2
        assert (
            x.fill_(0.5).reciprocal_().sub_(2.5).floor_().relu_().sigmoid_().round_().tolist()
            == [[0.0] * 3] * 2
        )
        rows = clnn.tensor([[1, 1, 0]], device=x.device)
        assert x.zero_().scatter_(0, rows, 2.0).tanh_().ceil_().tolist() == [[0, 0, 1], [1, 1, 0]]
        assert x.scatter_add_(0, rows, clnn.ones(1, 3, device=x.device)).tolist() == [
            [0, 0, 2],
            [2, 2, 0],
        ]
        assert x.zero_().tolist() == [[0, 0, 0], [0, 0, 0]]

    def test_bool(self, device):
        a = clnn.tensor([True, False], device=device)
        a &= False
        assert a.tolist() == [False, False]
        a |= clnn.tensor([True, False], device=device)
        a ^= True
        assert a.tolist() == [False, True]

    def test_others_on_the_same_memory_keep_it(self, x):
        view, detached = x.reshape(-1), x.detach()
        x += 1
        np.testing.assert_array_equal(detached.numpy(), X)
        np.testing.assert_array_equal(view.numpy(), X.reshape(-1))

    def test_keeps_dtype_and_shape(self, x, n):
        half = x.half()
        half += x
        assert half.dtype == "float16"
        with pytest.raises(
            DTypeError, match="add_: expected a result that int64 holds, got float32"
        ):
            n += 1.5
        with pytest.raises(
            ShapeError, match=r"add_: expected a result of shape \(3,\), got \(2, 3\)"
        ):
            n += clnn.zeros(2, 3, dtype="int64", device=n.device)

    def test_copy_(self, x, device):
        source = clnn.tensor([1, 2, 3], device="cpu")
        assert x.copy_(source).tolist() == [[1, 2, 3], [1, 2, 3]]
        other = clnn.zeros(2, 3, device=device)
        other.copy_(x)
        assert other.array is not x.array
        with pytest.raises(DTypeError, match="copy_: expected a Tensor, got ndarray"):
            x.copy_(X)
        with pytest.raises(ShapeError, match="broadcast_to"):
            x.copy_(clnn.zeros(2, 2, device=device))

    def test_random(self, x):
        x.uniform_(5, 6)
        assert 5 <= x.numpy().min() <= x.numpy().max() <= 6
        x.normal_(100, 0.5)
        assert 90 < x.numpy().min() < x.numpy().max() < 110
        assert (
            x.uniform_(generator=clnn.Generator(1)).tolist()
            == x.uniform_(generator=clnn.Generator(1)).tolist()
        )

    def test_fill_checks_its_number(self, n):
        with pytest.raises(
            clnn.SettingError, match="fill_: expected a number that int64 holds, got nan"
        ):
            n.fill_(float("nan"))

    def test_data(self, device):
        p = clnn.ones(2, device=device, requires_grad=True)
        assert not p.data.requires_grad
        p.data = clnn.zeros(2, device=device)
        assert (p.tolist(), p.requires_grad, p.is_leaf) == ([0, 0], True, True)


class TestIndexing:
    def test_get(self, x):
        assert x[0].tolist() == [1, -2, 3]
        assert x[1, -1].item() == -6
        assert x[:, 1:].tolist() == [[-2, 3], [5, -6]]
        assert x[..., None].shape == (2, 3, 1)
        assert x[x > 2].tolist() == [3, 4, 5]
        assert x[clnn.tensor([1, 0], device=x.device)].tolist() == X[[1, 0]].tolist()
        with pytest.raises(IndexOutOfRangeError):
            x[2]

    def test_set(self, x):
        detached = x.detach()
        x[0] = 9.0
        x[1, 1:] = clnn.tensor([7.0, 8.0], device=x.device)
        assert x.tolist() == [[9, 9, 9], [4, 7, 8]]
        x[x == 9.0] = 0.0
        assert x.tolist() == [[0, 0, 0], [4, 7, 8]]
        np.testing.assert_array_equal(detached.numpy(), X)

    def test_set_on_a_leaf_that_requires_grad(self, x):
        x.requires_grad_()
        with pytest.raises(AutogradError, match=r"setitem: expected a tensor that is not a leaf"):
            x[0] = 1.0
        with clnn.no_grad():
            x[0] = 1.0
        assert x[0].tolist() == [1, 1, 1]

    def test_length_iteration_and_membership(self, x):
        assert len(x) == 2
        assert [row.tolist() for row in x] == X.tolist()
        a, b = x
        assert (a.shape, b.shape) == ((3,), (3,))
        assert -6.0 in x
        assert 7 not in x
        for wrong in (len, iter, list):
            with pytest.raises(
                ShapeError, match=r"len: expected a tensor with at least one axis, got shape \(\)"
            ):
                wrong(x.sum())


class TestFacts:
    def test_sizes(self, x):
        assert (x.shape, x.ndim, x.dim(), x.numel(), x.nbytes, x.element_size()) == (
            (2, 3),
            2,
            2,
            6,
            24,
            4,
        )
        assert (x.size(), x.size(0), x.size(-1)) == ((2, 3), 2, 3)
        with pytest.raises(IndexOutOfRangeError):
            x.size(2)
        assert x.is_floating_point()
        assert not x.long().is_floating_point()

    def test_shapes_like_another(self, x):
        assert x.view_as(clnn.zeros(3, 2)).shape == (3, 2)
        assert x.reshape_as(clnn.zeros(6)).shape == (6,)
        assert clnn.zeros(3, device=x.device).expand_as(x).shape == (2, 3)
        assert x.contiguous() is x

    def test_transposes(self, x):
        np.testing.assert_array_equal(x.T.numpy(), X.T)
        assert clnn.zeros(2, 3, 4).T.shape == (4, 3, 2)
        assert clnn.zeros(2, 3, 4).mT.shape == (2, 4, 3)

    def test_where(self, x):
        np.testing.assert_array_equal(x.where(x > 0, 0.0).numpy(), np.where(X > 0, X, 0))


PUBLIC = [name for name, fn in vars(ops).items() if inspect.isfunction(fn)]


@pytest.mark.peers
@pytest.mark.parametrize("name", PUBLIC)
def test_every_op_is_where_torch_has_it(name):
    if hasattr(torch.Tensor, name) and name != "unfold":  # torch's method is another function
        assert hasattr(clnn.Tensor, name)
    if hasattr(torch, name) and name != "cast":
        assert hasattr(clnn, name)


def test_methods_pass_on_their_arguments(x):
    assert x.sum(dim=1, keepdim=True).shape == (2, 1)
    assert x.reshape(3, -1).shape == (3, 2)
    assert x.permute(1, 0).shape == (3, 2)
    assert x.clamp(min=0).tolist() == np.maximum(X, 0).tolist()
    assert x.masked_fill(x > 0, 0.0).tolist() == np.where(X > 0, 0, X).tolist()


def test_forcing_an_algorithm_reaches_the_backend(monkeypatch):
    with clnn.algorithm("matmul", "tile") as used:
        assert used == set()
