"""What compilers say of kernels for GPUs that are not here: reading it, the arithmetic, and that faults are seen."""

import json
import re
import sys
from pathlib import Path

import pytest

import clnn
from clnn.backends.opencl import gemm_tile
from clnn.dtypes import float16, float32

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from matrix import report, tools
from matrix.calls import FACTS, chosen
from matrix.compilers import Built, parse_amdgpu, parse_intel, parse_ptxas
from matrix.results import Answers, judge
from matrix.running import Ran, _note
from matrix.targets import TARGETS, Use, occupancy
from matrix.variants import Variant, collect, thinned

PTXAS = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'small' for 'sm_80'
ptxas info    : Function properties for small
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 21 registers, used 1 barriers, 256 bytes smem, 372 bytes cmem[0]
ptxas info    : Compile time = 5.873 ms
ptxas info    : Compiling entry function 'large' for 'sm_80'
ptxas info    : Function properties for large
    72 bytes stack frame, 64 bytes spill stores, 60 bytes spill loads
ptxas info    : Used 255 registers, used 0 barriers, 368 bytes cmem[0]
"""
AMDGPU = """\
kernel.cl:1:1: remark: Function Name: large [-Rpass-analysis=kernel-resource-usage]
    1 | __kernel __attribute__((reqd_work_group_size(64,1,1))) void large(__global const float* x, __global float* y){
      | ^
kernel.cl:1:1: remark:     SGPRs: 15 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:1:1: remark:     VGPRs: 254 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:1:1: remark:     AGPRs: 4 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:1:1: remark:     ScratchSize [bytes/lane]: 12 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:1:1: remark:     Dynamic Stack: False [-Rpass-analysis=kernel-resource-usage]
kernel.cl:1:1: remark:     Occupancy [waves/SIMD]: 1 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:1:1: remark:     SGPRs Spill: 0 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:1:1: remark:     VGPRs Spill: 3 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:1:1: remark:     LDS Size [bytes/block]: 256 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:13:1: remark: Function Name: small [-Rpass-analysis=kernel-resource-usage]
kernel.cl:13:1: remark:     SGPRs: 14 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:13:1: remark:     VGPRs: 5 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:13:1: remark:     ScratchSize [bytes/lane]: 0 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:13:1: remark:     SGPRs Spill: 0 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:13:1: remark:     VGPRs Spill: 0 [-Rpass-analysis=kernel-resource-usage]
kernel.cl:13:1: remark:     LDS Size [bytes/block]: 0 [-Rpass-analysis=kernel-resource-usage]
"""
INTEL = b"""\x7fELF\0---
version:         '1.20'
kernels:
  - name:            small
    execution_env:
      grf_count:       128
      simd_size:       32
    payload_arguments:
      - arg_type:        local_size
        offset:          12
        size:            12
  - name:            large
    user_attributes:
      reqd_work_group_size: [ 64, 1, 1 ]
    execution_env:
      barrier_count:   1
      grf_count:       128
      simd_size:       8
      slm_size:        256
    per_thread_memory_buffers:
      - type:            scratch
        usage:           single_space
        size:            32768
kernels_misc_info:
  - name:            small
    args_info:
      - index:           0
        name:            x
...
\0"""
SPILLED = "\nwarning: kernel large  compiled SIMD8 allocated 128 regs and spilled around 600\n\nBuild succeeded.\n"


def test_what_ptxas_says():
    assert parse_ptxas(PTXAS) == {
        "small": Use(registers=21, spills=0, private=0, local=256),
        "large": Use(registers=255, spills=64, private=72, local=0),
    }


def test_what_clang_says_of_amd():
    assert parse_amdgpu(AMDGPU) == {
        "large": Use(registers=260, spills=3, private=12, local=256, scalars=15),
        "small": Use(registers=5, spills=0, private=0, local=0, scalars=14),
    }


def test_what_ocloc_says():
    assert parse_intel(INTEL, SPILLED) == {
        "small": Use(registers=128, spills=0, private=0, local=0, lanes=32, barriers=False),
        "large": Use(registers=128, spills=600, private=4096, local=256, lanes=8),
    }


# vendors' own calculators and, for AMD, LLVM's remark on kernels without local memory
@pytest.mark.parametrize(
    ("target", "group", "use", "expected"),
    [
        ("sm_80", 256, Use(64, 0, 0, 0), 32 / 64),
        ("sm_80", 256, Use(65, 0, 0, 0), 24 / 64),  # 72 are given out
        ("sm_90", 256, Use(128, 0, 0, 16384), 16 / 64),
        ("sm_90", 1024, Use(64, 0, 0, 0), 32 / 64),
        ("sm_90", 1024, Use(128, 0, 0, 0), 0),  # 131072 registers, of 65536
        ("sm_70", 128, Use(32, 0, 0, 49152), 8 / 64),  # two groups in 96 KB
        ("sm_80", 128, Use(32, 0, 0, 49152), 12 / 64),  # three of 49 KB in 164 KB
        ("sm_90", 32, Use(16, 0, 0, 0), 32 / 64),  # 32 groups at most
        ("gfx906", 256, Use(24, 0, 0, 0), 1),
        ("gfx906", 64, Use(84, 0, 0, 0), 3 / 10),
        ("gfx906", 64, Use(24, 0, 0, 0, scalars=102), 7 / 10),
        ("gfx906", 256, Use(24, 0, 0, 33792), 4 / 40),  # one group in 64 KB
        ("gfx90a", 256, Use(128, 0, 0, 0), 4 / 8),
        ("gfx1030", 256, Use(64, 0, 0, 0), 1),
        ("gfx1030", 256, Use(67, 0, 0, 0), 12 / 16),  # 80 are given out
        ("gfx1100", 256, Use(96, 0, 0, 0), 1),
        ("gfx1100", 256, Use(97, 0, 0, 0), 12 / 16),
        ("skl", 256, Use(128, 0, 0, 0, lanes=16), 48 / 56),  # three groups of 16 threads
        ("tgllp", 64, Use(128, 0, 0, 20480, lanes=8), 32 / 112),  # 32 KB each of 128 KB
        ("dg2", 256, Use(256, 0, 0, 0, lanes=16), 1 / 2),  # twice the registers, half the threads
        ("pvc", 16, Use(128, 0, 0, 0, lanes=16, barriers=False), 1),
    ],
)  # fmt: skip
def test_occupancy(target, group, use, expected):
    assert occupancy(TARGETS[target].limits, use, group) == pytest.approx(expected)


def product(device):
    a = clnn.zeros(4096, 4096, device=device)
    clnn.matmul(a, a)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_asked_for_follows_from_the_target(target):
    variants, failures = collect(TARGETS[target], {"product": product})
    assert not failures
    (tile,) = [v for v in variants if v.family == "matmul"]
    (groups,) = tile.kernels.values()
    assert tile.defines["engine"] == "tile"
    assert groups == {
        tile.defines["TM"] // tile.defines["RM"] * (tile.defines["TN"] // tile.defines["RN"])
    }
    assert max(groups) <= TARGETS[target].facts["max_group"]
    assert ("cl_khr_fp64" in tile.source) == TARGETS[target].facts["fp64"]


@pytest.mark.parametrize("target", TARGETS)
def test_convolutions_take_smaller_tiles_where_registers_are_few(target):
    info = TARGETS[target].info()
    images, products = (gemm_tile.tiles(info, float32, windows=w) for w in (True, False))
    assert max(at["RM"] * at["RN"] for at in products) == 64
    most = 32 if info.vendor == "Intel" else 64
    assert max(at["RM"] * at["RN"] for at in images) == most
    assert images == products or most == 32
    halves = gemm_tile.tiles(info, float16, windows=True)
    assert max(at["RM"] * at["RN"] for at in halves) == (16 if most == 32 else 64)


def test_a_problem_that_fails_is_reported():
    variants, failures = collect(
        TARGETS["dg2"], {"doubles": lambda d: clnn.zeros(2, dtype="float64", device=d)}
    )
    assert not variants
    assert len(failures) == 1
    assert "float64" in failures[0]


KERNEL = "__kernel __attribute__((reqd_work_group_size(64, 1, 1))) void k(__global float *x, __global float *y, int n)"
GOOD = f"{KERNEL} {{ y[get_global_id(0)] = x[n]; }}"
MANY = range(300)  # more values at once than any of them has registers
SPILLS = f"""{KERNEL} {{
    {" ".join(f"const float v{i} = x[{i} * n];" for i in MANY)}
    {" ".join(f"y[{i} * n] = v{i} * v{(7 * i + 1) % len(MANY)};" for i in MANY)}
}}"""
LOCAL = f"""{KERNEL} {{
    __local float s[20000];
    for (int i = get_local_id(0); i < 20000; i += 64) s[i] = x[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    y[get_global_id(0)] = s[n] + s[n * 2 + 1];
}}"""


def built(target, source, folder):
    compilers = tools.find()
    missing = compilers.missing([target.vendor])
    if missing:
        pytest.skip(f"missing: {missing}")
    ((_, answer),) = Answers(compilers, folder).ask([target], source)
    (row,) = judge(target, Variant("planted", {}, source, {"k": {64}}), answer)
    return answer, row


@pytest.mark.parametrize("name", ["sm_80", "sm_90", "gfx906", "gfx1100", "skl", "dg2"])
def test_a_good_kernel_passes_and_is_remembered(name, tmp_path):
    answer, row = built(TARGETS[name], GOOD, tmp_path)
    assert not row.wrong
    assert row.occupancy > 0
    answers = Answers(tools.find(), tmp_path)
    assert answers.known(TARGETS[name], GOOD) == answer
    assert answers.known(TARGETS[name], GOOD + " ") is None
    answers.path(TARGETS[name], GOOD).write_text("{")
    assert answers.known(TARGETS[name], GOOD) is None


@pytest.mark.parametrize("name", ["sm_90", "gfx1030", "dg2"])
@pytest.mark.parametrize(
    ("source", "word"),
    [
        (GOOD.replace("x[n]", "x[n"), "error"),
        (GOOD.replace("x[n]", "unknown(n)"), "unknown"),
        (GOOD.replace(" k(", " other("), "no such kernel"),
        (LOCAL, "local|shared"),  # as ptxas calls it
    ],
    ids=["syntax", "undeclared", "renamed", "local memory"],
)
def test_a_planted_fault_is_seen(name, source, word, tmp_path):
    _, row = built(TARGETS[name], source, tmp_path)
    assert re.search(word, row.wrong.lower())


def test_a_planted_spill_is_seen(tmp_path):
    _, row = built(TARGETS["sm_90"], SPILLS, tmp_path)
    assert row.wrong.startswith("spills")


def test_what_oclgrind_says_is_wrong_once():
    report = (
        "Read-write data race at local memory address {}\n\tKernel: k\n\tEntity: Global({},0,0)"
    )
    said = "\n\n".join(report.format(hex(16 * n), n) for n in range(5)) + "\nInvalid read of size 4"
    ran = Ran("Oclgrind")
    _note(ran, {"call": "a", "error": "", "reports": ""})
    assert (ran.calls, ran.wrong) == (1, [])
    _note(ran, {"call": "b", "error": "off by 1", "reports": said})
    assert [text.split(" at ")[0] for text in ran.wrong] == [
        "b: off by 1", "b: Read-write data race", "b: Invalid read of size 4",
    ]  # fmt: skip


def test_few_calls_launch_what_all_samples_do():
    info = TARGETS["sm_80"].info()
    calls = chosen(info, ["gpu"])
    assert {c.facts for c in calls} == {"gpu"}
    assert 20 < len(calls) < 60
    assert {"conv", "matmul", "reduce", "softmax", "pool"} <= {c.sample.family for c in calls}
    assert [str(c) for c in calls] == [str(c) for c in chosen(info, ["gpu"])]
    assert "tiny" in FACTS


def test_a_program_of_every_kernel_file():
    variants = [
        Variant("conv", {"engine": "tile", "stage": stage, "TM": tm}, f"{stage}{tm}")
        for stage in ("conv2d", "layout") for tm in (32, 64)
    ] + [Variant("pool", {"kernel": n}, f"{n}") for n in range(3)]  # fmt: skip
    assert [v.source for v in thinned(variants, 1, files=True)] == ["conv2d32", "layout32", "0"]
    assert len(thinned(variants, 1)) == 7


def test_missing_compilers_are_named():
    none = tools.Tools(None, Path("nowhere"), None, None, None)
    assert list(none.missing(["Intel"])) == ["ocloc"]
    assert list(none.missing(["AMD", "NVIDIA"])) == ["clang", "libclc", "ptxas"]
    assert "Debian" in none.missing(["AMD"])["libclc"]
    assert list(none.missing(["rusticl", "Oclgrind"])) == ["rusticl", "oclgrind"]


def test_a_ptxas_that_lacks_our_oldest_card_is_missing(tmp_path):
    for name, status in (("new", 255), ("old", 0)):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nexit {status}\n")
        path.chmod(0o755)
        assert tools._knows_oldest(path) == (status == 0)


def test_the_tables_show_what_is_wrong():
    tile = {"engine": "tile", "TM": 64, "TN": 64, "TK": 8, "RM": 8, "RN": 4}
    targets = [TARGETS["sm_90"], TARGETS["dg2"]]
    good = Built(kernels={"matmul": Use(96, 0, 0, 8192)})
    bad = Built(kernels={"matmul": Use(128, 40, 0, 8192, lanes=16)})
    variant = Variant("matmul", tile, "", {"matmul": {128}})
    rows = [*judge(targets[0], variant, good), *judge(targets[1], variant, bad)]
    lines = report.markdown(rows, targets).splitlines()
    assert lines[2] == "| matmul.matmul tile 64×64×8 by 8×4 | 1 | 8 KB | 96, 31% | 1× spills 40 |"
    ran = Ran("Oclgrind", kernels={("matmul", "matmul"), ("sort", "sort")})
    assert len(report.console(rows, targets).rows) == 1
    assert len(report.console(rows, targets, [ran]).rows) == 2
    assert "| 8 KB | 1 of 1 ran | 96, 31% |" in report.markdown(rows, targets, [ran])
    assert json.dumps([row.wrong for row in rows]) == '["", "spills 40"]'
