"""Activations are layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import ops
from ...autograd import grad
from ...tensor import Tensor
from .backend import DTYPE, ArrayType, upload, xp
from .layers.layer import Layer

T = Callable[[ArrayType], ArrayType]


class Activation(Layer):
    """activation(x) of every number; its gradient is activation_prime(x) times that of the output.

    Both take and return arrays. Those of the classes below are clnn's ops and their gradients.
    """

    def __init__(self, activation: T, activation_prime: T) -> None:
        super().__init__()
        self.activation, self.activation_prime = activation, activation_prime

    def forward(self, input_batch: ArrayType, training: bool = True) -> ArrayType:
        """Any shape."""
        self.input = input_batch
        return self.activation(input_batch)

    def backward(self, output_gradient_batch: ArrayType) -> ArrayType:
        """The gradient by the input of the last forward pass."""
        return xp.multiply(output_gradient_batch, self.activation_prime(self.input))


class OpActivation(Activation):
    """An activation that is an op of clnn's, and has its gradient."""

    forward, backward = Layer.forward, Layer.backward

    def __init__(self) -> None:
        super().__init__(self._direct, self._slope)

    def _direct(self, x: ArrayType) -> ArrayType:
        return self.compute(upload(x), False).numpy()

    def _slope(self, x: ArrayType) -> ArrayType:
        leaf = upload(x).requires_grad_()
        y = self.compute(leaf, False)
        return grad(y, leaf, ops.ones_like(y))[0].numpy()


class Tanh(OpActivation):
    """The hyperbolic tangent."""

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """Any shape."""
        return ops.tanh(x)


class Sigmoid(OpActivation):
    """1 / (1 + exp(-x))."""

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """Any shape."""
        return ops.sigmoid(x)


class ReLU(OpActivation):
    """max(x, 0)."""

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """Any shape."""
        return ops.relu(x)


class PReLU(OpActivation):
    """x above 0, alpha * x below; alpha is trained, and never regularised. He et al. 2015."""

    def __init__(self, alpha: float = 0.01) -> None:
        super().__init__()
        self.keep("alpha", xp.full((1,), alpha, DTYPE))

    @property
    def alpha(self) -> float:
        """The slope below 0, as it is now."""
        return float(self.held["alpha"].host[0])

    @alpha.setter
    def alpha(self, alpha: float) -> None:
        self.held["alpha"].host = xp.full((1,), alpha, DTYPE)

    def get_config(self) -> dict[str, Any]:
        """The slope as it is now."""
        return super().get_config() | {"alpha": self.alpha}

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """Any shape."""
        return ops.prelu(x, self.held["alpha"].tensor)


class Swish(OpActivation):
    """x * sigmoid(x). Ramachandran et al. 2017."""

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """Any shape."""
        return ops.silu(x)


class Softmax(Layer):
    """exp(x / T) over the sum of a row's, T = temperature + epsilon.  (N, classes) -> (N, classes)."""

    def __init__(self, temperature: float = 1.0, epsilon: float = 1e-8) -> None:
        super().__init__()
        self.temperature, self.epsilon = temperature, epsilon

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"temperature": self.temperature, "epsilon": self.epsilon}

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """Over axis 1."""
        return ops.softmax(cooled(x, self.temperature, self.epsilon), 1)


def cooled(logits: Tensor, temperature: float, epsilon: float) -> Tensor:
    """logits / (temperature + epsilon), themselves where that is 1 in float32."""
    divisor = float(DTYPE(temperature + epsilon))
    return logits if divisor == 1 else ops.div(logits, divisor)
