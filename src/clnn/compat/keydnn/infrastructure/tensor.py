"""Tensor and Context."""

from ..context import Context as Context
from ..tensor import Tensor as Tensor
