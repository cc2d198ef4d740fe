"""clnn.nn.functional has what torch.nn.functional has, as far as ops do, with its signatures."""

import importlib.util
import inspect

import pytest

from clnn import ops
from clnn.nn import functional as F

NAMES = sorted(n for n, f in vars(F).items() if inspect.isfunction(f))
# What one of them takes and the other has no use for: deprecated, about gradients' layout, internal.
UNUSED = {"size_average", "reduce", "_stacklevel", "dtype", "sparse", "scale_grad_by_freq",
          "max_norm", "norm_type", "out", "generator"}  # fmt: skip


needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed: make test-all has it"
)


def parameters(fn):
    found = inspect.signature(fn).parameters.items()
    return [(name, p.default) for name, p in found if name not in UNUSED]


@needs_torch
def test_nothing_is_left_out():
    import torch

    both = {n for n in dir(torch.nn.functional) if not n.startswith("_")} & set(vars(ops))
    assert both - {"conv", "pad_sequence"} <= set(NAMES)


@needs_torch
@pytest.mark.parametrize("name", NAMES)
def test_the_signature_is_torchs(name):
    import torch

    theirs = getattr(torch.nn.functional, name, None)
    if theirs is None:
        pytest.fail(f"{name} is no function of torch.nn.functional")
    try:
        want = parameters(theirs)
    except ValueError:
        pytest.skip("torch implements it in C++ and tells no signature")
    if [name for name, _ in want] == ["args", "kwargs"]:
        pytest.skip("torch dispatches on its arguments and tells no signature")
    assert parameters(getattr(F, name)) == want
