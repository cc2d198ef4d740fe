"""What tuning knows: layers of values, the choice of an algorithm, and a cache that is never trusted blindly."""

import dataclasses
import json
import threading
import time
import warnings

import numpy as np
import pytest

import clnn
from clnn import ops
from clnn.backends.opencl import OpenCL, algorithms, matmul, tuning, tuning_store
from clnn.backends.opencl.algorithms import Algorithm, Candidate, always, choose
from clnn.backends.opencl.tuning import Rule, Tuning, bucket
from clnn.backends.opencl.tuning_store import Entry
from clnn.errors import SettingError

GROUP = "f32 nn m8 n8 k8 b1"


class Problem:
    """A product of 8 x 8 matrices, as far as tuning is concerned."""

    def tuning_class(self):
        return GROUP


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning_store, "folder", lambda: tmp_path)
    monkeypatch.setenv("CLNN_TUNE", "cache")
    return tmp_path / "tuning"


@pytest.fixture
def info(opencl_device):
    return clnn.device(opencl_device).info


@pytest.fixture
def engines(monkeypatch):
    """The algorithms of matmul replaced by three that only have a name, the first with tunables."""
    names = [
        Algorithm("fast", always, None, {"A": (1, 2, 4), "B": (8, 16)}),
        Algorithm("never", lambda problem, info: False, None),
        Algorithm("paired", always, None, lambda problem, info: [{"A": 1, "B": 1}, {"A": 2, "B": 2}]),
        Algorithm("last", always, None),
    ]  # fmt: skip
    monkeypatch.setattr(matmul, "ALGORITHMS", {"matmul": names, "linear": names})
    for cached in (tuning.tables, tuning.owner, tuning.template_hash):
        cached.cache_clear()
    yield names
    monkeypatch.undo()
    for cached in (tuning.tables, tuning.owner, tuning.template_hash):
        cached.cache_clear()


@pytest.fixture
def rules(monkeypatch):
    """A list of shipped rules to fill before the first question."""
    found = []
    monkeypatch.setattr(tuning, "shipped", lambda: tuple(found))
    return found


def entry(problems=GROUP, algorithm="fast", **values):
    return Entry("matmul", problems, algorithm, values)


BUCKETS = {0: 0, 1: 1, 2: 2, 3: 4, 5: 4, 6: 8, 1000: 1024, 1448: 1024, 1449: 2048}


@pytest.mark.parametrize(("n", "want"), BUCKETS.items())
def test_a_bucket_is_the_next_power_of_two(n, want):
    assert bucket(n) == want


# --- layers -------------------------------------------------------------------------------------


def test_defaults_stay_where_nothing_is_known(engines, rules, info):
    assert Tuning(info).values("matmul", "fast", Problem(), {"A": 3, "B": 5}) == {"A": 3, "B": 5}


def test_the_more_special_layer_wins(engines, rules, info):
    rules += [
        Rule("matmul", "fast", {"A": 4}, device=info.name),
        Rule("matmul", "fast", {"A": 2, "B": 16}, vendor=info.vendor[:5].lower()),
        Rule("matmul", "fast", {"A": 1, "B": 8}),
    ]
    known, start = Tuning(info), {"A": 0, "B": 0}
    assert known.values("matmul", "fast", Problem(), start) == {"A": 4, "B": 16}
    known.learn([entry(A=1)])
    assert known.values("matmul", "fast", Problem(), start) == {"A": 1, "B": 16}
    with algorithms.within(algorithms.trial("matmul", Candidate("fast", {"B": 8}))) as trial:
        assert known.values("matmul", "fast", Problem(), start) == {"A": 4, "B": 8}
    assert trial.asked == {"fast": {"A": 4, "B": 8}}


def test_rules_are_for_some_devices_and_problems(engines, rules, info):
    rules += [
        Rule("matmul", "fast", {"A": 1}, kind="gpu"),
        Rule("matmul", "fast", {"A": 2}, vendor="nobody"),
        Rule("matmul", "fast", {"A": 4}, problems="f64 *"),
        Rule("matmul", "fast", {"B": 16}, problems="f32 *"),
        Rule("conv2d", "fast", {"B": 8}),
    ]
    assert Tuning(info).values("matmul", "fast", Problem(), {"A": 0, "B": 0}) == {"A": 0, "B": 16}


def test_undeclared_values_are_passed_over(engines, rules, info):
    rules += [Rule("matmul", "fast", {"A": 3}), Rule("matmul", "fast", {"C": 1}),
              Rule("matmul", "paired", {"A": 1, "B": 2})]  # fmt: skip
    known = Tuning(info)
    assert known.values("matmul", "fast", Problem(), {"A": 0}) == {"A": 0}
    assert known.values("matmul", "paired", Problem(), {"A": 0, "B": 0}) == {"A": 0, "B": 0}


def test_what_another_algorithm_won_with_is_not_taken(engines, rules, info):
    known = Tuning(info)
    known.learn([entry(algorithm="paired", A=2, B=2)])
    assert known.values("matmul", "fast", Problem(), {"A": 0, "B": 0}) == {"A": 0, "B": 0}
    assert known.values("matmul", "paired", Problem(), {"A": 0, "B": 0}) == {"A": 2, "B": 2}


# --- the choice ---------------------------------------------------------------------------------


def test_forced_before_tuned_before_first(engines, rules, info, monkeypatch):
    known = Tuning(info)

    def pick(op="matmul"):
        return choose(op, engines, Problem(), info, known).name

    assert pick() == "fast"
    rules.append(Rule("matmul", "last", {}, choose=True))
    known.forget()
    assert pick() == "last"
    known.learn([entry(algorithm="paired")])
    assert pick() == pick("linear") == "paired"
    with clnn.algorithm("matmul", "last"):
        assert (pick(), pick("linear")) == ("last", "paired")
    with algorithms.within(algorithms.trial("linear", Candidate("fast"))):
        assert pick("linear") == "fast"
    monkeypatch.setattr(algorithms, "_off", {"matmul.paired"})
    assert (pick(), pick("linear")) == ("fast", "paired")
    known.learn([entry(algorithm="never")])
    assert pick() == "fast"
    assert choose("matmul", engines, Problem(), info).name == "fast"


def test_learning_forgets_the_plans(opencl_device, info):
    backend = OpenCL(info)
    x = np.ones((8, 8), "float32")
    arrays = [backend.upload(x), backend.upload(x)]
    out = ops.matmul(*(clnn.tensor(x) for _ in range(2))).spec
    settings = {"transpose_a": False, "transpose_b": False}

    def run():
        (y,) = backend.run("matmul", arrays, [out], settings)
        np.testing.assert_array_equal(backend.download(y), x @ x)
        return len(backend.rt.plans)

    assert run() == 1
    backend.rt.tuning.learn([entry(algorithm="plain")])
    assert not backend.rt.plans
    before = backend.rt.compilations
    assert run() == 1
    assert backend.rt.compilations == before + 1  # the engine that was not used before


# --- the cache ----------------------------------------------------------------------------------


def test_what_was_learnt_lasts(engines, rules, info, cache):
    Tuning(info).learn([entry(A=2), entry("f32 tt m1 n1 k1 b1", "last")])
    Tuning(info).learn([entry(A=4)])
    known = Tuning(info)
    assert known.values("matmul", "fast", Problem(), {"A": 0}) == {"A": 4}
    assert len(known.known) == 2
    assert [p.suffix for p in cache.iterdir()] == [".json"]


def test_what_is_not_to_be_kept_is_not(engines, rules, info, cache):
    known = Tuning(info)
    known.learn([entry(A=2)], keep=False)
    assert known.values("matmul", "fast", Problem(), {"A": 0}) == {"A": 2}
    assert not cache.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[1, 2]",
        lambda text: "{}",
        lambda text: text.replace('"version": 1', '"version": 99'),
        lambda text: text.replace('"ops"', '"oops"'),
        lambda text: "[" * 100_000,
        lambda text: "\udc80",
    ],
    ids=["half", "empty", "a list", "an object", "another version", "no ops", "deep", "no text"],
)
def test_a_damaged_file_is_ignored_with_a_warning(damage, engines, rules, info):
    known = Tuning(info)
    known.learn([entry(A=2)])
    path = known.store.path
    path.write_bytes(damage(path.read_text()).encode(errors="surrogateescape"))
    known = Tuning(info)
    with pytest.warns(RuntimeWarning, match="is not used: ") as warned:
        assert known.values("matmul", "fast", Problem(), {"A": 0}) == {"A": 0}
    assert known.values("matmul", "fast", Problem(), {"A": 0}) == {"A": 0}
    assert len(warned) == 1
    known.learn([entry(A=4)])  # which repairs it
    assert Tuning(info).values("matmul", "fast", Problem(), {"A": 0}) == {"A": 4}


@pytest.mark.parametrize(
    "damage",
    [
        {"algorithm": "nobody's"},
        {"algorithm": 7},
        {"values": {"A": [2]}},
        {"values": 3},
        {"before": "fast"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_damaged_entry_leaves_the_others(damage, engines, rules, info):
    known = Tuning(info)
    known.learn([entry(A=2), entry("other", A=4)])
    found = json.loads(known.store.path.read_text())
    found["ops"]["matmul"]["entries"][0].update(damage)
    found["ops"]["gone"] = 3
    known.store.path.write_text(json.dumps(found))
    known = Tuning(info)
    with pytest.warns(RuntimeWarning, match="2 of its entries are damaged"):
        assert [e.problems for e in known.known.values()] == ["other"]


def test_a_cache_of_another_device_is_not_taken(engines, rules, info):
    known = Tuning(info)
    known.learn([entry(A=2)])
    other = Tuning(dataclasses.replace(info, driver="another"))
    assert other.store.path != known.store.path
    other.store.path.write_text(known.store.path.read_text())
    with pytest.warns(RuntimeWarning, match="written for another device"):
        assert not other.known


def test_a_changed_template_invalidates_its_own_family(engines, rules, info, monkeypatch):
    conv = Entry("conv2d", "c", "plain")
    Tuning(info).learn([entry(A=2), conv])
    real = tuning.template_hash
    monkeypatch.setattr(tuning, "template_hash", lambda op: "new" if op == "matmul" else real(op))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(Tuning(info).known.values()) == [conv]


def test_the_hash_covers_what_a_template_includes(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "KERNELS", tmp_path)
    tuning.template_hash.cache_clear()
    for stem, text in {"_prelude": "p", "matmul": '<%namespace name="x" file="_part.cl.mako"/>',
                       "_part": "1", "conv": "c"}.items():  # fmt: skip
        (tmp_path / f"{stem}.cl.mako").write_text(text)

    def hashes():
        tuning.template_hash.cache_clear()
        return tuning.template_hash("matmul"), tuning.template_hash("conv2d")

    before = hashes()
    (tmp_path / "_part.cl.mako").write_text("2")
    after = hashes()
    assert after[0] != before[0]
    assert after[1] == before[1]
    tuning.template_hash.cache_clear()


def test_writers_do_not_lose_each_others_entries(engines, rules, info):
    def write(k):
        for n in range(10):
            Tuning(info).learn([entry(f"class {k} {n}", A=1)])

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    known = Tuning(info)
    assert len(known.known) == 40
    assert [p.name for p in known.store.path.parent.iterdir()] == [known.store.path.name]


def test_a_lock_of_a_dead_process_is_none(engines, rules, info):
    known = Tuning(info)
    lock = known.store.path.with_suffix(".lock")
    lock.parent.mkdir(parents=True)
    lock.touch()
    start = time.monotonic()
    known.learn([entry(A=2)])
    assert time.monotonic() - start < 5
    assert Tuning(info).known


def test_a_failed_write_leaves_the_old_file(engines, rules, info, monkeypatch):
    known = Tuning(info)
    known.learn([entry(A=2)])

    def full(*args):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(tuning_store.os, "replace", full)
        with pytest.raises(OSError, match="disk full"):
            known.learn([entry(A=4)])
    assert Tuning(info).values("matmul", "fast", Problem(), {"A": 0}) == {"A": 2}
    assert [p.name for p in known.store.path.parent.iterdir()] == [known.store.path.name]


# --- modes and shipped rules --------------------------------------------------------------------


def test_off_looks_at_no_cache(engines, rules, info, monkeypatch):
    rules.append(Rule("matmul", "fast", {"B": 16}))
    Tuning(info).learn([entry(A=2)])
    monkeypatch.setenv("CLNN_TUNE", "off")
    assert Tuning(info).values("matmul", "fast", Problem(), {"A": 0, "B": 0}) == {"A": 0, "B": 16}
    monkeypatch.setenv("CLNN_TUNE", "")
    assert Tuning(info).values("matmul", "fast", Problem(), {"A": 0, "B": 0}) == {"A": 2, "B": 16}


def test_a_wrong_mode_is_named(info, monkeypatch):
    monkeypatch.setenv("CLNN_TUNE", "always")
    with pytest.raises(SettingError, match="CLNN_TUNE: expected one of off, cache, auto, got 'always'"):  # fmt: skip
        OpenCL(info)


def test_shipped_rules_name_what_is_declared(info):
    from clnn.cli.tune_cases import cases
    from clnn.tune import Tuner

    tuner, declared = Tuner(OpenCL(info)), {}
    for found in filter(None, map(tuner.look, cases())):
        for a in tuning.tables()[found.owner].algorithms:
            names = declared.setdefault((found.owner, a.name), set())
            for values in a.candidates(found.problem, info):
                names |= set(values)
    for rule in tuning.shipped():
        assert tuning.owner(rule.op) == rule.op
        assert set(rule.values) <= declared[rule.op, rule.algorithm], rule
