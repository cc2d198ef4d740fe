"""The GPUs that kernels are compiled for: what each says of itself, and how much of a kernel it runs at once.

Facts as their OpenCL drivers report them. Limits from the vendors' documents: NVIDIA's tables of compute
capabilities, AMD's instruction set guides and LLVM's AMDGPU target, Intel's optimization guides.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from clnn.backends.opencl.discovery import DeviceInfo

KB, GB = 1 << 10, 1 << 30


_PLATFORMS = {
    "NVIDIA": "NVIDIA CUDA",
    "AMD": "AMD Accelerated Parallel Processing",
    "Intel": "Intel(R) OpenCL Graphics",
}


@dataclass(frozen=True)
class Limits:
    """What shares one local memory: NVIDIA's multiprocessor, AMD's compute unit or pair of them, Intel's sub-slice.

    A wave is NVIDIA's warp and Intel's thread. Registers are those of one work-item on NVIDIA and AMD, and
    of one thread on Intel; `parts` are the units that have registers of their own.
    """

    parts: int
    waves: int  # of one part
    registers: int  # of one part, divided among its waves
    step: int  # registers are given out in multiples of this
    local: int  # bytes
    local_step: int  # bytes; 0: in powers of two
    groups: int  # work-groups with more than one wave (Intel: with barriers)
    lanes: int = 0  # of a wave; 0: the compiler's choice
    most: int = 255  # registers a work-item can have
    scalars: int = 0  # AMD: scalar registers of one part, where they limit anything
    reserved: int = 0  # bytes of local memory the driver takes from every work-group
    single: bool = False  # whether groups of one wave count as groups


@dataclass(frozen=True)
class Use:
    """What a compiler says a kernel needs. Spills in bytes on NVIDIA, in registers on AMD, in sends on Intel."""

    registers: int
    spills: int
    private: int  # bytes of memory per work-item, spills among them
    local: int
    lanes: int = 0
    scalars: int = 0
    barriers: bool = True


@dataclass(frozen=True)
class Target:
    """A GPU by the name its compiler has for it."""

    name: str
    vendor: str
    card: str
    facts: dict[str, Any]
    limits: Limits

    def info(self) -> DeviceInfo:
        """What discovery would say of it."""
        parameters = SimpleNamespace(max_parameter_size=self.facts["parameters"])
        facts = {k: v for k, v in self.facts.items() if k != "parameters"}
        return DeviceInfo(
            index=0, name=self.card, vendor=self.vendor, platform=_PLATFORMS[self.vendor],
            platform_version="OpenCL 3.0",
            driver="none", kind="gpu", local_mem_dedicated=True, handle=parameters, **facts,
        )  # fmt: skip


def occupancy(limits: Limits, use: Use, group: int) -> float:
    """Waves that run at once as a part of the most there can be; 0 where one work-group does not fit."""
    lanes = use.lanes or limits.lanes
    waves = -(-group // lanes)
    each = limits.waves
    if use.registers:
        each = min(each, limits.registers // _up(use.registers, limits.step))
    if limits.scalars and use.scalars:
        each = min(each, limits.scalars // _up(use.scalars, 16))
    fit = each * limits.parts // waves
    if use.barriers and (waves > 1 or limits.single):
        fit = min(fit, limits.groups)
    if use.local:
        asked = use.local + limits.reserved
        step = limits.local_step
        asked = _up(asked, step) if step else max(KB, 1 << (asked - 1).bit_length())
        fit = min(fit, limits.local // asked)
    return fit * waves / (limits.waves * limits.parts)


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


def _nvidia(name: str, card: str, units: int, local: int, step: int, reserved: int) -> Target:
    facts = {
        "integrated": False, "c_version": (1, 2), "compute_units": units, "global_mem": 16 * GB, "max_alloc": 4 * GB,
        "local_mem": 48 * KB, "max_group": 1024, "max_items": (1024, 1024, 64), "fp16": False, "fp64": True,
        "parameters": 4352,
    }  # fmt: skip
    limits = Limits(
        parts=4, waves=16, registers=512, step=8, local=local, local_step=step, groups=32, lanes=32, reserved=reserved,
        single=True,
    )  # fmt: skip
    return Target(name, "NVIDIA", card, facts, limits)


def _amd(name: str, card: str, units: int, limits: Limits) -> Target:
    facts = {
        "integrated": False, "c_version": (2, 0), "compute_units": units, "global_mem": 16 * GB, "max_alloc": 13 * GB,
        "local_mem": 64 * KB, "max_group": 256, "max_items": (1024, 1024, 1024), "fp16": True, "fp64": True,
        "parameters": 1024,
    }  # fmt: skip
    return Target(name, "AMD", card, facts, limits)


def _intel(name: str, card: str, facts: dict[str, Any], limits: Limits) -> Target:
    group = facts["max_group"]
    facts = {
        "c_version": (3, 0), "global_mem": 8 * GB, "max_alloc": 4 * GB, "max_items": (group, group, group),
        "fp16": True, "parameters": 1024, **facts,
    }  # fmt: skip
    return Target(name, "Intel", card, facts, limits)


def _vega(waves: int, registers: int, step: int, most: int) -> Limits:
    return Limits(
        parts=4, waves=waves, registers=registers, step=step, local=64 * KB, local_step=512, groups=16, lanes=64,
        most=most, scalars=800,
    )  # fmt: skip


def _navi(registers: int, step: int) -> Limits:
    return Limits(
        parts=4, waves=16, registers=registers, step=step, local=128 * KB, local_step=1024, groups=32, lanes=32,
        most=256,
    )  # fmt: skip


def _units(parts: int, waves: int, local: int, groups: int) -> Limits:
    return Limits(
        parts=parts, waves=waves, registers=waves * 128, step=128, local=local * KB, local_step=0, groups=groups,
        most=256,
    )  # fmt: skip


TARGETS = {
    t.name: t
    for t in (
        _intel(
            "skl", "Intel(R) UHD Graphics 630",
            {"integrated": True, "compute_units": 24, "local_mem": 64 * KB, "max_group": 256, "fp64": True},
            _units(8, 7, 64, 16),
        ),
        _intel(
            "tgllp", "Intel(R) Iris(R) Xe Graphics",
            {"integrated": True, "compute_units": 96, "local_mem": 64 * KB, "max_group": 512, "fp64": False},
            _units(16, 7, 128, 16),
        ),
        _intel(
            "dg2", "Intel(R) Arc(TM) A770 Graphics",
            {"integrated": False, "compute_units": 512, "local_mem": 64 * KB, "max_group": 1024, "fp64": False},
            _units(16, 8, 128, 32),
        ),
        _intel(
            "pvc", "Intel(R) Data Center GPU Max 1550",
            {"integrated": False, "compute_units": 512, "local_mem": 128 * KB, "max_group": 1024, "fp64": True},
            _units(8, 8, 128, 32),
        ),
        _amd("gfx906", "gfx906:sramecc+:xnack-", 60, _vega(10, 256, 4, 256)),
        _amd("gfx90a", "gfx90a:sramecc+:xnack-", 104, _vega(8, 512, 8, 512)),
        _amd("gfx1030", "gfx1030", 40, _navi(1024, 16)),
        _amd("gfx1100", "gfx1100", 48, _navi(1536, 24)),
        _nvidia("sm_70", "Tesla V100-SXM2-16GB", 80, 96 * KB, 256, 0),
        _nvidia("sm_80", "NVIDIA A100-SXM4-40GB", 108, 164 * KB, 128, KB),
        _nvidia("sm_90", "NVIDIA H100 80GB HBM3", 132, 228 * KB, 128, KB),
    )
}  # fmt: skip
