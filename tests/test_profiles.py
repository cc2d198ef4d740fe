"""CLNN_PRETEND: the facts of other devices are taken up, kept to, and told apart."""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import clnn
from clnn.backends.opencl.discovery import discover
from clnn.backends.opencl.pretend import PROFILES, pretended, profile
from clnn.backends.opencl.tuning_store import facts
from clnn.doctor.images import DEFINES
from clnn.errors import DTypeError, OutOfMemoryError, SettingError
from harness import check_against_reference, lacks
from pretend import pretend
from samples import gather

SCRIPT = """
import clnn, numpy as np
info = clnn.device("opencl").info
print(info.name, info.kind, info.max_group, info.local_mem, info.max_alloc, sep="|")
print(float((clnn.ones(1000, device="opencl") * 2).sum()))
try:
    clnn.ones(2, dtype="float64", device="opencl")
except clnn.DTypeError as error:
    print(error)
"""


def test_the_variable_opens_devices_under_a_profile():
    more = {"CLNN_PRETEND": "Least", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env={**os.environ, **more}, text=True, capture_output=True)
    found, total, refusal = done.stdout.splitlines()
    assert found == f"{discover()[0].name} as least|gpu|12|0|{128 << 20}", done.stderr
    assert float(total) == 2000
    assert "expected a dtype other than float64" in refusal


def test_an_unknown_profile_is_an_error(monkeypatch):
    monkeypatch.setenv("CLNN_PRETEND", "huge")
    with pytest.raises(SettingError, match=r"CLNN_PRETEND: expected one of gpu, .*, got 'huge'"):
        profile()


def test_caches_tell_profiles_apart():
    info = discover()[0]
    kept = [str(facts(i)) for i in (info, *(pretended(info, name) for name in PROFILES))]
    assert len(set(kept)) == len(kept)


@pytest.mark.parametrize("name", ["low", "least", "lone"])
def test_what_a_device_could_not_run_is_refused(name, opencl_device):
    device = pretend(opencl_device, name)
    rt, info = device.backend.rt, device.info
    x = rt.upload(np.zeros(64, np.float32))
    defines = {"dtype": "f32", "job": "local", "WG": 1, "SIZE": info.local_mem // 4 + 1}
    with pytest.raises(AssertionError, match="bytes of local memory of"):
        rt.launch("capability", "local_reverse", (1,), x, x, group=(1,), **{**DEFINES, **defines})
    defines = {"dtype": "f32", "job": "group", "WG": 16}
    with pytest.raises(AssertionError, match=r"group \(16,\) of|bytes of local memory of"):
        rt.launch("capability", "group_reverse", (16,), x, x, group=(16,), **{**DEFINES, **defines})


def test_kernels_use_no_images():
    folder = Path(__file__).parents[1] / "kernels"
    users = [p.name for p in folder.glob("*.mako") if "image2d" in p.read_text()]
    assert users == ["capability.cl.mako"]  # only the doctor looks whether there are any


def test_the_limit_is_met_before_any_kernel(opencl_device):
    device = pretend(opencl_device, "low")
    x = clnn.ones((1 << 20, 20), device=device)  # 80 MB
    with clnn.profile(device) as found, pytest.raises(OutOfMemoryError, match="134217728"):
        clnn.cat([x, x])
    assert not found.launches
    with pytest.raises(DTypeError, match="float64"):
        clnn.ones(3, dtype="float64", device=device)


@pytest.mark.parametrize(
    "family", ["conv", "cross_entropy", "indexing", "matmul", "norm", "reduce", "scan", "softmax"]
)
def test_scratch_beyond_the_limit_is_an_error_before_any_kernel(family, opencl_device, monkeypatch):
    backend = pretend(opencl_device, "tiny").backend
    rt, run, launched = backend.rt, backend.run, []

    def limited(op, inputs, outs, settings):
        """No array may be larger than the largest operand."""
        most = max(
            [4, *(a.spec.nbytes for a in inputs if hasattr(a, "spec")), *(s.nbytes for s in outs)]
        )
        monkeypatch.setattr(rt, "info", replace(info, max_alloc=most))
        rt.plans.clear()
        before = len(launched)
        try:
            return run(op, inputs, outs, settings)
        except OutOfMemoryError:
            assert len(launched) == before, f"{op}: out of memory after a kernel"
            raise
        finally:
            monkeypatch.setattr(rt, "info", info)

    info, enqueue = rt.info, rt.enqueue
    monkeypatch.setattr(rt, "enqueue", lambda *a: (launched.append(a[0]), enqueue(*a)))
    monkeypatch.setattr(backend, "run", limited)
    first = {
        s.fn: s
        for s in reversed(gather("SAMPLES"))
        if s.family == family and not lacks(s, opencl_device)
    }
    for s in first.values():
        with suppress(OutOfMemoryError):
            check_against_reference(s, pretend(opencl_device, "tiny"))
    assert launched
