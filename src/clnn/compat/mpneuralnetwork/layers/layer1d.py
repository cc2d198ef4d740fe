"""Layers over rows of features."""

from __future__ import annotations

from typing import Any

from .... import ops
from ....errors import SettingError, ShapeError
from ....ops.random import Generator
from ....tensor import Tensor
from ..backend import DTYPE, xp
from ..held import Gradient, Value
from .layer import Layer, Lit_W, Sizes, Weighted


class Dense(Weighted):
    """x @ weights + biases.  (N, input_size) -> (N, output_size); weights (in, out), biases (1, out).

    initialization: "he", "xavier", or "auto", by which a Model chooses by what follows.
    """

    names = ("weights", "biases")
    weights, biases = Value(), Value()
    weights_gradient, biases_gradient = Gradient(), Gradient()

    def __init__(self, output_size: int, input_size: int | None = None, initialization: Lit_W = "auto",
                 no_bias: bool = False) -> None:  # fmt: skip
        super().__init__(output_size, input_size)
        self._set(initialization, no_bias)
        if input_size is not None:
            self.build(input_size)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; input_size is None before the layer is built."""
        known = self.input_size if hasattr(self, "input_shape") else None
        return super().get_config() | {
            "output_size": self.output_size, "input_size": known,
            "initialization": self.initialization, "no_bias": self.no_bias,
        }  # fmt: skip

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """(in, out), (1, out), in."""
        return (self.input_size, self.output_size), (1, self.output_size), self.input_size

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """(N, in) -> (N, out)."""
        weights, biases = self.trained()
        return ops.matmul(x, weights) if biases is None else ops.addmm(biases, x, weights)


class Dropout(Layer):
    """Zeros with `probability`, the rest scaled by 1 / (1 - probability); in training only."""

    def __init__(self, probability: float = 0.5) -> None:
        super().__init__()
        self.probability = probability

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"probability": self.probability}

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """Any shape."""
        if not training:
            return x
        # Seeded by NumPy's generator: np.random.seed makes a whole training repeat.
        draw = Generator(int(xp.random.randint(2**31)))
        return ops.dropout(x, self.probability, generator=draw)


class Normalization(Layer):
    """What both batch normalizations share; gamma, beta and the running statistics look as `view` says."""

    gamma, beta, cache_m, cache_v = Value(), Value(), Value(), Value()
    gamma_gradient, beta_gradient = Gradient(), Gradient()

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-8) -> None:
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"momentum": self.momentum, "epsilon": self.epsilon}

    def view(self) -> tuple[int, ...]:
        """The shape of gamma; raises ShapeError for inputs of another rank."""
        raise NotImplementedError

    def build(self, input_shape: Sizes) -> None:
        """Take the shape of inputs; gamma and running variances are 1, beta and running means 0."""
        super().build(input_shape)
        shape = self.view()
        ones, zeros = xp.ones(shape, DTYPE), xp.zeros(shape, DTYPE)
        for name, start in (("gamma", ones), ("beta", zeros)):
            self.keep(name, start, flat=True)
        for name, start in (("cache_m", zeros), ("cache_v", ones)):
            self.keep(name, start, trained=False, flat=True)

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """(N, C, *) -> (N, C, *); in training the running statistics move by 1 - momentum."""
        if not self.held:
            raise SettingError(
                f"{type(self).__name__}: expected a built layer, got one without a shape"
            )
        gamma, beta, mean, var = (
            self.held[name] for name in ("gamma", "beta", "cache_m", "cache_v")
        )
        y = ops.fused_batch_norm(
            x, mean.tensor, var.tensor, gamma.tensor, beta.tensor, training, 1 - self.momentum, self.epsilon,
            correction=0,
        )  # fmt: skip
        if training:
            mean.changed()
            var.changed()
        return y


class BatchNormalization(Normalization):
    """Features normalised over the batch, or by running statistics.  (N, F) -> (N, F); gamma, beta (1, F).

    running = momentum * running + (1 - momentum) * batch, with the biased variance. Ioffe & Szegedy 2015.
    """

    def view(self) -> tuple[int, ...]:
        """(1, F)."""
        if len(self.input_shape) != 1:
            raise ShapeError(
                f"BatchNormalization: expected input of (features,), got {self.input_shape}; "
                "use BatchNormalization2D, or Flatten before"
            )
        return (1, self.input_size)
