"""Winograd where filters are more than tiles: every size of group, span and share, and every ending."""

import numpy as np
import pytest

import clnn
from clnn import ops
from clnn.backends.opencl import winograd_deep

CASES = [  # input, output channels, padding, stride, tiles of a span
    ((1, 80, 6, 7), 100, 1, 1, 128),  # two groups of channels; the last panel is not full
    ((3, 40, 9, 5), 40, 0, 1, 8),  # several spans
    ((2, 24, 4, 70), 48, 2, 1, 8),  # a row of tiles longer than a span
    ((1, 17, 1, 1), 16, 1, 1, 128),
    ((1, 80, 13, 14), 100, 1, 2, 128),
    ((3, 40, 17, 9), 40, 1, 2, 8),
    ((2, 24, 7, 140), 48, 3, 2, 8),
    ((1, 17, 1, 1), 16, 1, 2, 128),
]


@pytest.mark.parametrize(("shape", "out", "padding", "stride", "span"), CASES)
def test_all_products_match_the_reference(
    shape, out, padding, stride, span, opencl_device, monkeypatch
):
    if clnn.device(opencl_device).info.kind != "cpu":
        pytest.skip("an engine for CPUs")
    monkeypatch.setattr(winograd_deep, "_TILES", span)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape, dtype=np.float32)
    w = rng.standard_normal((out, shape[1], 3, 3), dtype=np.float32)
    b = rng.standard_normal(out, dtype=np.float32)

    def run(device):
        xd, wd, bd = (clnn.tensor(a, device=device) for a in (x, w, b))
        plain = ops.conv2d(xd.requires_grad_(), wd.requires_grad_(), stride=stride, padding=padding)
        seed = np.random.default_rng(1).standard_normal(plain.shape, dtype=np.float32)
        g = clnn.tensor(seed, device=device)
        plain.backward(g)
        with clnn.no_grad():
            ended = ops.fused_conv2d(xd, wd, bd, stride, padding, residual=g, activation="silu")
        return [a.numpy() for a in (plain, ended, xd.grad, wd.grad)]

    want = run("cpu")
    name = "winograd_deep"
    with (
        clnn.algorithm("conv2d", name),
        clnn.algorithm("conv2d_input_grad", name),
        clnn.algorithm("conv2d_weight_grad", name),
        clnn.profile(opencl_device) as found,
    ):
        got = run(opencl_device)
    assert [name for name, _ in found.launches].count("winograd.cut") == 5
    for a, e in zip(got, want, strict=True):
        assert np.abs(a - e).max() <= 5e-6 * np.abs(e).max() + 2e-5
