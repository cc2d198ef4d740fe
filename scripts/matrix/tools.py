"""Where the compilers and the OpenCL implementations are, what is missing, and how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

HOME = user_cache_path("clnn") / "matrix"
CLC = "/usr/lib/clc"
SPIRV = ("spirv-mesa3d-.spv", "spirv64-mesa3d-.spv")  # the place where Mesa looks is compiled in
CLANGS = ("clang-19", "clang-20", "clang-21", "clang-18", "clang")
INTEL = ("intel-opencl-icd", "libigc1", "libigdfcl1", "libopencl-clang14", "libllvmspirvlib14")
INTEL_NEEDS = ("libclang-cpp14", "libllvm14")
WHEEL = "nvidia-cuda-nvcc-cu12"  # the last that knows the oldest of our cards
OLDEST = "sm_70"
RUSTICL = ("mesa-opencl-icd", "libclc-15")
RUSTICL_NEEDS = (
    "libclang-common-15-dev", "libdrm-nouveau2", "libdrm-radeon1", "libelf1", "libllvm15", "libllvmspirvlib15",
    "libsensors5",
)  # fmt: skip
NEEDS = {
    "Intel": ("ocloc",), "AMD": ("clang", "libclc"), "NVIDIA": ("clang", "libclc", "ptxas"),
    "rusticl": ("rusticl",), "Oclgrind": ("oclgrind",),
}  # fmt: skip


@dataclass(frozen=True)
class Tools:
    """Paths of the compilers and of what runs kernels; None where there is none."""

    clang: Path | None
    clc: Path
    ptxas: Path | None
    ocloc: Path | None
    intel: Path | None  # folder of the libraries ocloc loads
    rusticl: Path | None = None
    oclgrind: Path | None = None

    def missing(self, users: Iterable[str]) -> dict[str, str]:
        """What targets of these vendors and these implementations lack, and where it comes from."""
        there = {
            "clang": self.clang, "libclc": (self.clc / "nvptx64--nvidiacl.bc").is_file(), "ptxas": self.ptxas,
            "ocloc": self.ocloc, "rusticl": self.rusticl, "oclgrind": self.oclgrind,
        }  # fmt: skip
        source = {
            "clang": "Debian: clang-19",
            "libclc": "Debian: libclc-19",
            "ptxas": f"pip: {WHEEL}",
            "ocloc": f"Debian: {' '.join(INTEL)}",
            "rusticl": f"Debian: {' '.join(RUSTICL)}",
            "oclgrind": "Debian: oclgrind",
        }
        wanted = dict.fromkeys(name for user in users for name in NEEDS[user])
        return {name: source[name] for name in wanted if not there[name]}

    def versions(self) -> str:
        """What decides a compiler's answer besides its input."""
        said = [
            subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
            for tool in (self.clang, self.ptxas)
            if tool
        ]
        if self.intel:
            said += [
                f"{f.name} {f.stat().st_size}"
                for f in sorted(self.intel.glob("lib*"))
                if f.is_file()
            ]
        return "\n".join(said)


def find(home: Path = HOME) -> Tools:
    """The compilers in `home`, where --install puts them, else those of the system."""
    mine = home / "tools"
    clang = next((path for name in CLANGS if (path := shutil.which(name))), None)
    found = (next(mine.glob("nvidia/nvidia/*/bin/ptxas"), None), _path(shutil.which("ptxas")))
    ptxas = next((path for path in found if path and _knows_oldest(path)), None)
    intel = next(iter(mine.glob("intel/usr/lib/*/libocloc.so")), None)
    ocloc = mine / "intel/usr/bin/ocloc" if intel else _path(shutil.which("ocloc"))
    rusticl = next(iter(mine.glob("rusticl/usr/lib/*/libRusticlOpenCL.so.1")), None)
    if not all(Path(CLC, name).is_file() for name in SPIRV):
        rusticl = None
    oclgrind = _path(shutil.which("oclgrind"))
    return Tools(
        _path(clang), Path(CLC), ptxas, ocloc, intel.parent if intel else None, rusticl, oclgrind
    )


def _knows_oldest(ptxas: Path) -> bool:
    """Whether this one compiles for the oldest cards: CUDA 13 does not."""
    with tempfile.TemporaryDirectory(prefix="clnn-matrix-") as folder:
        file = Path(folder, "nothing.ptx")
        file.write_text(f".version 6.0\n.target {OLDEST}\n.address_size 64\n")
        command = [ptxas, "-arch", OLDEST, file, "-o", os.devnull]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _path(found: str | None) -> Path | None:
    return Path(found) if found else None


def install(missing: Collection[str], home: Path = HOME) -> None:
    """Get what is missing; raises CalledProcessError where that fails."""
    steps: dict[str, Callable[[Path], None]] = {
        "ptxas": _ptxas,
        "ocloc": _ocloc,
        "rusticl": _rusticl,
    }
    known = {"clang": "clang-19", "libclc": "libclc-19", "oclgrind": "oclgrind"}
    packages = [known.get(name) for name in missing]
    if set(missing) - {"ptxas"}:
        _apt("update", "-qq")
    if any(packages):
        _apt("install", "-y", "-qq", "--no-install-recommends", *filter(None, packages))
    for name in missing:
        if name in steps:
            steps[name](home / "tools")


def _ptxas(into: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
    subprocess.run([*pip, "--target", str(into / "nvidia"), WHEEL], check=True)


def _ocloc(into: Path) -> None:
    """Unpacked and not installed: an OpenCL driver without its GPU would be in everybody's list of platforms."""
    _apt("install", "-y", "-qq", "--no-install-recommends", *INTEL_NEEDS)
    _unpack(INTEL, into / "intel")


def _rusticl(into: Path) -> None:
    """Unpacked for the same reason; of libclc-15, which excludes libclc-19, what Mesa reads is copied to its place."""
    _apt("install", "-y", "-qq", "--no-install-recommends", *RUSTICL_NEEDS)
    _unpack(RUSTICL, into / "rusticl")
    for name in SPIRV:
        _root("install", "-D", "-m", "644", str(into / "rusticl/usr/lib/clc" / name), f"{CLC}/{name}")  # fmt: skip


def _unpack(packages: Iterable[str], into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="clnn-matrix-") as folder:
        subprocess.run(["apt-get", "download", "-qq", *packages], cwd=folder, check=True)
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(into)], check=True)


def _apt(*what: str) -> None:
    _root("apt-get", *what)


def _root(*command: str) -> None:
    subprocess.run([*([] if os.geteuid() == 0 else ["sudo"]), *command], check=True)
