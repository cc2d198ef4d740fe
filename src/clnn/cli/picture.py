"""The demo's picture: loss and accuracy over time, and a grid of test digits with predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SettingError
from . import digits

GRID = (6, 10)


def draw(path: Path, data: digits.Digits, history: digits.History, *, title: str) -> None:
    """Write the picture; mistakes come first in the grid, marked. Raises SettingError without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise SettingError(
            "demo: expected matplotlib for the picture, got none; pip install 'clnn[demo]'"
        ) from exc
    figure: Any = Figure(figsize=(12, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.25))
    figure.suptitle(f"clnn: handwritten digits on {title}", fontsize=12)
    loss, accuracy = left.subplots(2, 1)
    steps = np.arange(1, len(history.losses) + 1)
    loss.semilogy(steps, history.losses, color="#7aa6c2", linewidth=0.8)
    width = min(digits.steps_per_epoch(data), len(steps))
    mean = np.convolve(history.losses, np.ones(width) / width, mode="valid")
    loss.semilogy(steps[width - 1 :], mean, color="#1f4e6b", linewidth=1.8)
    loss.set(xlabel="step", ylabel="loss", title="training loss (thick: mean over an epoch)")
    epochs = np.arange(1, len(history.accuracy) + 1)
    accuracy.plot(epochs, 100 * np.array(history.accuracy), "o-", color="#2a7f4f", markersize=4)
    accuracy.set(xlabel="epoch", ylabel="%", title=f"test accuracy: {history.accuracy[-1]:.1%}")
    accuracy.grid(alpha=0.3)
    images, labels = data.test
    order = np.argsort(history.predictions == labels, kind="stable")
    right.suptitle(f"test digits and predictions; {int((history.predictions != labels).sum())} mistakes "
                   f"of {len(labels)} come first", fontsize=10)  # fmt: skip
    for axis, k in zip(right.subplots(*GRID).flat, order, strict=False):
        axis.imshow(images[k, 0], cmap="gray_r")
        axis.set_axis_off()
        right_answer = history.predictions[k] == labels[k]
        text = (
            f"{history.predictions[k]}"
            if right_answer
            else f"{history.predictions[k]}, is {labels[k]}"
        )
        axis.set_title(text, fontsize=9, color="#2a7f4f" if right_answer else "#c0392b", pad=2)
    figure.savefig(path, dpi=110)
