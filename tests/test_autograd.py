"""Recording and walking back: what is kept, what is freed, and what goes wrong in words."""

import gc
import threading
import weakref

import numpy as np
import pytest

import clnn
from clnn import autograd
from clnn.errors import AutogradError, DeviceError, DTypeError, NotDifferentiableError, ShapeError


@pytest.fixture
def x(device):
    return clnn.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)


class TestBackward:
    def test_gradient_of_a_leaf(self, x):
        (x * x).sum().backward()
        assert x.grad.tolist() == [2, 4, 6]
        assert not x.grad.requires_grad

    def test_gradients_add_up_until_they_are_forgotten(self, x):
        (2 * x).sum().backward()
        (3 * x).sum().backward()
        assert x.grad.tolist() == [5, 5, 5]
        x.zero_grad()
        assert x.grad is None

    def test_a_leaf_used_twice(self, x):
        (x * x + x).sum().backward()
        assert x.grad.tolist() == [3, 5, 7]

    def test_a_shared_subgraph_is_walked_once(self, x):
        h = x.exp()
        for _ in range(40):  # 2**40 paths
            h = h + h
        h.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), 2.0**40 * np.exp([1, 2, 3]), rtol=1e-5)

    def test_of_a_leaf_itself(self, x):
        x.backward(clnn.ones_like(x))
        assert x.grad.tolist() == [1, 1, 1]

    def test_needs_a_gradient_unless_there_is_one_element(self, x):
        with pytest.raises(
            AutogradError, match=r"expected a gradient for a tensor of shape \(3,\)"
        ):
            (2 * x).backward()
        (2 * x).backward(clnn.tensor([1.0, 10.0, 100.0], device=x.device))
        assert x.grad.tolist() == [2, 20, 200]

    def test_gradient_has_to_fit(self, x, device):
        y = 2 * x
        with pytest.raises(
            ShapeError, match=r"backward: expected a gradient of shape \(3,\), got \(1,\)"
        ):
            y.backward(clnn.ones(1, device=device))
        with pytest.raises(DTypeError, match="expected a gradient of dtype float32, got float16"):
            y.backward(clnn.ones(3, dtype="float16", device=device))
        with pytest.raises(DTypeError, match="expected a Tensor as gradient, got ndarray"):
            y.backward(np.ones(3))
        if device != "cpu":
            with pytest.raises(
                DeviceError, match=f"expected a gradient on {device}, got one on cpu"
            ):
                y.backward(clnn.ones(3, device="cpu"))
        y.backward(clnn.ones_like(y))

    def test_without_a_graph(self, device):
        with pytest.raises(AutogradError, match="backward: expected a tensor that requires grad"):
            clnn.ones((), device=device).backward()

    def test_twice(self, x):
        y = (x * x).sum()
        y.backward(retain_graph=True)
        y.backward()
        assert x.grad.tolist() == [4, 8, 12]
        with pytest.raises(AutogradError, match=r"freed by an earlier backward.*retain_graph=True"):
            y.backward()

    def test_through_a_part_that_was_freed(self, x):
        h = x * x
        h.sum().backward()
        with pytest.raises(AutogradError, match="freed by an earlier backward"):
            (2 * h).sum().backward()
        assert x.grad.tolist() == [2, 4, 6]

    def test_of_an_op_without_gradient(self, x, monkeypatch):
        monkeypatch.setattr(clnn.op.OPS["exp"], "vjp", None)
        with pytest.raises(NotDifferentiableError, match="exp: declares no gradient"):
            x.exp().sum().backward()

    def test_integer_and_bool_results_carry_no_gradient(self, x):
        assert not (x > 2).requires_grad
        assert not x.long().requires_grad
        assert x.half().requires_grad

    def test_through_a_change_of_dtype(self, x):
        (x.half() * x.double()).sum().backward()
        assert (x.grad.dtype, x.grad.tolist()) == ("float32", [2, 4, 6])

    def test_gradients_do_not_share_an_object(self, device):
        a, b = (clnn.ones(2, device=device, requires_grad=True) for _ in range(2))
        seed = clnn.ones(2, device=device)
        (a + b).backward(seed)
        a.grad.zero_()
        assert (b.grad.tolist(), seed.tolist()) == ([1, 1], [1, 1])

    def test_retain_grad(self, x):
        h = 2 * x
        h.retain_grad()
        (h * h).sum().backward()
        assert h.grad.tolist() == [4, 8, 12]
        assert x.grad.tolist() == [8, 16, 24]
        x.retain_grad()  # a leaf keeps it anyway
        with pytest.raises(
            AutogradError, match="retain_grad: expected a tensor that requires grad"
        ):
            x.detach().retain_grad()


class TestInPlaceAndTheGraph:
    def test_the_graph_keeps_what_it_saw(self, device):
        a = clnn.tensor([1.0, 2.0], device=device)
        w = clnn.tensor([3.0, 4.0], device=device, requires_grad=True)
        y = (a * w).sum()
        a.mul_(100.0)
        y.backward()
        assert w.grad.tolist() == [1, 2]
        assert a.tolist() == [100, 200]

    def test_an_update_under_no_grad_does_not_reach_a_graph_recorded_before(self, x):
        y = (x * x).sum()
        with clnn.no_grad():
            x -= 1.0
        y.backward()
        assert (x.tolist(), x.grad.tolist(), x.is_leaf) == ([0, 1, 2], [2, 4, 6], True)

    def test_accumulating_what_requires_grad(self, x, device):
        total = clnn.zeros((), device=device)
        for k in range(3):
            total += (x * k).sum()
        total.backward()
        assert x.grad.tolist() == [3, 3, 3]

    def test_on_the_result_of_an_op(self, x):
        h = 2 * x
        kept = h * h
        h += x
        (h * h + kept).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), (2 * 9 + 2 * 4) * np.array([1, 2, 3.0]))

    def test_filling_cuts_the_graph(self, x):
        h = 2 * x
        h.fill_(1.0)
        assert not h.requires_grad

    def test_a_leaf_that_requires_grad_is_refused(self, x):
        for change in (
            lambda: x.add_(1.0),
            lambda: x.zero_(),
            lambda: x.copy_(x.detach()),
            lambda: x.uniform_(),
            lambda: x.__imul__(2.0),
        ):
            with pytest.raises(
                AutogradError, match=r"_: expected a tensor that is not a leaf .*no_grad\(\)"
            ):
                change()
        assert x.tolist() == [1, 2, 3]


class TestGrad:
    def test_of_leaves_and_of_results(self, x):
        h = x * x
        y = (3 * h).sum()
        gh, gx = autograd.grad(y, [h, x])
        assert (gh.tolist(), gx.tolist()) == ([3, 3, 3], [6, 12, 18])
        assert x.grad is None

    def test_of_several_outputs_with_weights(self, x, device):
        weights = [clnn.tensor([1.0, 0.0, 0.0], device=device), clnn.ones((), device=device)]
        (g,) = autograd.grad([x * x, x.sum()], x, weights)
        assert g.tolist() == [3, 1, 1]

    def test_keeps_the_graph_if_asked(self, x):
        y = (x * x).sum()
        autograd.grad(y, x, retain_graph=True)
        assert autograd.grad(y, x)[0].tolist() == [2, 4, 6]
        with pytest.raises(AutogradError, match=r"grad: .* freed by an earlier backward"):
            autograd.grad(y, x)

    def test_unused_inputs(self, x, device):
        other = clnn.ones(2, device=device, requires_grad=True)
        assert autograd.grad((2 * x).sum(), [other], allow_unused=True) == (None,)
        with pytest.raises(AutogradError, match="got one that is unused; allow_unused=True"):
            autograd.grad((2 * x).sum(), [other])

    def test_bad_calls(self, x):
        with pytest.raises(AutogradError, match="grad: expected inputs that require grad"):
            autograd.grad(x.sum(), [x.detach()])
        with pytest.raises(AutogradError, match="grad: expected 1 gradients of outputs, got 2"):
            autograd.grad(x.sum(), x, [None, None])


class TestMode:
    def test_no_grad_and_enable_grad(self, x):
        with clnn.no_grad():
            assert not (2 * x).requires_grad
            with clnn.enable_grad():
                assert (2 * x).requires_grad
            assert not clnn.is_grad_enabled()
        assert clnn.is_grad_enabled()

    def test_comes_back_after_an_error(self):
        with pytest.raises(ZeroDivisionError), clnn.no_grad():
            1 / 0  # noqa: B018
        assert clnn.is_grad_enabled()

    def test_as_decorator(self, x):
        @clnn.no_grad()
        def double(depth):
            return double(depth - 1) if depth else 2 * x

        assert not double(3).requires_grad
        assert clnn.is_grad_enabled()

        @clnn.set_grad_enabled(False)
        def triple():
            return 3 * x

        assert clnn.is_grad_enabled()
        assert not triple().requires_grad

    def test_one_object_in_nested_blocks(self):
        off = clnn.no_grad()
        with off:
            with off:
                assert not clnn.is_grad_enabled()
            assert not clnn.is_grad_enabled()
        assert clnn.is_grad_enabled()

    def test_set_grad_enabled(self):
        with clnn.set_grad_enabled(False):
            assert not clnn.is_grad_enabled()
        assert clnn.is_grad_enabled()
        clnn.set_grad_enabled(False)
        assert not clnn.is_grad_enabled()
        clnn.set_grad_enabled(True)
        assert clnn.is_grad_enabled()

    def test_each_thread_has_its_own(self):
        seen = []
        with clnn.no_grad():
            thread = threading.Thread(target=lambda: seen.append(clnn.is_grad_enabled()))
            thread.start()
            thread.join()
        assert seen == [True]

    def test_requires_grad_(self, x, device):
        y = clnn.ones(2, device=device)
        assert y.requires_grad_() is y
        assert y.requires_grad
        assert not y.requires_grad_(False).requires_grad
        with pytest.raises(
            DTypeError, match="requires_grad_: expected a floating dtype, got int64"
        ):
            clnn.arange(3, device=device).requires_grad_()
        with pytest.raises(AutogradError, match="requires_grad_: expected a leaf"):
            (2 * x).requires_grad_(False)


class TestDevices:
    def test_gradient_comes_back_from_another_device(self, opencl_device):
        x = clnn.tensor([1.0, 2.0], device="cpu", requires_grad=True)
        there = x.to(opencl_device)
        assert not there.is_leaf
        (there * there).to("cpu").sum().backward()
        assert x.grad.device == clnn.device("cpu")
        assert x.grad.tolist() == [2, 4]

    def test_mixed_devices_are_refused(self, opencl_device):
        a, b = clnn.ones(2, device="cpu"), clnn.ones(2, device=opencl_device)
        with pytest.raises(
            DeviceError,
            match=f"add: expected operands on one device, got cpu, {opencl_device}; move",
        ):
            a + b

    def test_moving_nowhere_is_the_tensor_itself(self, x):
        assert x.to(x.device) is x
        assert x.to(x.device.name, "float32") is x

    def test_moving_under_no_grad_records_nothing(self, opencl_device):
        x = clnn.ones(2, device="cpu", requires_grad=True)
        with clnn.no_grad():
            assert not x.to(opencl_device).requires_grad


class TestMemory:
    def test_a_chain_of_50_000_ops(self):
        x = clnn.ones((), device="cpu", requires_grad=True)
        y = x
        for _ in range(50_000):
            y = -y
        y.backward(retain_graph=True)
        assert x.grad.item() == 1
        y = None  # dies without recursion, too

    def test_a_deep_graph_that_is_never_walked_dies_without_recursion(self):
        x = clnn.ones((), device="cpu", requires_grad=True)
        y = x
        for _ in range(50_000):
            y = y + x
        last = weakref.ref(y)
        del y
        assert last() is None

    def test_dies_by_reference_count(self, device):
        gc.collect()
        gc.disable()
        try:
            x = clnn.ones(3, device=device, requires_grad=True)
            h = x * x
            h.retain_grad()
            y = (h + x).sum()
            refs = [weakref.ref(v) for v in (h, y)]
            y.backward(retain_graph=True)
            del h, y
            assert [r() for r in refs] == [None, None]
        finally:
            gc.enable()

    def test_backward_gives_memory_back_on_the_way(self, opencl_device):
        def allocated():
            return clnn.memory_stats(opencl_device)["allocated"]

        gc.collect()
        before = allocated()
        x = clnn.ones(1000, device=opencl_device, requires_grad=True)
        y = x
        for _ in range(10):
            y = y.exp().log()
        held = allocated() - before
        total = y.sum()
        total.backward()
        assert allocated() - before <= 4 * x.nbytes + 4096 < held
        del y, total
        assert allocated() - before <= 2 * x.nbytes + 4096

    def test_a_result_outlives_neither_its_inputs_nor_the_other_way_round(self, x):
        h = 2 * x
        ref = weakref.ref(h)
        y = h.exp()
        del h
        assert ref() is None  # the graph holds its array, not the tensor
        y.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp([2, 4, 6]), rtol=1e-5)


def test_numpy_scalars_are_numbers_and_arrays_are_not(x):
    assert (x * np.float64(2)).dtype == "float32"
    assert (np.float32(2) * x).tolist() == [2, 4, 6]
    assert (np.int64(2) * x.detach().long()).dtype == "int64"
    with pytest.raises(
        DTypeError, match=r"got numpy.ndarray; make a Tensor with clnn.tensor\(array\)"
    ):
        x + np.ones(3)
    with pytest.raises(DTypeError, match=r"got numpy\.ndarray"):
        np.ones(3) * x
