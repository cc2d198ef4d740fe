"""`clnn doctor` finds what is planted: wrong kernels, damaged caches, unknown switches; and tells nobody's name."""

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

import clnn
from clnn import doctor
from clnn.backends.opencl import OpenCL, algorithms
from clnn.backends.reference import Reference
from clnn.cli import main
from clnn.doctor import advice, bundle, cases, families, probes
from clnn.doctor.report import Check, Evidence, Finding, Health, Probe, Report

SRC = Path(doctor.__file__).parents[1]


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


@pytest.mark.parametrize(("why", "known", "said"), [
    ("", {"matmul.simd.float32"}, "right when tried today: `clnn doctor --clear`"),
    ("off by 1", {"matmul.simd.float32"}, "off by 2."),
    ("", set(), "off by 2."),
    (None, {"matmul.simd.float32"}, "not tried again today"),
])  # fmt: skip
def test_what_is_said_of_a_quarantine(why, known, said):
    variant = "matmul.simd.float32"
    health = Health("d", {"fp64": True}, quarantined={variant: "off by 2"}, known=frozenset(known))
    if why is not None:
        health.checks = [Check("matmul", "a @ b", "float32", variant, 0.1, why, None, (variant,))]
    found = [f.text for f in advice.findings(Report({}, devices=[health]))]
    (text,) = [t for t in found if "quarantined" in t]
    assert said in text
    assert text.count(";") == (said != "off by 2.")
    assert any("update its driver" in t for t in found)


# --- the command --------------------------------------------------------------------------------


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
        assert failed
    # the next process has the verdict, tries it although no time is left, and says so until it is cleared
    monkeypatch.setitem(fresh.__dict__, "backend", OpenCL(fresh.info, reference=Reference))
    report = doctor.examine([fresh], budget=-1.0)
    again = {v for c in report.devices[0].checks for v in c.variants if not c.ok}
    assert again == set(report.devices[0].known) == set(device["quarantined"])
    assert report.devices[0].left
    assert not any("right when tried" in f.text for f in report.findings)
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
