"""Every public op refuses what it cannot take: arrays for Tensors, operands on several devices."""

import numpy as np
import pytest

import clnn
from clnn import errors, ops
from harness import call, host_operands
from samples import gather

FIRST = {s.fn: s for s in reversed(gather("SAMPLES"))}  # the first sample of every op
WITH_OPERANDS = {fn: s for fn, s in FIRST.items() if host_operands(s)}
WITH_SEVERAL = {fn: s for fn, s in FIRST.items() if len(host_operands(s)) > 1}


@pytest.mark.parametrize("fn", sorted(WITH_OPERANDS))
def test_a_numpy_array_is_refused_with_a_remedy(fn):
    sample = WITH_OPERANDS[fn]
    with pytest.raises(
        errors.DTypeError, match=r"expected .*got .*; make a Tensor with clnn.tensor"
    ):
        call(sample, getattr(ops, fn), host_operands(sample))


@pytest.mark.parametrize("fn", sorted(WITH_SEVERAL))
def test_operands_on_two_devices_are_refused(fn, opencl_device):
    sample = WITH_SEVERAL[fn]
    where = [opencl_device] + ["cpu"] * (len(host_operands(sample)) - 1)
    xs = [clnn.tensor(h, device=d) for h, d in zip(host_operands(sample), where, strict=True)]
    with pytest.raises(errors.DeviceError, match="expected operands on one device, got"):
        call(sample, getattr(ops, fn), xs)


@pytest.mark.parametrize("name", [n for n in vars(errors) if n.endswith("Error")])
def test_every_error_is_also_a_builtin(name):
    kind = getattr(errors, name)
    assert issubclass(kind, errors.ClnnError)
    if kind is not errors.ClnnError:
        builtin = (
            ValueError,
            TypeError,
            RuntimeError,
            IndexError,
            NotImplementedError,
            MemoryError,
        )
        assert issubclass(kind, builtin)


def test_a_shape_of_floats_or_negatives_is_refused(device):
    with pytest.raises(errors.DTypeError, match=r"zeros: expected ints, got 2\.5"):
        clnn.zeros(2.5, device=device)
    with pytest.raises(errors.ShapeError, match="expected sizes >= 0"):
        clnn.zeros(-1, device=device)
    with pytest.raises(errors.ShapeError, match="reshape: expected a shape of 6 elements"):
        clnn.tensor(np.zeros((2, 3)), device=device).reshape(4)
