"""Attention beyond what a sample can say: dropout draws, and masks leave no NaN behind."""

import numpy as np
import pytest

import clnn
from clnn import ops

ATTEND = ops.scaled_dot_product_attention


def random(*shape, device, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return clnn.tensor(values, device=device, requires_grad=True)


def test_dropout_drops_the_same_shares_everywhere(device):
    results = []
    for where in (device, "cpu"):
        q, k, v = (random(2, 7, 4, device=where, seed=s) for s in range(3))
        clnn.manual_seed(7)
        out = ATTEND(q, k, v, dropout_p=0.4)
        out.backward(clnn.tensor(np.ones(out.shape, np.float32), device=where))
        results.append((out.numpy(), q.grad.numpy()))
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    q, k, v = (random(2, 7, 4, device=device, seed=s) for s in range(3))
    assert not np.allclose(results[0][0], ATTEND(q, k, v).numpy())


@pytest.mark.parametrize("kind", ["bool", "float32"])
def test_a_query_without_keys_gets_zeros_and_gives_no_nan(kind, device):
    q, k, v = random(3, 4, device=device), random(5, 4, device=device), random(5, 2, device=device)
    mask = np.ones((3, 5), bool)
    mask[1] = False
    values = mask if kind == "bool" else np.where(mask, 0.0, -np.inf).astype(np.float32)
    out = ATTEND(q, k, v, clnn.tensor(values, device=device))
    assert (out.numpy()[1] == 0).all()
    ops.sum(out).backward()
    for x in (q, k, v):
        assert np.isfinite(x.grad.numpy()).all()
    assert (q.grad.numpy()[1] == 0).all()
