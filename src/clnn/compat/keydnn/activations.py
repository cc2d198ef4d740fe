"""Activation layers."""

from __future__ import annotations

from typing import Any

from ... import ops
from .module import Layer


class ReLU(Layer):
    """max(x, 0).  (*) -> (*)."""

    def forward(self, x: Any) -> Any:
        """(*) -> (*)."""
        return ops.relu(x)


class LeakyReLU(Layer):
    """x, or alpha * x below 0.  (*) -> (*)."""

    def __init__(self, alpha: float = 0.01) -> None:
        super().__init__()
        self.alpha = float(alpha)

    def forward(self, x: Any) -> Any:
        """(*) -> (*)."""
        return ops.leaky_relu(x, self.alpha)


class Sigmoid(Layer):
    """1 / (1 + exp(-x)).  (*) -> (*)."""

    def forward(self, x: Any) -> Any:
        """(*) -> (*)."""
        return ops.sigmoid(x)


class Tanh(Layer):
    """The hyperbolic tangent.  (*) -> (*)."""

    def forward(self, x: Any) -> Any:
        """(*) -> (*)."""
        return ops.tanh(x)


class Softmax(Layer):
    """Shares that sum to 1 along an axis.  (*) -> (*)."""

    def __init__(self, *, axis: int = -1) -> None:
        super().__init__()
        self.axis = int(axis)

    def forward(self, x: Any) -> Any:
        """(*) -> (*)."""
        return ops.softmax(x, self.axis)


__all__ = ["LeakyReLU", "ReLU", "Sigmoid", "Softmax", "Tanh"]
