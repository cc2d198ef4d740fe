"""The tuner: nothing wrong wins, nothing slower wins, and time is not wasted on the hopeless."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from clock import Clock

import clnn
from clnn import nn
from clnn.backends.opencl import OpenCL, matmul
from clnn.errors import ClnnError, DeviceError, SettingError
from clnn.shapes import Spec
from clnn.tune import Case, Tuner, auto, automatic, compare, record, search, unpack
from pretend import pretend

PLAIN = (("transpose_a", False), ("transpose_b", False))
SQUARE = Case("matmul", (Spec((24, 24)), Spec((24, 24))), PLAIN)
GROUP = "f32 nn m32 n32 k32 b1"


def rejected(result):
    return {str(candidate): why for candidate, why in result.rejected}


# --- the search ---------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["v * 1.005f", "v + 0.1f", "NAN"])
def test_a_wrong_candidate_never_wins(act, backend, plant, monkeypatch):
    plant("wrong", act)
    tuner = Tuner(backend, clock=Clock(monkeypatch, {"wrong": 0.01}))
    result = tuner.tune(SQUARE, 1e9)
    assert result.winner.algorithm != "wrong"
    assert "wrong" in rejected(result)


def test_a_candidate_that_writes_nothing_never_wins(backend, plant, monkeypatch):
    plant("lazy", launch=lambda rt, *rest: None)
    result = Tuner(backend, clock=Clock(monkeypatch, {"lazy": 0.01})).tune(SQUARE, 1e9)
    assert "never written" in rejected(result)["lazy"]


def test_a_candidate_that_does_not_compile_is_passed_over(backend, plant, monkeypatch):
    plant("broken", "no_such_function(v)")
    result = Tuner(backend, clock=Clock(monkeypatch, {})).tune(SQUARE, 1e9)
    assert "did not compile" in rejected(result)["broken"]


def test_a_candidate_that_the_driver_refuses_is_passed_over(backend, plant, monkeypatch):
    def launch(rt, p, a, b, end, y):
        rt.launch("matmul", "matmul", (3, 1, 1), a, b, *end.operands, y, *p.sizes, engine="plain", group=(2, 1, 1),
                  **p.defines(end))  # fmt: skip

    plant("refused", launch=launch)
    result = Tuner(backend, clock=Clock(monkeypatch, {})).tune(SQUARE, 1e9)
    assert "the driver refused it" in rejected(result)["refused"]


def test_values_that_no_launcher_asks_for_never_win(backend, plant, monkeypatch):
    plant("deaf", tunables={"volume": (1, 2)})
    costs = {"deaf volume=1": 0.1, "deaf volume=2": 0.1}
    result = Tuner(backend, clock=Clock(monkeypatch, costs)).tune(SQUARE, 1e9)
    assert set(rejected(result).values()) == {"its launcher does not ask for volume"}


def test_a_wrong_default_is_an_error(backend, plant, monkeypatch):
    plant("wrong", "v * 1.005f")
    matmul._ENGINES.insert(0, matmul._ENGINES.pop(-2))
    with pytest.raises(ClnnError, match=r"expected matmul 24x24 24x24 by wrong to be right, got"):
        Tuner(backend, clock=Clock(monkeypatch, {})).tune(SQUARE, 1e9)


def test_a_faster_candidate_wins_and_is_then_used(backend, plant, monkeypatch):
    plant("quick", tunables={"size": (1, 2, 3), "more": (0, 1)})
    costs = {"quick": 0.8, "quick size=3 more=1": 0.5}
    tuner = Tuner(backend, clock=Clock(monkeypatch, costs))
    result = tuner.tune(SQUARE, 1e9)
    assert (str(result.winner), result.gain, result.group) == ("quick size=3 more=1", 2.0, GROUP)
    assert result.complete
    tuner.learn([result])
    for known in (backend.rt.tuning, OpenCL(backend.rt.info).rt.tuning):
        problem = tuner.look(SQUARE).problem
        assert known.choice("matmul", problem) == known.choice("linear", problem) == "quick"
        got = known.values("matmul", "quick", problem, {"size": 1, "more": 0})
        assert got == {"size": 3, "more": 1}


def test_a_gain_within_the_noise_is_none(backend, plant, monkeypatch):
    plant("level")
    result = Tuner(backend, clock=Clock(monkeypatch, {"level": 0.98})).tune(SQUARE, 1e9)
    assert result.winner == result.default
    assert result.gain == 1.0


def test_neighbours_of_the_default_come_first(backend, plant, monkeypatch):
    plant("quick", tunables={"size": (4, 2, 1), "more": (0, 1)})
    clock = Clock(monkeypatch, {"quick": 0.5})
    Tuner(backend, clock=clock).tune(SQUARE, 1e9)
    order = [name for name in dict.fromkeys(clock.runs) if name.startswith("quick ")]
    assert set(order[:2]) == {"quick size=1 more=1", "quick size=2 more=0"}
    assert order[-1] == "quick size=4 more=1"
    assert len(order) == 5


def test_the_hopeless_are_given_up(backend, plant, monkeypatch):
    plant("slow", tunables={"size": (1, 2, 3)})
    clock = Clock(monkeypatch, {"slow": 3.5})
    Tuner(backend, clock=clock).tune(SQUARE, 1e9)
    assert clock.runs.count("slow") == 3  # one that is timed, between two that are verified
    assert not any(name.startswith("slow ") for name in clock.runs)


def test_the_budget_is_kept(backend, plant, monkeypatch):
    plant("quick", tunables={"size": tuple(range(100))})
    clock = Clock(monkeypatch, {})
    result = Tuner(backend, clock=clock).tune(SQUARE, 50.0)
    assert not result.complete
    assert clock.now < 100


def test_big_problems_of_a_gpu_are_compared_with_the_last_algorithm(opencl_device, plant, monkeypatch):  # fmt: skip
    monkeypatch.setattr(search, "CHECKED", 0)
    plant("wrong", "v * 1.005f")
    backend = pretend(opencl_device, "gpu").backend
    clock = Clock(monkeypatch, {"wrong": 0.01})
    result = Tuner(backend, clock=clock).tune(SQUARE, 1e9)
    assert clock.runs[0] == "plain"
    assert set(rejected(result)) == {"wrong"}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_real_searches_end_in_what_is_right(backend, dtype):
    if dtype == "float64" and not backend.rt.info.fp64:
        pytest.skip("this device has no float64")
    kind = getattr(clnn, dtype)
    case = Case("linear", (Spec((33, 40), kind), Spec((20, 40), kind), Spec((20,), kind)))
    result = Tuner(backend).tune(case, 0.5)
    assert result.rejected == []
    assert result.after <= result.before


def test_comparing_sees_what_it_should():
    want = np.array([1.0, -8.0], "float32")
    assert compare(want * np.float32(1 + 1e-6), want) is None
    assert "an error of 1.0e-03" in compare(want * np.float32(1.001), want)
    assert "never written" in compare(np.array([1, np.nan], "float32"), want)
    assert compare(np.zeros(0, "float32"), np.zeros(0, "float32")) is None
    assert compare(np.zeros(2, "float32"), np.zeros(2, "float32")) is None
    assert compare(want.astype("float32"), np.zeros(2, "float32")) is not None


# --- what is tuned ------------------------------------------------------------------------------


def test_a_model_s_calls_are_met_forward_and_backward(backend, opencl_device):
    shared = clnn.device(opencl_device).backend
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 5)).to(opencl_device)
    with record(shared) as met:
        model(clnn.ones(2, 3, 8, 8, device=opencl_device)).sum().backward()
    assert {"conv2d", "conv2d_weight_grad", "linear", "matmul"} <= {case.op for case in met}
    assert len(met) == len(set(met))
    for case in met:
        assert unpack(json.loads(json.dumps(case.pack()))) == case
    clnn.ones(2, 2, device=opencl_device).matmul(clnn.ones(2, 2, device=opencl_device))
    assert Case("matmul", (Spec((2, 2)), Spec((2, 2))), PLAIN) not in met


@pytest.mark.parametrize(
    "packed",
    [
        None,
        {},
        {"op": "no_such", "specs": [], "settings": {}},
        {"op": "matmul", "specs": [[[2, 3], "float32"], [[4, 5], "float32"]], "settings": dict(PLAIN)},
        {"op": "matmul", "specs": [[[2, 3], "float99"]], "settings": dict(PLAIN)},
        {"op": "matmul", "specs": 7, "settings": dict(PLAIN)},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_call_is_refused(packed):
    with pytest.raises(SettingError, match="tune: expected a call of an op, got"):
        unpack(packed)


def test_calls_without_a_choice_are_not_tuned(backend):
    tuner = Tuner(backend)
    assert tuner.tune(Case("exp", (Spec((4,)),)), 1) is None
    assert tuner.tune(Case("sum", (Spec((4,)),), (("axes", (0,)), ("keepdim", False))), 1) is None
    assert tuner.tune(Case("matmul", (Spec((0, 4)), Spec((4, 4))), PLAIN), 1) is None


def test_the_reference_has_nothing_to_tune():
    with pytest.raises(DeviceError, match="expected an OpenCL device, got the NumPy reference"):
        Tuner(clnn.device("cpu").backend)
    with pytest.raises(DeviceError, match="expected an OpenCL device"), record(clnn.device("cpu").backend):  # fmt: skip
        pass


# --- CLNN_TUNE=auto -----------------------------------------------------------------------------


def call(backend, case):
    arrays = [backend.upload(np.ones(s.shape, s.dtype)) for s in case.specs]
    (y,) = backend.run(case.op, arrays, case.outs(), dict(case.settings))
    return backend.download(y)


def test_auto_tunes_a_class_at_its_first_use(backend, plant, monkeypatch, cache):
    plant("quick")
    clock = Clock(monkeypatch, {"quick": 0.001})
    monkeypatch.setattr(Tuner.__init__, "__kwdefaults__", {"clock": clock})
    monkeypatch.setattr(auto, "BUDGET", 1e9)
    automatic(backend)
    np.testing.assert_array_equal(call(backend, SQUARE), 24)
    assert [e.algorithm for e in backend.rt.tuning.known.values()] == ["quick"]
    assert list(cache.iterdir())
    runs = len(clock.runs)
    call(backend, SQUARE)
    call(backend, Case("matmul", (Spec((25, 25)), Spec((25, 25))), PLAIN))  # of the same class
    assert len(clock.runs) == runs
    again = OpenCL(backend.rt.info)
    automatic(again)
    call(again, SQUARE)
    assert len(clock.runs) == runs


def test_auto_warns_where_it_cannot_tune(backend, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(auto, "BUDGET", 0.01)
    monkeypatch.setattr(backend.rt.tuning, "learn", full)
    automatic(backend)
    with pytest.warns(RuntimeWarning, match="matmul 24x24 24x24 stays as it is: disk full"):
        np.testing.assert_array_equal(call(backend, SQUARE), 24)


@pytest.mark.parametrize(("mode", "files"), [("off", 0), ("cache", 0), ("auto", 1)])
def test_only_auto_ever_tunes_unasked(mode, files, opencl_device, tmp_path):
    script = (
        "import sys, clnn\n"
        "x = clnn.ones(8, 8, device=sys.argv[1])\n"
        "assert clnn.matmul(x, x).numpy().min() == 8\n"
        "print('clnn.tune' in sys.modules)\n"
    )
    env = {**os.environ, "CLNN_TUNE": mode, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path),
           "LOCALAPPDATA": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}  # fmt: skip
    ran = subprocess.run([sys.executable, "-c", script, opencl_device], env=env, capture_output=True, text=True,
                         timeout=120, check=False)  # fmt: skip
    assert (ran.returncode, ran.stdout.strip()) == (0, str(mode == "auto")), ran.stderr
    assert len(list(tmp_path.rglob("tuning/*.json"))) == files
