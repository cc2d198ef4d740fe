"""Keras' models as clnn's: read from files or taken from an object, converted to clnn's layers and layout."""

from __future__ import annotations

from typing import Any

from ... import nn
from ...device import Device
from ...device import device as open_device
from .build import build
from .files import opened
from .layers import CONVERTERS
from .network import network


def from_keras(model: Any, *, device: str | Device | None = None, dtype: Any = None) -> nn.Module:
    """The model of a Keras 3 `.keras` file, a `.h5` file or a live Keras model, in evaluation mode.

    Inputs and outputs of 4 axes are (N, C, H, W) where Keras has (N, H, W, C); all others are as in Keras. A chain
    of layers becomes an nn.Sequential, anything else an nn.Graph, with Keras' layer names. device: None is the
    default one; dtype: float32 unless given. Nothing in a file is executed. Raises UnsupportedOpError naming the
    layer that has no counterpart, FileFormatError for a damaged file, SettingError where h5py is missing; OSError
    as `open` does.
    """
    place = open_device(device)
    with opened(model) as source:
        out = build(network(source.config), source.weights, CONVERTERS)
    out.to(place) if dtype is None else out.to(place, dtype)
    return out.eval()
