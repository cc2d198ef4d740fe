"""Launchers that plan once: a plan is of specs and settings, and of nothing else."""

import gc

import numpy as np
import pytest

import clnn
from clnn import ops
from clnn.backends.opencl import remembered


@pytest.fixture
def rt(opencl_device):
    rt = clnn.device(opencl_device).backend.rt
    rt.plans.clear()
    return rt


def tensors(device, *shapes):
    rng = np.random.default_rng(len(shapes))
    return [clnn.tensor(rng.standard_normal(s).astype("float32"), device=device) for s in shapes]


def test_an_array_used_twice_is_two_operands(opencl_device, rt):
    a, b = tensors(opencl_device, (5, 5), (5, 5))
    ops.matmul(a, a)
    np.testing.assert_allclose(
        ops.matmul(a, b).numpy(), a.numpy() @ b.numpy(), rtol=1e-5, atol=1e-5
    )
    ops.cat([a, a])
    np.testing.assert_array_equal(ops.cat([a, b]).numpy(), np.concatenate([a.numpy(), b.numpy()]))


def test_a_repeated_plan_computes_anew(opencl_device, rt):
    outs, planned = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, w = (rng.standard_normal(s).astype("float32") for s in ((2, 3, 7, 6), (5, 3, 3, 3)))
        args = [
            [clnn.tensor(v, device=d, requires_grad=True) for v in (x, w)]
            for d in (opencl_device, "cpu")
        ]
        for a in args:
            ops.sum(ops.mul(ops.conv2d(*a, padding=1, stride=2), 3.0)).backward()
        for got, want in zip(*args, strict=True):
            np.testing.assert_allclose(got.grad.numpy(), want.grad.numpy(), rtol=1e-4, atol=1e-4)
        outs.append(args[0][0].grad.numpy())
        planned.append(len(rt.plans))
    assert not np.array_equal(outs[0], outs[1])
    assert planned[0] == planned[1] == planned[2] > 0


def test_plans_hold_no_memory(opencl_device, rt):
    gc.collect()
    x, w = tensors(opencl_device, (4, 8, 20, 20), (8, 8, 3, 3))
    ops.conv2d(x, w, padding=1)  # what is computed from w stays as long as w
    before = rt.memory_stats()["allocated"]
    for _ in range(3):
        ops.conv2d(x, w, padding=1)
        assert rt.memory_stats()["allocated"] == before


def test_settings_and_shapes_have_plans_of_their_own(opencl_device, rt):
    (x,) = tensors(opencl_device, (4, 4))
    for _ in range(2):
        np.testing.assert_array_equal(x[1:3].numpy(), x.numpy()[1:3])
        np.testing.assert_array_equal(x[2:4].numpy(), x.numpy()[2:4])
        np.testing.assert_array_equal(ops.permute(x, (1, 0)).numpy(), x.numpy().T)


def test_a_forced_algorithm_is_not_remembered(opencl_device, rt):
    a, b = tensors(opencl_device, (6, 9), (9, 4))
    ops.matmul(a, b)
    with clnn.algorithm("matmul", "plain") as used:
        ops.matmul(a, b)
    assert used == {"matmul"}
    rt.plans.clear()
    with clnn.algorithm("matmul", "plain"):
        ops.matmul(a, b)
    assert not rt.plans


def test_plans_are_forgotten_before_they_are_too_many(opencl_device, rt, monkeypatch):
    monkeypatch.setattr(remembered, "PLANS", 3)
    (x,) = tensors(opencl_device, (9, 9))
    for k in range(8):
        np.testing.assert_array_equal(x[k:].numpy(), x.numpy()[k:])
        assert len(rt.plans) <= 3


def test_forgetting_plans_forgets_the_calls_they_answered(opencl_device, rt):
    a, b = tensors(opencl_device, (6, 9), (9, 4))
    ops.matmul(a, b)
    calls = rt.plans.calls
    assert len(calls) == 1
    rt.plans.clear()
    assert not rt.plans.calls
    assert rt.plans.calls is not calls
    ops.matmul(a, b)
    assert len(rt.plans) == len(rt.plans.calls) == 1


def test_a_call_answered_before_is_still_forced(opencl_device, rt):
    a, b = tensors(opencl_device, (6, 9), (9, 4))
    ops.matmul(a, b)
    known = dict(rt.plans.calls)
    with clnn.algorithm("matmul", "plain") as used:
        ops.matmul(a, b)
    assert used == {"matmul"}
    assert rt.plans.calls == known


def test_numbers_of_a_repeated_launch_are_those_of_the_call(opencl_device, rt):
    (x,) = tensors(opencl_device, (7,))
    host = x.numpy()
    for number in (2.0, 2.0, 3.0, 0.0, -0.0, 0.0, 2.0, float("nan"), 1):
        got = (x * number).numpy()
        np.testing.assert_array_equal(got, host * np.float32(number))
        np.testing.assert_array_equal(np.signbit(got), np.signbit(host * np.float32(number)))
        filled = clnn.full((3,), number, device=opencl_device, dtype="float32").numpy()
        np.testing.assert_array_equal(np.signbit(filled), np.signbit(np.float32(number)))


def test_a_number_that_is_refused_leaves_no_trace(opencl_device, rt):
    (x,) = tensors(opencl_device, (3,))
    x = x.to(dtype="int32")
    host = x.numpy()
    np.testing.assert_array_equal((x * 3).numpy(), host * 3)
    with pytest.raises(clnn.SettingError):
        x * 2**40
    np.testing.assert_array_equal((x * 3).numpy(), host * 3)
