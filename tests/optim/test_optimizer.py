"""Groups, state, moving between devices, and mistakes."""

import math

import numpy as np
import pytest
from optimizers import CASES, SHAPES, gradients, parameters, run

import clnn
from clnn import optim
from clnn.errors import DeviceError, DTypeError, SettingError, ShapeError
from harness import from_torch, to_torch, torch


def copies(params, device):
    return [clnn.tensor(p.numpy(), device=device, requires_grad=True) for p in params]


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_a_saved_optimizer_continues_bit_for_bit(device, name, options):
    params = parameters(device)
    first = getattr(optim, name)(params, **options)
    run(first, params, range(4))
    again = copies(params, device)
    second = getattr(optim, name)(again, lr=123.0)
    second.load_state_dict(first.state_dict())
    assert second.param_groups[0]["lr"] == first.param_groups[0]["lr"]
    run(first, params, range(4, 8))
    run(second, again, range(4, 8))
    for a, b in zip(params, again, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_state_moves_between_devices(opencl_device):
    params = parameters(opencl_device)
    first = optim.Adam(params, amsgrad=True)
    run(first, params, range(3))
    again = copies(params, "cpu")
    second = optim.Adam(again)
    second.load_state_dict(first.state_dict())
    run(first, params, range(3, 6))
    run(second, again, range(3, 6))
    for a, b in zip(params, again, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=2e-6)


def test_a_parameter_moved_in_place_takes_its_state_along(opencl_device):
    params, still = parameters("cpu"), parameters("cpu")
    first, second = optim.Adam(params), optim.Adam(still)
    run(first, params, range(3))
    run(second, still, range(3))
    for p in params:  # what Module.to_ does
        moved = clnn.tensor(p.numpy(), device=opencl_device)
        p.array, p.device = moved.array, moved.device
    run(first, params, range(3, 6))
    run(second, still, range(3, 6))
    for a, b in zip(params, still, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=2e-6)


def test_state_dict_is_plain(device):
    params = parameters(device)
    optimizer = optim.Adam(params)
    assert optimizer.state_dict()["state"] == {}
    run(optimizer, params, range(2))
    saved = optimizer.state_dict()
    assert saved["param_groups"][0]["params"] == list(range(len(SHAPES)))
    assert {k: s["step"] for k, s in saved["state"].items()} == {
        0: 2,
        1: 1,
        2: 2,
        3: 2,
        4: 1,
        5: 2,
        6: 2,
    }
    for k, s in saved["state"].items():
        assert type(s["exp_avg"]) is np.ndarray
        assert s["exp_avg"].shape == SHAPES[k]
    before = saved["state"][0]["exp_avg"].copy()
    run(optimizer, params, range(2, 4))
    np.testing.assert_array_equal(saved["state"][0]["exp_avg"], before)


@pytest.mark.peers
@pytest.mark.parametrize(("name", "options"), [c for c in CASES if c[1]], ids=str)
def test_continues_from_torch(device, name, options):
    theirs = [to_torch(p.numpy()).requires_grad_() for p in parameters("cpu")]
    other = getattr(torch.optim, name)(theirs, **options)
    for step in range(6):
        if step == 3:
            mine = [clnn.tensor(from_torch(p), device=device, requires_grad=True) for p in theirs]
            optimizer = getattr(optim, name)(mine)
            saved = other.state_dict()
            known = set(optimizer.defaults) | {"params"}
            groups = [{k: v for k, v in g.items() if k in known} for g in saved["param_groups"]]
            optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})
        for p, g in zip(theirs, gradients(step), strict=True):
            p.grad = None if g is None else to_torch(g)
        other.step()
    run(optimizer, mine, range(3, 6))
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), from_torch(b), rtol=1e-5, atol=2e-6)


def test_groups_have_their_own_options(device):
    a, b, c = parameters(device, [(2,), (3,), (4,)])
    optimizer = optim.SGD([{"params": [a], "lr": 1.0}, {"params": b}], lr=0.1)
    optimizer.add_param_group({"params": [c], "lr": 0.0})
    assert [g["lr"] for g in optimizer.param_groups] == [1.0, 0.1, 0.0]
    before = [p.numpy() for p in (a, b, c)]
    for p in (a, b, c):
        p.grad = clnn.tensor(np.ones(p.shape, "f4"), device=device)
    optimizer.step()
    for p, old, lr in zip((a, b, c), before, (1.0, 0.1, 0.0), strict=True):
        np.testing.assert_allclose(p.numpy(), old - lr, rtol=1e-6)
    assert "group 2: 1 parameters, lr=0.0" in repr(optimizer)


def test_zero_grad(device):
    params = parameters(device, [(2,), (3,)])
    params[0].grad = clnn.tensor(np.array([1.0, np.nan], "f4"), device=device)
    optimizer = optim.SGD(params)
    optimizer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(params[0].grad.numpy(), [0, 0])
    assert params[1].grad is None
    optimizer.zero_grad()
    assert params[0].grad is None


def test_closure(device):
    p = clnn.tensor([3.0], device=device, requires_grad=True)
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = clnn.ops.mul(p, p)
        loss.backward()
        return loss

    with clnn.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 9.0
    assert p.item() == 0.0


def test_no_gradients_no_change(device):
    params = parameters(device)
    before = [p.numpy() for p in params]
    optim.Adam(params).step()
    for p, old in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.numpy(), old)


@pytest.mark.parametrize(("make", "error", "match"), [
    (lambda p: optim.SGD([]), SettingError, "SGD: expected at least one parameter, got none"),
    (lambda p: optim.SGD([{"params": []}]), SettingError, "parameters in every group"),
    (lambda p: optim.SGD(p), DTypeError, "expected an iterable of Tensors or dicts, got Tensor"),
    (lambda p: optim.SGD("ab"), DTypeError, "expected an iterable"),
    (lambda p: optim.SGD([p, p]), SettingError, "expected every parameter once"),
    (lambda p: optim.SGD([{"params": [p]}, {"params": [p]}]), SettingError, "every parameter once"),
    (lambda p: optim.SGD([p.numpy()]), DTypeError, "expected Tensors, got ndarray"),
    (lambda p: optim.SGD([{"lr": 1}]), DTypeError, "expected a dict with 'params'"),
    (lambda p: optim.SGD([clnn.tensor([1], device=p.device)]), DTypeError, "floating parameters, got int64"),
    (lambda p: optim.SGD([clnn.ops.neg(p)]), SettingError, "expected leaf tensors"),
    (lambda p: optim.SGD([p], lr=-1), SettingError, "SGD: expected lr >= 0, got -1"),
    (lambda p: optim.SGD([p], lr=math.nan), SettingError, "expected lr >= 0"),
    (lambda p: optim.SGD([p], lr="fast"), DTypeError, "expected lr to be a number"),
    (lambda p: optim.SGD([p], momentum=-0.1), SettingError, "expected momentum >= 0"),
    (lambda p: optim.SGD([p], nesterov=True), SettingError, "expected momentum > 0 and dampening 0"),
    (lambda p: optim.SGD([{"params": [p], "weight_decay": -1}]), SettingError, "weight_decay >= 0"),
    (lambda p: optim.Adam([p], betas=(0.9, 1.0)), SettingError, r"betas\[1\] in \[0, 1\), got 1.0"),
    (lambda p: optim.Adam([p], betas=0.9), DTypeError, "betas to be two numbers"),
    (lambda p: optim.Adam([p], eps=-1e-8), SettingError, "eps >= 0"),
    (lambda p: optim.AdamW([p], weight_decay=-1), SettingError, "AdamW: expected weight_decay >= 0"),
    (lambda p: optim.RMSprop([p], alpha=-1), SettingError, "alpha >= 0"),
])  # fmt: skip
def test_mistakes_in_the_constructor(device, make, error, match):
    with pytest.raises(error, match=match):
        make(clnn.tensor([1.0], device=device, requires_grad=True))


def test_a_bad_group_is_not_added(device):
    p, q = parameters(device, [(2,), (3,)])
    optimizer = optim.SGD([p])
    with pytest.raises(SettingError):
        optimizer.add_param_group({"params": [q], "lr": -1})
    assert len(optimizer.param_groups) == 1


def test_a_gradient_that_does_not_fit(device):
    p = clnn.tensor([1.0, 2.0], device=device, requires_grad=True)
    optimizer = optim.SGD([p])
    p.grad = clnn.tensor([1.0], device=device)
    with pytest.raises(ShapeError, match=r"sgd_step: expected a gradient of \(2,\), got \(1,\)"):
        optimizer.step()
    p.grad = clnn.tensor([1, 2], device=device)
    with pytest.raises(DTypeError, match="expected a gradient of float32, got int64"):
        optimizer.step()


def test_a_gradient_elsewhere(opencl_device):
    p = clnn.tensor([1.0], device=opencl_device, requires_grad=True)
    p.grad = clnn.tensor([1.0], device="cpu")
    with pytest.raises(DeviceError, match="sgd_step: expected operands on one device"):
        optim.SGD([p]).step()


@pytest.mark.parametrize(("change", "error", "match"), [
    (lambda s: {}, SettingError, "expected a dict with 'state' and 'param_groups'"),
    (lambda s: s | {"param_groups": []}, SettingError, r"groups of \[7\] parameters, got \[\]"),
    (lambda s: s | {"state": {0: {"step": 1, "exp_avg": np.zeros(3)}}}, ShapeError,
     r"exp_avg of shape \(3, 5\) for parameter 0, got \(3,\)"),
])  # fmt: skip
def test_a_state_of_something_else_changes_nothing(device, change, error, match):
    params = parameters(device)
    optimizer = optim.Adam(params)
    run(optimizer, params, range(2))
    before = optimizer.state_dict()
    with pytest.raises(error, match=match):
        optimizer.load_state_dict(change(before))
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for k, s in before["state"].items():
        for name, value in s.items():
            np.testing.assert_array_equal(after["state"][k][name], value)
