"""A problem and a network that learns it."""

import numpy as np

from clnn.compat.keydnn import (
    Dense,
    Device,
    ReLU,
    Sequential,
    Softmax,
    numpy_to_tensor,
    one_hot,
)


def made(array, **options):
    return numpy_to_tensor(array, Device("cpu"), **options)


def problem(n=48, seed=0):
    """Points of three classes that a line separates, as Tensors; labels one-hot."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    x = rng.standard_normal((n, 4)) * 0.3 + np.eye(3, 4)[labels] * 2
    return made(x), made(one_hot(labels, 3))


def network(*middle):
    model = Sequential(Dense(8), *middle, ReLU(), Dense(3), Softmax())
    model.build((1, 4))
    return model
