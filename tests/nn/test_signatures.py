"""Constructors: a call written for torch, or for KeyDNN, means the same here."""

import importlib.util
import inspect

import numpy as np
import pytest

import clnn
from clnn import nn

# Parameters torch has and clnn has not: what follows them is by keyword only, so nothing is misread.
ABSENT = {
    "size_average": "deprecated in favour of reduction",
    "reduce": "deprecated in favour of reduction",
    "min_value": "deprecated in favour of min_val",
    "max_value": "deprecated in favour of max_val",
    "max_norm": "would change the weight in the forward pass",
    "norm_type": "belongs to max_norm",
    "scale_grad_by_freq": "no such gradient",
    "sparse": "no sparse gradients",
    "_weight": "private",
    "_freeze": "private",
}
# Parameters clnn adds, always last or by keyword only.
ADDED = {
    "initializer": "KeyDNN's",
    "alpha": "KeyDNN's negative_slope",
    "axis": "KeyDNN's dim",
    "affine": "KeyDNN's elementwise_affine",
    "activation": "ends a normalisation in the same launch",
    "reset_after": "Keras' GRU",
}
DEFAULTS = {
    "dim": "the last axis, where torch guesses it from the rank",
    "modules": "an empty tuple for None",
    "values": "an empty tuple for None",
}


def described(cls):
    """(name, default, whether it may be given by position) of each parameter of a constructor."""
    _, *found = inspect.signature(cls.__init__).parameters.values()
    return [(p.name, p.default, p.kind is p.POSITIONAL_OR_KEYWORD) for p in found]


def of_torch(name):
    """As `described`; recurrent layers of torch take anything and hand it on to RNNBase."""
    import torch

    if name not in ("RNN", "LSTM", "GRU"):
        return described(getattr(torch.nn, name))
    _, *found = described(torch.nn.RNNBase)
    if name == "LSTM":
        return found
    where = [n for n, *_ in found].index("proj_size")  # LSTM's alone, so what follows is by keyword
    found[where:] = [(n, default, False) for n, default, _ in found[where + 1 :]]
    if name == "RNN":
        found.insert(3, ("nonlinearity", "tanh", True))
    return found


def shared():
    if importlib.util.find_spec("torch") is None:
        return []
    import torch

    containers = {"Module", "Sequential", "Identity", "Parameter", "UninitializedParameter"}
    both = [n for n, c in vars(nn).items() if inspect.isclass(c) and hasattr(torch.nn, n)]
    return sorted(set(both) - containers)


@pytest.mark.peers
@pytest.mark.parametrize("name", shared())
def test_a_call_for_torch_means_the_same(name):
    theirs, ours = of_torch(name), described(getattr(nn, name))
    if [n for n, *_ in theirs] == ["args", "kwargs"]:
        theirs = []
    extra = {n for n, *_ in theirs} & set(ADDED)
    mine = [p for p in ours if p[0] not in set(ADDED) - extra]
    wanted = [p for p in theirs if p[0] not in ABSENT]
    assert [n for n, *_ in mine] == [n for n, *_ in wanted]
    for (what, default, _), (_, want, _) in zip(mine, wanted, strict=True):
        assert default == want or what in DEFAULTS, what
    places = [n for n, _, by_position in ours if by_position and n not in set(ADDED) - extra]
    assert places == [n for n, _, by_position in theirs if by_position][: len(places)]
    assert not any(by_position for n, _, by_position in ours[len(mine) :] if n != "initializer")


KEYDNN = [
    # constructor, positional arguments, keywords, attributes of what it makes
    ("Linear", (4, 3), {}, {"in_features": 4, "is_built": True}),
    ("Linear", (4, 3, False, "cpu", np.float32, "zeros"), {}, {"bias": None, "dtype": "float32"}),
    ("Linear", (4, 3), {"bias": True, "initializer": "kaiming"}, {"out_features": 3}),
    ("Dense", (3,), {}, {"is_built": False}),
    ("Dense", (3, False, "cpu", np.float32, "xavier"), {}, {"bias": None}),
    ("LazyLinear", (3,), {"bias": False, "initializer": "xavier_uniform"}, {"out_features": 3}),
    ("Conv2d", (1, 2, 3), {}, {"stride": (1, 1), "padding": (0, 0), "initializer": "kaiming"}),
    *[(n, (1, 2, (3, 2)), {"stride": 2, "padding": (1, 0), "bias": False, "device": None,
                           "dtype": np.float32, "initializer": "zeros"},
       {"kernel_size": (3, 2), "stride": (2, 2), "padding": (1, 0), "bias": None})
      for n in ("Conv2d", "Conv2D")],
    *[(n, (1, 2, 3), {"stride": 2, "padding": 1, "output_padding": 1, "bias": True, "device": None,
                      "dtype": None},
       {"stride": (2, 2), "padding": (1, 1), "output_padding": (1, 1)})
      for n in ("Conv2dTranspose", "Conv2DTranspose")],
    *[(n, (4,), {"device": d, "eps": 1e-4, "momentum": 0.2, "affine": False}, {"eps": 1e-4, "momentum": 0.2})
      for n in ("BatchNorm1d", "BatchNorm1D", "BatchNorm2d", "BatchNorm2D") for d in (None, "cpu")],
    *[("LayerNorm", (shape,), {"device": "cpu", "eps": 1e-4, "affine": affine}, {"eps": 1e-4})
      for shape in (4, (2, 4)) for affine in (True, False)],
    ("Dropout", (), {}, {"p": 0.5}),
    ("Dropout", (0.1,), {}, {"p": 0.1}),
    *[(n, (2,), k, {"kernel_size": 2, "stride": k.get("stride") or 2})
      for n in ("MaxPool2d", "MaxPool2D", "AvgPool2d", "AvgPool2D")
      for k in ({}, {"stride": 1, "padding": 1}, {"stride": None, "padding": 0})],
    *[(n, (), {}, {}) for n in ("GlobalAvgPool2d", "GlobalAvgPool2D", "ReLU", "Sigmoid", "Tanh")],
    ("Softmax", (), {}, {"dim": -1}),
    ("Softmax", (), {"axis": 0}, {"dim": 0}),
    ("LeakyReLU", (), {"alpha": 0.3}, {"negative_slope": 0.3}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "kwargs", "attributes"), KEYDNN)
def test_a_call_for_keydnn_works(name, args, kwargs, attributes):
    made = getattr(nn, name)(*args, **kwargs)
    assert {n: getattr(made, n) for n in attributes} == attributes
    again = type(made).from_config(made.get_config())
    assert again.get_config() == made.get_config()


def test_device_as_keydnn_spells_it():
    cpu = clnn.Device("cpu")
    assert nn.Linear(2, 3, device=cpu).weight.device == cpu
    assert nn.BatchNorm2d(2, device="cpu").running_mean.device == cpu
    layer = nn.Dense(3)
    layer(clnn.ones(1, 2, device=cpu))
    assert layer.weight.device == cpu


def test_layers_enforce_their_device(opencl_device):
    x = clnn.ones(2, 2, device=opencl_device)
    for layer in (nn.Dense(3, device="cpu"), nn.Linear(2, 3, device="cpu"),
                  nn.BatchNorm1d(2, device="cpu"), nn.LayerNorm(2, device="cpu")):  # fmt: skip
        with pytest.raises(clnn.DeviceError):
            layer(x)


def test_identity_takes_anything():
    assert nn.Identity(54, unused=True)(3) == 3
