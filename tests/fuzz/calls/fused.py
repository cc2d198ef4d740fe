"""Calls of clnn.ops.fused: those of their parts, with an ending."""

import clnn
from clnn import ops
from clnn.errors import ClnnError
from clnn.ops.rules import ENDINGS
from fuzz.calls import conv, matmul, norm
from fuzz.draw import calls, few, sample, st, tensor
from harness import call, host_operands
from samples import T

PARTS = {"fused_conv2d": (conv.conv, "conv2d"), "fused_linear": (matmul.linear, "linear"),
         "fused_batch_norm": (norm.batch_norm, "batch_norm")}  # fmt: skip
NAMES = {"fused_conv2d": ("bias", "stride", "padding", "dilation", "groups"), "fused_linear": ("bias",),
         "fused_batch_norm": ("running_mean", "running_var", "weight", "bias", "training")}  # fmt: skip


def result_shape(part):
    """The shape of what the part gives, by the reference; None where it refuses."""
    try:
        return call(
            part, getattr(ops, part.fn), [clnn.tensor(a, device="cpu") for a in host_operands(part)]
        ).shape
    except ClnnError:
        return None


@calls(*PARTS)
def fused(draw, name):
    draws, plain = PARTS[name]
    part = draws(draw, plain)
    first = 2 if name != "fused_batch_norm" else 1
    settings = {**dict(zip(NAMES[name], part.args[first:], strict=False)), **part.kwargs}
    settings["activation"] = draw(few(name, [*ENDINGS, None], 4))
    shape = result_shape(part)
    if shape is not None and draw(st.booleans()):
        settings["residual"] = draw(tensor(shape, part.args[0].dtype, low=-1.0, high=1.0))
    return sample(name, *part.args[:first], **settings)


__all__ = ["T"]
