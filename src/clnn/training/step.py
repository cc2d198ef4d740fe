"""What a step leaves: a prediction, a loss, and sums of them for the epoch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from .. import ops
from ..autograd import no_grad
from ..errors import DTypeError, ShapeError
from ..metrics import Mean, Metric
from ..metrics.metric import batch_size
from ..tensor import Tensor
from .history import Logs


class Sums:
    """The loss and the metrics of the batches of an epoch."""

    def __init__(self, given: Sequence[Metric]) -> None:
        self.loss = Mean(name="loss")
        self.metrics = [copy.copy(m) for m in given]
        for m in self.metrics:
            m.reset()

    def add(self, pred: Any, loss: Tensor, target: Any) -> None:
        """Add a batch; waits for nothing."""
        self.loss.add(loss, batch_size(target))
        for m in self.metrics:
            with no_grad():
                m.update(pred, target)

    def logs(self, loss: Tensor) -> Logs:
        """The means so far, and `loss`, that of the last batch; unread."""
        return Logs(loss, (self.loss, *self.metrics))

    def read(self) -> dict[str, float]:
        """The means; waits for the device."""
        return {m.name: m.compute() for m in (self.loss, *self.metrics)}


def scalar(loss: Any) -> Tensor:
    """`loss`, if it is one number on a device; raises DTypeError or ShapeError."""
    if not isinstance(loss, Tensor):
        raise DTypeError(f"Model: expected the loss to be a Tensor, got {type(loss).__name__}")
    if loss.spec.size != 1:
        raise ShapeError(
            f"Model: expected the loss to be one number, got shape {loss.shape}; take its mean"
        )
    return loss


def detached(pred: Any) -> Any:
    """A prediction outside of the graph."""
    if isinstance(pred, tuple | list):
        return tuple(detached(p) for p in pred)
    return pred.detach() if isinstance(pred, Tensor) else pred


def joined(found: list[Any]) -> Any:
    """Predictions of all batches, one after the other."""
    if isinstance(found[0], tuple | list):
        return tuple(joined(list(part)) for part in zip(*found, strict=True))
    return found[0] if len(found) == 1 else ops.cat(found)
