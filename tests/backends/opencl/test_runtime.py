"""The runtime: what is compiled when, memory, threads, forks, errors."""

import gc
import multiprocessing
import os
import threading

import numpy as np
import pytest

import clnn
from clnn import ops
from clnn.errors import DeviceError, DTypeError, KernelBuildError, OutOfMemoryError
from clnn.shapes import Spec


@pytest.fixture
def rt(opencl_device):
    return clnn.device(opencl_device).backend.rt


def test_new_sizes_do_not_recompile(opencl_device, rt):
    def step(n, m):
        x = clnn.tensor(np.ones((n, m), "float32"), device=opencl_device)
        row = clnn.tensor(np.ones(m, "float32"), device=opencl_device)
        return ops.exp(ops.add(ops.mul(x, row), 2.0)).numpy()

    step(3, 4)
    before = rt.compilations
    for n, m in [(5, 4), (3, 9), (64, 128), (2, 100_000)]:
        step(n, m)
    assert rt.compilations == before


def test_new_values_of_settings_do_not_recompile(opencl_device, rt):
    x = clnn.tensor([1.0, -2.0], device=opencl_device)
    ops.mul(x, 2.0)
    before = rt.compilations
    for v in (3.0, 0.5, -7.0):
        np.testing.assert_allclose(ops.mul(x, v).numpy(), np.array([1, -2], "f4") * v)
    assert rt.compilations == before


def test_memory_is_counted_and_given_back(opencl_device, rt):
    gc.collect()
    before = rt.memory_stats()["allocated"]
    x = clnn.tensor(np.zeros((1000, 1000), "float32"), device=opencl_device)
    held = rt.memory_stats()
    assert held["allocated"] - before >= 4_000_000
    assert held["peak"] >= held["allocated"]
    del x
    assert rt.memory_stats()["allocated"] == before
    assert rt.memory_stats()["reserved"] >= 4_000_000
    rt.empty_cache()
    assert rt.memory_stats()["reserved"] < held["reserved"]


def test_out_of_memory_says_what_was_asked(rt):
    spec = Spec((rt.info.max_alloc + 1,), clnn.uint8)
    with pytest.raises(
        OutOfMemoryError, match=r"expected at most .* bytes in one array, got a request for"
    ) as e:
        rt.empty(spec)
    assert e.value.asked == rt.info.max_alloc + 1
    assert e.value.free is not None


def test_build_error_carries_its_evidence(rt):
    defines = {"expr": "a0 +", "compute": "f32", "out": "f32", "inputs": ("f32",), "pattern": ((True,),),
               "settings": (), "WG": 1, "V": 1, "libs": False, "streamed": False}  # fmt: skip
    with pytest.raises(
        KernelBuildError, match=r"elementwise.cl.mako: map did not compile on .*a0 \+"
    ) as e:
        rt.kernel("elementwise", "map", defines)
    assert "   1  " in e.value.source
    assert "error" in e.value.log


def test_render_error_names_what_is_undefined(rt):
    with pytest.raises(KernelBuildError, match=r"elementwise.cl.mako: did not render .*"):
        rt.kernel("elementwise", "map", {"WG": 1})


def test_a_device_serves_several_threads(opencl_device):
    x = clnn.tensor(np.arange(1000, dtype="float32"), device=opencl_device)
    wrong = []

    def work(k):
        for _ in range(50):
            got = ops.add(ops.mul(x, float(k)), float(k)).numpy()
            if not np.array_equal(got, np.arange(1000, dtype="float32") * k + k):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_upload_is_private(opencl_device):
    host = np.zeros(100_000, "float32")
    x = clnn.tensor(host, device=opencl_device)
    host[:] = 1
    assert x.numpy().sum() == 0


def _in_child(device, pipe):
    try:
        ops.add(clnn.tensor([1.0], device=device), 1.0)
        pipe.send("no error")
    except DeviceError as e:
        pipe.send(str(e))
    finally:
        pipe.close()
        os._exit(0)  # the driver's threads did not survive the fork: do not run its exit handlers


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_is_refused(opencl_device):
    clnn.tensor([1.0], device=opencl_device)
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(
        target=_in_child, args=(opencl_device, there)
    )
    child.start()
    assert here.poll(20), "the child hangs"
    assert "spawn" in here.recv()
    child.join(10)


def test_missing_float64_is_a_typed_error(rt, monkeypatch):
    import dataclasses

    monkeypatch.setattr(rt, "info", dataclasses.replace(rt.info, fp64=False))
    with pytest.raises(DTypeError, match="float64, which this device lacks"):
        rt.empty(Spec((2,), clnn.float64))


def test_numbers_too_large_for_a_float_become_infinite(opencl_device):
    x = clnn.tensor([1.0, -2.0], device=opencl_device)
    np.testing.assert_array_equal(ops.mul(x, 1e300).numpy(), [np.inf, -np.inf])
