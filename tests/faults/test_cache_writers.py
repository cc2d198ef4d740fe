"""The caches of tuning and trust, under several processes, and under some that are killed as they write."""

import json
import os
import signal
import time

import pytest
from child import finish, run, start

import clnn
from clnn.backends.opencl import tuning, tuning_store
from clnn.backends.opencl.trust_store import Variant, Verdicts
from clnn.backends.opencl.tuning import Tuning
from clnn.backends.opencl.tuning_store import Entry, write_whole

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes by signals")

WRITER = """
import sys
import clnn
from clnn.backends.opencl import tuning
from clnn.backends.opencl.trust_store import Variant, Verdicts
from clnn.backends.opencl.tuning import Tuning
from clnn.backends.opencl.tuning_store import Entry

info = clnn.devices()[0].info
verdicts, known = Verdicts(info, keep=True), Tuning(info)
name = tuning.tables()["matmul"].algorithms[-1].name

def write(who, n):
    verdicts.prove(Variant("matmul", f"{who} {n}", "float32"))
    known.learn([Entry("matmul", f"{who} {n}", name)])
"""
SOME = "import time; time.sleep(0.2); [write(sys.argv[1], n) for n in range(12)]"
FOREVER = """
print('ready', flush=True)
n = 0
while True:
    write("many", n % 50)
    n += 1
"""
# stops where the new content is in a draft, with the lock held, and nothing has its name yet
HALFWAY = """
import os
import time
write("before", 0)
os.replace = lambda *names: (print('halfway', flush=True), time.sleep(60))
write("never", 0)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CLNN_TUNE", "cache")
    monkeypatch.setattr(tuning_store, "folder", lambda: tmp_path / "clnn")
    return tmp_path / "clnn"


@pytest.fixture
def info():
    return clnn.devices()[0].info


def kept(info):
    """What both caches hold, by name; a warning about a damaged one would fail the test."""
    verdicts, known = Verdicts(info, keep=True), Tuning(info).known
    return {v.algorithm for v in verdicts.proven}, {problems for _, problems in known}


def files(cache):
    return sorted(p.suffix for p in cache.rglob("*") if p.is_file())


def write(info, name):
    Verdicts(info, keep=True).prove(Variant("matmul", name, "float32"))
    algorithm = tuning.tables()["matmul"].algorithms[-1].name
    Tuning(info).learn([Entry("matmul", name, algorithm)])


def test_two_processes_at_once_lose_nothing(cache, info):
    writers = [start(WRITER + SOME, who) for who in ("one", "two")]
    for process in writers:
        rc, _, err = finish(process)
        assert (rc, err) == (0, "")
    wanted = {f"{who} {n}" for who in ("one", "two") for n in range(12)}
    assert kept(info) == (wanted, wanted)
    assert files(cache) == [".json", ".json"]


def test_a_kill_at_any_moment_leaves_whole_files(cache, info):
    process = start(WRITER + FOREVER)
    try:
        process.stdout.readline()
        time.sleep(0.4)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    for path in cache.rglob("*.json"):
        json.loads(path.read_text("utf-8"))
    began = time.monotonic()
    write(info, "after")
    assert time.monotonic() - began < 5, "waits for a process that is dead"
    for names in kept(info):
        assert "after" in names
        assert "many 0" in names


def test_a_kill_in_the_middle_of_a_write_leaves_what_was_there(cache, info):
    process = start(WRITER + HALFWAY)
    assert process.stdout.readline() == "halfway\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert ".tmp" in files(cache)
    assert kept(info) == ({"before 0"}, {"before 0"})
    began = time.monotonic()
    write(info, "after")
    assert time.monotonic() - began < 5
    assert kept(info) == ({"before 0", "after"}, {"before 0", "after"})


def test_drafts_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path):
    path = tmp_path / "some.json"
    old, new = tmp_path / ".some.json.00.tmp", tmp_path / ".some.json.11.tmp"
    for draft in (old, new):
        draft.write_text("half of")
    os.utime(old, (1, 1))
    write_whole(path, "all of it")
    assert sorted(p.name for p in tmp_path.iterdir()) == [new.name, path.name]


def test_a_writer_that_hangs_stops_nobody(cache, info, monkeypatch):
    process = start(WRITER + HALFWAY)
    assert process.stdout.readline() == "halfway\n"
    monkeypatch.setattr(tuning_store, "_PATIENCE", 0.3)
    try:
        with pytest.warns(RuntimeWarning, match="has been locked for"):
            Verdicts(info, keep=True).prove(Variant("matmul", "mine", "float32"))
    finally:
        process.kill()
        process.communicate()


def test_a_changed_driver_is_another_device(cache, info):
    import dataclasses

    write(info, "old")
    other = dataclasses.replace(info, driver=info.driver + ".1")
    assert kept(other) == (set(), set())
    # the same file under the new driver's name, as if two drivers had one hash
    for kind in ("trust", "tuning"):
        (path,) = (cache / kind).glob("*.json")
        path.rename(tuning_store.device_file(kind, other))
    with pytest.warns(RuntimeWarning, match="written for another device"):
        assert not Verdicts(other, keep=True).proven
    with pytest.warns(RuntimeWarning, match="written for another device"):
        assert not Tuning(other).known


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\0" * 50, b"\xff\xfe", b"[" * 100_000, b'{"format": "clnn trust"}']
)
def test_garbage_is_ignored_and_replaced(cache, info, text):
    write(info, "old")
    for path in cache.rglob("*.json"):
        path.write_bytes(text)
    with pytest.warns(RuntimeWarning, match="is not used"):
        assert kept(info) == (set(), set())
    with pytest.warns(RuntimeWarning, match="is not used"):
        write(info, "new")
    assert kept(info) == ({"new"}, {"new"})


def test_a_first_run_and_a_second_find_the_same(cache):
    """Both caches through the front door: what two first runs at once have proven holds for the third."""
    from child import STEPS

    at = {"XDG_CACHE_HOME": str(cache.parent), "CLNN_SELFTEST": "first-use"}
    both = [start(STEPS, "opencl", **at) for _ in range(2)]
    ends = [finish(process) for process in both]
    assert [(rc, err) for rc, _, err in ends] == [(0, ""), (0, "")]
    assert {out for _, out, _ in ends} == {run(STEPS, "opencl", **at)}
