"""Layers with explicit forward and backward passes."""

from .layer import Layer, Lit_W
from .layer1d import BatchNormalization, Dense, Dropout
from .layer2d import AveragePooling2D, BatchNormalization2D, Convolutional, Flatten, MaxPooling2D

__all__ = [
    "AveragePooling2D",
    "BatchNormalization",
    "BatchNormalization2D",
    "Convolutional",
    "Dense",
    "Dropout",
    "Flatten",
    "Layer",
    "Lit_W",
    "MaxPooling2D",
]
