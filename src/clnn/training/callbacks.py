"""Callbacks that change or write down what happens: the learning rate, a table, an early end."""

from __future__ import annotations

import csv
import inspect
import os
from collections.abc import Callable, MutableMapping
from math import isfinite
from pathlib import Path
from typing import Any

from ..errors import DTypeError, SettingError
from ..optim import Optimizer, ReduceLROnPlateau
from ..optim.schedulers import Schedule
from .callback import Callback, Numbers


class LearningRateScheduler(Callback):
    """Sets the learning rate by a function of (epoch) or (epoch, lr), or steps a scheduler of clnn.optim.

    per: "epoch", or "batch" for what counts steps: the function then gets the number of the step, a scheduler
    steps after every one. monitor: what ReduceLROnPlateau looks at. Every epoch logs its "lr", that of the
    first group at its end. Raises SettingError for a scheduler of another optimizer, or a rate that is none.
    """

    def __init__(
        self, schedule: Callable[..., float] | Schedule, *, per: str = "epoch", monitor: str = "val_loss"
    ) -> None:  # fmt: skip
        if not callable(schedule) and not isinstance(schedule, Schedule):
            raise DTypeError(
                f"LearningRateScheduler: expected a function or a scheduler, got {schedule!r}"
            )
        if per not in ("epoch", "batch"):
            raise SettingError(
                f"LearningRateScheduler: expected per 'epoch' or 'batch', got {per!r}"
            )
        if isinstance(schedule, ReduceLROnPlateau) and per == "batch":
            raise SettingError("LearningRateScheduler: expected per='epoch' for ReduceLROnPlateau")
        self.schedule, self.per, self.monitor = schedule, per, monitor
        self._takes_rate = not isinstance(schedule, Schedule) and _positional(schedule) > 1
        self._step = 0

    def on_train_begin(self, logs: Numbers | None = None) -> None:
        """Check that it is this optimizer's schedule."""
        mine = (
            self.schedule.optimizer if isinstance(self.schedule, Schedule) else self.model.optimizer
        )
        if mine is not self.model.optimizer:
            raise SettingError(
                "LearningRateScheduler: expected a scheduler of the model's optimizer, got one of another"
            )
        self._step = (self.params.get("steps") or 0) * self.params.get("initial_epoch", 0)

    def on_epoch_begin(self, epoch: int, logs: Numbers | None = None) -> None:
        """Set the rate of the epoch."""
        if self.per == "epoch":
            self._set(epoch)

    def on_batch_begin(self, batch: int, logs: Numbers | None = None) -> None:
        """Set the rate of the step."""
        if self.per == "batch":
            self._set(self._step)
            self._step += 1

    def on_batch_end(self, batch: int, logs: Numbers | None = None) -> None:
        """Step a scheduler that counts batches."""
        if self.per == "batch" and isinstance(self.schedule, Schedule):
            self.schedule.step()  # type: ignore[attr-defined]

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        """Log the rate, then step a scheduler that counts epochs."""
        if logs is not None:
            logs["lr"] = self.model.optimizer.param_groups[0]["lr"]
        if self.per == "batch" or not isinstance(self.schedule, Schedule):
            return
        if not isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step()  # type: ignore[attr-defined]
            return
        if logs is None or self.monitor not in logs:
            raise SettingError(
                f"LearningRateScheduler: expected monitor in {', '.join(logs or ())}, got {self.monitor!r}"
            )
        self.schedule.step(logs[self.monitor])

    def _set(self, at: int) -> None:
        if isinstance(self.schedule, Schedule):
            return
        optimizer: Optimizer = self.model.optimizer
        for group in optimizer.param_groups:
            rate = self.schedule(at, group["lr"]) if self._takes_rate else self.schedule(at)
            if (
                isinstance(rate, bool)
                or not isinstance(rate, int | float)
                or not 0 <= rate < float("inf")
            ):
                raise SettingError(
                    f"LearningRateScheduler: expected a rate >= 0 for {self.per} {at}, got {rate!r}"
                )
            group["lr"] = float(rate)


def _positional(fn: Callable[..., Any]) -> int:
    """How many arguments `fn` takes by position; 2 if it does not say."""
    try:
        found = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return 2
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        return 2
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in found)


class TerminateOnNaN(Callback):
    """Stops when the mean loss of the epoch is NaN or infinite; looks every `every` batches, and waits there."""

    def __init__(self, every: int = 100) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise SettingError(f"TerminateOnNaN: expected every to be an int >= 1, got {every!r}")
        self.every = every

    def on_batch_end(self, batch: int, logs: Numbers | None = None) -> None:
        """Look, if it is time to."""
        if logs is not None and (batch + 1) % self.every == 0:
            self._look(logs)

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        """Look."""
        self._look(logs or {})

    def _look(self, logs: Numbers) -> None:
        if not isfinite(logs.get("loss", 0.0)):
            self.model.stop_training = True


class CSVLogger(Callback):
    """Writes a row per epoch to a CSV file: "epoch", counted from 0, and the numbers of the first epoch.

    append=True goes on with a file that has these columns; else it begins anew. The file is closed after
    every row. Raises SettingError for a file of other columns, OSError as `open` does.
    """

    def __init__(
        self, path: str | os.PathLike[str], append: bool = False, separator: str = ","
    ) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise SettingError(
                f"CSVLogger: expected separator to be one character, got {separator!r}"
            )
        self.path, self.append, self.separator = Path(path), append, separator
        self._columns: list[str] = []

    def on_train_begin(self, logs: Numbers | None = None) -> None:
        """Find out whether the file can be written, and what it has."""
        self._columns = []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a+" if self.append else "w+", newline="", encoding="utf-8") as file:
            file.seek(0)
            for row in csv.reader(file, delimiter=self.separator):
                self._columns = row
                break
        if self._columns and (self._columns[0] != "epoch" or "loss" not in self._columns):
            raise SettingError(
                f"CSVLogger: expected a file with columns epoch, loss, ..., got {self._columns} in {self.path}"
            )

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        """Write the epoch's row, after the header if it is the first."""
        row: dict[str, float] = {"epoch": epoch, **(logs or {})}
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=self.separator)
            if not self._columns:
                self._columns = list(row)
                writer.writerow(self._columns)
            writer.writerow([row.get(name, "") for name in self._columns])
