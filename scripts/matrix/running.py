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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .tools import Tools

ROOT = Path(__file__).resolve().parents[2]
_LONG = 1.0  # seconds


@dataclass
class Ran:
    """What came of an implementation's calls."""

    name: str
    calls: int = 0
    seconds: float = 0.0
    disproved: int = 0
    weaker: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    kernels: set[tuple[str, str]] = field(default_factory=set)

    def __str__(self) -> str:
        notes = f", {self.disproved} reports disproved" if self.disproved else ""
        notes += f", {len(self.weaker)} calls checked for less" if self.weaker else ""
        return (
            f"{self.name}: {self.calls} calls ran {len(self.kernels)} kernels in {self.seconds:.0f} s, "
            f"{len(self.wrong)} wrong{notes}"
        )


class _How(NamedTuple):
    """What stands before the command, what it is told, and its environment.

    `crashes`: what to leave out after one.  `short`: whether calls that took long before are left out, in a quick run.
    """

    before: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    crashes: tuple[str, ...] = ()
    short: bool = False


def _rusticl(tools: Tools, folder: Path) -> list[_How]:
    """A folder of ICD files with this one alone, so that nothing else sees it and it sees nothing else."""
    (folder / "rusticl.icd").write_text(f"{tools.rusticl}\n")
    # The forms of GPUs: over one kernel of explicit vectors, which those of CPUs are, Mesa's compiler takes minutes.
    facts = ("--facts", "gpu", "tiny")
    return [
        _How(told=facts, env=(("OCL_ICD_VENDORS", str(folder)), ("RUSTICL_ENABLE", "llvmpipe")))
    ]


def _oclgrind(tools: Tools, folder: Path) -> list[_How]:
    """For races, and accesses out of bounds, under the facts of GPUs and CPUs; then for what was never written.

    In vectors it loses track of that, so there memory holds NaN, as it does wherever races are looked for.
    """
    log = ("--log", str(folder / "log"))
    # With several threads of its own it takes for unwritten what another one has written, and crashes; it does not know
    # all instructions that its compiler's optimizer makes, nor prefetches.
    options = "-cl-opt-disable -D__builtin_prefetch(...)="
    plain = (str(tools.oclgrind), "--num-threads", "1", "--build-options", options, *log)
    gpus = ("--facts", "gpu", "tiny", *log)
    return [
        _How((*plain, "--data-races"), (*gpus, "--fill")),
        _How((*plain, "--data-races"), ("--facts", "cpu", "--fill", *log)),
        _How((*plain, "--uninitialized"), gpus, crashes=("--uninitialized",), short=True),
    ]


IMPLEMENTATIONS: dict[str, Callable[[Tools, Path], list[_How]]] = {
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
    told = ["--close"] * close + (["--only", *only] if only else [])
    there: set[tuple[str, str]] = set()
    with tempfile.TemporaryDirectory(prefix="clnn-matrix-") as text, ThreadPoolExecutor(jobs) as pool:  # fmt: skip

        def one(n: int) -> tuple[list[dict[str, Any]], list[str], list[str]]:
            folder, found = Path(text, str(n)), ([], [], [])
            folder.mkdir()
            for how in IMPLEMENTATIONS[name](tools, folder):
                long = [] if close or not how.short else _long(found[0])
                leave = ["--leave", *long] if long else []
                found[1].extend(long)
                share = [*told, "--share", f"{n}/{jobs}", *leave]
                for all_, new in zip(found, _share(how, folder, share), strict=True):
                    all_ += new
            return found

        for lines, weaker, wrong in pool.map(one, range(jobs)):
            ran.weaker += weaker
            ran.wrong += wrong
            for line in lines:
                _note(ran, line)
                for kind, *kernel in line.get("kernels", ()):
                    (ran.kernels if kind == "ran" else there).add(tuple(kernel))
    if not only:
        ran.wrong += [f"no call runs {f}.{k}" for f, k in sorted(there - ran.kernels)]
    ran.seconds = time.monotonic() - start
    return ran


def _long(lines: list[dict[str, Any]]) -> list[str]:
    """Calls that would take minutes with every value tracked."""
    return [line["call"] for line in lines if line.get("seconds", 0) > _LONG]


def _share(
    how: _How, folder: Path, told: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """(what a process and those that follow its crashes say, calls that were checked for less, what is wrong)."""
    out, said, log = folder / "out.jsonl", folder / "said", folder / "log"
    out.unlink(missing_ok=True)
    weaker: list[str] = []
    wrong: list[str] = []

    def child(before: Sequence[str], *more: str) -> tuple[int, dict[str, Any]]:
        log.unlink(missing_ok=True)
        command = [
            *before,
            sys.executable,
            str(ROOT / "scripts/matrix/child.py"),
            str(out),
            *how.told,
            *told,
            *more,
        ]
        with said.open("w") as to:
            done = subprocess.run(
                command, env={**os.environ, **dict(how.env)}, stdout=to, stderr=to, check=False
            )
        text = out.read_text().splitlines() if out.exists() else []
        return done.returncode, json.loads(text[-1]) if text else {}

    skip = 0
    while True:
        status, last = child(how.before, "--skip", str(skip))
        if "ended" in last and not status:
            break
        if "begun" not in last:
            wrong.append(f"ended with {status}: {said.read_text()[-1500:].strip()}")
            break
        label, skip = str(last["begun"]), int(last["number"]) + 1
        mild = [word for word in how.before if word not in how.crashes]
        again = child(mild, "--skip", str(skip - 1), "--take", "1") if how.crashes else (status, last)  # fmt: skip
        if again[0] or "ended" not in again[1]:
            wrong.append(f"{label}: ended with {status}: {said.read_text()[-1500:].strip()}")
        else:
            weaker.append(label)
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    return lines, weaker, wrong


def _note(ran: Ran, line: dict[str, Any]) -> None:
    if "call" not in line:
        return
    ran.calls += 1
    if line["error"]:
        ran.wrong.append(f"{line['call']}: {line['error']}")
    ran.disproved += line.get("disproved", 0)
    ran.wrong += [f"{line['call']}: {report}" for report in _reports(str(line["reports"]))]


def _reports(text: str) -> Iterator[str]:
    """One report of each kind and place: Oclgrind repeats it for every work-item."""
    seen = set()
    for report in (part.strip() for part in re.split(r"\n(?=\S)", text)):
        what = re.sub(r"0x[0-9a-f]+|Entity:[^\n]*|\d+ bytes?", "", report)
        if report and what not in seen:
            seen.add(what)
            yield report
