"""The compilers of GPUs that are not here: how each is called, and what it says of a kernel's needs."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .targets import Target, Use
from .tools import Tools

FLAGS = "-cl-std=CL1.2"  # as Runtime asks for
REVISION = 1  # of what is read from the compilers' answers
LIMIT = 300  # seconds for one program


@dataclass
class Built:
    """What became of a program: a message where it did not compile, else what each kernel needs."""

    error: str = ""
    kernels: dict[str, Use] | None = None


class _RefusedError(Exception):
    """A compiler's own words."""


def build(target: Target, source: Path, work: Path, tools: Tools) -> Built:
    """Compile one file for one GPU; `work` is a folder for this file alone."""
    try:
        return Built(kernels=_HOW[target.vendor](target, source, work, tools))
    except _RefusedError as error:
        return Built(error=str(error).strip() or "the compiler failed and gave no reason")
    except subprocess.TimeoutExpired:
        return Built(error=f"compiled for more than {LIMIT} s")


def _run(*command: str, library: Path | None = None) -> str:
    """What a command prints."""
    env = None if library is None else {**os.environ, "LD_LIBRARY_PATH": str(library)}
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, timeout=LIMIT, check=False
    )
    out = done.stderr + done.stdout
    if done.returncode:
        raise _RefusedError(out)
    return out


def _clang(tools: Tools, triple: str, arch: str, library: str, source: Path, out: Path) -> str:
    return _run(
        str(tools.clang), FLAGS, "-target", triple, f"-m{'cpu' if 'amd' in triple else 'arch'}={arch}", "-nogpulib",
        "-O3", "-Xclang", "-mlink-builtin-bitcode", "-Xclang", str(tools.clc / library), "-Wno-linker-warnings",
        "-Wno-unknown-cuda-version", "-Rpass-analysis=kernel-resource-usage", "-S", str(source), "-o", str(out),
    )  # fmt: skip


def _nvidia(target: Target, source: Path, work: Path, tools: Tools) -> dict[str, Use]:
    # PTX of the oldest does for all: kernels ask for nothing newer.
    ptx = work / "k.ptx"
    if not ptx.exists():
        _clang(tools, "nvptx64-nvidia-nvcl", "sm_70", "nvptx64--nvidiacl.bc", source, ptx)
    return parse_ptxas(
        _run(str(tools.ptxas), "-arch", target.name, "-v", str(ptx), "-o", os.devnull)
    )


def _amd(target: Target, source: Path, work: Path, tools: Tools) -> dict[str, Use]:
    triple = "amdgcn-mesa-mesa3d"
    return parse_amdgpu(
        _clang(tools, triple, target.name, f"{target.name}-{triple}.bc", source, work / "k.s")
    )


def _intel(target: Target, source: Path, work: Path, tools: Tools) -> dict[str, Use]:
    # This form of binary says in plain text what every kernel needs.
    said = _run(
        str(tools.ocloc), "compile", "-file", str(source), "-device", target.name, "-options", FLAGS,
        "-internal_options", "-cl-intel-allow-zebin", "-out_dir", str(work), "-output", "k", "-output_no_suffix",
        library=tools.intel,
    )  # fmt: skip
    return parse_intel((work / "k").read_bytes(), said)


_HOW: dict[str, Callable[[Target, Path, Path, Tools], dict[str, Use]]] = {
    "NVIDIA": _nvidia, "AMD": _amd, "Intel": _intel,
}  # fmt: skip


# --- reports -------------------------------------------------------------------------------------

_ENTRY = re.compile(r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry function|\Z)", re.S)


def parse_ptxas(text: str) -> dict[str, Use]:
    """From what `ptxas -v` prints."""

    def number(pattern: str, part: str) -> int:
        found = re.search(pattern, part)
        return int(found[1]) if found else 0

    return {
        name: Use(
            registers=number(r"Used (\d+) registers", part),
            spills=number(r"(\d+) bytes spill stores", part),
            private=number(r"(\d+) bytes stack frame", part),
            local=number(r"(\d+) bytes smem", part),
        )
        for name, part in _ENTRY.findall(text)
    }


_REMARK = re.compile(r"remark: +([A-Za-z ]+?)(?: \[[^\]]*\])?: (\d+)")


def parse_amdgpu(text: str) -> dict[str, Use]:
    """From clang's remarks of kernel-resource-usage; functions of libraries are not kernels, but harmless."""
    out = {}
    for part in text.split("Function Name: ")[1:]:
        said = {name: int(n) for name, n in _REMARK.findall(part)}
        vectors, more = said["VGPRs"], said.get("AGPRs", 0)
        out[part.split()[0]] = Use(
            registers=-(-vectors // 4) * 4 + more if more else vectors, spills=said["VGPRs Spill"],
            private=said["ScratchSize"], local=said["LDS Size"], scalars=said.get("SGPRs", said.get("TotalSGPRs", 0)),
        )  # fmt: skip
    return out


_SPILLED = re.compile(
    r"kernel (\w+)\s+compiled SIMD\d+ allocated \d+ regs and spilled around (\d+)"
)
_KERNELS = re.compile(rb"\nkernels: *\n(.*?)(?:\nkernels_misc_info|\n\.\.\.|\0|\Z)", re.S)


def parse_intel(binary: bytes, said: str) -> dict[str, Use]:
    """From a binary with readable facts, and ocloc's warnings."""
    facts = _KERNELS.search(binary)
    if facts is None:
        raise _RefusedError("ocloc's binary says nothing of its kernels")
    spilled = {name: int(n) for name, n in _SPILLED.findall(said)}
    out = {}
    for part in re.split(r"(?:^|\n)  - name: +", facts[1].decode())[1:]:
        name = part.split()[0]

        def number(key: str, part: str = part) -> int:
            found = re.search(rf"\b{key}: +(\d+)", part)
            return int(found[1]) if found else 0

        lanes = number("simd_size")
        memory = re.search(r"per_thread_memory_buffers:.*?size: +(\d+)", part, re.S)
        out[name] = Use(
            registers=number("grf_count"), spills=spilled.get(name, 0),
            private=int(memory[1]) // max(lanes, 1) if memory else 0, local=number("slm_size"), lanes=lanes,
            barriers=number("barrier_count") > 0 or number("slm_size") > 0,
        )  # fmt: skip
    return out
