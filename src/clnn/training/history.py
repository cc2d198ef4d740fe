"""History: the numbers of every epoch; Logs: those of a batch, read from the device when asked for."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import SettingError
from ..metrics import Metric
from ..tensor import Tensor


@dataclass
class History:
    """What `fit` leaves: `.history` {name: [number per epoch]} and `.epoch`, the epochs' indices from 0."""

    history: dict[str, list[float]] = field(default_factory=dict)
    epoch: list[int] = field(default_factory=list)

    def record(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Keep the numbers of an epoch; for the last epoch again, those that are new.

        A name that earlier epochs did not have is NaN there, and one that this epoch lacks is NaN here.
        """
        if not self.epoch or self.epoch[-1] != epoch:
            self.epoch.append(epoch)
        n = len(self.epoch)
        for name in {**self.history, **logs}:
            values = self.history.setdefault(name, [])
            values.extend([float("nan")] * (n - len(values)))
            if name in logs:
                values[-1] = float(logs[name])

    def last(self, name: str | None = None) -> Any:
        """The last epoch's numbers as a dict, or the one of `name`; raises SettingError if there is none."""
        found = {key: values[-1] for key, values in self.history.items() if values}
        if name is None:
            return found
        if name not in found:
            raise SettingError(f"History.last: expected one of {sorted(found)}, got {name!r}")
        return found[name]


class Logs(Mapping[str, float]):
    """The means over an epoch's batches so far, by name; reading one waits for the device, once.

    `loss` is the loss of the last batch alone, a Tensor nobody has read: keep it to read it later.
    """

    def __init__(self, loss: Tensor, metrics: Iterable[Metric]) -> None:
        self.loss = loss
        self._metrics = {m.name: copy.copy(m) for m in metrics}
        self._read: dict[str, float] = {}

    def __getitem__(self, name: str) -> float:
        if name not in self._read:
            self._read[name] = self._metrics[name].compute()
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)
