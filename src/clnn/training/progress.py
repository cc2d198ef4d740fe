"""Progress: a bar for the epoch that runs and a line for every epoch that has run."""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING

from .callback import Callback, Numbers

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_REFRESH = 4  # looks at the numbers in a second, at most: a look waits for the device


class Progress(Callback):
    """Shows how training goes: a line per epoch and, in a terminal, a bar for the one that runs.

    bar=False leaves the bar out. The numbers of a running epoch are read four times a second at most.
    """

    _task: TaskID

    def __init__(self, bar: bool = True, console: Console | None = None) -> None:
        from rich.console import Console

        self.bar = bar
        self.console = Console() if console is None else console
        self._bar: Bar | None = None
        self._training = False

    def on_train_end(self, logs: Numbers | None = None) -> None:
        """Take the bar off."""
        self._training = False
        self._close()

    def on_epoch_begin(self, epoch: int, logs: Numbers | None = None) -> None:
        """Show a bar for this epoch."""
        self._training = True
        self._open(f"epoch {epoch + 1}/{self.params.get('epochs', 0)}")

    def on_batch_end(self, batch: int, logs: Numbers | None = None) -> None:
        """Advance the bar."""
        self._advance(batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        """Write a line above the bar."""
        self._training = False
        self._line(f"epoch {epoch + 1}/{self.params.get('epochs', 0)}", logs or {})

    def on_test_begin(self, logs: Numbers | None = None) -> None:
        """Show a bar for an evaluation of its own, or say that the epoch is being validated."""
        if not self._training:
            self._open("evaluation")
        elif self._bar is not None:
            self._bar.update(self._task, note="validation")

    def on_test_batch_end(self, batch: int, logs: Numbers | None = None) -> None:
        """Advance the bar of an evaluation of its own."""
        if not self._training:
            self._advance(batch, logs or {})

    def on_test_end(self, logs: Numbers | None = None) -> None:
        """Replace the bar of an evaluation of its own by a line."""
        if not self._training:
            self._close()
            self._line("evaluation", logs or {})

    def _open(self, title: str) -> None:
        """Begin an epoch, on the bar of the last one if there is any: to start one takes milliseconds."""
        self._began = self._looked = time.monotonic()
        if self._bar is not None:
            self._bar.reset(self._task, total=self.params.get("steps"), description=title, note="")
        elif self.bar and (self.console.is_terminal or self.console.is_jupyter):
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                TextColumn("{task.fields[note]}"),
            )  # fmt: skip
            self._bar = Bar(
                *columns, console=self.console, transient=True, refresh_per_second=_REFRESH
            )
            self._task = self._bar.add_task(title, total=self.params.get("steps"), note="")
            self._bar.start()

    def _advance(self, batch: int, logs: Numbers) -> None:
        if self._bar is not None and time.monotonic() - self._looked > 1 / _REFRESH:
            self._bar.update(self._task, completed=batch + 1, note=_text(logs))
            self._looked = time.monotonic()

    def _line(self, title: str, logs: Mapping[str, float]) -> None:
        seconds = time.monotonic() - self._began
        text = f"{title}  {_text(logs)}  {seconds:.1f} s"
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _text(logs: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in logs.items())
