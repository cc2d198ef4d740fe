"""from_keras: what clnn reads of a Keras model, as a KeyDNN model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import nn
from ..keras import from_keras as read_keras
from . import activations, layers
from .device import place
from .models import Sequential
from .module import Module

_BATCH = {"running_mean": "running_mean", "running_var": "running_var"}
_AFFINE = {"weight": "gamma", "bias": "beta"}
_SAME = {"weight": "weight", "bias": "bias"}


class _Rule:
    """The layer of KeyDNN's that a layer of clnn's is, and what it calls the same tensors."""

    def __init__(self, make: Callable[[Any], Module], names: dict[str, str] | None = None) -> None:
        self.make, self.names = make, names or {}


def _plain(m: Any) -> bool:
    """Whether a convolution has nothing that KeyDNN's lack."""
    zeros = m.padding_mode == "zeros" and not isinstance(m.padding, str)
    return zeros and m.groups == 1 and set(m.dilation) == {1}


def _norm(cls: Any) -> _Rule:
    return _Rule(
        lambda m: cls(m.num_features, eps=m.eps, momentum=m.momentum, affine=m.affine),
        {**_AFFINE, **_BATCH},
    )


_RULES: dict[str, _Rule] = {
    "Linear": _Rule(
        lambda m: layers.Linear(m.in_features, m.out_features, m.bias is not None), _SAME
    ),
    "Conv2d": _Rule(
        lambda m: layers.Conv2d(
            m.in_channels, m.out_channels, m.kernel_size, stride=m.stride, padding=m.padding,
            bias=m.bias is not None,
        ), _SAME,
    ),
    "ConvTranspose2d": _Rule(
        lambda m: layers.Conv2dTranspose(
            m.in_channels, m.out_channels, m.kernel_size, stride=m.stride, padding=m.padding,
            output_padding=m.output_padding, bias=m.bias is not None,
        ), _SAME,
    ),
    "BatchNorm1d": _norm(layers.BatchNorm1d),
    "BatchNorm2d": _norm(layers.BatchNorm2d),
    "LayerNorm": _Rule(
        lambda m: layers.LayerNorm(m.normalized_shape, eps=m.eps, affine=m.elementwise_affine),
        _AFFINE,
    ),
    "MaxPool2d": _Rule(
        lambda m: layers.MaxPool2d(m.kernel_size, stride=m.stride, padding=m.padding)
    ),
    "AvgPool2d": _Rule(
        lambda m: layers.AvgPool2d(m.kernel_size, stride=m.stride, padding=m.padding)
    ),
    "GlobalAvgPool2d": _Rule(lambda m: layers.GlobalAvgPool2d()),
    "Dropout": _Rule(lambda m: layers.Dropout(m.p)),
    "Flatten": _Rule(lambda m: layers.Flatten()),
    "ReLU": _Rule(lambda m: activations.ReLU()),
    "LeakyReLU": _Rule(lambda m: activations.LeakyReLU(m.negative_slope)),
    "Sigmoid": _Rule(lambda m: activations.Sigmoid()),
    "Tanh": _Rule(lambda m: activations.Tanh()),
    "Softmax": _Rule(lambda m: activations.Softmax(axis=m.dim)),
}  # fmt: skip


def converted(m: nn.Module) -> nn.Module:
    """KeyDNN's layer with the weights of `m`; `m` itself where KeyDNN has none like it."""
    rule = _RULES.get(type(m).__name__) if type(m).__module__.startswith("clnn.nn") else None
    special = (
        (isinstance(m, nn.Conv2d | nn.ConvTranspose2d) and not _plain(m))
        or (isinstance(m, nn.MaxPool2d) and (m.ceil_mode or m.dilation not in (1, (1, 1))))
        or (isinstance(m, nn.AvgPool2d) and (m.ceil_mode or not m.count_include_pad))
        or (isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) and m.momentum is None)
        or (isinstance(m, nn.Flatten) and (m.start_dim, m.end_dim) != (1, -1))
    )
    if rule is None or special:
        return m
    made = rule.make(m)
    state = m.state_dict()
    made.load_state_dict({new: state[old] for old, new in rule.names.items() if old in state})
    return made


def from_keras(
    model_or_path: Any, *, device: Any = "cpu", dtype: Any = np.float32, strict: bool = True,
    allow_non_linear_activation: bool = False,
) -> Sequential:  # fmt: skip
    """A built Sequential in evaluation mode of a Keras model, live or in a .keras or .h5 file; see clnn.from_keras.

    Layers that KeyDNN has not stay clnn's. Nothing is ever left out, so strict and allow_non_linear_activation
    change nothing. Raises as clnn.from_keras does.
    """
    found = read_keras(model_or_path, device=place(device), dtype=dtype)
    parts = list(found) if isinstance(found, nn.Sequential) else [found]
    model = Sequential(*(converted(m) for m in parts))
    model.to(device)
    model._mark(True)
    return model.eval()
