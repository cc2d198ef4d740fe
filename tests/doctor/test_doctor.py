"""`clnn doctor` finds what is planted: wrong kernels, damaged caches, unknown switches; and tells nobody's name."""

import io
import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

import clnn
from clnn import doctor
from clnn.backends.opencl import OpenCL, algorithms, runtime, trust_store, tuning_store
from clnn.backends.reference import Reference
from clnn.cli import main
from clnn.doctor import advice, bundle, caches, cases, families, probes, switches
from clnn.doctor.report import Check, Evidence, Finding, Health, Probe, Report
from clnn.switches import ALL

SRC = Path(doctor.__file__).parents[1]


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv("POCL_CACHE_DIR", raising=False)
    monkeypatch.setattr(tuning_store, "folder", lambda: tmp_path / "caches" / "clnn")


@pytest.fixture
def few(monkeypatch):
    """Examine a handful of calls only."""
    names = ("(33, 50) @ (50, 70)", "softmax", "5 x 5 in groups, stride 2")
    chosen = tuple(c for c in cases.CASES if c.call in names)
    assert len(chosen) == len(names)
    monkeypatch.setattr(families, "CASES", chosen)


@pytest.fixture
def planted(monkeypatch):
    """Change the source of kernels whose defines hold what is given, in fresh devices."""
    render = runtime.render

    def plant(change, **wanted):
        def changed(family, defines):
            source = render(family, defines)
            return change(source) if all(defines.get(k) == v for k, v in wanted.items()) else source

        monkeypatch.setattr(runtime, "render", changed)

    return plant


@pytest.fixture
def fresh(opencl_device, monkeypatch):
    """A device that has compiled nothing yet."""
    device = clnn.device(opencl_device)
    backend = OpenCL(device.info)
    monkeypatch.setitem(device.__dict__, "backend", backend)
    return device


def off_by_one(source):
    return source.replace("k = 0", "k = 1")


def test_every_capability_is_tried(fresh):
    found = list(probes.probe(fresh.backend))
    assert [p.name for p in found] == [
        "float16 storage", "int64", "float64 (fp64)", "float16 arithmetic (fp16)",
        "work-groups with barriers", "local memory", "sub-groups", "images",
    ]  # fmt: skip
    assert [p for p in found if p.relied and not p.ok] == []
    assert all(p.works == "yes" for p in found[:2])


@pytest.mark.parametrize(
    ("job", "old", "new", "name"),
    [
        ("half_store", "store_f16(h, i, x[i])", "store_f16(h, i, x[i] * 1.01f)", "float16 storage"),
        ("long", "a[i] >> 7", "a[i] >> 8", "int64"),
        ("long", "a[i] >> 7", "nonsense", "int64"),
        ("group", "- 1 - l", "- 1", "work-groups with barriers"),
        ("local", "- 1 - i", "- 1", "local memory"),
    ],
)
def test_a_broken_capability_is_seen(fresh, planted, job, old, new, name):
    def change(source):
        assert old in source
        return source.replace(old, new)

    planted(change, job=job)
    (broken,) = [p for p in probes.probe(fresh.backend) if not p.ok]
    relied = (
        name != "work-groups with barriers" or fresh.info.kind != "cpu"
    )  # CPUs get groups of one
    assert (broken.name, broken.relied) == (name, relied)
    assert any(new in source for _, source in broken.evidence.kernels)
    report = Report({}, devices=[Health("d", {"fp64": True}, [broken])])
    assert [f.level for f in advice.findings(report)] == ["problem" if relied else "advice"]


def test_all_families_are_right_here():
    """Every family of ops has a call; that each is right is what test_conformance.py shows."""
    declaring = {
        p.stem for p in (SRC / "ops").glob("[a-z]*.py")
        if re.search(r"\bOp\(|\bunary\(", p.read_text())
    }  # fmt: skip
    same = {
        "cross_entropy": "loss",
        "creation": "random",
        "distance": "reduce",
        "parts": "movement",
        "rules": "fused",
    }
    named = {c.family for c in cases.CASES}
    assert sorted({same.get(f, f) for f in declaring} - named) == []


def test_a_healthy_device(fresh, few):
    found = [c for c in families.check(fresh, fresh.backend)]
    assert [str(c) for c in found if not c.ok] == []
    ways = {c.way for c in found}
    assert "" in ways
    assert any("matmul" in w for w in ways)
    assert {c.dtype for c in found} == {"float32", "float16", "float64"} - (
        {"float64"} if not fresh.info.fp64 else set()
    )


def test_a_wrong_kernel_is_found_named_and_bundled(fresh, few, planted, tmp_path):
    engine = "simd" if fresh.info.kind == "cpu" else "plain"
    planted(off_by_one, engine=engine)
    report = Report(
        {"clnn": "0"}, devices=[Health(fresh.name, {"device": fresh.info.name, "fp64": True})]
    )
    report.devices[0].checks = [
        c for c in families.check(fresh, fresh.backend) if c.dtype == "float32"
    ]
    wrong = [c for c in report.devices[0].checks if not c.ok]
    assert f"matmul.{engine}" in {c.way for c in wrong}
    assert "softmax" not in {c.family for c in wrong}
    report.findings = advice.findings(report)
    assert not report.healthy
    path = tmp_path / "found.zip"
    assert bundle.write(path, report) == len(wrong)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        folder = next(n for n in names if f"matmul-{engine}-float32" in n).rpartition("/")[0]
        sources = [
            archive.read(n).decode() for n in names if n.startswith(folder) and n.endswith(".cl")
        ]
        assert any("k = 1" in s for s in sources)
        assert archive.read(f"{folder}/options.txt") == b"-cl-std=CL1.2\n"
        about = json.loads(archive.read(f"{folder}/check.json"))
        arrays = {
            k: np.load(io.BytesIO(archive.read(f"{folder}/{k}.npz")))
            for k in ("inputs", "expected", "got")
        }
    assert about["algorithm"] == f"matmul.{engine}"
    assert about["device"]["device"] == fresh.info.name
    a, b = arrays["inputs"]["operand-0"], arrays["inputs"]["operand-1"]
    np.testing.assert_allclose(arrays["expected"]["output-0"], a @ b, rtol=1e-4, atol=1e-4)
    assert not np.allclose(arrays["got"]["output-0"], a @ b, rtol=1e-2, atol=1e-2)


def test_a_kernel_that_does_not_compile(fresh, few, planted, tmp_path):
    engine = "simd" if fresh.info.kind == "cpu" else "plain"
    planted(lambda source: source + "\n#error planted\n", engine=engine)
    found = [c for c in families.check(fresh, fresh.backend) if c.family == "matmul" and not c.ok]
    assert found
    assert any("#error planted" in source for _, source in found[0].evidence.kernels)
    report = Report({}, devices=[Health("d", {}, checks=found)])
    bundle.write(tmp_path / "b.zip", report)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        source = next(n for n in archive.namelist() if n.endswith("not-compiled.cl"))
        assert archive.read(source).decode().splitlines()[0].startswith("/* prelude")


def test_time_that_is_up(fresh, few):
    found = list(families.check(fresh, fresh.backend, budget=-1.0))
    assert found
    assert set(found) == {None}
    report = Report({}, devices=[Health("d", {"fp64": True}, left=len(found))])
    (finding,) = advice.findings(report)
    assert "left out" in finding.text
    assert finding.level == "warning"


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(families, "CASES", tuple(c for c in cases.CASES if c.family == "scan"))


def test_the_command_says_healthy(opencl_device, brief, capsys):
    assert main(["doctor", "--device", opencl_device]) == 0
    said = capsys.readouterr().out
    assert "healthy (" in said
    assert "float16 storage" in said
    assert "scan" in said


def test_the_command_says_what_is_wrong(fresh, few, planted, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CLNN_SELFTEST", "first-use")
    monkeypatch.setattr(algorithms, "_judges", {})
    monkeypatch.setitem(fresh.__dict__, "backend", OpenCL(fresh.info, reference=Reference))
    engine, path = "simd" if fresh.info.kind == "cpu" else "plain", tmp_path / "found.zip"
    planted(off_by_one, engine=engine)
    assert main(["doctor", "--device", fresh.name, "--json", "--bundle", str(path)]) == 1
    found = json.loads(capsys.readouterr().out)
    (device,) = found["devices"]
    assert f"matmul.{engine}" in {c["way"] for c in device["families"]["matmul"]["failed"]}
    assert device["families"]["softmax"]["ok"]
    assert "off by" in device["quarantined"][f"matmul.{engine}.float32"]
    problems = [f["text"] for f in found["findings"] if f["level"] == "problem"]
    assert any("is quarantined: " in text for text in problems)
    failed = sum(len(f["failed"]) for f in device["families"].values())
    with zipfile.ZipFile(path) as archive:
        assert len([n for n in archive.namelist() if n.endswith("check.json")]) == failed
    # what the user sees at the next call: the verdict is kept, and so is said again until it is cleared
    assert main(["doctor", "--clear"]) == 0
    assert "trust: removed 1 entry" in capsys.readouterr().out


def test_json(opencl_device, brief, capsys):
    assert main(["doctor", "--device", opencl_device, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["version"], found["healthy"]) == ("clnn doctor", 1, True)
    assert set(found) == {"format", "version", "healthy", "seconds", "versions", "notes", "devices", "caches",
                          "switches", "findings"}  # fmt: skip
    (device,) = found["devices"]
    assert device["name"] == opencl_device
    assert {
        "platform",
        "driver",
        "kind",
        "max_group",
        "probes",
        "families",
        "quarantined",
        "left",
    } <= set(device)
    assert device["families"]["scan"]["ok"]
    assert device["families"]["scan"]["failed"] == []
    assert {c["name"] for c in found["caches"]} == {
        "tuning",
        "trust",
        "kernels",
        "pyopencl",
        "pocl",
    }


def test_the_reference_alone(brief, capsys):
    assert main(["doctor", "--device", "cpu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["devices"] == []


def test_a_damaged_cache_is_no_health(brief, tmp_path, capsys):
    folder = tmp_path / "caches" / "clnn" / "trust"
    folder.mkdir(parents=True)
    (folder / "some-card.json").write_text("{")
    assert main(["doctor", "--device", "cpu", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert any("some-card.json" in f["text"] and f["level"] == "problem" for f in found["findings"])
    assert main(["doctor", "--clear"]) == 0
    assert "trust: removed 1 entry" in capsys.readouterr().out
    assert main(["doctor", "--device", "cpu"]) == 0


# --- caches -------------------------------------------------------------------------------------

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


# --- switches -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("CLNN_DEVCE", "cpu", "did you mean CLNN_DEVICE"),
        ("CLNN_ZZZZ", "1", "clnn knows CLNN_DEVICE"),
        ("CLNN_DEVICE", "cpux", "expected 'cpu'"),
        ("CLNN_TUNE", "sometimes", "expected one of off, cache, auto"),
        ("CLNN_SELFTEST", "sometimes", "expected one of off"),
        ("CLNN_DISABLE", "conv2d.nonsense, matmul.simd", "got conv2d.nonsense"),
        ("CLNN_DISABLE", "matmul.simd", ""),
        ("CLNN_DEVICE", "cpu", ""),
        ("OCL_ICD_VENDORS", "/etc/OpenCL/vendors", ""),
        ("POCL_DEVICES", "pthread", ""),
    ],
)
def test_switches(monkeypatch, name, value, why):
    monkeypatch.setenv(name, value)
    (found,) = [s for s in switches.look() if s.name == name]
    assert why in found.why
    assert bool(found.why) == bool(why)
    texts = [f.text for f in advice.findings(Report({}, switches=[found])) if f.level == "warning"]
    assert bool(texts) == bool(why)


def test_every_switch_is_known():
    used = {
        n for p in SRC.rglob("*.py") for n in re.findall(r"CLNN_[A-Z][A-Z_]*[A-Z]", p.read_text())
    }
    assert sorted(used - switches.KNOWN.keys()) == []


def test_the_docs_tell_of_every_switch():
    rows = (SRC.parents[1] / "docs" / "devices.md").read_text().splitlines()
    for switch in ALL[:-1]:  # the last is for those who test clnn
        (row,) = [r for r in rows if r.startswith(f"| `{switch.name}` |")]
        assert all(f"`{v}`" in row for v in switch.values)
        assert not switch.default or f"`{switch.default}` (default)" in row


# --- nobody's name ------------------------------------------------------------------------------


def test_a_bundle_names_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/srv/people/wilhelmina")
    monkeypatch.setenv("USER", "wilhelmina")
    monkeypatch.setattr("socket.gethostname", lambda: "zugspitze.example.org")
    log = ("error in /srv/people/wilhelmina/x.cl for Wilhelmina on zugspitze, /home/otto/kernels, "
           r"C:\Users\Otto\k.cl, zugspitze.example.org")  # fmt: skip
    evidence = Evidence(
        (("a", "int x;"),), {"x": np.ones(3)}, {"y": np.ones(3)}, {"y": np.zeros(3)}, log
    )
    report = Report(
        {"clnn": "0"}, notes=[log],
        devices=[Health("opencl:0", {"device": "card"}, [Probe("int64", "yes", "no", True, False, log, evidence)],
                        [Check("f", "c", "float32", "a.b", 0.1, log, evidence)])],
        findings=[Finding("problem", log)],
    )  # fmt: skip
    path = tmp_path / "b.zip"
    assert bundle.write(path, report) == 2
    with zipfile.ZipFile(path) as archive:
        assert all(i.date_time == (1980, 1, 1, 0, 0, 0) for i in archive.infolist())
        text = "".join(archive.read(n).decode("latin-1") + n for n in archive.namelist())
    for name in ("wilhelmina", "zugspitze", "otto", "example.org"):
        assert name not in text.lower(), name
    assert "x.cl" in text
    first = path.read_bytes()
    bundle.write(path, report)
    assert path.read_bytes() == first


def test_a_budget_that_is_none(capsys):
    assert main(["doctor", "--budget", "soon"]) == 2
    assert "doctor: expected a --budget like 60s" in capsys.readouterr().err


def test_a_bundle_that_cannot_be_written(tmp_path):
    with pytest.raises(clnn.SettingError, match="doctor: expected a file to bundle into"):
        bundle.write(tmp_path / "no" / "b.zip", Report({}))
