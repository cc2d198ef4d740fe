"""No algorithm errs more than docs/numerics.md says."""

import pytest

from accuracy import ALGORITHMS, bound, measure, problems

CASES = [
    pytest.param(p, a.name, id=f"{p}-{a.name}")
    for p in problems(large=False)
    for a in ALGORITHMS[p.op]
]


@pytest.mark.parametrize(("problem", "algorithm"), CASES)
def test_error_against_float64(problem, algorithm, opencl_device):
    error = measure(problem, opencl_device, algorithm)
    if error is None:
        pytest.skip(f"{algorithm} does not apply")
    assert 0 < error.rms <= error.largest < bound(algorithm)
