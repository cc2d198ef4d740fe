"""Plant faults in kernels, one at a time, and see each of them caught by a test: a test of the tests.

    python scripts/mutate [NAME ...] [--device opencl:0] [--list]

Tests are collected once. For each mutant of mutants.py its kernel file is put before the tree's, which stays as it is,
every kernel is compiled anew, and the tests that should notice run until one fails. At the end those that failed run
without a fault and must pass. Exit status 1 if a mutant survives, does not compile or is none, because its text is gone
from the kernel. A mutant that ends the process is no catch either: its name is the last that is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).resolve().parent))

import pytest  # noqa: E402
from _pytest.runner import runtestprotocol  # noqa: E402
from mutants import MUTANTS, Mutant  # noqa: E402

KERNELS = ROOT / "kernels"


class Session:
    """A plugin of pytest: in place of running what was collected, run for each mutant what should catch it."""

    def __init__(self, mutants: list[Mutant], device: str, folder: Path) -> None:
        self.mutants, self.device, self.folder = mutants, device, folder
        self.caught: dict[str, pytest.Item] = {}  # by the name of a mutant

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Prints a line for each mutant."""
        print(f"\n| {'mutant':58} | caught by |\n|{'-' * 60}|-----------|")
        for mutant in self.mutants:
            print(f"| {mutant.name:58} | ", end="", flush=True)
            print(f"{self._try(mutant, session.items)} |", flush=True)
        forget()
        for item in dict.fromkeys(self.caught.values()):
            if outcome(item) != "passed":
                print(f"{item.name} fails without a fault")
                self.caught = {m: i for m, i in self.caught.items() if i is not item}
        return True

    def _try(self, mutant: Mutant, items: list[pytest.Item]) -> str:
        if (count := mutant.times(KERNELS)) != 1:
            return f"**none: its text stands in the kernel {count} times, expected once**"
        seen = set()
        with planted(mutant, self.folder):
            for item in items:
                if mutant.wants(item.nodeid, self.device):
                    seen.add(found := outcome(item))
                    if found == "failed":
                        self.caught[mutant.name] = item
                        return item.name
                    if found == "built":
                        return "**does not compile**"
        return "**SURVIVES**" if "passed" in seen else "**no test of this name runs**"


def outcome(item: pytest.Item) -> str:
    """passed, failed or skipped; `built` if it failed since a kernel did not compile."""
    reports = runtestprotocol(item, log=False, nextitem=None)
    failed = [r for r in reports if r.failed]
    if any("KernelBuildError" in str(r.longrepr) for r in failed):
        return "built"
    return "failed" if failed else "skipped" if any(r.skipped for r in reports) else "passed"


@contextlib.contextmanager
def planted(mutant: Mutant, folder: Path) -> Iterator[None]:
    """Templates with the fault, for kernels that are compiled inside of the block."""
    from mako.lookup import TemplateLookup

    from clnn.backends.opencl import program

    path = folder / mutant.file
    text = (KERNELS / mutant.file).read_text("utf-8")
    path.write_text(text.replace(mutant.old, mutant.new), "utf-8")
    sound, faulty = (
        program._lookup,
        TemplateLookup([str(folder), str(KERNELS)], strict_undefined=True),
    )
    program._lookup = lambda: faulty
    forget()
    try:
        yield
    finally:
        program._lookup = sound
        path.unlink()
        forget()


def forget() -> None:
    """Every open device compiles again what it needs."""
    from clnn.backends.opencl import lifetime

    for runtime in list(lifetime._open):
        runtime.forget()


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Plant faults in kernels and see each caught by a test."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="only mutants with this in their name"
    )
    parser.add_argument("--device", default="opencl:0")
    parser.add_argument("--list", action="store_true", help="show the mutants and stop")
    args = parser.parse_args()
    chosen = [m for m in MUTANTS if not args.names or any(n in m.name for n in args.names)]
    if args.list:
        print(*(f"{m.name}\n    {m.old!r}\n    {m.new!r}" for m in chosen), sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="clnn-mutate-") as folder:
        os.environ["XDG_CACHE_HOME"] = os.environ["POCL_CACHE_DIR"] = (
            folder  # no place for faulty kernels but this
        )
        templates = Path(folder, "templates")
        templates.mkdir()
        plugin: Any = Session(chosen, args.device, templates)
        os.chdir(ROOT)
        tests = sorted({f"tests/{m.tests}" for m in chosen})
        quiet = ["-q", "-s", "--no-header", "--no-summary", "-p", "no:cacheprovider"]
        pytest.main([*tests, "--device", args.device, *quiet], plugins=[plugin])
    print(f"\n{len(plugin.caught)} of {len(chosen)} mutants are caught on {args.device}")
    return 0 if chosen and len(plugin.caught) == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
