"""Callbacks that watch one number: stop when it no longer improves, keep the network where it was best."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from math import isnan
from pathlib import Path
from typing import Any

from ..errors import DTypeError, SettingError
from ..tensor import Tensor
from .callback import Callback, Numbers

_UP = ("acc", "auc", "precision", "recall", "f1", "r2", "score", "iou")
_DOWN = ("loss", "error", "mae", "mse", "rmse", "perplexity")


class Monitor(Callback):
    """Base of callbacks that compare a number of every epoch with the best one so far; NaN is never better.

    mode: "min", "max" or "auto", which asks the metric or, where that does not know, its name. Raises
    SettingError for other modes, for a number that no epoch has, and where "auto" cannot tell.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        self.name = type(self).__name__
        if not isinstance(monitor, str):
            raise DTypeError(f"{self.name}: expected monitor to be a name, got {monitor!r}")
        if mode not in ("auto", "min", "max"):
            raise SettingError(f"{self.name}: expected mode 'auto', 'min' or 'max', got {mode!r}")
        self.monitor, self.mode = monitor, mode
        self.min_delta = abs(number(self.name, "min_delta", min_delta))
        self.best: float | None = None
        self.best_epoch: int | None = None

    def on_train_begin(self, logs: Numbers | None = None) -> None:
        """Begin to watch; raises SettingError where that cannot work."""
        self.best = self.best_epoch = None
        base = self.monitor.removeprefix("val_")
        known = self.params.get("names", ())
        if base != self.monitor and base in known and self.monitor not in known:
            raise SettingError(
                f"{self.name}: expected monitor in {', '.join(known)}, got {self.monitor!r}; "
                "pass validation_data or validation_split"
            )
        self._up = self._larger_is_better(base)

    def _larger_is_better(self, base: str) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        for metric in self.model.metrics:
            if metric.name == base and metric.larger_is_better is not None:
                return bool(metric.larger_is_better)
        for words, up in ((_DOWN, False), (_UP, True)):
            if any(word in base.lower() for word in words):
                return up
        raise SettingError(
            f"{self.name}: expected mode 'min' or 'max' for {self.monitor!r}, whose name does not tell"
        )

    def read(self, logs: Mapping[str, float] | None) -> float:
        """The number that is watched; raises SettingError if the epoch has none of that name."""
        if logs is None or self.monitor not in logs:
            raise SettingError(
                f"{self.name}: expected monitor in {', '.join(logs or ())}, got {self.monitor!r}"
            )
        return float(logs[self.monitor])

    def improves(self, value: float, than: float | None) -> bool:
        """Whether `value` is better by more than min_delta; anything but NaN is better than None."""
        if than is None:
            return not isnan(value)
        return value - self.min_delta > than if self._up else value + self.min_delta < than


class EarlyStopping(Monitor):
    """Stops when `monitor` has not improved by more than min_delta for `patience` epochs (0 counts as 1).

    With `baseline` the count also goes on until the number beats it. restore_best_weights: at the end of
    training the network gets the weights of the best epoch back, which are kept on its device. Afterwards
    `best`, `best_epoch` and `stopped_epoch` say what happened. The rule is Keras'.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", patience: int = 0, min_delta: float = 0.0,
        restore_best_weights: bool = False, baseline: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta)
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 0:
            raise SettingError(
                f"{self.name}: expected patience to be an int >= 0, got {patience!r}"
            )
        self.patience, self.restore_best_weights = patience, restore_best_weights
        self.baseline = None if baseline is None else number(self.name, "baseline", baseline)
        self.wait = 0
        self.stopped_epoch: int | None = None
        self._weights: dict[str, Tensor] | None = None

    def on_train_begin(self, logs: Numbers | None = None) -> None:
        """Begin to watch; raises SettingError where that cannot work."""
        self.wait, self.stopped_epoch, self._weights = 0, None, None
        super().on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        """Look at the number, and stop if it is time to."""
        value = self.read(logs)
        self.wait += 1
        if self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                state = self.model.network.state_dict()
                self._weights = {name: tensor.clone() for name, tensor in state.items()}
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Numbers | None = None) -> None:
        """Give the network the best weights back, if asked to."""
        if self._weights is not None:
            self.model.network.load_state_dict(self._weights)
            self._weights = None


class ModelCheckpoint(Monitor):
    """Saves the model after every epoch, or only after those that improve `monitor`; see `Model.save`.

    filepath may hold {epoch}, counted from 1, and names of the epoch's numbers, as in
    "net-{epoch:02d}-{val_loss:.3f}.safetensors". The folder is made. A file is written whole or not at all,
    and `Model.load` continues from it. save_weights_only leaves architecture and optimizer out.
    Raises SettingError for a filepath that cannot be filled in, OSError as `open` does.
    """

    def __init__(
        self, filepath: str | os.PathLike[str], *, monitor: str = "val_loss", mode: str = "auto",
        save_best_only: bool = False, save_weights_only: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode)
        self.filepath = os.fspath(filepath)
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.last_path: Path | None = None

    def on_train_begin(self, logs: Numbers | None = None) -> None:
        """Begin to watch; raises SettingError where saving cannot work, before anything is trained."""
        if self.save_best_only:
            super().on_train_begin(logs)
        if not self.save_weights_only:
            self.model.network.architecture()
        self._path(0, dict.fromkeys(self.params.get("names", ()), 0.0), strict=False)

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        """Save, if this epoch is to be kept."""
        numbers = dict(logs or {})
        if self.save_best_only:
            value = self.read(numbers)
            if not self.improves(value, self.best):
                return
            self.best, self.best_epoch = value, epoch
        path = self._path(epoch, numbers)
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"epoch": epoch + 1, "logs": numbers}
        self.model.save(path, metadata=metadata, weights_only=self.save_weights_only)
        self.last_path = path

    def _path(self, epoch: int, numbers: Mapping[str, float], strict: bool = True) -> Path:
        try:
            return Path(self.filepath.format(epoch=epoch + 1, **numbers))
        except KeyError as error:
            if not strict:  # another callback may add it
                return Path(self.filepath)
            raise SettingError(
                f"{self.name}: expected names in the filepath from epoch, {', '.join(numbers)}, got {error}"
            ) from None
        except (ValueError, IndexError) as error:
            raise SettingError(
                f"{self.name}: expected a filepath that str.format fills in, got {self.filepath!r}: {error}"
            ) from None


def number(where: str, name: str, value: Any) -> float:
    """`value` as a float; raises DTypeError for what is no number, SettingError for NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DTypeError(f"{where}: expected {name} to be a number, got {value!r}")
    if isnan(value):
        raise SettingError(f"{where}: expected {name} to be a number, got NaN")
    return float(value)
