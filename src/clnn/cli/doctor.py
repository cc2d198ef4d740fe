"""`clnn doctor`: examine devices, drivers, kernels and caches; exit status 0 means healthy."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..device import device as open_device
from . import tables
from .budget import seconds

if TYPE_CHECKING:
    from ..doctor import Health, Report

_STYLES = {"problem": "red", "warning": "yellow", "advice": ""}
_SHOWN = 12  # failures of a device in the report for people; --json and --bundle have all


def register(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command and return its parser."""
    parser = subparsers.add_parser(
        "doctor", help="examine devices, drivers, kernels and caches", description=__doc__
    )
    parser.add_argument(
        "--device", action="append", metavar="D",
        help="opencl:0, cuda:0, ... (repeatable; default: every OpenCL device)",
    )  # fmt: skip
    parser.add_argument(
        "--budget", default="50s",
        help="when to begin no more checks of a device: 90, 90s, 10m (default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print everything for machines")
    parser.add_argument(
        "--clear", action="store_true",
        help="empty the caches of clnn and PoCL, and what pyopencl left, say what went, and stop",
    )  # fmt: skip
    parser.add_argument(
        "--bundle", type=Path, metavar="FILE.zip",
        help="write what reproduces the failures, without personal data",
    )  # fmt: skip
    return parser


def run(args: argparse.Namespace) -> int:
    """Examine and print; 1 where something is a problem."""
    if args.clear:
        return _clear(args.json)
    from ..doctor import examine
    from ..doctor.bundle import write

    budget = seconds(args.budget, "doctor")
    chosen = None if args.device is None else [open_device(d) for d in args.device]
    console = Console(highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("doctor", total=1.0)
        report = examine(
            chosen,
            budget,
            lambda text, share: progress.update(task, description=text, completed=share),
        )
    count = write(args.bundle, report) if args.bundle is not None else 0
    if args.json:
        sys.stdout.write(json.dumps(report.to_json(), indent=1) + "\n")
    else:
        _show(console, report)
        if args.bundle is not None:
            tables.say(console, f"wrote {args.bundle}: {_many(count, 'failure')}")
    return 0 if report.healthy else 1


def _clear(as_json: bool) -> int:
    from ..doctor import caches

    found = caches.clear()
    if as_json:
        keys = ("cache", "path", "entries", "bytes")
        rows = [dict(zip(keys, row, strict=True)) for row in found]
        sys.stdout.write(json.dumps({"removed": rows}, indent=1) + "\n")
        return 0
    console = Console(highlight=False)
    for name, path, entries, size in found:
        what = f"removed {_entries(entries)}, {_bytes(size)}" if size else "nothing to remove"
        tables.say(console, f"{name}: {what} ({path})")
    return 0


# --- for people ---------------------------------------------------------------------------------


def _show(console: Console, report: Report) -> None:
    tables.say(console, ", ".join(f"{k} {v}" for k, v in report.versions.items()))
    for health in report.devices:
        _device(console, health)
    console.print()
    table = tables.columns(
        "cache", ("size", "right"), ("entries", "right"), "written", "state", "path"
    )
    for c in report.caches:
        size = _bytes(c.size) if c.complete else f"> {_bytes(c.size)}"
        size += f" of {_bytes(c.most)}" if c.most else ""
        age = f"{c.newest:.1f} to {c.oldest:.1f} days ago" if c.entries else ""
        state = (
            f"{len(c.damaged)} damaged"
            if c.damaged
            else "ok"
            if c.writable
            else "read-only or full"
        )
        entries = f"{c.entries}" if c.complete else f"> {c.entries}"
        table.add_row(c.name, size, entries, age, state, c.path, style="" if state == "ok" else "red")  # fmt: skip
    tables.show(console, table)
    if report.switches:
        console.print()
        table = tables.columns("variable", "value", "")
        for s in report.switches:
            table.add_row(s.name, s.value, s.means if s.known else "?", style="yellow" if s.why else "")  # fmt: skip
        tables.show(console, table)
    console.print()
    shown: dict[str, int] = {}
    for f in report.findings:
        shown[f.level] = shown.get(f.level, 0) + 1
        if f.level != "problem" or shown[f.level] <= _SHOWN:
            tables.say(console, f"{f.level}: {f.text}", _STYLES[f.level])
    if shown.get("problem", 0) > _SHOWN:
        tables.say(
            console, f"and {_many(shown['problem'] - _SHOWN, 'more problem')}: see --json", "red"
        )
    well = "healthy as far as was looked at" if any(d.left for d in report.devices) else "healthy"
    verdict = well if report.healthy else f"not healthy: {_many(shown['problem'], 'problem')}"
    tables.say(
        console, f"{verdict} ({report.seconds:.0f} s)", "green" if report.healthy else "bold red"
    )


def _device(console: Console, health: Health) -> None:
    facts = health.facts
    console.print()
    tables.say(console, f"{health.name}: {facts['device']}", "bold")
    tables.say(
        console, f"{facts['platform']} {facts['platform_version']}, driver {facts['driver']}"
    )
    if health.error:
        return
    table = tables.columns("capability", "claimed", "works", "")
    for p in health.probes:
        need = "" if p.relied else "clnn does without"
        table.add_row(p.name, p.claimed, p.works, p.why or need, style="" if p.ok else "red")
    tables.show(console, table)
    console.print()
    table = tables.columns("family", ("checks", "right"), ("wrong", "right"), ("seconds", "right"))
    for family, checks in health.families().items():
        wrong = sum(not c.ok for c in checks)
        took = f"{sum(c.seconds for c in checks):.2f}"
        table.add_row(
            family, str(len(checks)), str(wrong or ""), took, style="red" if wrong else ""
        )
    tables.show(console, table)
    built = f"{health.compiling:.1f} s of it for {_many(health.programs, 'program')}, compiled or from a cache"
    tables.say(console, f"{len(health.checks)} checks in {health.seconds:.1f} s, {built}")


def _many(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def _entries(n: int) -> str:
    return f"{n} entry" if n == 1 else f"{n} entries"


def _bytes(n: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} B"
