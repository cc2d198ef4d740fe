"""Tensor and Device."""

from __future__ import annotations

from .device import Device
from .tensor import Tensor

__all__ = ["Device", "Tensor"]
