"""`clnn bench`: how fast this device runs, beside NumPy, torch and whatever else is installed."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from .. import bench
from ..device import device as open_device
from ..errors import SettingError
from . import tables


def register(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command and return its parser."""
    parser = subparsers.add_parser(
        "bench", help="measure speed beside other libraries", description=__doc__
    )
    parser.add_argument("suite", nargs="*", help=f"among {', '.join(bench.SUITES)} (default: all)")
    parser.add_argument("--device", help="opencl:0, cuda:0, cpu, ... (default: the best there is)")
    parser.add_argument(
        "--peers", help="comma-separated libraries to compare with (default: all that are there)"
    )
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="only cases with TEXT in their name"
    )
    parser.add_argument("--quick", action="store_true", help="tiny cases, once: does it all work?")
    parser.add_argument(
        "--threads", type=int, default=0, help="of the peers on the CPU (default: every core)"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="blocks per case and side (default %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="draw the ratios (needs matplotlib)"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Measure and print; 1 where a result was wrong."""
    if args.rounds < 1 or args.threads < 0:
        raise SettingError(
            f"bench: expected --rounds >= 1 and --threads >= 0, got {args.rounds} and {args.threads}"
        )
    settings = bench.Settings(
        suites=args.suite or tuple(bench.SUITES),
        device=open_device(args.device),
        peers=None if args.peers is None else [p for p in args.peers.split(",") if p],
        only=args.only,
        quick=args.quick,
        threads=args.threads,
        rounds=args.rounds,
    )
    console = Console(highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("bench", total=1.0)
        report = bench.run(
            settings, lambda text, share: progress.update(task, description=text, completed=share)
        )
    _show(console, report)
    files = (args.json, args.markdown, args.plot)
    writers = (report.write_json, report.write_markdown, report.draw)
    for path, write in zip(files, writers, strict=True):
        if path is not None:
            write(path)
            tables.say(console, f"wrote {path}")
    return 1 if report.failed else 0


def _show(console: Console, report: bench.Report) -> None:
    tables.say(console, report.head())
    found = report.tables()
    console = tables.fitting(console, *found)
    for table in found:
        console.print()
        console.print(table)
    for row in report.failed:
        console.print(Text(f"wrong: {row.case.suite}: {row.case.name}: {row.errors}", style="red"))
