"""Models for inference: batch norm folded into the layer before it, activations into its epilogue."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import ops
from ..errors import DTypeError, SettingError, ShapeError
from ..shapes import Shape
from ..tensor import Tensor, tensor
from .activation import GELU, Hardsigmoid, Hardswish, ReLU, ReLU6, Sigmoid, SiLU, Tanh
from .container import ModuleList, Sequential
from .conv import Conv2d
from .dropout import Dropout
from .flatten import Identity
from .linear import Linear
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d
from .parameter import Parameter

# What an epilogue computes, by the layer that names it.
_ACTIVATIONS: dict[type[Module], str] = {
    ReLU: "relu", ReLU6: "relu6", Sigmoid: "sigmoid", Tanh: "tanh", Hardswish: "hardswish",
    Hardsigmoid: "hardsigmoid", SiLU: "silu", GELU: "gelu",
}  # fmt: skip


class _Fused(Module):
    weight: Parameter
    bias: Parameter | None
    activation: str | None

    def _hold(self, weight: Tensor, bias: Tensor | None, activation: str | None) -> None:
        self.weight = Parameter(weight, requires_grad=False)
        own = None if bias is None else Parameter(bias, requires_grad=False)
        self.register_parameter("bias", own)
        self.activation = activation
        self.training = False

    def extra_repr(self) -> str:
        """Shape of the weight, and the activation."""
        return f"{self.weight.shape}, activation={self.activation!r}"


class FusedConv2d(_Fused):
    """activation(conv2d(x) + residual) in one launch, for inference.  (N, C, H, W) -> (N, O, H', W')."""

    stride: Shape
    padding: Any
    dilation: Shape
    groups: int

    def __init__(
        self, conv: Conv2d, weight: Tensor, bias: Tensor | None, activation: str | None = None
    ) -> None:
        super().__init__()
        self._hold(weight, bias, activation)
        self.stride, self.padding = conv.stride, conv.padding
        self.dilation, self.groups = conv.dilation, conv.groups

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """(N, C, H, W) -> (N, O, H', W'); residual as the result."""
        return ops.fused_conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups,
            activation=self.activation, residual=residual,
        )  # fmt: skip


class FusedLinear(_Fused):
    """activation(linear(x) + residual) in one launch, for inference.  (..., in) -> (..., out)."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None, activation: str | None = None, *,
        normed: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self._hold(weight, bias, activation)
        self.normed = normed

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """(..., in) -> (..., out); (N, in) only where a batch norm was folded in."""
        if self.normed and x.ndim != 2:  # there the norm's channels would be another axis
            raise ShapeError(f"FusedLinear: expected x with 2 axes, got shape {x.shape}")
        return ops.fused_linear(
            x, self.weight, self.bias, activation=self.activation, residual=residual
        )


class FusedResidual(Module):
    """Layers in sequence, the last of which adds `shortcut` of the input, or the input.  (N, ...) -> (N, ...).

    What blocks with a shortcut are replaced by; the last is one that `fold` made.
    """

    def __init__(self, body: Iterable[Module], shortcut: Module | None = None) -> None:
        super().__init__()
        self.body = ModuleList(body)
        self.shortcut = None if shortcut is None else fuse(shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, ...)."""
        residual = x if self.shortcut is None else self.shortcut(x)
        *first, last = self.body
        for layer in first:
            x = layer(x)
        return last(x, residual)


def fuse(model: Module) -> Module:
    """A copy of `model` for inference: in evaluation mode, not trained, with fewer and larger launches.

    In a Sequential, Conv2d or Linear takes in the batch norm and then the activation that follow it, and
    dropout disappears. A module with a method `fused()` gives its own replacement; `fold` helps it.
    Modules of other kinds stay as they are, with what is inside them fused; so does a layer with forward
    hooks. Names of weights change: keep the original to train or save. Raises ShapeError for a lazy layer
    that has seen no input. Jacob et al. 2018, section 3.2.
    """
    if not isinstance(model, Module):
        raise DTypeError(f"fuse: expected a Module, got {type(model).__name__}")
    own = copy.deepcopy(model).eval().requires_grad_(False)
    return _fused(own, {}).eval()


def fold(layer: Module, norm: Module | None, activation: str | None = None) -> Module:
    """`layer`, a Conv2d or Linear, with `norm`, a batch norm in evaluation, folded into its weights.

    activation: what follows; that of `norm` by default. Its weights are new. Raises SettingError where that
    is not the same function: batch statistics, other padding than zeros, another number of channels.
    """
    if activation is None and norm is not None:
        activation = getattr(norm, "activation", None)
    if not _holds_weights(layer) or not (norm is None or _follows(layer, norm)):
        raise SettingError(
            f"fold: expected a Conv2d or Linear and its batch norm, got {layer!r} and {norm!r}"
        )
    weight, bias = _weights(layer, norm)
    if isinstance(layer, Conv2d):
        return FusedConv2d(layer, weight, bias, activation)
    return FusedLinear(weight, bias, activation, normed=norm is not None)


def _fused(module: Module, done: dict[int, Module]) -> Module:
    """The replacement of `module`, which may be changed; a module that occurs twice has one."""
    if id(module) not in done:
        own: Callable[[], Module] | None = getattr(module, "fused", None)
        if own is not None and not any(m._forward_hooks for m in module.modules()):
            done[id(module)] = own()
        elif type(module) is Sequential:
            done[id(module)] = _sequence(module, done)
        else:
            for name, child in module._modules.items():
                if child is not None:
                    module._modules[name] = _fused(child, done)
            done[id(module)] = module
    return done[id(module)]


def _sequence(module: Sequential, done: dict[int, Module]) -> Sequential:
    """A Sequential with runs of layers joined; each keeps the name of its first."""
    left = [(n, m) for n, m in module._modules.items() if m is not None and not _does_nothing(m)]
    out: dict[str, Module] = {}
    while left:
        name, layer = left.pop(0)
        if not _holds_weights(layer):
            out[name] = _fused(layer, done)
            continue
        norm = left.pop(0)[1] if left and _follows(layer, left[0][1]) else None
        activation = None if norm is None else getattr(norm, "activation", None)
        if activation is None and left:
            activation = _activation(left[0][1])
            if activation is not None:
                left.pop(0)
        plain = norm is None and activation is None
        out[name] = layer if plain else fold(layer, norm, activation)
    result = Sequential(out)
    result._forward_hooks = module._forward_hooks
    return result


def _does_nothing(module: Module) -> bool:
    return isinstance(module, (Dropout, Identity)) and not module._forward_hooks


def _holds_weights(layer: Module) -> bool:
    if layer._forward_hooks:
        return False
    return type(layer) is Linear or (type(layer) is Conv2d and layer.padding_mode == "zeros")


def _follows(layer: Module, norm: Module) -> bool:
    """Whether `norm` after `layer` is one factor and one summand per output channel."""
    kind, channels = (
        (BatchNorm2d, layer.out_channels)
        if isinstance(layer, Conv2d)
        else (BatchNorm1d, layer.out_features)
    )
    return (
        type(norm) is kind and norm.running_mean is not None and norm.num_features == channels
        and not norm._forward_hooks
    )  # fmt: skip


def _activation(module: Module) -> str | None:
    if module._forward_hooks or getattr(module, "approximate", "none") != "none":
        return None
    return _ACTIVATIONS.get(type(module))


def _weights(layer: Any, norm: Any) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of `layer` and then `norm`, folded in float64 and rounded once."""
    weight, bias = layer.weight, layer.bias
    if norm is None:
        return weight.detach().clone(), None if bias is None else bias.detach().clone()
    host = weight.numpy().astype(np.float64)
    mean, variance = (x.numpy().astype(np.float64) for x in (norm.running_mean, norm.running_var))
    scale = 1 / np.sqrt(variance + norm.eps)
    if norm.weight is not None:
        scale *= norm.weight.numpy()
    shift = -mean if bias is None else bias.numpy() - mean
    shift = shift * scale
    if norm.bias is not None:
        shift += norm.bias.numpy()
    host *= scale.reshape(-1, *(1,) * (host.ndim - 1))
    return tuple(tensor(a, dtype=weight.dtype, device=weight.device) for a in (host, shift))  # type: ignore[return-value]
