"""The table: kernels and their forms down, GPUs across."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.table import Table

from .results import TILED, Row
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


def console(rows: Iterable[Row], targets: Sequence[Target]) -> Table:
    """Every kernel and form; cells have registers (Intel: lanes), least occupancy, or what is wrong."""
    table = Table("kernel", "of", "local", *(t.name for t in targets))
    for name, of in _by(rows, lambda row: row.variant).items():
        by = _by(of, lambda row: row.target)
        table.add_row(
            name, str(len({str(row.defines) for row in of})), _local(of),
            *(_coloured(cell(t, by.get(t.name, []))) for t in targets),
        )  # fmt: skip
    return table


def _coloured(text: str) -> str:
    return f"[red]{text}[/]" if "× " in text else text


def markdown(rows: Sequence[Row], targets: Sequence[Target]) -> str:
    """The tiles of products, convolutions and Winograd's, one by one; the other kernels by family."""

    def place(row: Row) -> str:
        if row.family in TILES and all(name in row.defines for name in TILED):
            return row.variant
        return row.family

    head = ["kernels", "programs", "local memory", *(f"{t.name}" for t in targets)]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, of in sorted(
        _by(rows, place).items(), key=lambda item: (" " not in item[0], item[0])
    ):
        by = _by(of, lambda row: row.target)
        cells = [name, str(len({str(row.defines) for row in of})), _local(of)]
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
