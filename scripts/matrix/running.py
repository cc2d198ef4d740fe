"""OpenCL implementations that are not on everybody's machine, run in processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .tools import Tools

ROOT = Path(__file__).resolve().parents[2]
# What Oclgrind reports of code that is right, by a pattern of its report; each has its reason.
EXCUSED: dict[str, str] = {}


@dataclass
class Ran:
    """What came of an implementation's calls."""

    name: str
    calls: int = 0
    seconds: float = 0.0
    excused: int = 0
    wrong: list[str] = field(default_factory=list)
    kernels: set[tuple[str, str]] = field(default_factory=set)

    def __str__(self) -> str:
        excused = f", {self.excused} reports excused" if self.excused else ""
        return (
            f"{self.name}: {self.calls} calls ran {len(self.kernels)} kernels in {self.seconds:.0f} s, "
            f"{len(self.wrong)} wrong{excused}"
        )


class _How(NamedTuple):
    """What stands before the command, what it is told, and its environment."""

    before: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()


def _rusticl(tools: Tools, folder: Path, log: Path) -> _How:
    """A folder of ICD files with this one alone, so that nothing else sees it and it sees nothing else."""
    (folder / "rusticl.icd").write_text(f"{tools.rusticl}\n")
    # The forms of GPUs: over one kernel of explicit vectors, which those of CPUs are, Mesa's compiler takes minutes.
    facts = ("--facts", "gpu", "tiny")
    return _How(told=facts, env=(("OCL_ICD_VENDORS", str(folder)), ("RUSTICL_ENABLE", "llvmpipe")))


def _oclgrind(tools: Tools, folder: Path, log: Path) -> _How:
    # With several threads of its own it reports as never written what another one has, and crashes.
    options = ("--data-races", "--uninitialized", "--num-threads", "1", "--log", str(log))
    return _How((str(tools.oclgrind), *options), ("--log", str(log)))


IMPLEMENTATIONS: dict[str, Callable[[Tools, Path, Path], _How]] = {
    "rusticl": _rusticl, "Oclgrind": _oclgrind,
}  # fmt: skip


def conformance(jobs: int) -> Ran:
    """The whole suite on the reference and on the implementations of this machine, as `make test` has it."""
    start = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/test_conformance.py",
        "-n",
        str(jobs),
        "--dist",
        "worksteal",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    counts = re.findall(r"(\d+) (?:passed|failed|error)", lines[-1] if lines else "")
    ran = Ran("conformance", seconds=time.monotonic() - start)
    ran.calls = sum(int(n) for n in counts)
    if done.returncode:
        ran.wrong = [line for line in lines if line.startswith(("FAILED", "ERROR"))] or [done.stderr]  # fmt: skip
    return ran


def run(name: str, tools: Tools, jobs: int, close: bool, only: Sequence[str] | None) -> Ran:
    """The chosen calls on one implementation, divided among so many processes."""
    ran, start = Ran(name), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clnn-matrix-") as text:
        folder = Path(text)
        children = []
        for n in range(jobs):
            out, log = folder / f"{n}.jsonl", folder / f"{n}.log"
            how = IMPLEMENTATIONS[name](tools, folder, log)
            command = [
                *how.before,
                sys.executable,
                str(ROOT / "scripts/matrix/child.py"),
                str(out),
                *how.told,
            ]
            command += [
                "--share",
                f"{n}/{jobs}",
                *["--close"] * close,
                *(["--only", *only] if only else []),
            ]
            with (folder / f"{n}.said").open("w") as said:
                env = {**os.environ, **dict(how.env)}
                children.append((out, subprocess.Popen(command, env=env, stdout=said, stderr=said)))
        there: set[tuple[str, str]] = set()
        for n, (out, child) in enumerate(children):
            status = child.wait()
            said = (folder / f"{n}.said").read_text()
            lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []  # fmt: skip
            for line in lines:
                _note(ran, line)
            if lines and "there" in lines[-1]:
                ran.kernels |= {tuple(k) for k in lines[-1]["ran"]}
                there |= {tuple(k) for k in lines[-1]["there"]}
            else:
                last = lines[-1].get("begun", "") if lines else ""
                ran.wrong.append(f"ended with {status} at {last}: {said[-1500:].strip()}")
        if not only:
            ran.wrong += [f"no call runs {f}.{k}" for f, k in sorted(there - ran.kernels)]
    ran.seconds = time.monotonic() - start
    return ran


def _note(ran: Ran, line: dict[str, object]) -> None:
    if "call" not in line:
        return
    ran.calls += 1
    if line["error"]:
        ran.wrong.append(f"{line['call']}: {line['error']}")
    for report in _reports(str(line["reports"])):
        if any(re.search(pattern, report) for pattern in EXCUSED):
            ran.excused += 1
        else:
            ran.wrong.append(f"{line['call']}: {report}")


def _reports(text: str) -> Iterator[str]:
    """One report of each kind and place: Oclgrind repeats it for every work-item."""
    seen = set()
    for report in re.split(r"\n(?=\S)", text):
        what = re.sub(r"0x[0-9a-f]+|Entity:[^\n]*|\d+ bytes?", "", report)
        if report.strip() and what not in seen:
            seen.add(what)
            yield report.strip()
