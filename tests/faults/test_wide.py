"""Kernels compiled with 64-bit indices, as operands of 2^30 elements and more ask for, on small ones."""

import importlib

import pytest

import clnn
from clnn.backends.opencl import OpenCL
from clnn.device import Device
from harness import check_against_reference, lacks
from samples import gather

MODULES = ("runtime", "elementwise", "reduce", "indexing", "correlation", "softmax")


# families that are maps by other expressions, or made of other families' kernels: a few of each will do
ALIKE = ("activation", "attention", "distance", "elementwise", "fused", "loss", "maths", "optim")


def some_of_each():
    """Of every function the sample with the longest operands; of families that are ALIKE three."""
    best, count = {}, {}
    for sample in gather("SAMPLES"):
        size = sum(len(str(a)) for a in sample.args)
        if sample.fn not in best and sample.family in ALIKE:
            count[sample.family] = count.get(sample.family, 0) + 1
            if count[sample.family] > 3:
                continue
        if sample.fn not in best or size > best[sample.fn][0]:
            best[sample.fn] = size, sample
    return [sample for _, sample in best.values()]


@pytest.fixture(scope="module")
def wide():
    """The first device, opened once more; whatever it compiles is told that operands are large."""
    real = clnn.devices()[0]
    if real.info is None:
        pytest.skip("no OpenCL device here")
    device = object.__new__(Device)
    device.name, device.type, device.index = f"{real.name} wide", real.type, real.index
    device.info, device._key = real.info, (real._key, "wide")
    device.backend = OpenCL(real.info)
    device.backend.rt.poison = True
    with pytest.MonkeyPatch.context() as patch:
        for name in MODULES:
            patch.setattr(importlib.import_module(f"clnn.backends.opencl.{name}"), "WIDE", 0)
        yield device


@pytest.mark.parametrize("sample", some_of_each(), ids=lambda s: f"{s.family}.{s.fn}")
def test_wide(sample, wide):
    if lacks(sample, wide):
        pytest.skip("needs float64")
    check_against_reference(sample, wide)
    assert all(dict(defines).get("wide") for _, _, *defines in wide.backend.rt._kernels)
