"""The cache of compiled kernels stays below its bound, whoever reads and writes it meanwhile."""

import os
import time

import pytest
from child import finish, start

from clnn.backends.opencl import pruning
from clnn.backends.opencl.pruning import Pruner, prune, used

DAY = 86400.0


def filled(folder, ages, size=100):
    """A file of `size` bytes for each age in days, named by its place in the list."""
    folder.mkdir(exist_ok=True)
    for k, age in enumerate(ages):
        path = folder / f"{k}.bin"
        path.write_bytes(b"x" * size)
        os.utime(path, (time.time() - age * DAY,) * 2)
    return folder


def names(folder):
    return sorted(p.stem for p in folder.glob("*.bin"))


@pytest.fixture
def small(monkeypatch):
    """Room for ten files of 100 bytes, of which eight stay when there are more."""
    monkeypatch.setattr(pruning, "MOST", 1000)
    monkeypatch.setattr(pruning, "_LEFT", 800)
    monkeypatch.setattr(pruning, "_WRITTEN", 300)


def test_what_was_not_used_for_a_year_goes(tmp_path):
    folder = filled(tmp_path / "kernels", [0, 366, 364, 1000])
    assert prune(folder) == 2
    assert names(folder) == ["0", "2"]


def test_of_too_much_the_least_recently_used_goes(tmp_path, small):
    folder = filled(tmp_path / "kernels", [5, 1, 9, 2, 3, 8, 4, 6, 7, 0, 10])
    assert prune(folder) == 3
    assert names(folder) == ["0", "1", "3", "4", "6", "7", "8", "9"]
    assert prune(folder) == 0


def test_what_is_used_stays(tmp_path, small):
    folder = filled(tmp_path / "kernels", range(11))
    used(folder / "10.bin")
    prune(folder)
    assert "10" in names(folder)
    assert {"7", "8", "9"}.isdisjoint(names(folder))


def test_use_is_written_down_once_a_day(tmp_path):
    folder = filled(tmp_path / "kernels", [0.5, 2])
    before = [(folder / f"{k}.bin").stat().st_mtime for k in range(2)]
    for k in range(2):
        used(folder / f"{k}.bin")
    after = [(folder / f"{k}.bin").stat().st_mtime for k in range(2)]
    assert after[0] == before[0]
    assert after[1] > time.time() - 60


def test_only_what_clnn_wrote_goes(tmp_path, small):
    folder = filled(tmp_path / "kernels", [400] * 20)
    for name in ("note.txt", ".0.bin.ab12.tmp", ".1.bin.cd34.tmp"):
        (folder / name).write_bytes(b"x" * 5000)
        os.utime(folder / name, (time.time() - 400 * DAY,) * 2)
    (folder / ".1.bin.cd34.tmp").touch()  # being written
    (folder / "more.bin").mkdir()
    os.utime(folder / "more.bin", (time.time() - 400 * DAY,) * 2)
    prune(folder)
    left = sorted(p.name for p in folder.iterdir())
    assert left == [".1.bin.cd34.tmp", ".pruned", "more.bin", "note.txt"]


def test_no_folder(tmp_path):
    assert prune(tmp_path / "none") == 0
    used(tmp_path / "none" / "0.bin")


def test_it_is_not_done_for_every_program(tmp_path, small, monkeypatch):
    looks = []
    monkeypatch.setattr(pruning, "prune", looks.append)
    folder = filled(tmp_path / "kernels", [])
    one, two = Pruner(), Pruner()
    one.wrote(folder, 10)
    assert len(looks) == 1  # nobody has looked today
    (folder / ".pruned").touch()
    for _ in range(10):
        one.wrote(folder, 20)
        two.wrote(folder, 20)
    assert len(looks) == 1
    one.wrote(folder, 200)
    assert len(looks) == 2  # that was much
    os.utime(folder / ".pruned", (time.time() - 2 * DAY,) * 2)
    Pruner().wrote(folder, 10)
    assert len(looks) == 3


CROWD = """
import sys
from pathlib import Path
from clnn.backends.opencl import pruning
from clnn.backends.opencl.tuning_store import write_whole

pruning.MOST, pruning._LEFT, pruning._WRITTEN = 20000, 15000, 2000
folder, who, held = Path(sys.argv[1]), sys.argv[2], pruning.Pruner()
for n in range(150):
    path = folder / f"{who}-{n}.bin"
    write_whole(path, who.encode() * 500)
    held.wrote(folder, 500)
    try:
        found = (folder / f"{'ba'[who == 'b']}-{n}.bin").read_bytes()
    except FileNotFoundError:
        continue
    assert len(found) == 500, len(found)
"""


def test_several_processes_at_once(tmp_path):
    folder = filled(tmp_path / "kernels", [])
    crowd = [start(CROWD, folder, who) for who in "ab"]
    for process in crowd:
        rc, _, err = finish(process)
        assert rc == 0, err
    size = sum(p.stat().st_size for p in folder.glob("*.bin"))
    assert size <= 20000 + 2 * 2000  # the bound, and what both may write between two looks
    assert not list(folder.glob(".*.tmp"))


def test_programs_are_kept_and_their_use_is_noted(opencl_device, tmp_path, monkeypatch):
    import clnn
    from clnn.backends.opencl.program_store import Programs

    rt = clnn.device(opencl_device).backend.rt
    store = Programs(rt.info)
    if store.folder is None:
        pytest.skip("this driver keeps its binaries itself")
    store.folder = filled(tmp_path / "kernels", [400])
    source = "__kernel void seven(__global int *x) { x[get_global_id(0)] = 7; }"
    store.build(rt.context, source)
    path = store.path(source)
    assert [p.name for p in store.folder.glob("*.bin")] == [path.name]
    os.utime(path, (time.time() - 300 * DAY,) * 2)
    store.build(rt.context, source)
    assert path.stat().st_mtime > time.time() - 60
