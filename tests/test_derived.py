"""Every op in both half dtypes, and what every op makes of NaN and infinities, as torch does it."""

import numpy as np
import pytest

from derived import HALVES, halves, odd
from harness import (
    Key,
    algorithms_of,
    check_against_reference,
    check_against_torch,
    close,
    run_by,
    run_clnn,
    run_reference,
    run_torch,
)
from samples import gather

ODD = list(odd())
HALF = halves()
# What docs/numerics.md lists as other than torch.
LISTED = {
    "gelu": "inf",  # the limit, where torch on processors has NaN
    "softsign": "inf",  # a gradient of 0, the limit
    "mish": "inf",  # a gradient of 1, the limit
    "max": "nan",  # over all axes, the gradient of amax
    "binary_cross_entropy": "nan inf",  # an error in torch
}
# Gradients where torch's own kernels differ from each other: at NaN, by vectors (zero or NaN) or not (as clnn's).
TORCH_DIFFERS = {
    "elu",
    "selu",
    "celu",
    "hardswish",
    "relu6",
    "hardtanh",
    "hardshrink",
    "softshrink",
}
# In the gradient of the weight the input meets the zeros of padding, or does not: each algorithm has its way.
PADDED = {"conv_transpose1d", "conv_transpose2d"}


def compare(got, want, sample, special, free):
    """Outputs, and gradients unless the op is among `free`."""
    for k, (a, b) in enumerate(zip(got[0], want[0], strict=True)):
        close(a, b, sample, f"output {k} with {special}")
    if sample.fn in free:
        return
    for k, (a, b) in enumerate(zip(got[1], want[1], strict=True)):
        if a is not None:
            close(a, b, sample, f"grad of operand {k} with {special}", scale=2.0)


@pytest.mark.parametrize("sample", HALF, ids=str)
@pytest.mark.peers
def test_halves_match_torch(sample):
    check_against_torch(sample)


@pytest.mark.parametrize("sample", HALF, ids=str)
def test_halves_match_the_reference(sample, opencl_device):
    check_against_reference(sample, opencl_device)


@pytest.mark.parametrize("kind", HALVES)
def test_every_op_has_a_sample_in_both_halves(kind):
    samples = gather("SAMPLES")
    floating = {s.fn for s in samples if "float" in f"{s.args}{s.kwargs}"}
    has = {s.fn for s in [*samples, *HALF] if f"'{kind}'" in f"{s.args}{s.kwargs}"}
    assert sorted(floating - has) == []


@pytest.mark.parametrize(("special", "sample"), ODD, ids=str)
@pytest.mark.peers
@np.errstate(all="ignore")
def test_special_values_as_in_torch(special, sample):
    if special in LISTED.get(sample.fn, ""):
        pytest.skip("other than torch: see docs/numerics.md")
    compare(run_clnn(sample, "cpu"), run_torch(sample), sample, special, TORCH_DIFFERS | PADDED)


def _ways():
    """Every odd sample by what would be chosen, and by every algorithm."""
    for special, s in ODD:
        yield special, s, None
        names = (a.name for found in algorithms_of(s.family).values() for a in found)
        # Winograd spoils whole tiles: see docs/numerics.md
        for name in dict.fromkeys(n for n in names if not n.startswith("winograd")):
            yield special, s, name


@pytest.mark.parametrize(("special", "sample", "name"), list(_ways()), ids=str)
@np.errstate(all="ignore")
def test_special_values_as_on_the_reference(special, sample, name, opencl_device):
    if name is None:
        got = run_clnn(sample, opencl_device)
    elif (got := run_by(sample, opencl_device, name)) is None:
        pytest.skip(f"{name} does not apply to this sample on this device")
    compare(got, run_reference(Key(sample)), sample, special, PADDED)
