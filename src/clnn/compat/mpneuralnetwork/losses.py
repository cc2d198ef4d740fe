"""Losses: `direct` is the value, `prime` its gradient by the network's output."""

from __future__ import annotations

from typing import Any

from ... import ops
from ...autograd import grad
from ...errors import UnsupportedOpError
from ...metrics.metric import aligned
from ...tensor import Tensor
from .activations import Sigmoid, Softmax, cooled
from .backend import ArrayType, upload


class Loss:
    """What training makes smaller. Those here define `compute`; a user's defines `direct` and `prime` on arrays."""

    def compute(self, output: Tensor, output_expected: Tensor) -> Tensor:
        """The value by clnn's ops, whose gradient is `prime`; UnsupportedOpError if not defined."""
        raise UnsupportedOpError(f"{type(self).__name__}: expected direct and prime, got none")

    def direct(self, output: ArrayType, output_expected: ArrayType) -> float:
        """The value: the mean over the batch of each sample's sum."""
        return float(self.compute(upload(output), upload(output_expected)).item())

    def prime(self, output: ArrayType, output_expected: ArrayType) -> ArrayType:
        """Its gradient by `output`."""
        leaf = upload(output).requires_grad_()
        return grad(self.compute(leaf, upload(output_expected)), leaf)[0].numpy()

    def get_config(self) -> dict[str, Any]:
        """The class's name as "type", and the constructor's arguments."""
        return {"type": type(self).__name__}


class MSE(Loss):
    """(output - expected)^2, summed over each sample and averaged over the batch.  (N, *), (N, *)."""

    def compute(self, output: Tensor, output_expected: Tensor) -> Tensor:
        """(N, *), (N, *) -> ()."""
        target = aligned("MSE", output, output_expected)
        return _per_sample(ops.mse_loss(output, target, reduction="sum"), output)


class BinaryCrossEntropy(Loss):
    """Of sigmoid(output) with expected probabilities: outputs are logits.  (N, *), (N, *)."""

    def __init__(self) -> None:
        self.sigmoid = Sigmoid()

    def compute(self, output: Tensor, output_expected: Tensor) -> Tensor:
        """(N, *), (N, *) -> ()."""
        target = aligned("BinaryCrossEntropy", output, output_expected)
        total = ops.binary_cross_entropy_with_logits(output, target, reduction="sum")
        return _per_sample(total, output)


class CategoricalCrossEntropy(Loss):
    """Of softmax(output / (temperature + epsilon)) with expected probabilities: outputs are logits.

    (N, classes), (N, classes).
    """

    def __init__(self, temperature: float = 1.0, epsilon: float = 1e-8) -> None:
        self.temperature, self.epsilon = temperature, epsilon
        self.softmax = Softmax(temperature, epsilon)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"temperature": self.temperature, "epsilon": self.epsilon}

    def compute(self, output: Tensor, output_expected: Tensor) -> Tensor:
        """(N, classes), (N, classes) -> ()."""
        return ops.cross_entropy(cooled(output, self.temperature, self.epsilon), output_expected)


def _per_sample(total: Tensor, output: Tensor) -> Tensor:
    return ops.div(total, max(1, output.shape[0]))
