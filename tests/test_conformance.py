"""Every op, on every device, by every algorithm, on every sample: torch -> reference -> OpenCL."""

import pytest

import clnn
from clnn import ops
from harness import (
    algorithms_of,
    call,
    check_against_reference,
    check_against_torch,
    check_algorithm,
    check_numeric_grad,
    host_operands,
    lacks,
)
from samples import gather

SAMPLES = gather("SAMPLES")
FLOATS_ONLY = [s for s in SAMPLES if s.numeric_grad]


def forced():
    """(sample, algorithm name) for every family that has a choice."""
    out = []
    for s in SAMPLES:
        table = algorithms_of(s.family)
        out += [
            (s, name) for name in dict.fromkeys(a.name for found in table.values() for a in found)
        ]
    return out


@pytest.mark.peers
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_reference_matches_torch(sample):
    check_against_torch(sample)


@pytest.mark.parametrize("sample", FLOATS_ONLY, ids=str)
def test_reference_gradient_matches_differences(sample):
    check_numeric_grad(sample)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_opencl_matches_reference(sample, opencl_device):
    if lacks(sample, opencl_device):
        pytest.skip("this device has no float64")
    check_against_reference(sample, opencl_device)


@pytest.mark.parametrize(("sample", "name"), forced(), ids=str)
def test_every_algorithm_matches_reference(sample, name, opencl_device):
    if lacks(sample, opencl_device):
        pytest.skip("this device has no float64")
    if not check_algorithm(sample, opencl_device, name):
        pytest.skip(f"{name} does not apply to this sample on this device")


@pytest.mark.parametrize("bad", gather("ERRORS"), ids=str)
def test_error_is_the_same_everywhere(bad, device):
    xs = [clnn.tensor(a, device=device) for a in host_operands(bad)]
    with pytest.raises(bad.error, match=bad.match):
        call(bad, getattr(ops, bad.fn), xs)
