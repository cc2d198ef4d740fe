"""Every optimizer, twenty steps, against torch.optim, on every device."""

import numpy as np
import pytest
from optimizers import CASES, gradients, parameters, run

import clnn
from clnn import optim
from harness import from_torch, to_torch, torch


def run_torch(name, options, dtype="float32", steps=20):
    start = [to_torch(p.numpy()) for p in parameters("cpu", dtype=dtype)]
    params = [p.requires_grad_() for p in start]
    optimizer = getattr(torch.optim, name)(params, **options)
    for step in range(steps):
        for p, g in zip(params, gradients(step, dtype=dtype), strict=True):
            p.grad = None if g is None else to_torch(g)
        optimizer.step()
    return [from_torch(p) for p in params]


@pytest.mark.peers
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_twenty_steps_as_torch(device, name, options):
    params = parameters(device)
    run(getattr(optim, name)(params, **options), params, range(20))
    for got, want in zip(params, run_torch(name, options), strict=True):
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_devices_agree(opencl_device, name, options):
    here, reference = parameters(opencl_device), parameters("cpu")
    for params in (here, reference):
        run(getattr(optim, name)(params, **options), params, range(5))
    for got, want in zip(here, reference, strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5, atol=2e-6)


@pytest.mark.peers
@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_float64_as_torch(device, name):
    if device != "cpu" and not clnn.device(device).info.fp64:
        pytest.skip("the device has no float64")
    params = parameters(device, dtype="float64")
    run(getattr(optim, name)(params), params, range(20), dtype="float64")
    for got, want in zip(params, run_torch(name, {}, "float64"), strict=True):
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_half_parameters_keep_float32_state(device, name, dtype):
    options = {"momentum": 0.9} if name == "SGD" else {}
    params = parameters(device, dtype=dtype)
    optimizer = getattr(optim, name)(params, lr=0.01, **options)
    run(optimizer, params, range(3), dtype=dtype)
    kinds = {a.dtype.name for s in optimizer.state_dict()["state"].values()
             for k, a in s.items() if k != "step"}  # fmt: skip
    assert kinds == {"float32"}
    exact = parameters("cpu", dtype=dtype)
    run(getattr(optim, name)(exact, lr=0.01, **options), exact, range(3), dtype=dtype)
    for got, want in zip(params, exact, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(
            got.numpy().astype("f4"), want.numpy().astype("f4"), rtol=1e-2, atol=1e-3
        )


def test_a_mixed_group(device):
    params = [
        parameters(device, [s], d)[0]
        for s, d in [((5,), "float32"), ((4,), "float16"), ((3,), "float32")]
    ]
    optimizer = optim.SGD(params, lr=1.0, momentum=0.5)
    for _ in range(2):
        for p in params:
            p.grad = clnn.tensor(np.ones(p.shape, p.dtype), device=device)
        optimizer.step()
    for p, q in zip(
        params, [parameters("cpu", [p.shape], p.dtype)[0] for p in params], strict=True
    ):
        np.testing.assert_allclose(p.numpy().astype("f4"), q.numpy().astype("f4") - 2.5, atol=1e-2)


def test_a_view_sees_the_update(device):
    p = clnn.tensor([1.0, 2.0], device=device, requires_grad=True)
    view = p.detach()
    p.grad = clnn.tensor([1.0, 1.0], device=device)
    optim.SGD([p], lr=0.5).step()
    np.testing.assert_array_equal(view.numpy(), [0.5, 1.5])


def test_the_gradient_is_left_alone(device):
    p = parameters(device, [(9,)])[0]
    p.grad = clnn.tensor(np.arange(9.0, dtype="f4"), device=device)
    optim.Adam([p], weight_decay=0.5, maximize=True).step()
    np.testing.assert_array_equal(p.grad.numpy(), np.arange(9))


def test_options_changed_by_hand_count(device):
    p = clnn.tensor([1.0], device=device, requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    for rate in (0.5, 0.25):
        optimizer.param_groups[0]["lr"] = rate
        p.grad = clnn.tensor([1.0], device=device)
        optimizer.step()
    assert p.item() == 0.25
