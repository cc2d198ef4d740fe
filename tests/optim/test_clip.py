"""Gradient clipping against torch, and what it must not touch."""

import math

import numpy as np
import pytest

import clnn
from clnn import optim
from clnn.errors import AutogradError, DeviceError, DTypeError, SettingError
from harness import from_torch, to_torch, torch

SHAPES = [(3, 5), (), (0, 2), (5000,), (7, 11, 3)]


def with_gradients(device, scale=1.0, shapes=SHAPES, dtype="float32"):
    rng = np.random.default_rng(3)
    params = []
    for s in shapes:
        p = clnn.tensor(np.zeros(s, dtype), device=device, requires_grad=True)
        p.grad = clnn.tensor((rng.standard_normal(s) * scale).astype(dtype), device=device)
        params.append(p)
    return params


@pytest.mark.peers
@pytest.mark.parametrize("scale", [1.0, 1e-3])
@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, 0.5, math.inf])
def test_norm_as_torch(device, norm_type, scale):
    params = with_gradients(device, scale)
    theirs = [to_torch(p.numpy()).requires_grad_() for p in params]
    for t, p in zip(theirs, params, strict=True):
        t.grad = to_torch(p.grad.numpy())
    norm = optim.clip_grad_norm_(params, 0.7, norm_type)
    want = torch.nn.utils.clip_grad_norm_([t for t in theirs if t.numel()], 0.7, norm_type)
    assert norm.shape == ()
    assert norm.device == clnn.device(device)
    np.testing.assert_allclose(norm.item(), want.item(), rtol=1e-5)
    for p, t in zip(params, theirs, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), from_torch(t.grad), rtol=2e-5, atol=1e-9)


@pytest.mark.parametrize("wg", [1, 8])
@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, math.inf])
def test_devices_agree(opencl_device, monkeypatch, norm_type, wg):
    monkeypatch.setattr(clnn.device(opencl_device).backend.rt, "wg", wg)
    here, reference = with_gradients(opencl_device), with_gradients("cpu")
    a, b = (optim.clip_grad_norm_(p, 0.7, norm_type).item() for p in (here, reference))
    np.testing.assert_allclose(a, b, rtol=1e-5)
    for p, q in zip(here, reference, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=2e-5, atol=1e-9)


def test_it_repeats_bit_for_bit(device):
    norms = [optim.clip_grad_norm_(with_gradients(device), 1.0).item() for _ in range(3)]
    assert len(set(norms)) == 1


def test_small_gradients_stay(device):
    params = with_gradients(device, 1e-6)
    before = [p.grad.numpy() for p in params]
    optim.clip_grad_norm_(params, 1.0)
    for p, old in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), old)


def test_a_gradient_two_parameters_share_is_clipped_once(device):
    a, b = (clnn.tensor([0.0], device=device, requires_grad=True) for _ in range(2))
    a.grad = b.grad = clnn.tensor([3.0], device=device)
    optim.clip_grad_value_([a, b], 2.0)
    optim.clip_grad_norm_([a, b], math.sqrt(2))
    np.testing.assert_allclose([a.grad.item(), b.grad.item()], [1, 1], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_gradients_have_a_float32_norm(device, dtype):
    shapes = [(4000,), (3,)]
    params = with_gradients(device, 100.0, shapes, dtype)
    exact = math.sqrt(sum(float((p.grad.numpy().astype("f8") ** 2).sum()) for p in params))
    norm = optim.clip_grad_norm_(params, 1.0)
    assert norm.dtype == "float32"
    np.testing.assert_allclose(norm.item(), exact, rtol=1e-5)
    assert params[0].grad.dtype == dtype


def test_mixed_dtypes(device):
    params = with_gradients(device, 1.0, [(5,)]) + with_gradients(device, 1.0, [(6,)], "float16")
    exact = math.sqrt(sum(float((p.grad.numpy().astype("f8") ** 2).sum()) for p in params))
    np.testing.assert_allclose(optim.clip_grad_norm_(params, 1.0).item(), exact, rtol=1e-5)
    assert [p.grad.dtype for p in params] == ["float32", "float16"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("norm_type", [2.0, math.inf])
def test_what_is_not_finite_is_seen(device, bad, norm_type):
    params = with_gradients(device, 1.0, [(5,), (3,)])
    params[1].grad = clnn.tensor([1.0, bad, 2.0], device=device)
    norm = optim.clip_grad_norm_(params, 1.0, norm_type).item()
    assert math.isnan(norm) if math.isnan(bad) else norm == math.inf
    with pytest.raises(AutogradError, match="clip_grad_norm_: expected a finite norm"):
        optim.clip_grad_norm_(params, 1.0, norm_type, error_if_nonfinite=True)


def test_value(device):
    params = with_gradients(device, 3.0)
    before = [p.grad.numpy() for p in params]
    optim.clip_grad_value_(params, 0.5)
    for p, old in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), np.clip(old, -0.5, 0.5))


def test_parameters_without_gradients(device):
    p = clnn.tensor([1.0], device=device, requires_grad=True)
    norm = optim.clip_grad_norm_(iter([p]), 1.0)
    assert norm.item() == 0.0
    assert norm.device == p.device
    optim.clip_grad_value_(p, 1.0)
    assert p.grad is None


def test_mistakes(device):
    p = with_gradients(device)[0]
    with pytest.raises(SettingError, match="clip_grad_norm_: expected max_norm >= 0, got -1"):
        optim.clip_grad_norm_(p, -1)
    with pytest.raises(SettingError, match="expected norm_type > 0, got 0"):
        optim.clip_grad_norm_(p, 1, 0)
    with pytest.raises(SettingError, match="expected at least one parameter, got none"):
        optim.clip_grad_norm_([], 1)
    with pytest.raises(DTypeError, match="expected Tensors, got ndarray"):
        optim.clip_grad_norm_([p.numpy()], 1)
    with pytest.raises(DTypeError, match="expected Tensors, got int"):
        optim.clip_grad_value_(3, 1)
    with pytest.raises(SettingError, match="clip_value >= 0"):
        optim.clip_grad_value_(p, -1)


def test_gradients_on_two_devices(opencl_device):
    params = [with_gradients(d, 1.0, [(3,)])[0] for d in ("cpu", opencl_device)]
    with pytest.raises(DeviceError, match="expected operands on one device"):
        optim.clip_grad_norm_(params, 1.0)
