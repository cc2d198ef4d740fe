"""Discovery over fake platforms and folders; the last tests use whatever this machine has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clnn.backends.opencl import discovery

cl = pytest.importorskip("pyopencl")

GPU, CPU, ACCELERATOR = cl.device_type.GPU, cl.device_type.CPU, cl.device_type.ACCELERATOR


def fake_device(name: str, kind: int = CPU, **facts: Any) -> Any:
    defaults = {
        "name": name,
        "type": kind,
        "vendor": "Maker",
        "driver_version": "1.0",
        "host_unified_memory": kind == CPU,
        "opencl_c_version": "OpenCL C 1.2 ",
        "max_compute_units": 4,
        "global_mem_size": 2**30,
        "max_mem_alloc_size": 2**28,
        "local_mem_size": 2**15,
        "local_mem_type": cl.device_local_mem_type.LOCAL,
        "max_work_group_size": 256,
        "max_work_item_sizes": [256, 256, 64],
        "extensions": "cl_khr_fp64 cl_khr_icd",
        "available": True,
        "compiler_available": True,
    }
    return SimpleNamespace(**{**defaults, **facts})


class FakePlatform:
    def __init__(self, name: str, *devices: Any, error: Exception | None = None) -> None:
        self.name, self.version, self.devices, self.error = name, "OpenCL 3.0", devices, error

    def get_devices(self) -> list[Any]:
        if self.error is not None:
            raise self.error
        return list(self.devices)


class BrokenDevice:
    """A device whose driver fails when it is asked."""

    name = "broken"
    available = compiler_available = True

    @property
    def type(self) -> int:
        raise cl.LogicError("clGetDeviceInfo failed")


@pytest.fixture
def discover_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """discover() on a machine that has just these platforms."""

    def run(*platforms: Any) -> tuple[discovery.DeviceInfo, ...]:
        monkeypatch.setattr(discovery, "_found", None)
        monkeypatch.setattr(discovery, "_notes", [])
        monkeypatch.setattr(discovery, "_unlisted_drivers", list)
        monkeypatch.setattr(cl, "get_platforms", lambda: list(platforms))
        return discovery.discover()

    return run


def names(found: tuple[discovery.DeviceInfo, ...]) -> list[str]:
    return [info.name for info in found]


def test_platforms_that_are_empty_or_raise_are_skipped_and_a_gpu_comes_before_a_cpu(
    discover_in: Any,
) -> None:
    found = discover_in(
        FakePlatform("Broken", error=cl.RuntimeError("clGetDeviceIDs failed")),
        FakePlatform("Empty"),
        FakePlatform("Some CPU", fake_device("cpu", max_compute_units=128)),
        FakePlatform("Some GPU", fake_device("gpu", GPU)),
    )
    assert names(found) == ["gpu", "cpu"]
    assert [info.index for info in found] == [0, 1]
    assert discovery.notes() == ("skipped Broken (clGetDeviceIDs failed)",)


def test_a_broken_device_hides_no_other(discover_in: Any) -> None:
    found = discover_in(FakePlatform("P", BrokenDevice(), fake_device("good")))
    assert names(found) == ["good"]
    assert found[0].ordinal == 1
    assert discovery.notes() == ("skipped a device of P (clGetDeviceInfo failed)",)


def test_devices_that_cannot_compile_or_are_away_or_only_imitate_are_skipped(
    discover_in: Any,
) -> None:
    found = discover_in(
        FakePlatform(
            "Intel(R) FPGA Emulation Platform for OpenCL(TM)", fake_device("x", ACCELERATOR)
        ),
        FakePlatform("P", fake_device("Intel(R) FPGA Emulation Device", ACCELERATOR)),
        FakePlatform("Q", fake_device("no compiler", compiler_available=False)),
        FakePlatform("R", fake_device("unplugged", available=False)),
        FakePlatform("S", fake_device("custom", cl.device_type.CUSTOM)),
    )
    assert found == ()


def test_order_is_discrete_gpu_integrated_gpu_accelerator_cpu(discover_in: Any) -> None:
    found = discover_in(
        FakePlatform("A", fake_device("cpu"), fake_device("accelerator", ACCELERATOR)),
        FakePlatform("B", fake_device("integrated", GPU, host_unified_memory=True)),
        FakePlatform("C", fake_device("discrete", GPU)),
    )
    assert names(found) == ["discrete", "integrated", "accelerator", "cpu"]
    assert [info.integrated for info in found] == [False, True, False, True]


def test_among_cpus_the_vendors_runtime_comes_before_pocl_and_mesa(discover_in: Any) -> None:
    found = discover_in(
        FakePlatform("rusticl", fake_device("llvmpipe", max_compute_units=64)),
        FakePlatform("Portable Computing Language", fake_device("pocl", max_compute_units=64)),
        FakePlatform("Intel(R) OpenCL", fake_device("intel")),
    )
    assert names(found) == ["intel", "pocl", "llvmpipe"]


def test_among_equals_units_then_memory_then_platform_decide_in_any_order_of_discovery(
    discover_in: Any,
) -> None:
    platforms = [
        FakePlatform("B", fake_device("b", GPU)),
        FakePlatform("A", fake_device("a", GPU), fake_device("a", GPU)),
        FakePlatform("C", fake_device("wide", GPU, max_compute_units=8)),
        FakePlatform("D", fake_device("large", GPU, global_mem_size=2**31)),
    ]
    expected = ["wide", "large", "a", "a", "b"]
    assert names(discover_in(*platforms)) == expected
    assert names(discover_in(*reversed(platforms))) == expected
    assert [info.ordinal for info in discovery.discover()] == [0, 0, 0, 1, 0]


def test_a_platform_exposed_twice_counts_once_and_another_driver_version_does_not(
    discover_in: Any,
) -> None:
    twin = FakePlatform("P", fake_device("one"), fake_device("one"))
    other = FakePlatform("P", fake_device("one", driver_version="2.0"))
    assert len(discover_in(twin, twin)) == 2
    assert len(discover_in(twin, other)) == 3


def test_facts_are_the_devices_own(discover_in: Any) -> None:
    card = fake_device(
        " card ",
        GPU,
        extensions="cl_khr_fp16 cl_khr_fp64x",
        opencl_c_version="OpenCL C 2.0 v12",
        local_mem_type=cl.device_local_mem_type.GLOBAL,
    )
    (info,) = discover_in(FakePlatform("P", card))
    assert (info.name, info.kind, info.platform_version) == ("card", "gpu", "OpenCL 3.0")
    assert (info.c_version, info.fp16, info.fp64) == ((2, 0), True, False)
    assert info.local_mem_dedicated is False
    assert info.max_items == (256, 256, 64)


def test_no_platform_at_all_is_an_empty_list_with_a_hint(
    discover_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> list[Any]:
        raise cl.LogicError("clGetPlatformIDs failed: PLATFORM_NOT_FOUND_KHR")

    discover_in()
    monkeypatch.setattr(discovery, "_found", None)
    monkeypatch.setattr(cl, "get_platforms", none)
    assert discovery.discover() == ()
    assert "PLATFORM_NOT_FOUND_KHR" in discovery.hint()
    monkeypatch.setenv("OCL_ICD_VENDORS", "/nowhere")
    assert "OCL_ICD_VENDORS is set" in discovery.hint()


def test_without_pyopencl_there_is_a_hint_and_no_exception(
    discover_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    discover_in()
    monkeypatch.setattr(discovery, "_found", None)
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    assert discovery.discover() == ()
    assert "pyopencl cannot be imported" in discovery.hint()


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("linux", "x86_64", r"pip install 'clnn\[cpu\]'"),
        ("win32", "AMD64", r"pip install 'clnn\[cpu\]'"),
        ("linux", "aarch64", "PoCL"),
        ("darwin", "arm64", "macOS"),
    ],
)
def test_the_hint_fits_the_machine(
    discover_in: Any, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, expected: str
) -> None:
    discover_in()
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(discovery.platform, "machine", lambda: machine)
    assert re.search(expected, discovery.hint())


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_icd_entries_name_each_library_once_and_only_those_that_exist(tmp_path: Path) -> None:
    library = write(tmp_path / "libintelocl.so.1", "")
    link = tmp_path / "libintelocl.so"
    link.symlink_to(library)
    folder, other = tmp_path / "vendors", tmp_path / "more"
    write(folder / "a.icd", "libpocl.so.2\n")
    write(folder / "b.icd", f"{link}\n\n")
    write(folder / "c.icd", "/nowhere/libgone.so\n")
    write(folder / "d.icd", "\n")
    write(folder / "notes.txt", "libnot.so\n")
    (folder / "e.icd").write_bytes(b"\xff\xfe\n")
    write(other / "again.icd", f"{library}\n")
    entries = discovery.icd_entries([folder, other, tmp_path / "missing"])
    assert entries == ["libpocl.so.2", str(link)]


def test_icd_entries_of_a_variable_that_names_a_file_or_a_library(tmp_path: Path) -> None:
    icd = write(tmp_path / "one.icd", "libone.so")
    assert discovery.icd_entries([icd, Path("libtwo.so")]) == ["libone.so", "libtwo.so"]


@pytest.fixture
def vendors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system with .icd files only in the folder returned, no card, and no pip runtime."""
    folder = tmp_path / "vendors"
    folder.mkdir()
    for name in discovery.LOADER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(discovery, "_notes", [])
    monkeypatch.setattr(discovery, "SYSTEM_VENDORS", folder)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    monkeypatch.setattr(discovery, "installed_files", lambda packages: {})
    monkeypatch.setattr(discovery, "_nvidia_card", lambda: False)
    return folder


linux = pytest.mark.skipif(sys.platform != "linux", reason="the loader of Linux reads .icd files")


def shown_to_the_loader() -> list[str] | None:
    with discovery._loader_environment():
        folder = os.environ.get("OCL_ICD_VENDORS")
        return None if folder is None else discovery.icd_entries([Path(folder)])


@linux
def test_pips_runtime_is_shown_beside_the_systems_and_leaves_no_trace(
    vendors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = write(tmp_path / "lib/libintelocl.so", "")
    svml = write(tmp_path / "lib/libsvml.so", "no library")
    files = {"libintelocl.so": library, "libsvml.so": svml}
    monkeypatch.setattr(discovery, "installed_files", lambda packages: files)
    write(vendors / "pocl.icd", "libpocl.so.2\n")
    assert shown_to_the_loader() == ["libpocl.so.2", str(library)]
    assert "OCL_ICD_VENDORS" not in os.environ
    (note,) = discovery._notes
    assert re.match(
        r"libintelocl.so needs .*libsvml.so.*: pip install intel-cmplr-lib-rt tbb", note
    )


@linux
def test_pips_runtime_is_left_alone_where_the_system_has_one(
    vendors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = write(tmp_path / "lib/libintelocl.so", "")
    monkeypatch.setattr(discovery, "installed_files", lambda packages: {"libintelocl.so": library})
    system = write(tmp_path / "oneapi/libintelocl.so", "")
    write(vendors / "intel.icd", f"{system}\n")
    assert shown_to_the_loader() is None


@linux
def test_the_loader_is_left_alone_when_there_is_nothing_to_add(vendors: Path) -> None:
    write(vendors / "pocl.icd", "libpocl.so.2\n")
    assert shown_to_the_loader() is None


@linux
@pytest.mark.parametrize("name", discovery.LOADER_VARIABLES)
def test_the_users_variable_is_respected(
    vendors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    library = write(tmp_path / "lib/libintelocl.so", "")
    monkeypatch.setattr(discovery, "installed_files", lambda packages: {"libintelocl.so": library})
    monkeypatch.setenv(name, "/mine")
    with discovery._loader_environment():
        assert os.environ[name] == "/mine"
    assert os.environ[name] == "/mine"


@linux
def test_nvidias_library_is_shown_when_only_its_icd_file_is_missing(
    vendors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "_nvidia_card", lambda: True)
    monkeypatch.setattr(discovery, "_nvidia_loads", lambda: True)
    assert shown_to_the_loader() == [discovery.NVIDIA_LIBRARY]
    write(vendors / "nvidia.icd", f"{discovery.NVIDIA_LIBRARY}\n")
    assert shown_to_the_loader() is None


def test_installed_files_come_from_the_packages_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = write(tmp_path / "lib/libintelocl.so.1.2", "")
    info = tmp_path / "lib/python/site-packages/intel_opencl_rt-1.dist-info"
    write(info / "METADATA", "Metadata-Version: 2.1\nName: intel-opencl-rt\nVersion: 1\n")
    gone, text = "../../libgone.so,,", "intel_opencl_rt-1.dist-info/METADATA,,"
    write(info / "RECORD", f"../../libintelocl.so.1.2,,\n{gone}\n{text}\n")
    found = metadata.Distribution.at(info)
    monkeypatch.setattr(metadata, "distribution", {"intel-opencl-rt": found}.__getitem__)
    assert discovery.installed_files(["intel-opencl-rt"]) == {library.name: library}
    monkeypatch.undo()
    assert not discovery.installed_files(["no-such-package-anywhere"])


@linux
@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ("library icd", "no NVIDIA card"),
        ("bus library icd", "kernel driver is not loaded"),
        ("bus card icd", "driver library libnvidia-opencl.so.1 cannot be loaded"),
        ("bus card library", "no .icd file names the library in .*vendors"),
        ("bus card library icd", "offers no device"),
    ],
)
def test_nvidia_problem_names_the_part_that_is_missing(
    vendors: Path, monkeypatch: pytest.MonkeyPatch, there: str, expected: str
) -> None:
    monkeypatch.setattr(discovery, "_nvidia_card", lambda: "card" in there)
    monkeypatch.setattr(discovery, "_nvidia_on_bus", lambda: "bus" in there)
    monkeypatch.setattr(discovery, "_nvidia_loads", lambda: "library" in there)
    if "icd" in there:
        write(vendors / "nvidia.icd", "libnvidia-opencl.so.1\n")
    assert re.search(expected, discovery.nvidia_problem())


def test_nvidia_probes_answer_on_any_machine() -> None:
    probes = discovery._nvidia_card(), discovery._nvidia_on_bus(), discovery._nvidia_loads()
    assert all(isinstance(answer, bool) for answer in probes)


# On this machine


def test_discovery_looks_once_and_leaves_the_environment_as_it_was() -> None:
    before = dict(os.environ)
    found = discovery.discover()
    assert discovery.discover() is found
    assert dict(os.environ) == before
    assert [info.index for info in found] == list(range(len(found)))


@linux
def test_pips_intel_runtime_is_found_beside_the_systems() -> None:
    if "libintelocl.so" not in discovery.installed_files(discovery.INTEL_PACKAGES):
        pytest.skip("intel-opencl-rt is not installed")
    platforms = [info.platform for info in discovery.discover()]
    assert platforms.count("Intel(R) OpenCL") == 1
    entries = discovery.icd_entries([discovery.SYSTEM_VENDORS])
    if any("libpocl" in entry for entry in entries):
        assert "Portable Computing Language" in platforms


def test_a_child_process_finds_the_same_devices() -> None:
    code = "from clnn.backends.opencl.discovery import *; print([d.name for d in discover()])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == str([info.name for info in discovery.discover()])
