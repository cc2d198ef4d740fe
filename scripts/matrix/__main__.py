"""Compile every kernel a GPU would be asked for, without a GPU, and say what it needs there.

    python scripts/offline [--install] [--targets gfx1030 sm_90] [--only matmul conv] [--each 2 | all]
                           [--json FILE] [--markdown docs/benchmarks.md] [--jobs 2]

Intel's GPUs by ocloc, AMD's by clang and libclc, NVIDIA's by clang, libclc and ptxas. What is compiled is what
clnn asks for under the facts of each GPU, for layers and networks of usual sizes and for samples of every family;
of programs that differ only in what hardly matters (an expression, a vector width), the first unless --each says.
Fails on what does not compile, on spilled registers, and on more local memory than there is.
Answers are kept: a second run compiles what has changed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("scripts", "src", "tests")]

from matrix import report, tools  # noqa: E402
from matrix.problems import problems  # noqa: E402
from matrix.results import Answers, as_json, compile_all, judge  # noqa: E402
from matrix.targets import TARGETS, Target  # noqa: E402
from matrix.variants import Variant, collect, thinned, untuned  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: E402

BEGIN, END = "<!-- offline -->", "<!-- /offline -->"
console = Console(stderr=True)


def main(argv: list[str] | None = None) -> int:
    """0 where everything is as it should be, 1 where a kernel is not, 2 where a compiler is missing."""
    args = _parse(argv)
    targets = [TARGETS[name] for name in args.targets]
    there = tools.find()
    missing = there.missing({t.vendor for t in targets})
    if missing and args.install:
        tools.install(missing)
        there = tools.find()
        missing = there.missing({t.vendor for t in targets})
    if missing:
        for name, source in missing.items():
            console.print(f"missing: {name} ({source})", style="red", markup=False)
        console.print("--install gets them; --targets leaves GPUs out")
        return 2
    asked, failures = _ask(targets, args.only, args.each)
    wanted: dict[str, tuple[str, list[Target]]] = {}
    for target, variants in asked:
        for variant in variants:
            wanted.setdefault(variant.key, (variant.source, []))[1].append(target)
    if not wanted:
        console.print(f"nothing to compile: expected a family, got {args.only}", markup=False)
        return 2
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
    if args.json:
        args.json.write_text(json.dumps(as_json(rows), indent=1))
    if args.markdown:
        _insert(args.markdown, report.markdown(rows, targets))
    Console(width=200 if not sys.stdout.isatty() else None).print(report.console(rows, targets))
    wrong = [f"{r.target} {r.variant} {r.defines}: {r.wrong}" for r in rows if r.wrong] + failures
    for text in wrong:
        console.print(text, style="red", markup=False)
    private = {(r.variant, r.target) for r in rows if r.use and r.use.private and not r.wrong}
    console.print(
        f"{len(wanted)} programs, {total} compilations, {len(rows)} kernels: {len(wrong)} wrong, "
        f"{len(private)} with arrays in memory"
    )
    return 1 if wrong else 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS), metavar="GPU",
                        help=f"of {' '.join(TARGETS)} (default: all)")  # fmt: skip
    parser.add_argument("--only", nargs="+", metavar="FAMILY", help="kernels of these families")
    parser.add_argument(
        "--each",
        default="1",
        metavar="N",
        help="programs of each form, or all (default: %(default)s)",
    )
    parser.add_argument("--install", action="store_true", help="get compilers that are missing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help=f"write the table between {BEGIN} and {END}"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="compilers at once (default: %(default)s)"
    )
    args = parser.parse_args(argv)
    if args.each != "all" and not args.each.isdecimal():
        parser.error(f"--each: expected a number or all, got {args.each}")
    return args


def _ask(
    targets: list[Target], only: list[str] | None, each: str
) -> tuple[list[tuple[Target, list[Variant]]], list[str]]:
    """(programs of each target, what went wrong while they were asked for)."""
    asked, failures = [], []
    questions = problems()
    with untuned(), Progress(console=console, transient=True) as progress:
        for target in progress.track(targets, description="asking"):
            variants, wrong = collect(target, questions)
            failures += [f"{target.name} {text}" for text in wrong]
            mine = [v for v in variants if not only or v.family in only]
            asked.append((target, thinned(mine, len(mine) if each == "all" else int(each))))
    return asked, failures


def _insert(path: Path, table: str) -> None:
    text = path.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"{path}: expected {BEGIN} and {END}")
    head, rest = text.split(BEGIN, 1)
    path.write_text(f"{head}{BEGIN}\n{table}\n{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    sys.exit(main())
