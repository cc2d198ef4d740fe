"""Every kernel on every OpenCL implementation there is, and through the compilers of GPUs that are not here.

    python scripts/matrix [--install] [--quick] [--parts conformance rusticl Oclgrind compilers] [--only matmul conv]
                          [--targets gfx1030 sm_90] [--each 2] [--json FILE] [--markdown docs/benchmarks.md] [--jobs 2]

Runs the conformance suite on the reference and on this machine's implementations, and calls that between them launch
every kernel on Mesa's rusticl and on Oclgrind, which reports races, reads of what was never written and accesses out
of bounds. Compiles every program that clnn asks for by default for Intel's GPUs (ocloc), AMD's (clang, libclc) and
NVIDIA's (clang, libclc, ptxas), for layers and networks of usual sizes and samples of every family.
Fails on a wrong result, on any report, on what does not compile, on spills, on more local memory than there is.
--quick leaves the conformance suite to `make test` and compiles one program of every kernel file for every GPU.
What compilers say is kept: a second run compiles what has changed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("scripts", "src", "tests")]

from matrix import report, running, tools  # noqa: E402
from matrix.problems import problems  # noqa: E402
from matrix.results import Answers, Row, as_json, compile_all, judge  # noqa: E402
from matrix.targets import TARGETS, Target  # noqa: E402
from matrix.variants import Variant, collect, thinned, untuned  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: E402

BEGIN, END = "<!-- offline -->", "<!-- /offline -->"
PARTS = ("conformance", *running.IMPLEMENTATIONS, "compilers")
console = Console(stderr=True)


def main(argv: list[str] | None = None) -> int:
    """0 where everything is as it should be, 1 where a kernel is not, 2 where a tool is missing."""
    args = _parse(argv)
    targets = [TARGETS[name] for name in args.targets] if "compilers" in args.parts else []
    there = tools.find()
    users = {t.vendor for t in targets}.union(args.parts).intersection(tools.NEEDS)
    missing = there.missing(users)
    if missing and args.install:
        tools.install(missing)
        there = tools.find()
        missing = there.missing(users)
    if missing:
        for name, source in missing.items():
            console.print(f"missing: {name} ({source})", style="red", markup=False)
        console.print("--install gets them; --parts and --targets leave some out")
        return 2
    ran = [
        running.conformance(args.jobs) if name == "conformance"
        else running.run(name, there, args.jobs, not args.quick, args.only)
        for name in args.parts if name != "compilers"
    ]  # fmt: skip
    wrong = [f"{r.name}: {text}" for r in ran for text in r.wrong]
    rows: list[Row] = []
    if targets:
        rows, failures, summary = _compiled(targets, there, args)
        wrong += [f"{r.target} {r.variant} {r.defines}: {r.wrong}" for r in rows if r.wrong]
        wrong += failures
    if args.json:
        args.json.write_text(json.dumps(as_json(rows), indent=1))
    if args.markdown:
        _insert(args.markdown, report.markdown(rows, targets, ran))
    Console(width=200 if not sys.stdout.isatty() else None).print(report.console(rows, targets, ran))  # fmt: skip
    for text in wrong:
        console.print(text, style="red", markup=False)
    for r in ran:
        console.print(str(r), markup=False)
    if args.quick:
        console.print("the conformance suite: left to make test")
    if targets:
        console.print(summary)
    return 1 if wrong else 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        metavar="PART",
        help=f"of {' '.join(PARTS)} (default: all)",
    )
    parser.add_argument("--quick", action="store_true", help="a part, in minutes rather than hours")  # fmt: skip
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS), metavar="GPU",
                        help=f"of {' '.join(TARGETS)} (default: all)")  # fmt: skip
    parser.add_argument("--only", nargs="+", metavar="FAMILY", help="kernels of these families")
    parser.add_argument(
        "--each", type=int, metavar="N", help="compile so many programs of each form (default: all)"
    )
    parser.add_argument("--install", action="store_true", help="get what is missing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help=f"write the table between {BEGIN} and {END}"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes at once (default: %(default)s)"
    )
    args = parser.parse_args(argv)
    args.parts = args.parts or [p for p in PARTS if not (args.quick and p == "conformance")]
    return args


def _compiled(
    targets: list[Target], there: tools.Tools, args: argparse.Namespace
) -> tuple[list[Row], list[str], str]:
    """(a row per kernel, program and GPU, what went wrong before, a sentence)."""
    start = time.monotonic()
    asked, failures = _ask(targets, args)
    wanted: dict[str, tuple[str, list[Target]]] = {}
    for target, variants in asked:
        for variant in variants:
            wanted.setdefault(variant.key, (variant.source, []))[1].append(target)
    if not wanted:
        return [], [f"nothing to compile: expected a family, got {args.only}"], ""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        total = sum(len(names) for _, names in wanted.values())
        task = progress.add_task("compiling", total=total)
        found = compile_all(Answers(there), wanted, args.jobs, lambda n: progress.advance(task, n))
    rows = [
        row
        for target, variants in asked
        for variant in variants
        for row in judge(target, variant, found[variant.key, target.name])
    ]
    private = {(r.variant, r.target) for r in rows if r.use and r.use.private and not r.wrong}
    summary = (
        f"compilers: {len(wanted)} programs, {total} compilations, {len(rows)} kernels in "
        f"{time.monotonic() - start:.0f} s, "
        f"{sum(bool(r.wrong) for r in rows)} wrong, {len(private)} with arrays in memory"
    )
    return rows, failures, summary


def _ask(
    targets: list[Target], args: argparse.Namespace
) -> tuple[list[tuple[Target, list[Variant]]], list[str]]:
    """(programs of each target, what went wrong while they were asked for)."""
    asked, failures = [], []
    questions = problems()
    with untuned(), Progress(console=console, transient=True) as progress:
        for target in progress.track(targets, description="asking"):
            variants, wrong = collect(target, questions)
            failures += [f"{target.name} {text}" for text in wrong]
            mine = [v for v in variants if not args.only or v.family in args.only]
            each = args.each or (1 if args.quick else len(mine))
            asked.append((target, thinned(mine, each, files=args.quick and not args.each)))
    return asked, failures


def _insert(path: Path, table: str) -> None:
    text = path.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"{path}: expected {BEGIN} and {END}")
    head, rest = text.split(BEGIN, 1)
    path.write_text(f"{head}{BEGIN}\n{table}\n{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    sys.exit(main())
