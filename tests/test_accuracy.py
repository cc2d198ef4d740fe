"""No op and no algorithm errs more than docs/numerics.md says."""

import re
from pathlib import Path

import pytest

import accuracy
import accuracy_maps
import accuracy_ops
import clnn

CASES = [
    pytest.param(p, a.name, id=f"{p}-{a.name}")
    for p in accuracy.problems(large=False)
    for a in accuracy.ALGORITHMS[p.op]
]
OPS = accuracy_ops.cases(large=False)
PAGE = Path(__file__).parents[1] / "docs/numerics.md"


@pytest.mark.parametrize(("problem", "algorithm"), CASES)
def test_products_by_algorithm(problem, algorithm, opencl_device):
    error = accuracy.measure(problem, opencl_device, algorithm)
    if error is None:
        pytest.skip(f"{algorithm} does not apply")
    assert 0 < error.rms <= error.largest < accuracy.bound(algorithm)


@pytest.mark.parametrize("op", accuracy_maps.BOUNDS)
def test_maps_in_units_in_the_last_place(op, opencl_device):
    worst = accuracy_maps.worst(op, opencl_device)
    assert worst.ulp <= accuracy_maps.BOUNDS[op], f"{worst.ulp} ulp at {worst.at}"


@pytest.mark.parametrize("op", OPS)
def test_every_op_over_its_largest_element(op, opencl_device):
    for s in OPS[op]:
        errors = accuracy_ops.measure(s, opencl_device)
        assert max(errors) <= accuracy_ops.bound(op), f"{s}: {errors}"


def test_an_error_is_seen(opencl_device, plant):
    impls = clnn.device(opencl_device).backend.impls
    plant(opencl_device, "silu", impls["gelu"])
    assert max(accuracy_ops.measure(OPS["silu"][0], opencl_device)) > accuracy_ops.BOUND
    plant(opencl_device, "exp", impls["expm1"])
    assert accuracy_maps.worst("exp", opencl_device).ulp > 1e6


def test_the_page_has_every_bound():
    text = PAGE.read_text().partition("<!-- list_errors -->")[2].partition("<!-- /list_errors -->")
    maps, ops, products = re.split(r"^\*\*", text[0], flags=re.M)[1:]
    tables = [
        {
            row[0]: float(row[-1])
            for row in re.findall(r"^\| (\w+) \|.* ([\d.e+-]+) \|$", table, re.M)
        }
        for table in (maps, ops)
    ]
    assert tables[0] == accuracy_maps.BOUNDS
    exact = dict.fromkeys(re.findall(r"`(\w+)`", ops), 0.0)
    assert tables[1] | exact == {op: exact.get(op, accuracy_ops.bound(op)) for op in OPS}
    listed = re.findall(r"^\| (\w+) \| (\w+) \|.* ([\d.e+-]+) \|$", products, re.M)
    assert all(float(most) == accuracy.bound(name) for _, name, most in listed)
    assert {op for op, *_ in listed} == accuracy.ALGORITHMS.keys() & {
        p.op for p in accuracy.problems(large=True)
    }
