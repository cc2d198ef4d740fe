"""Every tile for GPUs, sums in slices and products of few rows, on devices that only claim to be GPUs."""

import dataclasses

import numpy as np
import pytest

import clnn
from clnn.backends.opencl import gemm_tile, winograd_simd
from harness import Key, check_against_reference, check_algorithm, compare, run_clnn, run_reference
from pretend import pretend
from samples import T, sample

# Small samples get the smallest tile on a device of few compute units. Rows of multiples of 4 are read in vectors.
PRODUCTS = [
    sample("matmul", T(150, 37), T(37, 131)),
    sample("matmul", T(2, 1, 132, 12), T(3, 12, 68)),
    sample("linear", T(3, 67, 20), T(132, 20), T(132)),
    sample("linear", T(90, 50), T(129, 50), T(129)),
    sample("conv2d", T(3, 9, 7, 8), T(70, 9, 3, 3), T(70), padding=1, stride=(1, 2)),
    sample("conv2d", T(2, 32, 6, 7), T(20, 16, 2, 3), T(20), groups=2, dilation=2),
    sample("conv2d", T(2, 12, 6, 6), T(36, 12, 1, 1), T(36)),
]


@pytest.mark.parametrize("tile", [t for t in gemm_tile.TILES if t[2] == 8 or t[0] < 128], ids=str)
@pytest.mark.parametrize("product", PRODUCTS, ids=str)
def test_every_tile_matches_the_reference(product, tile, opencl_device, monkeypatch):
    monkeypatch.setattr(gemm_tile, "TILES", {tile: 1.0})
    device = pretend(opencl_device, "gpu")
    device.backend.rt.plans.clear()  # they remember the tile that was chosen before
    check_against_reference(product, device)


# On a device of many compute units, long sums are taken in slices; few rows or columns have kernels of their own.
LONG = [
    sample("matmul", T(20, 6000), T(6000, 40)),
    sample("fused_linear", T(33, 5002), T(30, 5002), T(30), residual=T(33, 30), activation="relu"),
    sample("matmul", T(2, 18, 5001), T(5001, 35)),
    sample("matmul", T(40, 9001), T(9001)),
    sample("matmul", T(3, 2000), T(2000, 50)),
    sample("matmul", T(2, 3, 402), T(2, 402, 31)),
    sample("matmul", T(70, 64), T(64, 16)),
    sample("matmul", T(70, 65), T(65, 5)),
    sample("linear", T(9, 132), T(44, 132), T(44)),
    sample("linear", T(1, 4096), T(7, 4096), T(7)),
    sample("fused_linear", T(12, 257), T(35, 257), T(35), residual=T(12, 35), activation="relu"),
    sample("dot", T(30000), T(30000)),
    sample("conv2d", T(1, 600, 4, 4), T(20, 600, 3, 3), T(20), padding=1),
    sample("conv2d", T(1, 1200, 3, 3), T(18, 600, 2, 2), T(18), groups=2),
    sample("conv2d", T(12, 8, 34, 31), T(10, 8, 3, 3)),
]


@pytest.mark.parametrize("product", LONG, ids=str)
def test_long_sums_match_the_reference(product, opencl_device):
    device, want = pretend(opencl_device, "big"), run_reference(Key(product))
    got = run_clnn(product, device)
    compare(got, want, dataclasses.replace(product, rtol=1e-4, atol=2e-3), "in slices")


def test_slices_are_added_in_their_order(opencl_device):
    a, b = (clnn.tensor(np.random.default_rng(0).standard_normal(s, dtype="float32"),
                        device=pretend(opencl_device, "big")) for s in ((20, 6000), (6000, 40)))  # fmt: skip
    for name in ("split", "tile"):
        with clnn.algorithm("matmul", name):
            first = (a @ b).numpy()
            assert all(np.array_equal(first, (a @ b).numpy()) for _ in range(3))


def test_winograd_in_vectors_of_two(opencl_device, monkeypatch):
    """As float64 is on CPUs of four lanes."""
    monkeypatch.setattr(winograd_simd, "lanes", lambda info, kind: 2)
    product = sample(
        "conv2d", T(1, 17, 5, 6, dtype="float64"), T(18, 17, 3, 3, dtype="float64"), padding=1
    )
    for name in ("winograd_4x4", "winograd_2x2"):
        assert check_algorithm(dataclasses.replace(product, family="conv"), opencl_device, name)
