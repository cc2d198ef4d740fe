"""The convolution for CPUs where its panels end: deep sums, narrow rows, steps, phases, and every width of a vector."""

import contextlib
import dataclasses

import pytest

import clnn
from clnn import bfloat16, float16, float64
from clnn.backends.opencl import conv_simd, gemm
from harness import Key, compare, run_clnn, run_reference
from samples import T, sample

OPS = ("conv2d", "conv2d_input_grad", "conv_transpose2d", "conv2d_weight_grad")
ENDED = {"residual": T(2, 20, 7, 35), "activation": "relu6", "padding": 1}
SAMPLES = [
    sample("conv2d", T(2, 2100, 5, 5), T(9, 2100, 1, 1), T(9)),
    sample("conv2d", T(1, 240, 6, 6), T(40, 240, 3, 3), padding=1),
    sample("conv2d", T(5, 8, 7, 7), T(20, 8, 3, 3), padding=1),
    sample("conv2d", T(1, 3, 40, 70), T(17, 3, 7, 7), stride=2, padding=3),
    sample("conv2d", T(3, 1, 5, 3), T(9, 1, 2, 2), stride=2),
    sample("conv2d", T(2, 3, 9, 67), T(16, 3, 3, 3), stride=2),
    sample("conv2d", T(2, 16, 9, 67), T(24, 16, 1, 1), stride=2, padding=1),
    sample("conv2d", T(2, 9, 40, 11), T(10, 9, 1, 1), stride=(3, 1)),
    sample("conv2d", T(2, 24, 12, 13), T(16, 12, 3, 3), groups=2, stride=3),
    sample("conv2d", T(1, 600, 8, 9), T(130, 600, 1, 1)),
    sample("conv_transpose2d", T(2, 16, 9, 33), T(16, 3, 4, 4), T(3), stride=2, padding=1),
    # taps that are no neighbours, and phases that meet none
    sample("conv_transpose2d", T(2, 16, 5, 7), T(16, 9, 3, 3), stride=2, dilation=3),
    sample("conv2d", T(3, 20, 9, 11), T(24, 20, 2, 3), stride=(3, 2)),
    sample("conv2d", T(2, 8, 13, 17), T(24, 8, 2, 2), stride=4, padding=1),
    # an image ends within a vector, and a panel is filled by less than half
    sample("fused_conv2d", T(5, 16, 5, 5), T(20, 16, 1, 1), T(20), activation="relu"),
    sample("fused_conv2d", T(3, 16, 7, 7), T(20, 16, 1, 1), T(20), residual=T(3, 20, 7, 7)),
    # few filters read pixels where they lie: deeper than local memory, image by image, and with all that ends a sum
    sample("conv2d", T(1, 1100, 16, 36), T(9, 1100, 1, 1)),
    sample(
        "fused_conv2d",
        T(3, 20, 6, 12),
        T(20, 20, 1, 1),
        T(20),
        residual=T(3, 20, 6, 12),
        activation="relu6",
    ),
    sample("conv2d", T(2, 24, 3, 40), T(20, 12, 1, 1), T(20), groups=2, padding=1),
    # fewer input than output channels: x is turned for the weight gradient instead of g
    sample("conv2d", T(3, 24, 7, 7), T(130, 24, 1, 1)),
    sample("conv2d", T(2, 24, 12, 13), T(80, 12, 1, 1), groups=2, stride=2),
    sample("conv2d", T(2, 32, 30, 30), T(64, 32, 1, 1)),
]
PAST_CACHES = [
    sample("conv2d", T(2, 16, 8, 16), T(20, 16, 1, 1), T(20)),
    sample("fused_conv2d", T(2, 9, 7, 35), T(20, 9, 3, 3), T(20), **ENDED),
    sample("conv2d", T(2, 16, 8, 8, dtype=float64), T(20, 16, 1, 1, dtype=float64)),
    sample("conv2d", T(2, 16, 8, 8, dtype=float16), T(20, 16, 1, 1, dtype=float16)),
]
EVERY_WIDTH = [
    sample("fused_conv2d", T(2, 9, 7, 35), T(20, 9, 3, 3), T(20), **ENDED),
    sample("conv2d", T(2, 17, 9, 41), T(18, 17, 3, 3), stride=2, padding=1),
    sample("conv2d", T(2, 17, 9, 6, dtype=float64), T(18, 17, 3, 3, dtype=float64), padding=1),
    sample("conv2d", T(2, 20, 9, 6, dtype=float64), T(70, 20, 1, 1, dtype=float64)),
    sample("conv2d", T(2, 9, 9, 41, dtype=float16), T(10, 9, 3, 3, dtype=float16), stride=2),
    sample("conv2d", T(2, 9, 6, 7, dtype=bfloat16), T(3, 9, 2, 2, dtype=bfloat16)),
]


def check(this, device):
    want = run_reference(Key(this))
    with contextlib.ExitStack() as forced:
        for op in OPS:
            forced.enter_context(clnn.algorithm(op, "simd"))
        got = run_clnn(this, device)
    deep = this.args[0].shape[1] > 200
    compare(got, want, dataclasses.replace(this, rtol=1e-4, atol=2e-3) if deep else this, "simd")


@pytest.mark.parametrize("convolution", SAMPLES, ids=str)
def test_panels_match_the_reference(convolution, opencl_device):
    check(convolution, opencl_device)


@pytest.mark.parametrize("convolution", PAST_CACHES, ids=str)
def test_results_past_the_caches_match_the_reference(convolution, opencl_device, monkeypatch):
    monkeypatch.setattr(conv_simd, "_PAST", 0)
    plans = clnn.device(opencl_device).backend.rt.plans
    plans.clear()
    check(convolution, opencl_device)
    plans.clear()


@pytest.mark.parametrize("width", [8, 4])
@pytest.mark.parametrize("convolution", EVERY_WIDTH, ids=str)
def test_every_width_matches_the_reference(convolution, width, opencl_device, monkeypatch):
    def lanes(info, kind):
        return width // 2 if kind is float64 else width

    monkeypatch.setattr(gemm, "lanes", lanes)
    monkeypatch.setattr(conv_simd, "lanes", lanes)
    plans = clnn.device(opencl_device).backend.rt.plans
    plans.clear()  # they remember the width
    check(convolution, opencl_device)
    plans.clear()
