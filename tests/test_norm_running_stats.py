"""Running statistics: what batch_norm and instance_norm leave in them, on every device."""

import numpy as np
import pytest

import clnn
from clnn import nn, ops
from harness import torch

SHAPES = [(2, 3, 5, 7), (4, 3), (3, 3, 4500), (70, 3, 64), (300, 3)]


def moved(name, shape, device, dtype="float32", **settings):
    """running_mean and running_var after one call, by clnn and in float64 from the definition."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(shape) * 2 + 5).astype(dtype)
    mean, var = rng.standard_normal(shape[1]), rng.uniform(0.5, 2, shape[1])
    made = [clnn.tensor(a.astype("float32"), device=device) for a in (mean, var)]
    getattr(ops, name)(clnn.tensor(x, device=device), *made, **settings)
    own = (2,) if name == "instance_norm" else (2, 0)
    wide = x.astype("float64").reshape(*shape[:2], -1)
    momentum = settings.get("momentum", 0.1)
    ddof = settings.get("correction", 1)
    fresh = [f(wide) for f in (lambda v: v.mean(axis=own), lambda v: v.var(axis=own, ddof=ddof))]
    fresh = [f.reshape(-1, shape[1]).mean(axis=0) for f in fresh]
    return [m.numpy() for m in made], [
        (1 - momentum) * old + momentum * new for old, new in zip((mean, var), fresh, strict=True)
    ]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_moves_running_statistics(shape, dtype, device):
    got, want = moved("batch_norm", shape, device, dtype, training=True, momentum=0.3)
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("shape", [*SHAPES, (1, 3)], ids=str)
def test_biased_variance(shape, device):
    settings = {"training": True, "momentum": 0.3, "correction": 0}
    got, want = moved("fused_batch_norm", shape, device, **settings)
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)


def test_a_correction_is_0_or_1(device):
    x, stats = clnn.ones(4, 3, device=device), [clnn.ones(3, device=device) for _ in range(2)]
    with pytest.raises(clnn.SettingError, match="batch_norm: expected correction 0 or 1, got 2"):
        ops.fused_batch_norm(x, *stats, training=True, correction=2)


@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) > 2], ids=str)
def test_instance_norm_moves_running_statistics(shape, device):
    got, want = moved("instance_norm", shape, device, momentum=0.25)
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)


@pytest.mark.peers
@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_running_statistics_are_torchs(name):
    x = np.random.default_rng(1).standard_normal((4, 3, 5)).astype("float32")
    flag = {"training" if name == "batch_norm" else "use_input_stats": True}
    want = [torch.zeros(3), torch.ones(3)]
    getattr(torch.nn.functional, name)(torch.tensor(x), *want, **flag)
    got = [clnn.tensor(a.numpy(), device="cpu") for a in (torch.zeros(3), torch.ones(3))]
    getattr(ops, name)(clnn.tensor(x, device="cpu"), *got, **flag)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_evaluation_and_empty_batches_leave_them_alone(device):
    stats = [clnn.tensor(np.full(3, v, "float32"), device=device) for v in (0.5, 2.0)]
    ops.batch_norm(clnn.tensor(np.ones((4, 3), "float32"), device=device), *stats)
    empty = ops.batch_norm(
        clnn.tensor(np.ones((0, 3), "float32"), device=device), *stats, training=True
    )
    assert empty.shape == (0, 3)
    assert [s.numpy().tolist() for s in stats] == [[0.5] * 3, [2.0] * 3]


def test_a_graph_keeps_the_statistics_it_was_recorded_with(device):
    x = clnn.tensor(np.ones((4, 3), "float32"), device=device, requires_grad=True)
    stats = [clnn.tensor(np.full(3, v, "float32"), device=device) for v in (0.0, 4.0)]
    y = ops.batch_norm(x, *stats, eps=0.0)
    ops.batch_norm(clnn.tensor(np.eye(4, 3, dtype="float32"), device=device), *stats, training=True)
    y.backward(clnn.tensor(np.ones((4, 3), "float32"), device=device))
    np.testing.assert_allclose(x.grad.numpy(), np.full((4, 3), 0.5), rtol=1e-6)


def test_statistics_hold_where_a_single_pass_cancels(device):
    rng = np.random.default_rng(0)
    x = (1000 + 0.05 * rng.standard_normal((32, 2, 200))).astype("float32")
    stats = [clnn.tensor(np.full(2, v, "float32"), device=device) for v in (0.0, 0.0)]
    ops.batch_norm(clnn.tensor(x, device=device), *stats, training=True, momentum=1.0)
    want = x.astype("float64").var(axis=(0, 2), ddof=1)
    np.testing.assert_allclose(stats[1].numpy(), want, rtol=1e-4)


def test_a_layer_ends_in_its_activation(device):
    rng = np.random.default_rng(0)
    x, more = (
        clnn.tensor(rng.standard_normal((3, 8, 4, 5), dtype="float32"), device=device)
        for _ in range(2)
    )
    whole, plain = (nn.BatchNorm2d(8, device=device, activation=name) for name in ("relu", None))
    assert nn.BatchNorm2d.from_config(whole.get_config()).activation == "relu"
    for mode in (True, False):
        whole.train(mode), plain.train(mode)
        want = clnn.ops.relu(plain(x) + more)
        np.testing.assert_allclose(whole(x, residual=more).numpy(), want.numpy(), atol=1e-6)
    np.testing.assert_array_equal(whole.running_var.numpy(), plain.running_var.numpy())
