"""What samples cannot say about depthwise convolution: the choice, GPU paths, repeats, compilations."""

import numpy as np
import pytest

import clnn
from clnn import ops
from clnn.backends.opencl.algorithms import algorithm
from harness import check_against_reference
from pretend import pretend
from samples import T, sample
from samples.conv import DEPTHWISE
from samples.fused import conv_by_parts


@pytest.mark.parametrize("variant", ["gpu", "small", "tiny"])
@pytest.mark.parametrize("sample", [s for s in DEPTHWISE if "float64" not in str(s)][::3], ids=str)
def test_gpu_paths_match_the_reference(sample, variant, opencl_device):
    check_against_reference(sample, pretend(opencl_device, variant))


@pytest.mark.parametrize("variant", [None, "gpu", "small"])
@pytest.mark.parametrize("activation", ["relu6", "silu"])
@pytest.mark.parametrize("width", [5, 37])
def test_what_ends_the_sum(activation, width, variant, opencl_device):
    x, w, b, r = T(2, 3, 9, width), T(6, 1, 3, 3), T(6), T(2, 6, 9, width)
    ended = sample("fused_conv2d", x, w, b, oracle=conv_by_parts, padding=1, groups=3,
                   activation=activation, residual=r)  # fmt: skip
    device = opencl_device if variant is None else pretend(opencl_device, variant)
    check_against_reference(ended, device)


def products(device, batch, size, stride=1, channels=5):
    """A convolution and its gradients, as arrays; forced, so that another algorithm is an error."""
    rng = np.random.default_rng(0)
    x, w = (
        clnn.tensor(rng.standard_normal(shape, dtype="float32"), device=device, requires_grad=True)
        for shape in ((batch, channels, *size), (channels, 1, 3, 3))
    )
    with algorithm("conv2d", "depthwise"), algorithm("conv2d_input_grad", "depthwise"), \
         algorithm("conv2d_weight_grad", "depthwise"):  # fmt: skip
        y = ops.conv2d(x, w, stride=stride, padding=1, groups=channels)
        ops.sum(y * y).backward()
    return [a.numpy() for a in (y, x.grad, w.grad)]


@pytest.mark.parametrize("stride", [1, 2])
def test_results_repeat_bit_for_bit(stride, opencl_device):
    for device in (opencl_device, pretend(opencl_device, "gpu")):
        first, second = (products(device, 3, (30, 45), stride) for _ in range(2))
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_sizes_compile_nothing(opencl_device):
    rt = clnn.device(opencl_device).backend.rt
    products(opencl_device, 2, (30, 45), channels=9)
    before = rt.compilations
    products(opencl_device, 5, (33, 61), channels=9)
    products(opencl_device, 1, (64, 20), channels=70)
    assert rt.compilations == before
