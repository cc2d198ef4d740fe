"""`clnn tune`: find the fastest algorithms and tile shapes for this device, and remember them."""

from __future__ import annotations

import argparse
import runpy
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ..autograd import Variable
from ..device import Device, set_default_device
from ..device import device as open_device
from ..errors import ClnnError, SettingError
from . import tables
from .budget import seconds

if TYPE_CHECKING:
    from ..backends.opencl.algorithms import Candidate
    from ..tune import Case, Result, Tuner

    Job = tuple[Case, list[Candidate] | None]  # a call, and the candidates to judge (None: all)

_LEAST = 0.3  # seconds a call gets even when many share the budget


def register(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command and return its parser."""
    parser = subparsers.add_parser(
        "tune", help="find the fastest kernels for a device", description=__doc__
    )
    parser.add_argument(
        "op", nargs="*", help="conv2d, matmul, ... (default: all that can be tuned)"
    )
    parser.add_argument(
        "--model", metavar="FILE.py:FN", help="tune what FN() runs, and its gradients, instead"
    )
    parser.add_argument("--device", help="opencl:0, cuda:0, ... (default: the best there is)")
    parser.add_argument(
        "--budget", default="60s", help="how long it may take: 90, 90s, 10m (default %(default)s)"
    )
    parser.add_argument(
        "--export", type=Path, metavar="FILE", help="also write what is known of the device"
    )
    parser.add_argument(
        "--import", type=Path, metavar="FILE", dest="source",
        help="judge what another machine found, and keep what holds here",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="only say what would be tuned")
    return parser


def run(args: argparse.Namespace) -> int:
    """Tune, print what it gained; 1 where no result could be had."""
    from ..tune import Tuner

    budget = seconds(args.budget, "tune")
    if args.model and args.source:
        raise SettingError("tune: expected --model or --import, got both")
    device = open_device(args.device)
    tuner = Tuner(device.backend)
    console = Console(highlight=False)
    jobs = _jobs(args, device)
    if args.dry_run:
        _dry(console, tuner, jobs)
        return 0
    results, problems = _tune(console, tuner, jobs, budget)
    _show(console, results)
    for problem in problems:
        tables.say(console, problem, "red")
    _keep(console, tuner, results)
    if args.export is not None:
        _export(args.export, tuner)
        tables.say(console, f"wrote {args.export}")
    return 1 if problems and not results else 0


# --- what to tune -------------------------------------------------------------------------------


def _jobs(args: argparse.Namespace, device: Device) -> list[Job]:
    from ..backends.opencl import tuning

    unknown = [op for op in args.op if op not in tuning.tables()]
    if unknown:
        raise SettingError(
            f"tune: expected ops among {', '.join(sorted(tuning.tables()))}, got {unknown[0]!r}"
        )
    if args.source is not None:
        jobs = list(_imported(args.source))
    elif args.model:
        jobs = [(case, None) for case in _met(args.model, device)]
    else:
        from .tune_cases import cases

        jobs = [(case, None) for case in cases()]
    return [job for job in jobs if not args.op or job[0].op in args.op]


def _met(spec: str, device: Device) -> list[Case]:
    """What a function of a user's file runs on `device`, forward and backward."""
    from ..tune import record

    file, colon, name = spec.rpartition(":")
    if not colon or not Path(file).is_file():
        raise SettingError(f"tune: expected --model as FILE.py:FUNCTION, got {spec!r}")
    function = runpy.run_path(file).get(name)
    if not callable(function):
        raise SettingError(f"tune: expected a function {name!r} in {file}, got none")
    set_default_device(device)
    try:
        with record(device.backend) as met:
            out = function()
            for y in out if isinstance(out, tuple | list) else (out,):
                if isinstance(y, Variable) and y.requires_grad:
                    y.sum().backward()  # type: ignore[attr-defined]
    finally:
        set_default_device(None)
    return met


def _imported(path: Path) -> Iterator[Job]:
    """Every entry of a profile as a call and the candidate that won it elsewhere."""
    from ..backends.opencl import tuning, tuning_store
    from ..backends.opencl.algorithms import Candidate
    from ..tune import unpack

    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"tune: expected a profile to import, got {path}: {error}") from None
    held, damaged = tuning_store.unpack(tuning_store.parse(text), None, tuning.usable)
    if damaged:
        raise SettingError(f"tune: expected an intact profile, got {path}: {damaged[0]}")
    for entry in held:
        yield unpack(entry.case), [Candidate(entry.algorithm, entry.values)]


def _dry(console: Console, tuner: Tuner, jobs: Sequence[Job]) -> None:
    from ..backends.opencl.algorithms import Candidate

    table = tables.columns("op", "class", "default", ("candidates", "right"), "known")
    for case, only in _classes(tuner, jobs):
        found = tuner.look(case)
        if found is not None:
            many = [len(a.candidates(found.problem, tuner.info)) for a in found.usable]
            entry = tuner.rt.tuning.known.get((found.owner, found.group))
            known = "" if entry is None else str(Candidate(entry.algorithm, entry.values))
            count = sum(max(n, 1) for n in many) if only is None else len(only)
            table.add_row(case.op, found.group, found.default.name, str(count), known)
    tables.show(console, table)


def _classes(tuner: Tuner, jobs: Sequence[Job]) -> list[Job]:
    """One job per class of problems: the largest, whose time says most."""
    best: dict[tuple[str, str], tuple[float, Job]] = {}
    for job in jobs:
        found = tuner.look(job[0])
        if found is not None:
            key, flops = (found.owner, found.group), float(found.problem.flops)
            if key not in best or flops > best[key][0]:
                best[key] = (flops, job)
    return [job for _, job in best.values()]


# --- tuning -------------------------------------------------------------------------------------


def _tune(console: Console, tuner: Tuner, jobs: Sequence[Job], budget: float
          ) -> tuple[list[Result], list[str]]:  # fmt: skip
    """Results, and what went wrong; every call gets its share of the time that is left."""
    start = time.perf_counter()
    results, problems, todo = [], [], _classes(tuner, jobs)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("tune", total=budget, left="")
        for n, (case, only) in enumerate(todo):
            left = budget - (time.perf_counter() - start)
            if left <= 0:
                problems.append(
                    f"the budget of {budget:.0f} s left {len(todo) - n} of {len(todo)} classes untouched; "
                    "give a larger --budget, or name ops"
                )
                break
            tell = _teller(progress, task, f"{n + 1}/{len(todo)} {case}", start, budget)
            tell("")
            try:
                result = tuner.tune(case, max(left / (len(todo) - n), _LEAST), only, tell)
            except ClnnError as error:
                problems.append(f"{case}: {error}")
                continue
            if result is not None:
                results.append(result)
                problems += [f"{case}: {c} rejected: {why}" for c, why in result.rejected]
    return results, problems


def _teller(progress: Progress, task: object, head: str, start: float, budget: float
            ) -> Callable[[str], None]:  # fmt: skip
    def tell(candidate: str) -> None:
        used = time.perf_counter() - start
        progress.update(task, completed=min(used, budget), left=f"{max(0.0, budget - used):.0f} s left",  # type: ignore[arg-type]
                        description=f"{head} {candidate}")  # fmt: skip

    return tell


def _keep(console: Console, tuner: Tuner, results: Sequence[Result]) -> None:
    if tuner.rt.tuning.mode == "off":
        tables.say(console, "not kept: CLNN_TUNE=off")
        return
    try:
        tuner.learn(results)
    except OSError as error:
        raise SettingError(f"tune: expected a cache that can be written, got {error}") from None
    if results:
        tables.say(console, f"kept in {tuner.rt.tuning.store.path}")


def _export(path: Path, tuner: Tuner) -> None:
    from ..backends.opencl import tuning, tuning_store

    known = tuner.rt.tuning
    text = tuning_store.profile(known.store.facts, list(known.known.values()), tuning.template_hash)
    try:
        tuning_store.write_whole(path, text)
    except OSError as error:
        raise SettingError(f"tune: expected a file to export to, got {path}: {error}") from None


# --- saying so ----------------------------------------------------------------------------------


def _show(console: Console, results: Sequence[Result]) -> None:
    if not results:
        tables.say(console, "nothing to tune")
        return
    table = tables.columns("op", "class", ("before", "right"), ("after", "right"), ("gain", "right"), "winner",
                   ("tried", "right"))  # fmt: skip
    for r in results:
        better = r.winner != r.default
        gain = f"{r.gain:.2f}x" if better else ""
        winner = str(r.winner) if better else f"{r.default} (default)"
        tried = str(r.tried) if r.complete else f"{r.tried}, time up"
        table.add_row(r.case.op, r.group, _time(r.before), _time(r.after), gain, winner, tried,
                      style="bold" if better else "")  # fmt: skip
    tables.show(console, table)
    gains = [r.gain for r in results]
    faster = sum(r.winner != r.default for r in results)
    tables.say(console, f"{faster} of {len(results)} classes run faster than by default; "
                  f"geometric mean of all {geometric_mean(gains):.3f}x")  # fmt: skip


def _time(t: float) -> str:
    return f"{t * 1e6:.1f} µs" if t < 1e-3 else f"{t * 1e3:.2f} ms"
