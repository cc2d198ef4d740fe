"""`python -m fuzz`: workers one after the other, how far they are, and at the end what was found."""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

SILENT = 400  # seconds without a word from a worker: one op with its shrinking takes no longer


class Watch:
    """Starts a worker, another when it ends before its time, and counts what they say."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.last = args, folder / "last"
        self.until = time.time() + 60 * args.minutes
        self.cases: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self.found: dict[str, str] = {}
        self.round, self.workers, self.most = 0, 0, 0
        self.told = time.time()
        self.environment = {**os.environ, "CLNN_TUNE": "off", "CLNN_SELFTEST": "off",
                            "XDG_CACHE_HOME": str(folder)}  # fmt: skip

    def run(self, progress: Progress, task: Any) -> None:
        """Until the time is over."""
        while time.time() < self.until - 5:
            self.workers += 1
            self.last.write_text("start\n")
            command = [sys.executable, "-m", "fuzz", "--worker", str(self.round), str(self.until), str(self.last),
                       "--seed", str(self.args.seed), *_options(self.args)]  # fmt: skip
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment)  # fmt: skip
            try:
                why = self.listen(child, progress, task)
            finally:
                child.kill()
                child.wait()
            if why:
                job, _, case = self.last.read_text("utf-8").partition("\n")
                self.note(job, f"{why}: {case}", progress)
                if self.cases.total() == 0:  # it cannot even start
                    return
            self.round += 1

    def listen(self, child: subprocess.Popen[str], progress: Progress, task: Any) -> str:
        """Take in what a worker says; why it ended, unless it ended well."""
        lines: queue.Queue[str | None] = queue.Queue()
        errors: list[str] = []
        readers = [threading.Thread(target=_read, args=(child.stdout, lines.put), daemon=True),
                   threading.Thread(target=_read, args=(child.stderr, errors.append), daemon=True)]  # fmt: skip
        for reader in readers:
            reader.start()
        silent = 0
        while silent < SILENT:
            try:
                line = lines.get(timeout=1)
            except queue.Empty:
                silent += 1  # counted and not timed: this process may be stopped for a while
                continue
            silent = 0
            if line is None:
                code = child.wait()
                tail = " / ".join(t.strip() for t in errors[-6:] if t)
                return "" if code == 0 else f"the process ended with {code} ({tail})"
            self.hear(line, progress)
            far = f"{self.cases.total()} cases of {len(self.cases)} kinds, {len(self.found)} findings, {self.most >> 20} MiB"
            progress.update(task, description=far)
            if not progress.console.is_terminal and time.time() > self.told + 60:
                self.told = time.time()
                progress.console.print(f"{(self.until - self.told) / 60:.0f} minutes left, {far}, worker {self.workers}")  # fmt: skip
        return f"no word for {SILENT} s"

    def hear(self, line: str, progress: Progress) -> None:
        """One line of a worker's."""
        try:
            said = json.loads(line)
        except ValueError:  # what a driver prints
            return
        if said["event"] == "finding":
            self.note(said["job"], said["text"], progress)
        else:
            self.cases[said["job"]] += said["cases"]
            self.seconds[said["job"]] += said["seconds"]
            self.round, self.most = said["round"], max(self.most, said["memory"])

    def note(self, job: str, text: str, progress: Progress) -> None:
        """A finding; each but once."""
        if text not in self.found:
            self.found[text] = job
            progress.console.print(f"[bold red]{job}[/] ", end="")
            progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _read(stream: Any, take: Any) -> None:
    for line in stream:
        take(line)
    take(None)


def _options(args: argparse.Namespace) -> list[str]:
    return [*(f"--device={d}" for d in args.device), *(["--ops", *args.ops] if args.ops else [])]


def summary(watch: Watch, families: dict[str, str]) -> Table:
    """Cases by family."""
    table = Table("family", "kinds", "cases", "of them spoiled", "seconds", "findings")
    rows: dict[str, list[float]] = {}
    for job, n in watch.cases.items():
        row = rows.setdefault(_family(job, families), [0, 0, 0, 0, 0])
        row[0] += 1
        row[1] += n
        row[2] += n if job.startswith("bad ") else 0
        row[3] += watch.seconds[job]
        row[4] += list(watch.found.values()).count(job)
    for family, row in sorted(rows.items()):
        table.add_row(family, *[f"{v:.0f}" for v in row])
    total = [sum(row[k] for row in rows.values()) for k in range(5)]
    table.add_section()
    table.add_row("all", *[f"{v:.0f}" for v in total])
    return table


def _family(job: str, families: dict[str, str]) -> str:
    return "files" if job.startswith("file ") else families[job.removeprefix("bad ")]


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 1 if something was found, 2 if nothing ran."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--device", action="append", default=[], help="repeatable; default: all")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--ops", nargs="*", default=[], help='names of ops, or "file" for damaged files'
    )
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        from fuzz.worker import work

        work(args.seed, args.device, args.ops, *args.worker)
        return 0
    from fuzz.draw import gather

    families = {name: calls.family for name, calls in gather().items()}
    console = Console()
    console.print(f"seed {args.seed}")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with tempfile.TemporaryDirectory(prefix="clnn-fuzz-") as folder, Progress(*columns, console=console) as progress:  # fmt: skip
        watch = Watch(args, Path(folder))
        watch.run(progress, progress.add_task("starting", total=None))
    console.print(summary(watch, families))
    for text, job in watch.found.items():
        console.print(f"{job}: {text}", markup=False, highlight=False, soft_wrap=True)
    return 1 if watch.found else 0 if watch.cases else 2


if __name__ == "__main__":
    sys.exit(main())
