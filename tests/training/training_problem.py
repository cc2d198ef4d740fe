"""A small problem that the tests of this folder train on."""

import numpy as np

import clnn
from clnn import nn, optim

RNG = np.random.default_rng(0)
X = RNG.standard_normal((23, 4)).astype("float32")
W = RNG.standard_normal((4, 3)).astype("float32")
Y = (X @ W).argmax(1)


def network(device, seed=0):
    clnn.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8, device=device), nn.Tanh(), nn.Linear(8, 3, device=device))


def model(device, **options):
    given = {
        "loss": "cross_entropy", "optimizer": lambda p: optim.SGD(p, lr=0.1), "metrics": ["accuracy"],
    }  # fmt: skip
    return clnn.Model(network(device), **given | options)


def weights(net):
    return {name: value.numpy() for name, value in net.state_dict().items()}


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
