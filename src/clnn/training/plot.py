"""A picture of a History."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..errors import DTypeError, SettingError
from .history import History


def plot_history(
    history: Any, path: str | os.PathLike[str] | None = None, *, names: Sequence[str] | None = None,
    title: str | None = None, logarithmic: bool | None = None,
) -> Any:  # fmt: skip
    """Draw curves over the epochs, an axis per number with its validation beside it; the matplotlib figure.

    history: a History, or a Model that has one. path: where to write it too (PNG, PDF, SVG by its ending).
    names: which numbers, without "val_"; all unless given. logarithmic: the scale of losses; None asks the
    numbers. Raises SettingError for names it does not have, no epochs, or without matplotlib.
    """
    found = getattr(history, "history", None)
    found = found if isinstance(found, History) else history
    if not isinstance(found, History):
        raise DTypeError(f"plot_history: expected a History, got {type(history).__name__}")
    if not found.epoch:
        raise SettingError("plot_history: expected at least one epoch, got none")
    own = [
        name
        for name in found.history
        if name.removeprefix("val_") not in found.history or name[:4] != "val_"
    ]
    wanted = own if names is None else list(names)
    if not wanted or not set(wanted) <= set(found.history):
        raise SettingError(f"plot_history: expected names in {', '.join(own)}, got {wanted}")
    figure = _figure(len(wanted))
    for axis, name in zip(figure.axes, wanted, strict=True):
        _draw(axis, found, name, logarithmic)
    if title is not None:
        figure.suptitle(title)
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def _figure(count: int) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SettingError(
            "plot_history: expected matplotlib, got none; pip install matplotlib"
        ) from error
    columns = min(count, 3)
    rows = -(-count // columns)
    figure: Any = Figure(figsize=(4.2 * columns, 3.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for k in range(count):
        figure.add_subplot(rows, columns, k + 1)
    return figure


def _draw(axis: Any, history: History, name: str, logarithmic: bool | None) -> None:
    epochs = [epoch + 1 for epoch in history.epoch]
    drawn = []
    for key, label, style in ((name, "training", "-"), (f"val_{name}", "validation", "--")):
        if key in history.history:
            values = history.history[key]
            # A single epoch is a point, which a line alone would not show.
            axis.plot(epochs, values, style, marker="o", markersize=3, label=label)
            drawn += [v for v in values if v == v]
    axis.set(title=name, xlabel="epoch")
    axis.grid(alpha=0.3)
    if len(axis.lines) > 1:
        axis.legend()
    wide = bool(drawn) and min(drawn) > 0 and max(drawn) > 20 * min(drawn)
    if "loss" in name and (wide if logarithmic is None else logarithmic):
        axis.set_yscale("log")
    if max(epochs) - min(epochs) < 10:
        axis.set_xticks(epochs)
