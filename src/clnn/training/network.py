"""What a model asks its network: where it is, whether it is complete, and in which mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..device import default_device
from ..dtypes import float32
from ..nn import Module
from ..nn.parameter import UninitializedParameter
from .batches import Place


def is_lazy(network: Module) -> bool:
    """Whether a layer has yet to learn its sizes."""
    return any(isinstance(p, UninitializedParameter) for p in network.parameters())


def place_of(network: Module) -> Place:
    """Device and dtype of the network; a lazy one is where it was told to be, or on the default device."""
    for x in (*network.parameters(), *network.buffers()):
        if not isinstance(x, UninitializedParameter) and x.dtype.is_floating_point:
            return Place(x.device, x.dtype)
    told = (getattr(module, "device", None) for module in network.modules())
    return Place(next((d for d in told if d is not None), None) or default_device(), float32)


@contextmanager
def mode(network: Module, training: bool) -> Iterator[None]:
    """The network in training or evaluation mode; afterwards every module has its own mode back."""
    before = [(module, module.training) for module in network.modules()]
    network.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was
