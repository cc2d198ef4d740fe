"""A group costs one launch for as many tensors as a kernel has arguments for; nothing recompiles."""

import numpy as np
import pytest
from optimizers import CASES, parameters, run

import clnn
from clnn import optim

MANY = [(k % 7, 3) for k in range(101)]


@pytest.fixture
def rt(opencl_device):
    return clnn.device(opencl_device).backend.rt


@pytest.fixture
def launches(rt, monkeypatch):
    """Names of the kernels enqueued from now on."""
    seen = []
    enqueue = rt._enqueue

    def count(own, kernel, *rest):
        seen.append(kernel.function_name)
        enqueue(own, kernel, *rest)

    monkeypatch.setattr(rt, "_enqueue", count)
    return seen


def ready(device, shapes, make):
    params = parameters(device, shapes)
    optimizer = make(params)
    run(optimizer, params, [0], shapes)
    for p in params:
        p.grad = clnn.tensor(np.ones(p.shape, "float32"), device=device)
    return params, optimizer


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_twenty_tensors_are_one_launch(opencl_device, launches, name, options):
    shapes = [(n, 3) for n in range(1, 21)]
    _, optimizer = ready(opencl_device, shapes, lambda p: getattr(optim, name)(p, **options))
    launches.clear()
    optimizer.step()
    assert launches == [{"SGD": "sgd", "RMSprop": "rmsprop"}.get(name, "adam")]


def test_a_group_each(opencl_device, launches):
    shapes = [(n, 3) for n in range(1, 21)]
    _, optimizer = ready(opencl_device, shapes, lambda p: optim.Adam(
        [{"params": p[:10]}, {"params": p[10:], "lr": 0.5}]))  # fmt: skip
    launches.clear()
    optimizer.step()
    assert launches == ["adam", "adam"]


def test_more_tensors_than_arguments(opencl_device, rt, launches):
    params, optimizer = ready(opencl_device, MANY, optim.AdamW)
    launches.clear()
    optimizer.step()
    room = (rt.info.handle.max_parameter_size - 128) // 24
    assert len(launches) == -(-len(MANY) // min(room, 256))
    reference, other = ready("cpu", MANY, optim.AdamW)
    other.step()
    for got, want in zip(params, reference, strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5, atol=1e-6)


def test_clipping_is_three_launches(opencl_device, launches):
    params, _ = ready(opencl_device, [(n, 3) for n in range(1, 21)], optim.SGD)
    launches.clear()
    optim.clip_grad_norm_(params, 1.0)
    assert launches == ["norm", "finish", "scale"]
    launches.clear()
    optim.clip_grad_value_(params, 0.5)
    assert launches == ["clip"]


def test_clipping_does_not_wait_for_the_device(opencl_device, rt, monkeypatch):
    params, _ = ready(opencl_device, [(5,), (7, 2)], optim.SGD)
    monkeypatch.setattr(rt, "download", lambda array: pytest.fail("a host read"))
    optim.clip_grad_norm_(params, 1.0)


def test_steps_rates_and_sizes_do_not_recompile(opencl_device, rt):
    def train(shapes, lr):
        _, optimizer = ready(opencl_device, shapes, lambda p: optim.Adam(p, lr=lr))
        for _ in range(3):
            optimizer.step()

    train([(3, 4), (4,), (9,)], 0.1)
    before = rt.compilations
    train([(30, 4), (17,), (2, 2, 2)], 0.2)
    assert rt.compilations == before


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_every_work_group_size(opencl_device, rt, monkeypatch, name, options):
    monkeypatch.setattr(rt, "wg", 8)
    params, reference = parameters(opencl_device), parameters("cpu")
    for p in (params, reference):
        run(getattr(optim, name)(p, **options), p, range(2))
    for got, want in zip(params, reference, strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5, atol=2e-6)
