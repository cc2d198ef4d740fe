"""The picture of a report: a bar per case and peer, how many times faster clnn is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SettingError

if TYPE_CHECKING:
    from .report import Report

FASTER, SLOWER = ("#2a7f4f", "#1f4e6b", "#8a6d3b", "#6b4e8a", "#3b7f8a"), "#c0392b"


def draw(path: Path, report: Report) -> None:
    """Write it; log scale, 1 is a tie. Raises SettingError without matplotlib or without a peer."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise SettingError(
            "bench: expected matplotlib for the picture, got none; pip install 'clnn[bench]'"
        ) from exc
    if not report.peers:
        raise SettingError("bench: expected a peer to compare with in the picture, got none")
    colours = dict(zip(report.peers, FASTER * len(report.peers), strict=False))
    bars: list[tuple[str, str, float]] = []
    for row in report.rows:
        label = f"{row.case.suite}: {row.case.name}"
        bars += [(label, p, r) for p in report.peers if (r := row.ratio(p)) is not None]
    figure: Any = Figure(figsize=(9, 1.2 + 0.19 * len(bars)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for y, (_, peer, ratio) in enumerate(bars):
        edge = SLOWER if ratio < 1 else colours[peer]
        axes.barh(y, ratio - 1, left=1, color=colours[peer], edgecolor=edge, height=0.8)
        axes.annotate(f"{ratio:.2f}", (ratio, y), (3 if ratio >= 1 else -3, 0), textcoords="offset points",
                      va="center", ha="left" if ratio >= 1 else "right", fontsize=6, color=edge)  # fmt: skip
    labels = [label if n == 0 or bars[n - 1][0] != label else "" for n, (label, *_) in enumerate(bars)]  # fmt: skip
    axes.set_yticks(range(len(bars)), labels, fontsize=7)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.margins(x=0.08, y=0.005)
    axes.invert_yaxis()
    axes.set_title(f"clnn on {report.facts['device_name']}: how many times faster", fontsize=10)
    for peer, colour in colours.items():
        axes.barh(0, 0, left=1, color=colour, label=f"than {peer} {report.peers[peer]}")
    axes.legend(fontsize=7, loc="best")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
