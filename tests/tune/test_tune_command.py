"""`clnn tune`: what it prints, keeps, exports and refuses."""

import json

import pytest
from clock import Clock

import clnn
from clnn.backends.opencl import OpenCL, tuning_store
from clnn.cli import main
from clnn.cli.budget import seconds
from clnn.shapes import Spec
from clnn.tune import Case, Tuner

PLAIN = (("transpose_a", False), ("transpose_b", False))
SQUARE = Case("matmul", (Spec((24, 24)), Spec((24, 24))), PLAIN)
GROUP = "f32 nn m32 n32 k32 b1"


@pytest.fixture
def few(monkeypatch):
    """The default list of problems cut down to one."""
    from clnn.cli import tune_cases

    monkeypatch.setattr(tune_cases, "cases", lambda: [SQUARE, Case("linear", SQUARE.specs)])


@pytest.fixture
def fresh(opencl_device, backend, monkeypatch):
    """The device opened anew, so that what the command learns is forgotten."""
    monkeypatch.setattr(clnn.device(opencl_device), "backend", backend)
    return opencl_device


def test_tuning_prints_keeps_and_exports(fresh, few, cache, tmp_path, capsys):
    file = tmp_path / "profile.json"
    arguments = ["tune", "matmul", "--device", fresh, "--budget", "2s", "--export", str(file)]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert GROUP in text
    assert "geometric mean" in text
    (kept,) = cache.iterdir()
    assert json.loads(kept.read_text()) == json.loads(file.read_text())
    assert main(["tune", "--dry-run", "--device", fresh]) == 0
    dry = capsys.readouterr().out
    assert GROUP in dry
    assert "f32 nt" in dry


def test_a_dry_run_runs_nothing(fresh, few, backend, cache, capsys):
    before = backend.rt.compilations
    assert main(["tune", "--device", fresh, "--dry-run"]) == 0
    assert backend.rt.compilations == before
    assert not cache.exists()
    assert "simd" in capsys.readouterr().out


def test_a_users_model_is_met(fresh, tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(
        "import clnn\n"
        "def step():\n"
        "    x = clnn.ones(3, 5, requires_grad=True)\n"
        "    return clnn.nn.functional.linear(x, clnn.ones(4, 5))\n"
    )
    assert main(["tune", "--device", fresh, "--dry-run", "--model", f"{file}:step"]) == 0
    text = capsys.readouterr().out
    assert "f32 nt m4 n4 k4 b1" in text
    assert "f32 nn m4 n4 k4 b1" in text  # the gradient


def test_an_imported_profile_is_verified(fresh, backend, plant, tmp_path, monkeypatch, capsys):
    plant("wrong", "v * 1.005f")
    plant("quick")
    clock = Clock(monkeypatch, {"wrong": 0.01, "quick": 0.01})
    monkeypatch.setattr(Tuner.__init__, "__kwdefaults__", {"clock": clock})
    other = Case("matmul", (Spec((24, 24)), Spec((24, 100))), PLAIN)
    found = [
        tuning_store.Entry("matmul", "f32 nn m32 n128 k32 b1", "quick", {}, other.pack(), 2.0, 1.0),
        tuning_store.Entry("matmul", GROUP, "wrong", {}, SQUARE.pack(), 2.0, 1.0),
    ]
    third = Case("matmul", (Spec((24, 24)), Spec((24, 200))), PLAIN)
    found.append(
        tuning_store.Entry("matmul", "f32 nn m32 n256 k32 b1", "quick", {"size": 9}, third.pack())
    )
    file = tmp_path / "profile.json"
    file.write_text(tuning_store.profile({"name": "elsewhere"}, found, lambda op: "old"))
    assert main(["tune", "--device", fresh, "--import", str(file)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "wrong rejected: an error of" in text
    assert "quick size=9 rejected: not among what" in text
    known = {e.problems: e.algorithm for e in backend.rt.tuning.known.values()}
    assert known == {
        "f32 nn m32 n128 k32 b1": "quick",
        "f32 nn m32 n256 k32 b1": "simd",
        GROUP: "simd",
    }
    assert clock.runs.count("plain") == 0  # only what the profile names is tried


@pytest.mark.parametrize("text", ["", "{}", '{"format": "clnn tuning", "version": 2}'])
def test_a_damaged_profile_is_refused(text, fresh, tmp_path, capsys):
    file = tmp_path / "profile.json"
    file.write_text(text)
    assert main(["tune", "--device", fresh, "--import", str(file)]) == 2
    assert capsys.readouterr().err.startswith("clnn: tuning: expected ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["no_such_op"],
        ["--budget", "soon"],
        ["--budget", "0"],
        ["--device", "cpu"],
        ["--import", "no_such_file"],
        ["--model", "no_such_file.py:f"],
        ["--model", "nothing"],
        ["--model", __file__ + ":no_such_function"],
        ["--model", "a:b", "--import", "c"],
    ],
    ids=" ".join,
)
def test_bad_arguments_are_one_line(arguments, capsys):
    assert main(["tune", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("text", "want"), [("90", 90), ("60s", 60), ("1.5m", 90), ("2h", 7200)])
def test_budgets_are_read(text, want):
    assert seconds(text, "tune") == want


def test_off_keeps_nothing(opencl_device, few, cache, monkeypatch, capsys):
    monkeypatch.setenv("CLNN_TUNE", "off")
    backend = OpenCL(clnn.device(opencl_device).info)
    monkeypatch.setattr(clnn.device(opencl_device), "backend", backend)
    assert main(["tune", "--device", opencl_device, "--budget", "1"]) == 0
    assert "not kept: CLNN_TUNE=off" in capsys.readouterr().out
    assert not cache.exists()
