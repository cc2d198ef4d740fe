"""Print the table of errors in docs/numerics.md: python scripts/list_errors.py [device ...]."""

from __future__ import annotations

import sys
from pathlib import Path

import clnn

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from accuracy import ALGORITHMS, bound, measure, problems


def main() -> None:
    names = sys.argv[1:] or [d.name for d in clnn.devices() if d.info is not None]
    worst: dict[tuple[str, str], tuple[float, float, str]] = {}
    for p in problems(large=True):
        for a in ALGORITHMS[p.op]:
            for name in names:
                error = measure(p, name, a.name)
                if error is not None:
                    row = (*error, str(p).partition("(")[2][:-1])
                    worst[p.op, a.name] = max(worst.get((p.op, a.name), row), row)
    print(
        "| op | algorithm | largest error | RMS error | where | bound |\n|---|---|---|---|---|---|"
    )
    for (op, algorithm), (largest, rms, where) in worst.items():
        print(
            f"| {op} | {algorithm} | {largest:.1e} | {rms:.1e} | {where} | {bound(algorithm):.0e} |"
        )


if __name__ == "__main__":
    main()
