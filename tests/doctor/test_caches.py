"""What `clnn doctor` says of caches, and what it removes."""

import json
import os

import pytest

from clnn.backends.opencl import trust_store, tuning_store
from clnn.cli import main
from clnn.doctor import advice, caches, probes
from clnn.doctor.report import Report

RIGHT = json.dumps({"format": trust_store.FORMAT, "version": trust_store.VERSION,
                    "proven": [["a", "b", "c"]], "failed": []})  # fmt: skip


@pytest.mark.parametrize("kind", ["tuning", "trust"])
@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", '{"format": "clnn trust", "version": 1}', "\0" * 9]
)
def test_damage_is_seen(tmp_path, kind, text):
    folder = tmp_path / "caches" / "clnn" / kind
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(text)
    (found,) = [c for c in caches.look() if c.name == kind]
    assert len(found.damaged) == 1
    assert found.damaged[0].startswith("card.json: ")


def test_a_damaged_kernel_is_seen(fresh, tmp_path):
    list(probes.probe(fresh.backend))
    kept = sorted((tmp_path / "caches" / "clnn" / "kernels").glob("*.bin"))
    (found,) = [c for c in caches.look() if c.name == "kernels"]
    assert (found.damaged, found.entries) == ((), len(kept))
    if kept:  # drivers with a cache of their own keep theirs
        kept[0].write_bytes(kept[0].read_bytes()[:-1])
        (found,) = [c for c in caches.look() if c.name == "kernels"]
        assert [d.partition(":")[0] for d in found.damaged] == [kept[0].name]


def test_what_is_right_is_no_damage(tmp_path):
    folder = tmp_path / "caches" / "clnn" / "trust"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(RIGHT)
    (found,) = [c for c in caches.look() if c.name == "trust"]
    assert (found.damaged, found.entries, found.size, found.writable) == ((), 1, len(RIGHT), True)


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")  # no folder, and so nobody's to write to, not even root's
    monkeypatch.setattr(tuning_store, "folder", lambda: tmp_path / "file")
    found = {c.name: c for c in caches.look()}
    assert not found["trust"].writable
    assert found["pyopencl"].writable
    texts = [
        f for f in advice.findings(Report({}, caches=list(found.values()))) if f.level == "problem"
    ]
    assert len([f for f in texts if "cannot be written" in f.text]) == 3


def test_a_cache_that_cannot_be_written_is_no_health(tmp_path, capsys):
    (tmp_path / "caches").write_text("")
    assert main(["doctor", "--device", "cpu"]) == 1
    assert "read-only" in capsys.readouterr().out
    assert main(["doctor", "--clear", "--json"]) == 0
    assert all(row["bytes"] == 0 for row in json.loads(capsys.readouterr().out)["removed"])


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_without_leave_to_write(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o500)
    assert not caches.writable(folder)
    assert not caches.writable(folder / "deeper")


def test_clear_takes_only_what_comes_back(tmp_path):
    root, outside = tmp_path / "caches", tmp_path / "precious"
    outside.mkdir()
    (outside / "work.json").write_text("mine")
    keep = [root / "clnn/trust/notes.txt", root / "pyopencl/notes.txt", root / "pocl/kcache/notes.txt",
            root / "other/x.json"]  # fmt: skip
    gone = [root / "clnn/trust/card.json", root / "clnn/trust/card.lock", root / "clnn/kernels/0a.bin",
            root / "clnn/tuning/.card.json.12.tmp",
            root / "pyopencl/pyopencl-compiler-cache-v2-py3/0a/binary", root / "pocl/kcache/AB/CD/program.bc",
            root / "pocl/kcache/tempfile_a1B2c3"]  # fmt: skip
    for path in keep + gone:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("12345")
    (root / "clnn/trust/link.json").symlink_to(outside / "work.json")
    (root / "pyopencl/pyopencl-compiler-cache-link").symlink_to(outside)
    removed = {name: (entries, size) for name, _, entries, size in caches.clear()}
    assert [p for p in keep if not p.exists()] == []
    assert [p for p in gone if p.exists()] == []
    assert (outside / "work.json").read_text() == "mine"
    assert not (root / "clnn/trust/link.json").is_symlink()
    assert removed["pyopencl"][0] == removed["pocl"][0] == 1
    assert all(entries == 0 for _, _, entries, _ in caches.clear())


def test_nothing_to_look_at_or_clear():
    assert [c.entries for c in caches.look()] == [0] * 5
    assert [row[2:] for row in caches.clear()] == [(0, 0)] * 5
