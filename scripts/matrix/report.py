"""The table: kernels and their forms down, GPUs across."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.table import Table

from .results import TILED, Row
from .running import Ran
from .targets import Target

TILES = (
    "matmul",
    "conv",
    "winograd",
)  # families whose tiles have rows of their own in the documentation


def cell(target: Target, rows: Sequence[Row]) -> str:
    """The most registers (Intel: the fewest lanes) and the least occupancy of rows, or the worst that is wrong."""
    wrong = [row for row in rows if row.wrong]
    if wrong:
        worst = max(wrong, key=lambda row: row.use.spills if row.use else 1 << 30)
        return f"{len(wrong)}× {worst.wrong}"
    uses = [row.use for row in rows if row.use]
    if not uses:
        return "–"
    need = (
        f"×{min(u.lanes for u in uses)}"
        if target.vendor == "Intel"
        else f"{max(u.registers for u in uses)}"
    )
    return f"{need}, {min(row.occupancy for row in rows):.0%}"


def console(rows: Iterable[Row], targets: Sequence[Target], ran: Sequence[Ran] = ()) -> Table:
    """Every kernel and form; cells have registers (Intel: lanes), least occupancy, or what is wrong; or who ran it."""
    ran = [r for r in ran if r.kernels]
    table = Table("kernel", "of", "local", *(r.name for r in ran), *(t.name for t in targets))
    left = sorted(set().union(*(r.kernels for r in ran)))
    for name, of in _by(rows, lambda row: row.variant).items():
        by, kernel = _by(of, lambda row: row.target), (of[0].family, of[0].kernel)
        left = [k for k in left if k != kernel]
        table.add_row(
            name, str(len({str(row.defines) for row in of})), _local(of), *_who(ran, kernel),
            *(_coloured(cell(t, by.get(t.name, []))) for t in targets),
        )  # fmt: skip
    for kernel in left:  # of CPUs alone, or of no program that was compiled
        table.add_row(".".join(kernel), "–", "–", *_who(ran, kernel), *("–" for _ in targets))
    return table


def _who(ran: Iterable[Ran], kernel: tuple[str, str]) -> list[str]:
    return ["ran" if kernel in r.kernels else "–" for r in ran]


def _coloured(text: str) -> str:
    return f"[red]{text}[/]" if "× " in text else text


def markdown(rows: Sequence[Row], targets: Sequence[Target], ran: Sequence[Ran] = ()) -> str:
    """The tiles of products, convolutions and Winograd's, one by one; the other kernels by family."""
    ran = [r for r in ran if r.kernels]

    def place(row: Row) -> str:
        if row.family in TILES and all(name in row.defines for name in TILED):
            return row.variant
        return row.family

    head = ["kernels", "programs", "local memory", *(r.name for r in ran), *(t.name for t in targets)]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, of in sorted(
        _by(rows, place).items(), key=lambda item: (" " not in item[0], item[0])
    ):
        by = _by(of, lambda row: row.target)
        cells = [name, str(len({str(row.defines) for row in of})), _local(of)]
        kernels = {(row.family, row.kernel) for row in of}
        cells += [f"{len(kernels & r.kernels)} of {len(kernels)} ran" for r in ran]
        cells += [cell(t, by.get(t.name, [])) for t in targets]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _local(rows: Iterable[Row]) -> str:
    most = max((row.use.local for row in rows if row.use), default=0)
    return f"{most / 1024:.3g} KB" if most else "–"


def _by(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    out: dict[str, list[Row]] = {}
    for row in rows:
        out.setdefault(key(row), []).append(row)
    return out
