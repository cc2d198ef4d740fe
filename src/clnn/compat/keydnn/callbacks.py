"""Callbacks: clnn.training's, which see the KeyDNN model and stop training by their own `stop_training`."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

from ... import training
from ...errors import SettingError
from .checkpoint import write


class Callback(training.Callback):
    """Base of all callbacks; `self.model` is the model that `fit` was called on."""

    stop_training = False

    def set_model(self, model: Any) -> None:
        """Learn which model is trained."""
        self.model = getattr(model, "network", model)


class CallbackList(training.CallbackList):
    """Several callbacks as one; `stop_training` once one of them says so."""

    def __init__(self, callbacks: Sequence[Any] | None = None) -> None:
        super().__init__(callbacks or ())
        self.stop_training = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Call all of them."""
        super().on_epoch_end(epoch, logs)
        self._stop()

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Call all of them, with numbers if one looks at batches."""
        if self.listens("on_batch_end"):
            super().on_batch_end(batch, None if logs is None else dict(logs))
            self._stop()

    def _stop(self) -> None:
        if any(getattr(c, "stop_training", False) for c in self.callbacks):
            self.stop_training = True
            if self.model is not None:
                self.model.stop_training = True


class _Monitor(Callback):
    """The best value so far of what `monitor` names."""

    def __init__(self, monitor: str, mode: str) -> None:
        if mode not in ("auto", "min", "max"):
            raise SettingError(f"callback: expected mode in auto, min, max, got {mode!r}")
        self.monitor, self.mode = str(monitor), str(mode)
        self.best = float("inf")

    def _largest(self) -> bool:
        return self.mode == "max" or (self.mode == "auto" and "acc" in self.monitor.lower())

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget the last training."""
        self.best = -float("inf") if self._largest() else float("inf")

    def _improves(self, logs: Any, min_delta: float = 0.0) -> bool:
        now = float((logs or {}).get(self.monitor, float("nan")))
        ahead = now - self.best if self._largest() else self.best - now
        better = not isnan(now) and ahead > min_delta
        if better:
            self.best = now
        return better


class EarlyStopping(_Monitor):
    """Stop after more than `patience` epochs without an improvement by more than min_delta."""

    def __init__(
        self, *, monitor: str = "val_loss", mode: str = "auto", patience: int = 0,
        min_delta: float = 0.0, restore_best_weights: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode)
        self.patience, self.min_delta = int(patience), float(min_delta)
        self.restore_best_weights = bool(restore_best_weights)
        self._begin()

    def _begin(self) -> None:
        self.wait, self.stop_training = 0, False
        self.stopped_epoch: int | None = None
        self.best_epoch: int | None = None
        self._best: dict[str, Any] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget the last training."""
        super().on_train_begin(logs)
        self._begin()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Count, and keep the weights of the best epoch if they are wanted."""
        if self._improves(logs, self.min_delta):
            self.wait, self.best_epoch = 0, epoch
            if self.restore_best_weights:
                self._best = {k: t.clone() for k, t in self.model.state_dict().items()}
            return
        self.wait += 1
        if self.wait > self.patience:
            self.stopped_epoch, self.stop_training = epoch, True
            if self._best is not None:
                self.model.load_state_dict(self._best)


class ModelCheckpoint(_Monitor):
    """Save the model as JSON after an epoch, or after the best; {epoch}, from 1, and logs may be in the name."""

    def __init__(
        self, filepath: str | Path, *, monitor: str = "val_loss", mode: str = "auto",
        save_best_only: bool = True, verbose: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode)
        self.filepath, self.save_best_only = Path(filepath), bool(save_best_only)
        self.verbose = int(verbose)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save, or not."""
        save = self._improves(logs) or not self.save_best_only
        path = self._path(epoch, dict(logs or {}))
        if save:
            write(path, self.model.to_json_payload())
        if self.verbose:
            did = f"saved to {path}" if save else f"no better {self.monitor} than {self.best}"
            print(f"ModelCheckpoint: {did}")

    def _path(self, epoch: int, logs: dict[str, float]) -> Path:
        text = str(self.filepath)
        try:
            return Path(text.format(**{"epoch": epoch + 1, **logs}))
        except (KeyError, IndexError, ValueError):  # braces that are part of the name
            return Path(text)


__all__ = ["Callback", "CallbackList", "EarlyStopping", "ModelCheckpoint"]
