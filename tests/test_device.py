"""Devices by name, over a made-up machine; the last tests use whatever this one has."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from clnn.backends import opencl
from clnn.backends.opencl import discovery
from clnn.backends.opencl.discovery import DeviceInfo
from clnn.device import (
    Device,
    default_device,
    device,
    devices,
    empty_cache,
    memory_stats,
    set_default_device,
    synchronize,
)
from clnn.errors import DeviceError

# Not `import clnn.device as module`: that name of the package is the function.
module = sys.modules[Device.__module__]


def info(index: int, name: str, platform: str, ordinal: int = 0, kind: str = "gpu") -> DeviceInfo:
    return DeviceInfo(
        index=index,
        name=name,
        vendor="Maker",
        platform=platform,
        platform_version="OpenCL 3.0 v7",
        driver="1",
        kind=kind,
        integrated=False,
        c_version=(1, 2),
        compute_units=1,
        global_mem=2**30,
        max_alloc=2**28,
        local_mem=2**15,
        local_mem_dedicated=True,
        max_group=256,
        max_items=(256, 256, 256),
        fp16=False,
        fp64=True,
        handle=None,
        ordinal=ordinal,
    )


MACHINE = (
    info(0, "NVIDIA H200", "NVIDIA CUDA", ordinal=1),
    info(1, "NVIDIA T4", "NVIDIA CUDA", ordinal=0),
    info(2, "Big CPU", "Intel(R) OpenCL", kind="cpu"),
    info(3, "pthread-Big CPU", "Portable Computing Language", kind="cpu"),
)


class FakeOpenCL:
    """A backend that counts how often a device was opened."""

    opened = 0

    def __init__(self, info: DeviceInfo, reference: Any) -> None:
        FakeOpenCL.opened += 1
        self.info, self.calls = info, []

    def synchronize(self) -> None:
        self.calls.append("synchronize")

    def empty_cache(self) -> None:
        self.calls.append("empty_cache")

    def memory_stats(self) -> dict[str, int]:
        return {"allocated": self.info.index}


@pytest.fixture
def on_machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend to be a machine with just these devices."""

    def pretend(*found: DeviceInfo) -> None:
        monkeypatch.setattr(discovery, "_found", found)
        monkeypatch.setattr(discovery, "_notes", [])
        monkeypatch.setattr(module, "_devices", {})
        monkeypatch.setattr(module, "_backends", {})
        monkeypatch.setattr(module, "_chosen", None)
        monkeypatch.setattr(opencl, "OpenCL", FakeOpenCL)
        monkeypatch.setattr(FakeOpenCL, "opened", 0)
        monkeypatch.delenv("CLNN_DEVICE", raising=False)

    pretend(*MACHINE)
    return pretend


@pytest.mark.parametrize(
    ("asked", "name", "found"),
    [
        ("opencl", "opencl:0", "NVIDIA H200"),
        ("opencl:2", "opencl:2", "Big CPU"),
        ("opencl:portable", "opencl:3", "pthread-Big CPU"),
        ("OpenCL:T4", "opencl:1", "NVIDIA T4"),
        ("opencl:big cpu", "opencl:2", "Big CPU"),
        ("opencl:maker", "opencl:0", "NVIDIA H200"),
        ("opencl:V7", "opencl:0", "NVIDIA H200"),
        ("cuda", "cuda:0", "NVIDIA T4"),
        ("cuda:1", "cuda:1", "NVIDIA H200"),
        (" cuda:0 ", "cuda:0", "NVIDIA T4"),
    ],
)
def test_a_name_means_a_device(on_machine: Any, asked: str, name: str, found: str) -> None:
    got = Device(asked)
    assert (got.name, got.info.name if got.info else None) == (name, found)
    assert (got.type, got.index) == (name.partition(":")[0], int(name[-1]))
    assert got is Device(name) is device(name) is Device(got)


def test_the_reference_is_cpu(on_machine: Any) -> None:
    cpu = Device("cpu")
    assert (cpu.name, cpu.type, cpu.index, cpu.info) == ("cpu", "cpu", None, None)
    assert cpu.is_cpu()
    assert not cpu.is_cuda()
    assert not Device("opencl:2").is_cpu()
    assert Device("cuda").is_cuda()


def test_text_forms(on_machine: Any) -> None:
    assert repr(Device("opencl")) == "device('opencl:0')"
    assert str(Device("cuda")) == "cuda:0"


def test_names_of_one_device_are_equal_and_share_a_backend(on_machine: Any) -> None:
    by_rank, by_vendor = Device("opencl:0"), Device("cuda:1")
    assert by_rank is not by_vendor
    assert by_rank == by_vendor
    assert hash(by_rank) == hash(by_vendor)
    assert by_rank.backend is by_vendor.backend
    assert by_rank != Device("opencl:1")
    assert by_rank != "opencl:0"
    assert len({by_rank, by_vendor, Device("cpu")}) == 2


def test_copies_and_pickles_are_the_same_object(on_machine: Any) -> None:
    for name in ("cpu", "opencl:1", "cuda:1"):
        one = Device(name)
        assert copy.copy(one) is one
        assert copy.deepcopy([one])[0] is one
        assert pickle.loads(pickle.dumps(one)) is one


def test_a_device_opens_at_first_use_and_once_for_all_threads(
    on_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, seen = threading.Barrier(8), []

    def use() -> None:
        start.wait()
        seen.append(Device("opencl:2").backend)

    Device("opencl:2")
    assert FakeOpenCL.opened == 0
    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert FakeOpenCL.opened == 1
    assert len(seen) == 8
    assert all(backend is seen[0] for backend in seen)


@pytest.mark.parametrize(
    "name",
    ["", "gpu", "cpu:0", "opencl:", "opencl:-1", "cuda:", "cuda:h100", "cuda:-1", ":0", "tpu:0"],
)
def test_a_bad_name_is_an_error_that_says_what_there_is(on_machine: Any, name: str) -> None:
    with pytest.raises(DeviceError) as caught:
        Device(name)
    message = str(caught.value)
    assert f"got {name!r}" in message
    assert "'opencl:3' (pthread-Big CPU, Portable Computing Language), 'cpu' (NumPy)" in message


@pytest.mark.parametrize("name", [None, 0, b"cpu"])
def test_a_name_is_a_string(on_machine: Any, name: Any) -> None:
    with pytest.raises(DeviceError, match="expected a name"):
        Device(name)


@pytest.mark.parametrize("name", ["opencl:4", "opencl:voodoo"])
def test_an_opencl_device_that_is_not_there(on_machine: Any, name: str) -> None:
    with pytest.raises(DeviceError, match=f"OpenCL devices here, got '{name}'; available: 'opencl"):
        Device(name)


def test_a_cuda_index_too_many(on_machine: Any) -> None:
    with pytest.raises(DeviceError, match="expected a CUDA index below 2, got 'cuda:2'"):
        Device("cuda:2")


def test_cuda_without_nvidias_platform_says_which_part_is_missing(
    on_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_machine(info(0, "GeForce", "rusticl"))
    monkeypatch.setattr(discovery, "nvidia_problem", lambda: "the dog ate the card")
    with pytest.raises(DeviceError, match=r"for 'cuda', got none: the dog ate the card; available"):
        Device("cuda")


def test_without_opencl_the_reference_works_and_the_error_has_the_hint(on_machine: Any) -> None:
    on_machine()
    assert devices() == [Device("cpu")]
    assert default_device() is Device("cpu")
    for name in ("opencl", "opencl:1", "opencl:pocl"):
        with pytest.raises(DeviceError) as caught:
            Device(name)
        assert discovery.hint() in str(caught.value)


def test_devices_are_best_first_and_the_reference_last(on_machine: Any) -> None:
    names = [each.name for each in devices()]
    assert names == ["opencl:0", "opencl:1", "opencl:2", "opencl:3", "cpu"]


def test_the_default_is_what_was_set_else_the_variable_else_the_best(
    on_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_device() is device() is Device("opencl:0")
    monkeypatch.setenv("CLNN_DEVICE", " opencl:big ")
    assert default_device() is Device("opencl:2")
    set_default_device("cpu")
    assert default_device() is device(None) is Device("cpu")
    set_default_device(Device("cuda"))
    assert default_device() is Device("cuda:0")
    set_default_device(None)
    assert default_device() is Device("opencl:2")
    monkeypatch.setenv("CLNN_DEVICE", "")
    assert default_device() is Device("opencl:0")


def test_a_bad_variable_is_named_in_the_error(
    on_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLNN_DEVICE", "opencl:9")
    with pytest.raises(DeviceError, match="CLNN_DEVICE=opencl:9: device: expected"):
        default_device()
    assert Device("cpu").is_cpu()


def test_a_bad_default_changes_nothing(on_machine: Any) -> None:
    set_default_device("opencl:1")
    with pytest.raises(DeviceError):
        set_default_device("opencl:9")
    assert default_device() is Device("opencl:1")


def test_memory_and_waiting_go_to_the_devices_backend(on_machine: Any) -> None:
    synchronize()
    empty_cache("opencl")
    synchronize(Device("cuda"))
    assert Device("opencl:0").backend.calls == ["synchronize", "empty_cache"]
    assert Device("opencl:1").backend.calls == ["synchronize"]
    assert memory_stats("cuda:0") == {"allocated": 1}


def test_a_fork_of_the_process_that_loaded_the_drivers_opens_nothing(
    on_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "_loaded_in", os.getpid() + 1)
    with pytest.raises(DeviceError, match=r"opencl:0: .*a fork of it; start workers with .*spawn"):
        _ = Device("opencl").backend
    assert FakeOpenCL.opened == 0
    assert devices()


# The command


def run_command(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    from clnn.cli import main

    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_lists_devices_and_marks_the_default(
    on_machine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run_command(capsys, "devices")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[1].split("  ")[0] == "opencl:0, cuda:1 *"
    assert "1.0 GiB  1.2       no/yes" in lines[1]
    assert lines[4].startswith("opencl:3  ")
    assert "Portable Computing Language 1 " in lines[4]
    assert lines[5].split() == ["cpu", "NumPy"]
    assert lines[-1].startswith("default: opencl:0, the best found")


def test_the_command_says_that_the_variable_chose(
    on_machine: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLNN_DEVICE", "opencl:portable")
    code, out, _ = run_command(capsys, "devices")
    assert code == 0
    assert "opencl:3 *" in out
    assert "default: opencl:3, chosen by CLNN_DEVICE=opencl:portable" in out


def test_the_command_prints_an_error_as_one_line_after_the_table(
    on_machine: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLNN_DEVICE", "voodoo")
    code, out, err = run_command(capsys, "devices")
    assert code == 2
    assert "opencl:3" in out
    assert "*" not in out
    assert err.startswith("clnn: CLNN_DEVICE=voodoo: device: expected")
    assert err.count("\n") == 1


def test_the_command_hints_when_there_is_no_opencl_and_tells_what_was_skipped_when_there_is(
    on_machine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    discovery._notes.append("skipped Broken (it is)")
    assert "note: skipped Broken (it is)" in run_command(capsys, "devices")[1]
    on_machine()
    code, out, _ = run_command(capsys, "devices")
    assert code == 0
    assert out.splitlines()[1].split() == ["cpu", "*", "NumPy"]
    assert f"no OpenCL device: {discovery.hint()}" in out


def test_the_command_knows_its_version_and_refuses_unknown_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for argv, code in ((["--version"], 0), ([], 2), (["dance"], 2)):
        with pytest.raises(SystemExit) as caught:
            run_command(capsys, *argv)
        assert caught.value.code == code
        assert capsys.readouterr()[code == 2].startswith("clnn " if code == 0 else "usage: clnn")


# On this machine


def test_importing_devices_touches_no_driver() -> None:
    code = "import sys, clnn.device; sys.exit('pyopencl' in sys.modules or 'mako' in sys.modules)"
    paths = os.pathsep.join(sys.path)
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, check=True
    )


@pytest.mark.parametrize("each", devices(), ids=str)
def test_every_device_here_opens_once(each: Device) -> None:
    assert each.backend is Device(each.name).backend
    synchronize(each)
    assert set(memory_stats(each)) >= {"allocated", "reserved", "peak"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_forked_child_gets_an_error_instead_of_a_hang() -> None:
    found = discovery.discover()
    if not found:
        pytest.skip("no OpenCL device here")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _ = module._new_backend(SimpleNamespace(info=found[0]))
        except DeviceError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert "spawn" in pipe.read()
    os.waitpid(child, 0)
