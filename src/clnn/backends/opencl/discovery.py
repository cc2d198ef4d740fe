"""Which OpenCL devices this machine has, best first; opens none of them."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from .home import shelter, variable
from .pretend import pretended, profile

SYSTEM_VENDORS = Path("/etc/OpenCL/vendors")
LOADER_VARIABLES = ("OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "OPENCL_VENDOR_PATH")
NVIDIA_LIBRARY = "libnvidia-opencl.so.1"

# Packages of pip's Intel CPU runtime, and what it links against: each needs those before it.
INTEL_PACKAGES = ("intel-opencl-rt", "intel-cmplr-lib-rt", "tbb")
INTEL_NEEDS = ("libintlc.so.5", "libirng.so", "libimf.so", "libsvml.so", "libtbb.so.12")


@dataclass(frozen=True, eq=False)
class DeviceInfo:
    """One usable OpenCL device and the facts that kernels and people choose by; sizes in bytes."""

    index: int
    name: str
    vendor: str
    platform: str
    platform_version: str
    driver: str
    kind: str
    integrated: bool
    c_version: tuple[int, int]
    compute_units: int
    global_mem: int
    max_alloc: int
    local_mem: int
    local_mem_dedicated: bool
    max_group: int
    max_items: tuple[int, ...]
    fp16: bool
    fp64: bool
    handle: Any
    ordinal: int = 0
    """Position on its own platform, in the driver's order; `index` counts over all, best first."""

    @property
    def shared_group(self) -> int:
        """Largest work-group whose items show each other 32 bytes each: 1 without local memory."""
        return max(1, min(256, self.max_group, self.max_items[0], self.local_mem // 32))


_lock = threading.Lock()
_found: tuple[DeviceInfo, ...] | None = None
_notes: list[str] = []
_loaded_in: int | None = None


def discover() -> tuple[DeviceInfo, ...]:
    """Every usable device, best first; looks once per process, () when there is none."""
    global _found
    if _found is None:
        with _lock:
            if _found is None:
                _found = _search()
    return _found


def notes() -> tuple[str, ...]:
    """What discovery skipped and why, one sentence each."""
    discover()
    return tuple(_notes)


def forked() -> bool:
    """Whether this is a fork of the process that loaded the drivers, without their threads."""
    return _loaded_in is not None and _loaded_in != os.getpid()


def _search() -> tuple[DeviceInfo, ...]:
    global _loaded_in
    _notes.clear()
    try:
        import pyopencl  # noqa: F401
    except ImportError as error:
        _notes.append(f"pyopencl cannot be imported ({error})")
        return ()
    _loaded_in = os.getpid()
    asked = profile()
    with shelter():
        found = ranked(_listed())
    return found if asked is None else tuple(pretended(info, asked) for info in found)


def _listed() -> list[list[DeviceInfo]]:
    import pyopencl as cl

    try:
        with _loader_environment():
            platforms = cl.get_platforms()
    except cl.Error as error:
        _notes.append(f"the OpenCL loader finds no platform ({error})")
        return []
    lists: list[list[DeviceInfo]] = []
    for each in platforms:
        try:
            lists.append(list(_usable(each)))
        except (cl.Error, UnicodeDecodeError) as error:
            _notes.append(f"skipped {_text(each, 'name') or 'a platform'} ({error})")
    return lists


def _usable(plat: Any) -> Iterator[DeviceInfo]:
    import pyopencl as cl

    if is_emulator(_text(plat, "name")):
        return
    for ordinal, dev in enumerate(plat.get_devices()):
        try:
            if is_emulator(_text(dev, "name")) or not (dev.available and dev.compiler_available):
                continue
            info = _describe(plat, dev, ordinal)
        except (cl.Error, UnicodeDecodeError) as error:
            _notes.append(f"skipped a device of {plat.name} ({error})")
            continue
        if info is not None:
            yield info


def _describe(plat: Any, dev: Any, ordinal: int) -> DeviceInfo | None:
    import pyopencl as cl

    kinds = {
        cl.device_type.GPU: "gpu",
        cl.device_type.CPU: "cpu",
        cl.device_type.ACCELERATOR: "accelerator",
    }
    kind = next((name for bit, name in kinds.items() if dev.type & bit), None)
    if kind is None:
        return None
    extensions = dev.extensions.split()
    return DeviceInfo(
        index=-1,
        name=dev.name.strip(),
        vendor=dev.vendor.strip(),
        platform=plat.name.strip(),
        platform_version=plat.version.strip(),
        driver=dev.driver_version.strip(),
        kind=kind,
        integrated=kind == "cpu" or bool(dev.host_unified_memory),
        c_version=_c_version(dev.opencl_c_version),
        compute_units=dev.max_compute_units,
        global_mem=dev.global_mem_size,
        max_alloc=dev.max_mem_alloc_size,
        local_mem=dev.local_mem_size,
        local_mem_dedicated=dev.local_mem_type == cl.device_local_mem_type.LOCAL,
        max_group=dev.max_work_group_size,
        max_items=tuple(dev.max_work_item_sizes),
        fp16="cl_khr_fp16" in extensions,
        fp64="cl_khr_fp64" in extensions,
        handle=dev,
        ordinal=ordinal,
    )


def _text(thing: Any, attribute: str) -> str:
    """A name to print or test, or "" where the driver cannot even say that."""
    import pyopencl as cl

    try:
        return str(getattr(thing, attribute)).strip()
    except (cl.Error, UnicodeDecodeError):
        return ""


def _c_version(text: str) -> tuple[int, int]:
    match = re.search(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (1, 0)


# Ranking: pure functions over DeviceInfo.


def is_emulator(name: str) -> bool:
    """Whether a platform or device only imitates hardware, as Intel's FPGA emulator does."""
    return "emulation" in name.lower() or "emulator" in name.lower()


def ranked(platforms: Iterable[list[DeviceInfo]]) -> tuple[DeviceInfo, ...]:
    """All devices, best first and numbered; a platform that is exposed twice counts once."""
    unique: dict[tuple[object, ...], list[DeviceInfo]] = {}
    for devices in platforms:
        key = tuple(
            (d.platform, d.platform_version, d.name, d.driver, d.compute_units) for d in devices
        )
        unique.setdefault(key, devices)
    best_first = sorted((d for devices in unique.values() for d in devices), key=rank)
    return tuple(replace(info, index=index) for index, info in enumerate(best_first))


def rank(info: DeviceInfo) -> tuple[int | str, ...]:
    """Sort key: discrete GPU, integrated GPU, accelerator, CPU; then whose runtime; then size."""
    order = {"gpu": 1 if info.integrated else 0, "accelerator": 2, "cpu": 3}
    # The vendor's own runtime comes first: on CPUs, a launch costs less on Intel's than on PoCL.
    portable = {"portable computing language": 1, "rusticl": 2, "clover": 2}
    return (
        order[info.kind],
        portable.get(info.platform.lower(), 0),
        -info.compute_units,
        -info.global_mem,
        info.platform,
        info.name,
        info.ordinal,
    )


# The loader finds drivers by .icd files. pip cannot install one where the loader looks, so for its
# first call, when it loads all drivers, it is shown a folder with the system's entries and pip's.


@contextmanager
def _loader_environment() -> Iterator[None]:
    added = [] if any(os.environ.get(name) for name in LOADER_VARIABLES) else _unlisted_drivers()
    if not added:
        yield
    elif sys.platform == "win32":
        # The loader reads the registry as well, so this adds and hides nothing.
        with suppress(OSError):
            os.add_dll_directory(str(Path(added[0]).parent))
        with variable("OCL_ICD_FILENAMES", os.pathsep.join(added)):
            yield
    else:
        with tempfile.TemporaryDirectory(prefix="clnn-icd-") as folder:
            for number, entry in enumerate([*icd_entries(_vendor_paths()), *added]):
                Path(folder, f"{number:03}.icd").write_text(entry + "\n")
            with variable("OCL_ICD_VENDORS", folder):
                yield


def _unlisted_drivers() -> list[str]:
    """Driver libraries that no .icd file names, with their dependencies loaded."""
    listed = [Path(entry).name for entry in icd_entries(_vendor_paths())]
    added = []
    if not any(name.startswith(("libintelocl.so", "intelocl64")) for name in listed):
        added += _pip_intel_runtime()
    if (
        sys.platform == "linux"
        and not any("nvidia" in name for name in listed)
        and _nvidia_card()
        and _nvidia_loads()
    ):
        added.append(NVIDIA_LIBRARY)
    return added


def _pip_intel_runtime() -> list[str]:
    """pip's Intel CPU runtime, ready to be loaded: [library], or [] when it is not installed."""
    files = installed_files(INTEL_PACKAGES)
    if sys.platform == "win32":
        return [str(path) for path in [files.get("intelocl64.dll")] if path]
    library = files.get("libintelocl.so")
    if library is None:
        return []
    missing = []
    for name in INTEL_NEEDS:
        # The runtime looks these up by name; what the process already holds is found anywhere.
        try:
            ctypes.CDLL(str(files.get(name, name)))
        except OSError:
            missing.append(name)
    if missing:
        packages = " ".join(INTEL_PACKAGES[1:])
        _notes.append(f"{library.name} needs {', '.join(missing)}: pip install {packages}")
    return [str(library)]


def installed_files(packages: Iterable[str]) -> Mapping[str, Path]:
    """Libraries that pip packages of this environment brought, by file name."""
    found: dict[str, Path] = {}
    for package in packages:
        with suppress(metadata.PackageNotFoundError):
            for file in metadata.distribution(package).files or ():
                if file.suffix == ".dll" or ".so" in file.suffixes:
                    path = Path(os.path.normpath(str(file.locate())))
                    if path.is_file():
                        found.setdefault(path.name, path)
    return found


def _vendor_paths() -> list[Path]:
    """Where .icd files are: what the user's variable says, else two folders."""
    for name in ("OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH"):
        if value := os.environ.get(name):
            return [Path(value)]
    return [SYSTEM_VENDORS, Path(sys.prefix) / "etc/OpenCL/vendors"]


def icd_entries(paths: Iterable[Path]) -> list[str]:
    """The driver libraries that .icd files name: each once, and none that is not there."""
    entries: dict[str, str] = {}
    for path in paths:
        for file in sorted(path.glob("*.icd")) if path.is_dir() else [path]:
            try:
                # Besides folders and .icd files, the loader's variable takes the library itself.
                lines = file.read_text().split("\n") if file.suffix == ".icd" else [str(file)]
            except (OSError, UnicodeDecodeError):
                continue
            entry = lines[0].strip()
            if entry and not (os.path.isabs(entry) and not os.path.exists(entry)):
                entries.setdefault(
                    os.path.realpath(entry) if os.path.isabs(entry) else entry, entry
                )
    return list(entries.values())


# What to tell a user who has no device, or not the one that was asked for.


def hint() -> str:
    """What to install when no OpenCL device was found."""
    alone = [
        f"{name} is set and decides alone" for name in LOADER_VARIABLES if os.environ.get(name)
    ]
    found = "".join(f"; {note}" for note in [*alone, *notes()])
    gpu = "for a GPU install its vendor's OpenCL driver"
    if sys.platform == "darwin":
        return f"macOS brings OpenCL itself, so check that pyopencl imports{found}"
    if platform.machine().lower() in ("x86_64", "amd64"):
        cpu = "for this CPU: pip install 'clnn[cpu]' (no administrator rights)"
    else:
        cpu = "for this CPU install PoCL (Debian: apt install pocl-opencl-icd; conda: pocl)"
    return f"{cpu}; {gpu}{found}"


def nvidia_problem() -> str:
    """Why NVIDIA's OpenCL platform is missing (card, driver or .icd file), and what to do."""
    if sys.platform != "linux":
        return "NVIDIA's OpenCL platform comes with its display driver; install or update that"
    if not _nvidia_card():
        if _nvidia_on_bus():
            return (
                "there is an NVIDIA card, but its kernel driver is not loaded (no /dev/nvidia0); "
                "install NVIDIA's driver"
            )
        return (
            "there is no NVIDIA card (no /dev/nvidia0, no /proc/driver/nvidia); "
            "a container must be started with --gpus all"
        )
    if not _nvidia_loads():
        return (
            f"the card is there, but the driver library {NVIDIA_LIBRARY} cannot be loaded; install "
            "the OpenCL part of NVIDIA's driver (Debian: nvidia-opencl-icd; a container needs "
            "NVIDIA_DRIVER_CAPABILITIES=compute,utility)"
        )
    paths = _vendor_paths()
    if not any("nvidia" in entry for entry in icd_entries(paths)):
        # Reached when the user's variable hides it; otherwise discovery adds the library itself.
        return (
            "card and driver library are there, but no .icd file names the library in "
            f"{' or '.join(map(str, paths))}; write one: echo {NVIDIA_LIBRARY} > nvidia.icd"
        )
    return (
        "card, driver library and .icd file are there, but the driver offers no device; "
        "see whether nvidia-smi works, and restart after a driver update"
    )


def _nvidia_card() -> bool:
    return Path("/proc/driver/nvidia").exists() or any(Path("/dev").glob("nvidia[0-9]*"))


def _nvidia_on_bus() -> bool:
    for device in Path("/sys/bus/pci/devices").glob("*"):
        with suppress(OSError):
            if (device / "vendor").read_text().strip() == "0x10de" and (
                device / "class"
            ).read_text()[:4] == "0x03":
                return True
    return False


def _nvidia_loads() -> bool:
    try:
        ctypes.CDLL(NVIDIA_LIBRARY)
    except OSError:
        return False
    return True
