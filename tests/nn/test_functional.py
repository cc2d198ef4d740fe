"""clnn.nn.functional has what torch.nn.functional has, as far as ops do, with its signatures."""

import inspect
import re

import numpy as np
import pytest

import clnn
from clnn import ops
from clnn.errors import SettingError
from clnn.nn import functional as F

NAMES = sorted(n for n, f in vars(F).items() if inspect.isfunction(f))
OURS = {"generator"}  # keyword-only additions: where random numbers come from


def parameters(signature):
    """(name, default, whether it may be given by position) of each."""
    return [
        (p.name, p.default, p.kind is p.POSITIONAL_OR_KEYWORD)
        for p in signature.parameters.values()
        if p.name not in OURS
    ]


def documented(doc):
    """The signature at the head of a docstring: all there is of a function written in C++."""
    head = re.match(r"\s*(\w+\(.*?\))\s*->", doc, re.DOTALL).group(1)
    found = {}
    exec(f"def {head}: ...", found)  # torch's own text
    return inspect.signature(found[head.partition("(")[0]])


def torch_signature(name):
    import torch

    space = torch.nn.functional
    # What dispatches on return_indices tells its arguments under this name only.
    theirs = getattr(space, f"{name}_with_indices", getattr(space, name))
    try:
        return inspect.signature(theirs)
    except ValueError:
        return documented(theirs.__doc__)


@pytest.mark.peers
def test_nothing_is_left_out():
    import torch

    both = {n for n in dir(torch.nn.functional) if not n.startswith("_")} & set(vars(ops))
    assert both - {"conv", "pad_sequence"} <= set(NAMES)


@pytest.mark.peers
@pytest.mark.parametrize("name", NAMES)
def test_the_signature_is_torchs(name):
    assert parameters(inspect.signature(getattr(F, name))) == parameters(torch_signature(name))


@pytest.mark.parametrize("name", NAMES)
def test_what_torch_has_not_is_by_keyword_only(name):
    found = inspect.signature(getattr(F, name)).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY and p.default is None for p in found if p.name in OURS)


LOSSES = [n for n in NAMES if "size_average" in inspect.signature(getattr(F, n)).parameters]


@pytest.mark.parametrize("old", ["size_average", "reduce"])
@pytest.mark.parametrize("name", LOSSES)
def test_deprecated_reductions_are_refused(name, old):
    x = clnn.zeros(2, device="cpu")
    count = (
        3
        if {"input2", "positive", "input1"} & set(inspect.signature(getattr(F, name)).parameters)
        else 2
    )
    with pytest.raises(
        SettingError, match=f"{name}: expected {old} None, got False; use reduction"
    ):
        getattr(F, name)(*[x] * count, **{old: False})


def test_positions_of_torch():
    x = clnn.tensor([[0.3, -1.0, 2.0]], device="cpu")
    target, weight = clnn.tensor([2], device="cpu"), clnn.ones(3, device="cpu")
    want = F.cross_entropy(x, target, weight, ignore_index=1, reduction="none", label_smoothing=0.1)
    got = F.cross_entropy(x, target, weight, None, 1, None, "none", 0.1)
    np.testing.assert_array_equal(got.numpy(), want.numpy())
    assert F.mse_loss(x, x, None, None, "none").shape == x.shape
    assert F.kl_div(x, x, None, None, "sum", True).shape == ()
    assert (
        F.softmax(x, 1, 3, "float64").dtype == clnn.softmax(x, 1, clnn.float64).dtype == "float64"
    )


def test_out_is_refused():
    x = clnn.ones(2, 2, device="cpu")
    with pytest.raises(SettingError, match="normalize: expected no out"):
        F.normalize(x, out=x)
