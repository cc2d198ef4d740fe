"""Print the tables of errors in docs/numerics.md, or write them into it.

python scripts/list_errors.py [--markdown docs/numerics.md] [device ...]

The bounds are those of tests/accuracy*.py, which tests/test_accuracy.py holds every device to.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("CLNN_TUNE", "off")
os.environ.setdefault("CLNN_SELFTEST", "off")
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import accuracy
import accuracy_maps
import accuracy_ops
import clnn
from accuracy_ops import Errors

BEGIN, END = "<!-- list_errors -->", "<!-- /list_errors -->"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _maps(names: Sequence[str]) -> Iterator[list[str]]:
    for op, bound in accuracy_maps.BOUNDS.items():
        found = [accuracy_maps.worst(op, name, 1 << 17) for name in names]
        yield [op, *(f"{w.ulp:.2f}" if w.ulp else "0" for w in found), f"{bound:g}"]


def _ops(names: Sequence[str], exact: list[str]) -> Iterator[list[str]]:
    for op, samples in sorted(accuracy_ops.cases(large=True).items()):
        worst = [Errors() for _ in names]
        for s in samples:
            worst = [w.worse(accuracy_ops.measure(s, name)) for w, name in zip(worst, names, strict=True)]  # fmt: skip
        if any(map(any, worst)):
            cells = (", ".join(f"{e:.0e}" if e else "0" for e in w) for w in worst)
            yield [op, *cells, f"{accuracy_ops.bound(op):.0e}"]
        else:
            exact.append(op)


def _products(names: Sequence[str]) -> Iterator[list[str]]:
    worst: dict[tuple[str, str], tuple[float, float, str]] = {}
    for p in accuracy.problems(large=True):
        for a in accuracy.ALGORITHMS[p.op]:
            for name in names:
                error = accuracy.measure(p, name, a.name)
                if error is not None:
                    row = (*error, str(p).partition("(")[2][:-1])
                    worst[p.op, a.name] = max(worst.get((p.op, a.name), row), row)
    for (op, name), (largest, rms, where) in worst.items():
        yield [op, name, f"{largest:.1e}", f"{rms:.1e}", where, f"{accuracy.bound(name):.0e}"]


def page(names: Sequence[str]) -> str:
    """Three tables in Markdown."""
    titles = [clnn.device(name).info.platform for name in names]
    exact: list[str] = []
    ops = _table(["op", *titles, "bound"], _ops(names, exact))
    return "\n\n".join(
        [
            "**Maps**, float32, in units in the last place:",
            _table(["op", *titles, "bound"], _maps(names)),
            "**Every op**, float32: the largest error of outputs, and of gradients, over the largest element:",
            ops,
            f"Exact: {', '.join(f'`{op}`' for op in exact)}.",
            "**Products by algorithm**, float32, on all of these devices:",
            _table(
                ["op", "algorithm", "largest error", "RMS error", "where", "bound"],
                _products(names),
            ),
        ]
    )


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description="Errors of every op against float64.")
    parser.add_argument("device", nargs="*", help="default: every OpenCL device")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help=f"write between {BEGIN} and {END}"
    )
    args = parser.parse_args()
    text = page(args.device or [d.name for d in clnn.devices() if d.info is not None])
    if args.markdown is None:
        print(text)
        return
    before, rest = args.markdown.read_text().split(BEGIN)
    args.markdown.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
