"""What a run found, as a table for the terminal, as JSON and as Markdown."""

from __future__ import annotations

import json
import math
import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table
from rich.text import Text

from . import picture
from .case import Case
from .machine import Limits

VERSION = 1  # of the JSON
MARKS = ("<!-- clnn bench -->", "<!-- end -->")  # lines of a page between which the tables go


@dataclass(frozen=True)
class Row:
    """One case: seconds per side and round, and clnn's relative difference from every peer's result."""

    case: Case
    times: dict[str, list[float]]
    errors: dict[str, float]

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Per side the median of its rounds."""
        return {name: median(found) for name, found in self.times.items()}

    @property
    def wrong(self) -> list[str]:
        """The sides that clnn's result does not agree with."""
        return [n for n, e in self.errors.items() if not e <= self.case.tolerance]

    def ratio(self, peer: str) -> float | None:
        """The peer's time over clnn's: above 1 clnn is faster."""
        return self.seconds[peer] / self.seconds["clnn"] if peer in self.seconds else None


@dataclass
class Report:
    """Facts of the machine, limits of the device, versions of the peers, and a row per case."""

    facts: dict[str, Any]
    limits: Limits
    peers: dict[str, str]
    rows: list[Row]
    quick: bool = False

    @property
    def failed(self) -> list[Row]:
        """Rows whose result is wrong."""
        return [row for row in self.rows if row.wrong]

    def groups(self) -> dict[tuple[str, str], list[Row]]:
        """Rows by suite and group, in order."""
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            found.setdefault((row.case.suite, row.case.group), []).append(row)
        return found

    def shown(self, rows: list[Row]) -> list[str]:
        """The peers that ran any of these rows."""
        return [p for p in self.peers if any(p in row.seconds for row in rows)]

    # ------------------------------------------------------------------------------ numbers

    def share(self, row: Row, limit: str) -> float | None:
        """Share of the device's limit ("flops" or "bandwidth") that clnn reaches; None if unknown."""
        done = row.case.flops if limit == "flops" else row.case.nbytes
        most: float = getattr(self.limits, limit)
        return done / row.seconds["clnn"] / most if done and most else None

    def data(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        return {
            "version": VERSION, "quick": self.quick, "machine": self.facts, "peers": self.peers,
            "limits": {"gflops": self.limits.flops / 1e9, "gbytes": self.limits.bandwidth / 1e9},
            "rows": [
                {
                    "suite": row.case.suite, "group": row.case.group, "case": row.case.name,
                    "flops": row.case.flops, "bytes": row.case.nbytes, "seconds": row.seconds, "rounds": row.times,
                    "ratios": {p: row.ratio(p) for p in self.peers if p in row.seconds},
                    "differences": row.errors, "wrong": row.wrong,
                }
                for row in self.rows
            ],
            "geomeans": [
                {"suite": s, "group": g, "peer": p, "ratio": geomean(rows, p), "cases": len(rows)}
                for (s, g), rows in self.groups().items() for p in self.shown(rows)
            ],
        }  # fmt: skip

    def write_json(self, path: Path) -> None:
        """Write `data`, complete or not at all."""
        write(path, json.dumps(self.data(), indent=1, ensure_ascii=False) + "\n")

    def write_markdown(self, path: Path) -> None:
        """Write `markdown`, complete or not at all; a file with MARKS keeps what is around them."""
        text = self.markdown()
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        head, begin, rest = before.partition(MARKS[0])
        _, end, tail = rest.partition(MARKS[1])
        write(path, f"{head}{begin}\n\n{text}\n{end}{tail}" if end else text)

    def draw(self, path: Path) -> None:
        """Draw every ratio; raises SettingError without matplotlib or without a peer."""
        picture.draw(path, self)

    # -------------------------------------------------------------------------------- tables

    def head(self) -> str:
        """Machine, versions and limits in a line or two."""
        f = self.facts
        peers = ", ".join(f"{name} {self.peers[name]}" for name in self.shown(self.rows))
        text = (
            f"clnn {f['clnn']} on {f['device']} ({f['device_name']}; {f['platform']} {f['driver']}), "
            f"{f['cores']} cores of {f['cpu']}, {f['system']}, Python {f['python']}, {f['date']}. "
        )
        text += f"Beside it: {peers}. " if peers else ""
        if self.limits.flops:
            text += (
                f"Measured limits: {self.limits.flops / 1e9:.0f} GFLOP/s of multiply-adds, "
                f"{self.limits.bandwidth / 1e9:.1f} GB/s of copy (read and write)."
            )
        if self.quick:
            text += " A quick run: results are checked, but its times say nothing."
        return text.strip()

    def tables(self) -> list[Table]:
        """A table per group, each with its geometric means below."""
        out = []
        for (suite, group), rows in self.groups().items():
            peers = self.shown(rows)
            table = Table(
                title=f"{suite}: {group}", title_justify="left", title_style="bold", box=None,
                padding=(0, 2, 0, 0), header_style="dim",
            )  # fmt: skip
            table.add_column("case", no_wrap=True)
            for column in ("clnn", "GFLOP/s", "of peak", "GB/s", "of copy"):
                table.add_column(column, justify="right", no_wrap=True)
            for peer in peers:
                table.add_column(peer, justify="right", no_wrap=True)
                table.add_column("ratio", justify="right", no_wrap=True)
            for row in rows:
                table.add_row(*(Text(c, style=_style(c)) for c in self._cells(row, peers)))
            table.add_section()
            means = [c for p in peers for c in ("", _ratio(geomean(rows, p)))]
            table.add_row("geometric mean", *[""] * 5, *means, style="bold")
            out.append(table)
        return out

    def _cells(self, row: Row, peers: list[str]) -> list[str]:
        seconds = row.seconds["clnn"]
        flops, nbytes = row.case.flops, row.case.nbytes
        cells = [
            row.case.name, duration(seconds),
            f"{flops / seconds / 1e9:.1f}" if flops else "", _percent(self.share(row, "flops")),
            f"{nbytes / seconds / 1e9:.1f}" if nbytes else "", _percent(self.share(row, "bandwidth")),
        ]  # fmt: skip
        for peer in peers:
            ratio = row.ratio(peer)
            cells += ["", ""] if ratio is None else [duration(row.seconds[peer]), _ratio(ratio)]
        if row.wrong:
            worst = max(row.errors[name] for name in row.wrong)
            cells[0] += f"  WRONG: {worst:.1e} from {', '.join(row.wrong)}"
        return cells

    def markdown(self) -> str:
        """The same tables for a page, a summary first."""
        lines = [self.head(), "", *self._summary()]
        for (suite, group), rows in self.groups().items():
            peers = self.shown(rows)
            columns = ["case", "clnn", "GFLOP/s", "of peak", "GB/s", "of copy"]
            columns += [c for p in peers for c in (p, "ratio")]
            lines += [f"### {suite}: {group}", "", _line(columns), _line(["---"] * len(columns))]
            for row in rows:
                cells = self._cells(row, peers)
                lines.append(_line([f"**{c}**" if c.endswith(_SLOWER) else c for c in cells]))
            means = [c for p in peers for c in ("", _ratio(geomean(rows, p)))]
            lines += [_line(["geometric mean", *[""] * 5, *means]), ""]
        return "\n".join(lines)

    def _summary(self) -> list[str]:
        """A line per group and peer: the geometric mean, and how often clnn loses."""
        columns = ("suite", "peer", "geometric mean", "cases", "clnn loses")
        lines = [_line(list(columns)), _line(["---"] * len(columns))]
        for (suite, group), rows in self.groups().items():
            for peer in self.shown(rows):
                ratios = [r for row in rows if (r := row.ratio(peer)) is not None]
                cells = [f"{suite}: {group}", peer, _ratio(geomean(rows, peer)), str(len(ratios))]
                lines.append(_line([*cells, str(sum(r < 1 for r in ratios))]))
        if len(lines) == 2:
            return []
        why = f"Ratios are the peer's time over clnn's; {_SLOWER} marks where clnn loses."
        return [*lines, "", why, ""]


_SLOWER = "◂"
_UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))


def geomean(rows: list[Row], peer: str) -> float:
    """Geometric mean of the peer's times over clnn's, over the rows that the peer ran."""
    logs = [math.log(r) for row in rows if (r := row.ratio(peer)) is not None]
    return math.exp(sum(logs) / len(logs)) if logs else float("nan")


def duration(seconds: float) -> str:
    """Seconds, with the unit that leaves one to three digits before the point."""
    unit, scale = next((u for u in _UNITS if seconds >= u[1]), _UNITS[-1])
    value = seconds / scale
    return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def write(path: Path, text: str) -> None:
    """Write a text file, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _ratio(value: float) -> str:
    return f"{value:.2f}×" + (f" {_SLOWER}" if value < 1 else "")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _style(cell: str) -> str:
    return "red" if cell.endswith(_SLOWER) or "WRONG" in cell else ""


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
