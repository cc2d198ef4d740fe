"""MPNeuralNetwork 1.1.1's names on clnn: NumPy arrays in and out, the work on clnn's default device."""

from .backend import DTYPE, ArrayType, to_device, to_host, xp

__all__ = ["DTYPE", "ArrayType", "to_device", "to_host", "xp"]
