"""Where the compilers are, what is missing, and how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

HOME = user_cache_path("clnn") / "offline"
CLC = "/usr/lib/clc"
CLANGS = ("clang-19", "clang-20", "clang-21", "clang-18", "clang")
INTEL = ("intel-opencl-icd", "libigc1", "libigdfcl1", "libopencl-clang14", "libllvmspirvlib14")
INTEL_NEEDS = ("libclang-cpp14", "libllvm14")
WHEEL = "nvidia-cuda-nvcc-cu12"  # the last that knows sm_70
NEEDS = {"Intel": ("ocloc",), "AMD": ("clang", "libclc"), "NVIDIA": ("clang", "libclc", "ptxas")}


@dataclass(frozen=True)
class Tools:
    """Paths of the compilers; None where there is none."""

    clang: Path | None
    clc: Path
    ptxas: Path | None
    ocloc: Path | None
    intel: Path | None  # folder of the libraries ocloc loads

    def missing(self, vendors: Iterable[str]) -> dict[str, str]:
        """What these vendors' targets lack, and where it comes from."""
        there = {
            "clang": self.clang, "libclc": (self.clc / "nvptx64--nvidiacl.bc").is_file(), "ptxas": self.ptxas,
            "ocloc": self.ocloc,
        }  # fmt: skip
        source = {
            "clang": "Debian: clang-19",
            "libclc": "Debian: libclc-19",
            "ptxas": f"pip: {WHEEL}",
            "ocloc": f"Debian: {' '.join(INTEL)}",
        }
        wanted = dict.fromkeys(name for vendor in vendors for name in NEEDS[vendor])
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
    ptxas = next(mine.glob("nvidia/nvidia/*/bin/ptxas"), None) or _path(shutil.which("ptxas"))
    intel = next(iter(mine.glob("intel/usr/lib/*/libocloc.so")), None)
    ocloc = mine / "intel/usr/bin/ocloc" if intel else _path(shutil.which("ocloc"))
    return Tools(_path(clang), Path(CLC), ptxas, ocloc, intel.parent if intel else None)


def _path(found: str | None) -> Path | None:
    return Path(found) if found else None


def install(missing: Iterable[str], home: Path = HOME) -> None:
    """Get what is missing; raises CalledProcessError where that fails."""
    steps: dict[str, Callable[[Path], None]] = {"ptxas": _ptxas, "ocloc": _ocloc}
    packages = [{"clang": "clang-19", "libclc": "libclc-19"}.get(name) for name in missing]
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
    with tempfile.TemporaryDirectory(prefix="clnn-offline-") as folder:
        subprocess.run(["apt-get", "download", "-qq", *INTEL], cwd=folder, check=True)
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(into / "intel")], check=True)


def _apt(*what: str) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run([*sudo, "apt-get", *what], check=True)
