"""Print the tables of errors in docs/numerics.md, or write them into it.

python scripts/list_errors.py [--markdown docs/numerics.md] [device ...]

The bounds are those of tests/accuracy*.py, which tests/test_accuracy.py holds every device to.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
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


def maps(name: str) -> dict[str, float]:
    """The largest error of every map on a device."""
    return {op: accuracy_maps.worst(op, name, 1 << 15).ulp for op in accuracy_maps.BOUNDS}


def ops(name: str) -> dict[str, Errors]:
    """The largest errors of every op on a device."""
    found = {}
    for op, samples in sorted(accuracy_ops.cases(large=True).items()):
        found[op] = Errors()
        for s in samples:
            found[op] = found[op].worse(accuracy_ops.measure(s, name))
    return found


def products(name: str) -> dict[tuple[str, str], tuple[float, float, str]]:
    """The largest error of every algorithm on a device, and where."""
    worst: dict[tuple[str, str], tuple[float, float, str]] = {}
    for p in accuracy.problems(large=True):
        for a in accuracy.ALGORITHMS[p.op]:
            error = accuracy.measure(p, name, a.name)
            if error is not None:
                row = (*error, str(p).partition("(")[2][:-1])
                worst[p.op, a.name] = max(worst.get((p.op, a.name), row), row)
    return worst


def page(names: Sequence[str]) -> str:
    """Three tables in Markdown; devices are measured beside each other, in processes of their own."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        tables = [pool.map(measure, names) for measure in (maps, ops, products)]
        ulps, errors, worst = map(list, tables)
    head = ["op", *(clnn.device(name).info.platform for name in names), "bound"]
    inexact = {op for found in errors for op, e in found.items() if any(e)}
    return "\n\n".join([
        "**Maps**, float32, in units in the last place:",
        _table(head, ([op, *(_number(u[op], ".2f") for u in ulps), f"{bound:g}"]
                      for op, bound in accuracy_maps.BOUNDS.items())),
        "**Every op**, float32: the largest error of outputs, and of gradients, over the largest element:",
        _table(head, ([op, *(", ".join(_number(e, ".0e") for e in found[op]) for found in errors),
                       f"{accuracy_ops.bound(op):.0e}"] for op in errors[0] if op in inexact)),
        f"Exact: {', '.join(f'`{op}`' for op in errors[0] if op not in inexact)}.",
        "**Products by algorithm**, float32, on all of these devices:",
        _table(["op", "algorithm", "largest error", "RMS error", "where", "bound"], _merged(worst)),
    ])  # fmt: skip


def _merged(
    found: Sequence[dict[tuple[str, str], tuple[float, float, str]]],
) -> Iterator[list[str]]:
    for op, name in dict.fromkeys(key for each in found for key in each):
        largest, rms, where = max(each[op, name] for each in found if (op, name) in each)
        yield [op, name, f"{largest:.1e}", f"{rms:.1e}", where, f"{accuracy.bound(name):.0e}"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def _number(value: float, form: str) -> str:
    return format(value, form) if value else "0"


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
