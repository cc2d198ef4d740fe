"""Losses beyond what a sample can say: warnings, refused gradients, and what reaches the device."""

import numpy as np
import pytest

import clnn
from clnn import ops
from clnn.errors import NotDifferentiableError


def random(*shape, device, **settings):
    values = np.random.default_rng(0).random(shape, np.float32)
    return clnn.tensor(values, device=device, **settings)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_broadcasting_a_target_warns(name, device):
    x, t = random(4, 1, device=device, requires_grad=True), random(4, device=device)
    with pytest.warns(
        UserWarning, match=rf"{name}: expected .* one shape, got \(4, 1\) and \(4,\)"
    ):
        loss = getattr(ops, name)(x, t)
    want = getattr(ops, name)(ops.expand(x, (4, 4)), ops.expand(t, (4, 4)))
    assert loss.item() == pytest.approx(want.item(), rel=1e-6)
    loss.backward()
    assert x.grad.shape == (4, 1)


def test_weights_that_have_no_gradient_say_so(device):
    x, w = random(2, 3, device=device), random(3, device=device, requires_grad=True)
    t = clnn.tensor([0, 2], device=device)
    for loss in (
        ops.cross_entropy(x, t, w),
        ops.nll_loss(x, t, w),
        ops.binary_cross_entropy_with_logits(x, x, pos_weight=w),
    ):
        with pytest.raises(
            NotDifferentiableError, match=r"declares no gradient of .*weight; use .detach"
        ):
            loss.backward()


def test_a_loss_is_two_launches_and_its_gradient_one(opencl_device, monkeypatch):
    rt = clnn.device(opencl_device).backend.rt
    launched = []
    note = rt._enqueue
    monkeypatch.setattr(rt, "_enqueue", lambda *a: (launched.append(a[1]), note(*a)))
    x = random(300, 1000, device=opencl_device, requires_grad=True)
    t = clnn.tensor(np.arange(300), device=opencl_device)
    y = random(300, 1000, device=opencl_device)
    for forward in (lambda: ops.cross_entropy(x, t), lambda: ops.mse_loss(x, y)):
        launched.clear()
        loss = forward()
        assert len(launched) == 2
        launched.clear()
        loss.backward(clnn.tensor(np.float32(1.0), device=opencl_device))
        assert len(launched) == 1
        x.grad = None


def test_sums_of_many_losses_stay_accurate(device):
    n = 1_000_003
    x = clnn.tensor(np.full(n, 0.1, np.float32), device=device)
    zero = clnn.tensor(np.zeros(n, np.float32), device=device)
    assert ops.l1_loss(x, zero).item() == pytest.approx(np.float32(0.1), rel=1e-6)
    assert ops.l1_loss(x, zero, reduction="sum").item() == pytest.approx(0.1 * n, rel=1e-6)
