"""One process of an implementation that is being tried: makes its share of the calls and says what came of each.

    python scripts/matrix/child.py OUT [--facts gpu] [--close] [--share 0/2] [--only conv] [--log F]

The only OpenCL device there is runs them, under the facts of calls.FACTS. Lines of JSON go to OUT: when a
call begins, for a crash ends the process, and what came of it, with the kernels it was the first to run or compile.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("scripts", "src", "tests")]
os.environ |= {"CLNN_TUNE": "off", "CLNN_SELFTEST": "off"}

import pyopencl as cl  # noqa: E402
from matrix.calls import FACTS, Call, chosen  # noqa: E402
from matrix.extras import EXTRAS  # noqa: E402

import clnn  # noqa: E402
import harness  # noqa: E402
from clnn.backends.opencl import OpenCL  # noqa: E402
from clnn.device import Device  # noqa: E402
from clnn.errors import ClnnError  # noqa: E402
from samples import gather  # noqa: E402

_BEYOND = ("capabilities", True)  # Oclgrind has no products of halves, and no need to be examined
_KERNEL = re.compile(r"__kernel\s+(?:__attribute__\s*\(\(.*?\)\)\s*)*void\s+(\w+)\s*\(", re.S)


class _Exact(NamedTuple):
    """Memory of exactly the size that was asked for, and new every time: none is left over that was written before."""

    context: Any
    active_bytes: int = 0
    managed_bytes: int = 0

    def allocate(self, nbytes: int) -> Any:
        return cl.Buffer(self.context, cl.mem_flags.READ_WRITE, nbytes)

    def free_held(self) -> None:
        """Nothing is held."""


def main() -> None:
    args = _parse()
    (real,) = [d for d in clnn.devices() if d.info is not None]
    devices = {
        name: _device(real, name, exact=args.log is not None, fill=args.fill) for name in args.facts
    }
    calls = _chosen(real, args)
    jobs: list[tuple[str, Any]] = [(str(c), c) for c in calls]
    if not args.only:
        jobs += [
            (f"{name} as {facts}", (name, facts))
            for name in EXTRAS for facts in args.facts if facts != "tiny" and (name, bool(args.log)) != _BEYOND
        ]  # fmt: skip
    share, of = (int(n) for n in args.share.split("/"))
    mine = [(label, job) for label, job in jobs[share::of] if label not in args.leave]
    known: set[tuple[str, str, str]] = set()
    with args.out.open("a", buffering=1) as out:
        for number, (label, job) in list(enumerate(mine))[args.skip :][: args.take]:
            print(json.dumps({"begun": label, "number": number}), file=out)
            start = time.perf_counter()
            error = _error(job, devices)
            said, disproved = _judged(_reports(args.log), job, devices, args.log)
            new = _kernels(devices) - known
            known |= new
            print(json.dumps({
                "call": label, "error": error, "reports": said, "disproved": disproved, "kernels": sorted(new),
                "seconds": round(time.perf_counter() - start, 2),
            }), file=out)  # fmt: skip
        print(json.dumps({"ended": len(mine)}), file=out)


def _chosen(real: Device, args: argparse.Namespace) -> list[Call]:
    """The calls, which the first process of several writes down for the others."""
    samples = gather("SAMPLES")
    kept = args.out.with_name(f"calls {' '.join(args.facts)}.json")
    if kept.exists():
        return [Call(facts, samples[at], by) for facts, at, by in json.loads(kept.read_text())]
    calls = chosen(real.info, args.facts, args.close, args.only or ())
    at = {id(s): n for n, s in enumerate(samples)}
    kept.write_text(json.dumps([(c.facts, at[id(c.sample)], c.algorithm) for c in calls]))
    return calls


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--facts", nargs="+", choices=FACTS, default=list(FACTS))
    parser.add_argument("--fill", action="store_true", help="fresh memory holds NaN")
    parser.add_argument("--close", action="store_true")
    parser.add_argument("--share", default="0/1")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--take", type=int)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--leave", nargs="+", default=[], help="calls to leave out")
    parser.add_argument("--log", type=Path)
    return parser.parse_args()


def _device(real: Device, facts: str, exact: bool, fill: bool) -> Device:
    device = object.__new__(Device)
    device.name, device.type, device.index = f"{real.name} as {facts}", real.type, real.index
    device.info = dataclasses.replace(real.info, **FACTS[facts])
    device._key = (real._key, facts)
    device.backend = OpenCL(device.info)
    rt = device.backend.rt
    rt.poison = fill or not exact
    if exact:  # Oclgrind knows itself what was never written, unless it is used twice
        rt.pool = _Exact(rt.context)
        rt._store.folder = None
    return device


def _error(job: Any, devices: dict[str, Device]) -> str:
    """What is wrong with a call, or nothing."""
    try:
        if not isinstance(job, Call):
            name, facts = job
            EXTRAS[name](devices[facts])
        elif job.algorithm is None:
            harness.check_against_reference(job.sample, devices[job.facts])
        else:
            harness.check_algorithm(job.sample, devices[job.facts], job.algorithm)
    except (AssertionError, ClnnError, cl.Error) as error:
        return f"{type(error).__name__}: {str(error).strip()[:1500]}"
    finally:
        for device in devices.values():
            device.backend.rt.finish()
    return ""


_read = SimpleNamespace(upto=0)


def _reports(log: Path | None) -> str:
    """What Oclgrind has said since the last call."""
    if log is None or not log.exists():
        return ""
    with log.open() as file:
        file.seek(_read.upto)
        text = file.read()
        _read.upto = file.tell()
    return text.strip()


_UNWRITTEN = (
    "Uninitialized value", "Uninitialized address", "Controlflow depends on uninitialized value", "Oclgrind: ",
)  # fmt: skip


def _judged(text: str, job: Any, devices: dict[str, Device], log: Path | None) -> tuple[str, int]:
    """Reports that stand, and how many do not: Oclgrind loses track of values that were written.

    What it calls unwritten is not, where the call is right with NaN in all fresh memory and no index leaves it.
    """
    reports = re.split(r"\n(?=\S)", text) if text else []
    stand = [r for r in reports if not r.startswith(_UNWRITTEN)]
    if len(stand) == len(reports):
        return text, 0
    for device in devices.values():
        device.backend.rt.poison = True
    error = _error(job, devices)
    for device in devices.values():
        device.backend.rt.poison = False
    again = re.split(r"\n(?=\S)", _reports(log))
    stand += [r for r in again if r and not r.startswith(_UNWRITTEN)]
    return (text, 0) if error else ("\n".join(stand), len(reports) - len(stand))


def _kernels(devices: dict[str, Device]) -> set[tuple[str, str, str]]:
    """("ran" or "there", family, kernel) of all that ran and of all that their programs have besides."""
    found = set()
    for device in devices.values():
        rt = device.backend.rt
        found |= {("ran", family, name) for family, name, *_ in rt._kernels}
        for (family, *_), (_, source) in rt._programs.items():
            found |= {("there", family, name) for name in _KERNEL.findall(source)}
    return found


if __name__ == "__main__":
    main()
