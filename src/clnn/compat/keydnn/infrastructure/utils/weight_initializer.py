"""Initializers by name."""

from ...initializers import WeightInitializer as WeightInitializer
