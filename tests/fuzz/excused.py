"""Where clnn means to differ from torch: each difference once, with its reason."""

from __future__ import annotations

from typing import Any

import numpy as np

from clnn.errors import NotDifferentiableError
from samples import T

NUMBERS_OF_ITS_OWN = {"rand_like", "randn_like", "dropout", "dropout1d", "dropout2d", "empty_like"}


OF_NORMS = {"norm", "normalize", "pairwise_distance", "triplet_margin_loss"}


def by_torch(case: Any) -> bool:
    """Calls that torch is not asked about: mixed dtypes in losses, where it promotes by no rule of its own."""
    if case.sample.fn == "sub" and str(-(2**63)) in repr(case.sample):
        return True  # it negates alpha, which wraps around there
    if case.sample.fn in OF_NORMS and "another value" in case.spoiled:
        return True  # large powers vanish or overflow in it
    if case.sample.fn.startswith("max_pool") and _misses(case.sample):
        return True  # its gradient of a window without elements goes to memory that is not its own
    if "gelu" in repr(case.sample) and "inf" in repr(case.sample):
        return True  # of an infinity its vectors make NaN, where the limit is known
    if case.sample.fn == "softmin" and "dtype" in case.spoiled:
        return True  # it negates before it converts, which wraps around in uint8
    if case.sample.fn == "addmm" and any(
        n in repr((case.sample.args, case.sample.kwargs)) for n in ("nan", "inf")
    ):
        return True  # of sums of nothing it returns beta * input, whatever alpha is
    if case.sample.fn in ("std_mean", "std", "var", "var_mean") and "correction=-" in repr(
        case.sample
    ):
        return True  # of nothing, with a correction that makes something of it
    if "dropout" in case.sample.fn and "dtype int" in case.spoiled:
        return True  # it drops integers too, if all of them
    if case.sample.family == "attention" and "another value" in case.spoiled:
        return True  # halves overflow in it before they are scaled
    if case.sample.family == "attention" and "shape" in case.spoiled:
        return True  # it lets an empty batch of value pass for one
    return case.sample.family == "loss" and "dtype" in case.spoiled


def _misses(sample: Any) -> bool:
    """Whether a window may lie between elements: taps are farther apart than an axis is long."""
    apart = sample.kwargs.get("dilation", sample.args[4] if len(sample.args) > 4 else 1)
    space = sample.args[0].shape[-1 if sample.fn.endswith("1d") else -2 :]
    axes = apart if isinstance(apart, (tuple, list)) else [apart] * len(space)
    return any(isinstance(d, int) and d > n for d, n in zip(axes, space, strict=False))


def wider(case: Any, error: BaseException) -> bool:
    """What clnn takes and torch refuses."""
    text = str(error)
    if any(t in text for t in TORCH_CANNOT) or isinstance(error, NotImplementedError):
        return True
    if case.sample.family in ("indexing", "loss") and any(t in text for t in OF_INDICES):
        return True
    if case.sample.fn == "tanhshrink" and "with a bool tensor" in text:
        return True  # bool counts as numbers, as in tanh
    # flags are truth values here; numbers may be whole floats, or stand where a tensor does
    number = "another value" in case.spoiled or "no tensor" in case.spoiled
    return isinstance(error, (TypeError, AttributeError)) and number


# What its refusals say, where clnn has an answer.
TORCH_CANNOT = (
    "not implemented for",  # a dtype without a kernel on CPUs
    "mixed dtype (CPU)",  # parameters in float32 beside running statistics of the input's dtype
    "Found dtype",  # gradients of operands of two dtypes
    "Boolean alpha",  # a truth value is a number
    "Non-empty",  # images without channels
    "possibly 0 batch size",  # or without pixels
    "Negation, the",  # of bool, which counts as numbers
    "to have non-zero size",  # gradients of nothing
    "tensor does not have a device",  # norms of nothing
    "select(): index 0 out of range",  # likewise
    "ZeroDivisionError",  # an integer divided by 0 is 0
    "output with shape [",  # logsumexp over dim=(), limits of clamp that are larger than input
    "INTERNAL ASSERT",  # its own mistakes
    "Overflow when unpacking",  # numbers that it keeps in fewer bits
    "expected scalar type",  # parameters in float32 beside a half input, of nothing
    "argument alpha must not be",  # integers times a fraction are fractions
    "Autograd not support",  # a gradient for the number alone
    "PixelShuffleBackward0",  # images of no pixels
    "channel' dimension to be",
    "Only zero batch or zero channel",
    "expected to contain only concrete",
    "`shifts` required",  # to roll by nothing
    "too big to convert",
    "without overflow",
    "lambda must be in range",
)

# Indices are not checked: one out of range reads NaN, or 0. And int32 is an index too.
OF_INDICES = (
    "Class values must be", "self indexing axis dim should be positive", "index out of range", "is out of bounds",
    "out of DATA bounds",
    "applicable to index tensor", "should be Long but got Int",
)  # fmt: skip


def narrower(case: Any, error: BaseException) -> bool:
    """What clnn refuses and torch takes."""
    if case.sample.fn == "cat":  # it skips what is empty and 1-D
        return any(x.shape == (0,) for x in case.sample.args[0])
    if case.sample.fn == "index_add":  # it cuts a fraction to an integer
        return "alpha" in case.spoiled
    # gradients of rounding are 0 and rarely what is meant
    return isinstance(error, NotDifferentiableError) and case.sample.fn in ("div", "remainder")


def late(case: Any) -> bool:
    """Errors that may come after a primitive has run: how much a mask selects is known once it is read."""
    return case.sample.fn == "getitem" and "bool" in repr(case.sample)


def no_gradient(case: Any, ours: Any, theirs: Any) -> bool:
    """Where one side has a gradient and the other none: of what is not read, torch's is zero."""
    return case.sample.fn == "addmm" and ours is None and not theirs.any()


def gradient(case: Any, theirs: Any) -> bool:
    """Where gradients are not compared with torch's."""
    text = repr((case.sample.args, case.sample.kwargs))
    odd = "nan" in text or "inf" in text
    if case.sample.family == "activation" and (
        odd or "hardsigmoid" in case.sample.fn or "hardswish" in case.sample.fn
    ):
        return True  # torch's answers at NaN and infinity depend on its vectors; its 1/6 is a float32 in float64 too
    if case.sample.family == "fused" and "'hardsigmoid'" in text + repr(case.sample).replace(
        '"', "'"
    ):
        return True  # its 1/6 again
    if case.sample.fn in ("min", "max") and "nan" in text:
        return True  # to the NaN in it, where its amin has NaN everywhere
    if case.sample.fn in ("cosine_similarity", "layer_norm"):
        return any(
            1 in t.shape for t in case.sample.args if isinstance(t, T)
        )  # of one element: rounding alone
    if case.sample.family == "fused" and "float16" in text:
        return True  # rounding decides on which side of a kink a result is
    if case.sample.fn == "clamp" and len([x for x in case.sample.args if isinstance(x, T)]) == 3:
        return True  # where both limits are equal it drops the gradient
    if case.sample.fn in ("var", "std", "var_mean", "std_mean"):
        return (
            not np.isfinite(theirs).all() or not theirs.any()
        )  # without degrees of freedom it has no rule
    empty = any(0 in t.shape for t in case.sample.args if isinstance(t, T))
    return bool(case.spoiled) or empty  # at the edge of what makes sense, torch's own are often NaN


def slack(case: Any) -> float:
    """How much farther than the tolerance torch may be."""
    return 8.0 if any(k in repr(case.sample) for k in ("float16", "bfloat16")) else 1.0
