"""Compiled kernels whose files are damaged: compiled again, never given to a driver."""

import os
import shutil
import sys

import numpy as np
import pyopencl as cl
import pytest
from child import STEPS, run

import clnn
from clnn.backends.opencl import home
from clnn.backends.opencl.program_store import Programs

SOURCE = "__kernel void seven(__global int *x) { x[get_global_id(0)] = 7; }"
DAMAGE = {
    "empty": lambda data: b"",
    "short": lambda data: data[: len(data) // 2],
    "one byte less": lambda data: data[:-1],
    "garbage": lambda data: os.urandom(len(data)),
    "one bit": lambda data: data[:-40] + bytes([data[-40] ^ 1]) + data[-39:],
    "long": lambda data: data + b"more",
}


@pytest.fixture
def rt(opencl_device):
    return clnn.device(opencl_device).backend.rt


@pytest.fixture
def store(rt, tmp_path):
    made = Programs(rt.info)
    if made.folder is None:
        pytest.skip("this driver keeps its binaries itself")
    made.folder = tmp_path / "kernels"
    return made


def result(rt, program):
    got = np.zeros(4, np.int32)
    x = cl.Buffer(rt.context, cl.mem_flags.COPY_HOST_PTR | cl.mem_flags.READ_WRITE, hostbuf=got)
    program.seven(rt.queue, (4,), None, x)
    cl.enqueue_copy(rt.queue, got, x)
    return got.tolist()


def builds(monkeypatch):
    """Counts programs that are made from source."""
    made, real = [], cl.Program

    def program(context, *what):
        made.append(len(what) == 1)
        return real(context, *what)

    monkeypatch.setattr(cl, "Program", program)
    return made


def test_what_is_kept_is_used(rt, store, monkeypatch):
    made = builds(monkeypatch)
    for _ in range(3):
        assert result(rt, store.build(rt.context, SOURCE)) == [7] * 4
    assert made == [True, False, False]


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_a_damaged_binary_is_compiled_again(rt, store, damage, monkeypatch):
    store.build(rt.context, SOURCE)
    path = store.path(SOURCE)
    good = path.read_bytes()
    path.write_bytes(DAMAGE[damage](good))
    made = builds(monkeypatch)
    assert result(rt, store.build(rt.context, SOURCE)) == [7] * 4
    assert made == [True]
    assert result(rt, store.build(rt.context, SOURCE)) == [7] * 4
    assert made == [True, False]


def test_a_binary_under_another_name_is_not_taken(rt, store):
    other = SOURCE.replace("7;", "8;")
    store.build(rt.context, other)
    store.path(other).rename(store.path(SOURCE))
    assert result(rt, store.build(rt.context, SOURCE)) == [7] * 4


def test_a_binary_that_the_driver_refuses_is_compiled_again(rt, store, monkeypatch):
    store.build(rt.context, SOURCE)
    real = cl.Program

    def refuse(context, *what):
        if len(what) > 1:
            record = cl._cl._ErrorRecord("", cl.status_code.INVALID_BINARY, "clBuildProgram")
            raise cl.LogicError(record)
        return real(context, *what)

    monkeypatch.setattr(cl, "Program", refuse)
    assert result(rt, store.build(rt.context, SOURCE)) == [7] * 4


def test_another_driver_or_processor_has_files_of_its_own(store, monkeypatch):
    import dataclasses

    from clnn.backends.opencl import program_store

    mine, info = store.path(SOURCE), store.info
    store.info = dataclasses.replace(info, driver="of tomorrow")
    assert store.path(SOURCE) != mine
    store.info = info
    monkeypatch.setattr(program_store, "_processor", lambda: "of the next machine")
    assert (store.path(SOURCE) == mine) is (info.kind != "cpu")


def test_the_same_with_every_file_of_a_process(tmp_path):
    """All that a first process has left, in short: clnn's, pyopencl's, the driver's after a restart."""
    at = {"HOME": str(tmp_path), "XDG_CACHE_HOME": None, "POCL_CACHE_DIR": None}
    wanted = run(STEPS, "opencl", **at)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert not [p for p in files if "pyopencl" in str(p)], "pyopencl keeps its own caches"
    for path in files:
        path.write_bytes(path.read_bytes()[:-7])
    assert run(STEPS, "opencl", **at) == wanted


@pytest.mark.skipif(sys.platform != "linux", reason="PoCL's cache as Linux has it")
def test_pocls_own_cache_after_a_crash_of_the_machine(pocl, tmp_path):
    at = {"HOME": str(tmp_path), "XDG_CACHE_HOME": None, "POCL_CACHE_DIR": None}
    shutil.copytree(pocl.folder, tmp_path / ".cache")
    files = [p for p in sorted(tmp_path.rglob("*")) if p.suffix in (".so", ".bc")]
    for n, path in enumerate(files):
        path.write_bytes(DAMAGE[("empty", "short", "garbage")[n % 3]](path.read_bytes()))
    assert len(files) > 6
    (tmp_path / ".cache/pocl/kcache/clnn-checked").unlink()  # written in each boot by the first
    assert run(STEPS, pocl.name, **at) == pocl.wanted


@pytest.fixture(scope="module")
def pocl(tmp_path_factory):
    """A cache that a process on PoCL has filled."""
    from types import SimpleNamespace

    name = next((d.name for d in clnn.devices() if d.info and "Portable" in d.info.platform), None)
    if name is None:
        pytest.skip("no PoCL here")
    place = tmp_path_factory.mktemp("pocl")
    at = {"HOME": str(place), "XDG_CACHE_HOME": None, "POCL_CACHE_DIR": None}
    run("import clnn; clnn.devices()", **at)
    (place / ".cache/pocl/kcache").mkdir(parents=True, exist_ok=True)
    wanted = run(STEPS, name, **at)
    return SimpleNamespace(name=name, folder=place / ".cache", wanted=wanted)


def test_whole_programs_stay(pocl, tmp_path):
    place = tmp_path / "kcache"
    shutil.copytree(pocl.folder / "pocl/kcache", place)
    programs = sorted(place.glob("*/*/"))
    (place / "clnn-checked").unlink()
    assert home.mend(place) == 0
    assert sorted(place.glob("*/*/")) == programs
    next(place.glob("*/*/program.bc")).write_bytes(b"")
    assert home.mend(place) == 0, "looks again although the machine has not been restarted"
    (place / "clnn-checked").unlink()
    assert home.mend(place) == 1
