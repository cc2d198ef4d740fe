"""The base of layers: arrays in and out, a small graph of clnn's between the two passes."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any, Literal, TypeAlias

import numpy as np

from ....autograd import backward, enable_grad
from ....device import Device
from ....errors import AutogradError, SettingError, ShapeError, UnsupportedOpError
from ....tensor import Tensor
from ..backend import DTYPE, ArrayType, upload, xp
from ..held import Held

Lit_W: TypeAlias = Literal["auto", "he", "xavier"]
Sizes: TypeAlias = int | tuple[int, ...]


class Layer:
    """One step of a network.  (batch, *input_shape) -> (batch, *output_shape), both without the batch.

    A subclass here defines `compute` on Tensors, from which both passes follow; one of a user's defines
    `forward` and `backward` on arrays, and `params` as pairs of arrays if it is to be trained.
    """

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    held: dict[str, Held] = {}  # noqa: RUF012 (replaced, never changed: subclasses need not call __init__)
    graph: tuple[Tensor, Tensor] | None = None  # the input of the last forward pass, and the output

    def __init__(self, output_shape: Sizes | None = None, input_shape: Sizes | None = None) -> None:
        if output_shape is not None:
            self.output_shape = as_shape(output_shape)
        if input_shape is not None:
            self.input_shape = as_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The class's name as "type", and the constructor's arguments."""
        return {"type": type(self).__name__}

    def build(self, input_shape: Sizes) -> None:
        """Take the shape of inputs; layers with parameters make them."""
        self.input_shape = as_shape(input_shape)
        if not hasattr(self, "output_shape"):
            self.output_shape = self.input_shape

    def compute(self, x: Tensor, training: bool) -> Tensor:
        """The output by clnn's ops, whose gradients are the backward pass; UnsupportedOpError if not defined."""
        raise UnsupportedOpError(f"{type(self).__name__}: expected forward and backward, got none")

    def forward(self, input_batch: ArrayType, training: bool = True) -> ArrayType:
        """(batch, *input_shape) -> (batch, *output_shape), a new array."""
        return self.run(upload(input_batch, self._device), training).numpy()

    def backward(self, output_gradient_batch: ArrayType) -> ArrayType:
        """The gradient by the input from that by the output; gradients of parameters go to `params`.

        Raises AutogradError unless a forward pass came before, ShapeError for another shape than its output's.
        """
        if self.graph is None:
            raise AutogradError(f"{type(self).__name__}.backward: expected a forward pass before")
        x, y = self.graph
        self.forget_gradients()
        x.grad = None
        backward(y, upload(output_gradient_batch, y.device), retain_graph=True)
        return np.zeros(x.shape, DTYPE) if x.grad is None else x.grad.numpy()

    def run(self, x: Tensor, training: bool) -> Tensor:
        """`compute`, with a graph of its own that `backward` walks."""
        self.settle()
        x = x.detach().requires_grad_()
        with enable_grad():
            y = self.compute(x, training)
        self.graph = (x, y)
        return y.detach()

    # --- what it holds ----------------------------------------------------------------------

    @property
    def params(self) -> dict[str, tuple[ArrayType, ArrayType]]:
        """{name: (array, gradient)} of what is trained; what is written into either counts."""
        return {name: (h.host, h.gradient) for name, h in self.held.items() if h.trained}

    def load_params(self, params: dict[str, ArrayType]) -> None:
        """Copy arrays into the parameters of these names; raises ShapeError for another shape."""
        for name, h in self.held.items():
            if h.trained and name in params:
                h.host = params[name]

    @property
    def state(self) -> dict[str, ArrayType]:
        """{name: array} of what is kept but not trained."""
        return {name: h.host for name, h in self.held.items() if not h.trained}

    @state.setter
    def state(self, state: dict[str, ArrayType]) -> None:
        for name, h in self.held.items():
            if not h.trained and name in state:
                h.host = state[name]

    def keep(
        self, name: str, array: ArrayType, *, trained: bool = True, flat: bool = False
    ) -> None:
        """Hold `array` under `name`, on the default device."""
        self.held = {**self.held, name: Held(array, trained=trained, flat=flat)}

    def settle(self) -> None:
        """Take over what users have written into arrays of this layer."""
        for h in self.held.values():
            h.settle()

    def forget_gradients(self) -> None:
        """Forget the gradients of a pass before."""
        for h in self.held.values():
            h.forget_gradient()

    # --- what it was given and made, and how large ------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is no attribute: a user's layer that sets these itself keeps its own.
        if name in ("input", "output") and self.graph is not None:
            return self.graph[name == "output"].numpy()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        # A copy starts without a graph, whose arrays it could not share.
        return {name: value for name, value in vars(self).items() if name != "graph"}

    @property
    def _device(self) -> Device | None:
        """Where its parameters are; None is the default device."""
        return next((h.tensor.device for h in self.held.values()), None)

    @property
    def input_size(self) -> int:
        """Numbers in an input, without the batch."""
        return prod(self.input_shape)

    @property
    def output_size(self) -> int:
        """Numbers in an output, without the batch."""
        return prod(self.output_shape)


def as_shape(given: Any) -> tuple[int, ...]:
    """A tuple of sizes from one size or several."""
    return tuple(int(n) for n in (given if isinstance(given, tuple | list) else (given,)))


def images(layer: Layer) -> tuple[int, int, int]:
    """`layer.input_shape`; raises ShapeError unless it is (channels, height, width)."""
    if len(layer.input_shape) != 3:
        raise ShapeError(
            f"{type(layer).__name__}: expected input of (channels, height, width), got {layer.input_shape}"
        )
    channels, height, width = layer.input_shape
    return channels, height, width


class Weighted(Layer):
    """What Dense and Convolutional share: weights that wait for the network around them, and the bias."""

    initialization: Lit_W
    no_bias: bool
    names: tuple[str, str]  # of the weight and of the bias

    def _set(self, initialization: Lit_W, no_bias: bool) -> None:
        if initialization not in ("auto", "he", "xavier"):
            raise SettingError(
                f"{type(self).__name__}: expected initialization 'auto', 'he' or 'xavier', got {initialization!r}"
            )
        self.initialization, self.no_bias = initialization, no_bias

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """Shapes of the weight and of the bias, and how many inputs an output has."""
        raise UnsupportedOpError(f"{type(self).__name__}: expected shapes, got none")

    def build(self, input_shape: Sizes) -> None:
        """Take the shape of inputs, and draw the weights unless the network is to say how ("auto")."""
        super().build(input_shape)
        if self.initialization != "auto":
            self.init_weights(self.initialization, self.no_bias)

    def init_weights(self, method: Lit_W, no_bias: bool) -> None:
        """Draw weights of variance 2 / inputs ("he") or 1 / inputs ("xavier"), else 0.01, and biases of variance 1.

        The numbers are those of `np.random`, in the original's order: a seed gives its weights.
        """
        weight, bias, inputs = self.shapes()
        scale = {"he": sqrt(2.0 / inputs), "xavier": sqrt(1.0 / inputs)}.get(method, 0.1)
        self.no_bias, self.held = no_bias, {}
        self.keep(self.names[0], xp.random.randn(*weight).astype(DTYPE) * DTYPE(scale))
        if not no_bias:
            self.keep(self.names[1], xp.random.randn(*bias), flat=True)

    def trained(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias on the device; raises SettingError before they are drawn."""
        weight, bias = (self.held.get(name) for name in self.names)
        if weight is None:
            raise SettingError(
                f"{type(self).__name__}: expected a built layer, got one without weights; put it in a Model, "
                "or give its input shape and an initialization other than 'auto'"
            )
        return weight.tensor, None if bias is None else bias.tensor
