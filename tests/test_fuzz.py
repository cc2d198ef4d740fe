"""A small part of `make fuzz`, the same every time; and that the fuzzer finds what is wrong."""

import inspect
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clnn
from clnn import ops
from clnn.backends.opencl.elementwise import merge
from clnn.errors import ShapeError
from clnn.shapes import broadcast
from fuzz import draw, files
from fuzz.check import Case, Finding, cases, check
from fuzz.draw import as_code
from fuzz.spoil import spoil
from fuzz.worker import MOST_OF_FILE, bounded, examples
from samples import T, sample

STRATEGIES = draw.gather()
# name -> why no strategy draws calls of it
EXEMPT = {"manual_seed": "it takes no tensor; test_random.py has its numbers"}
FAMILIES = sorted({s.family for s in STRATEGIES.values()})
DEVICES = [d.name for d in clnn.devices() if d.name != "cpu"]
SETTINGS = settings(
    max_examples=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


def test_every_public_op_has_a_strategy():
    public = {n for n, f in vars(ops).items() if inspect.isfunction(f) and not n.startswith("_")}
    assert sorted(public - STRATEGIES.keys() - EXEMPT.keys()) == []
    assert sorted(STRATEGIES.keys() - public) == []
    assert sorted(EXEMPT.keys() - public) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_good_calls_agree(family):
    draw.epoch(1)
    mine = {name: s for name, s in STRATEGIES.items() if s.family == family}
    found = [examples(cases(s.draws()), lambda c: check(c, DEVICES), 4, 1) for s in mine.values()]
    assert [f for f in found if f] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_bad_calls_are_refused_alike(family):
    draw.epoch(2)
    mine = {name: s for name, s in STRATEGIES.items() if s.family == family}
    found = [
        examples(cases(s.draws(), spoil), lambda c: check(c, ["cpu"]), 6, 2) for s in mine.values()
    ]
    assert [f for f in found if f] == []


@pytest.mark.parametrize("reader", sorted(files.READERS))
def test_damaged_files_are_refused(reader, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "clnn"))
    if reader not in files.good():
        pytest.skip("this device keeps its compiled programs itself")
    body = lambda case: files.check_file(case, tmp_path)  # noqa: E731
    with bounded(MOST_OF_FILE):
        assert examples(files.damaged(reader), body, 8 if reader == "program" else 25, 3) is None


@SETTINGS
@given(draw.broadcastable(3))
def test_merged_axes_describe_the_same_broadcast(found):
    """Walking the merged axes with the merged strides visits what NumPy's broadcasting visits."""
    out = broadcast("merge", *found)
    sizes, _, strides = merge(list(found), out)
    for shape, own in zip(found, strides, strict=True):
        count = int(np.prod(shape))
        flat = np.arange(max(1, count))[:count].reshape(shape)
        want = np.broadcast_to(flat, out).reshape(-1)
        at = np.indices(sizes).reshape(len(sizes), -1) if len(want) else np.zeros((len(sizes), 0), int)  # fmt: skip
        np.testing.assert_array_equal((np.array(own) @ at)[: len(want)], want)


@SETTINGS
@given(st.sampled_from([0, 1, -1]), st.integers(1, 70), st.integers(1, 70))
def test_softmax_rows_sum_to_one(opencl_device, dim, rows, columns):
    x = clnn.tensor(np.random.default_rng(0).standard_normal((rows, columns)).astype("float32") * 30,
                    device=opencl_device)  # fmt: skip
    np.testing.assert_allclose(ops.softmax(x, dim).numpy().sum(dim), 1, rtol=1e-5)


# --- the fuzzer itself --------------------------------------------------------------------------------------


def found_in(name, bad=False):
    strategy = cases(STRATEGIES[name].draws(), spoil if bad else None)
    return examples(strategy, lambda case: check(case, ["cpu"]), 60, 5)


def test_a_wrong_result_is_found_and_made_small(monkeypatch):
    """The second run of each case, which stands for a device, is off where a row is longer than three."""
    calls = []
    right = ops.cumsum

    def wrong(x, dim):
        calls.append(dim)
        y = right(x, dim)
        return ops.add(y, 1) if len(calls) % 2 == 0 and x.ndim and x.shape[0] > 3 else y

    monkeypatch.setattr("fuzz.check.torch", None)
    monkeypatch.setattr("fuzz.check._asked", lambda *_: ["cpu"])
    monkeypatch.setattr(ops, "cumsum", wrong)
    found = found_in("cumsum")
    assert found is not None
    assert found.startswith("differs from reference: cpu by choice, output 0")
    # the least row that fails: 4, or 7 among the longer ones
    assert re.search(r'sample\("cumsum", T\(([47]\b|values=)', found)


def test_an_untyped_error_is_found(monkeypatch):
    def wrong(x, dim):
        raise ValueError("NumPy's own")

    monkeypatch.setattr(ops, "cumsum", wrong)
    assert "untyped error: cpu: ValueError" in found_in("cumsum")


def test_an_error_after_a_kernel_is_found(monkeypatch):
    def wrong(x, dim):
        ops.neg(x)
        raise ShapeError("cumsum: expected nothing")

    monkeypatch.setattr(ops, "cumsum", wrong)
    assert "late error: cpu: 1 primitives ran" in found_in("cumsum", bad=True)


@pytest.mark.peers
def test_what_torch_refuses_must_be_refused(monkeypatch):
    monkeypatch.setattr(ops, "cumsum", lambda x, dim: x)
    with pytest.raises(Finding, match="torch refuses: IndexError"):
        check(Case(sample("cumsum", T(3), 5)), [])


def test_a_reader_that_stumbles_is_found(tmp_path, monkeypatch):
    def wrong(path):
        return 1 / (len(path.read_bytes()) < 4)

    monkeypatch.setitem(files.READERS, "state", wrong)
    found = examples(files.damaged("state"), lambda c: files.check_file(c, tmp_path), 60, 4)
    assert "untyped error: ZeroDivisionError" in found


@pytest.mark.parametrize("made", [
    sample("add", T(2, 3, dtype="float16"), 1.5, alpha=2), sample("pad", T(4, low=0, high=2), (1, -1), value=None),
    sample("softmax", T(values=[[1.0, -2.5]], grad=False), -1), sample("cat", [T(2), T(0)], dim=0), sample("t", T()),
], ids=str)  # fmt: skip
def test_a_sample_is_printed_as_what_makes_it(made):
    again = eval(as_code(made), {"sample": sample, "T": T})
    assert again == made
