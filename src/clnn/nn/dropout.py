"""Dropout: zero elements in training, do nothing in evaluation."""

from __future__ import annotations

from .. import ops
from ..tensor import Tensor
from .arguments import probability
from .module import Module


class Dropout(Module):
    """Zero each element with probability p, scale the rest by 1 / (1 - p); in training.  (*) -> (*).

    The mask comes from clnn's generator, the same on every device. Raises SettingError unless
    0 <= p <= 1. Srivastava et al. 2014.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p, self.inplace = probability(type(self).__name__, p), inplace

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.dropout(x, self.p, self.training)


class Dropout1d(Dropout):
    """Dropout of whole channels.  (N, C, L) -> (N, C, L)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, L)."""
        return ops.dropout1d(x, self.p, self.training)


class Dropout2d(Dropout):
    """Dropout of whole channels.  (N, C, H, W) -> (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return ops.dropout2d(x, self.p, self.training)
