"""Samples of clnn.ops.fused."""

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample


def _ended(y, activation, residual):
    import torch
    from torch.nn import functional as F

    if residual is not None:
        y = y + residual
    if activation is None:
        return y
    return getattr(torch if activation in ("sigmoid", "tanh") else F, activation)(y)


def conv_by_parts(x, w, bias=None, *, activation=None, residual=None, **settings):
    from torch.nn import functional as F

    return _ended(F.conv2d(x, w, bias, **settings), activation, residual)


def linear_by_parts(x, w, bias=None, *, activation=None, residual=None):
    from torch.nn import functional as F

    return _ended(F.linear(x, w, bias), activation, residual)


def conv(x, w, *bias, residual=None, dtype="float32", **settings):
    operands = [T(*shape, dtype=dtype) for shape in (x, w, *bias)]
    if residual:
        settings["residual"] = T(*residual, dtype=dtype)
    kinks = settings.get("activation") in ("relu", "relu6", "hardswish", "hardsigmoid")
    return sample(
        "fused_conv2d", *operands, oracle=conv_by_parts, numeric_grad=not kinks, **settings
    )


def linear(x, w, *bias, residual=None, dtype="float32", **settings):
    operands = [T(*shape, dtype=dtype) for shape in (x, w, *bias)]
    if residual:
        settings["residual"] = T(*residual, dtype=dtype)
    kinks = settings.get("activation") in ("relu", "relu6", "hardswish", "hardsigmoid")
    return sample(
        "fused_linear", *operands, oracle=linear_by_parts, numeric_grad=not kinks, **settings
    )


SAMPLES = [
    conv((2, 3, 5, 6), (4, 3, 3, 3), (4,), padding=1, activation="relu"),
    conv((2, 3, 5, 6), (4, 3, 3, 3), padding=1, activation="relu", residual=(2, 4, 5, 6)),
    conv((2, 3, 5, 6), (4, 3, 3, 3), (4,), stride=2, residual=(2, 4, 2, 2)),
    conv(
        (1, 20, 9, 7), (35, 20, 3, 3), (35,), padding=1, activation="relu6", residual=(1, 35, 9, 7)
    ),
    conv((2, 16, 8, 8), (33, 16, 1, 1), (33,), activation="relu", residual=(2, 33, 8, 8)),
    conv((2, 8, 5, 5), (8, 1, 3, 3), (8,), padding=1, groups=8, activation="relu6"),
    conv(
        (1, 8, 7, 5),
        (16, 1, 3, 3),
        padding=1,
        groups=8,
        stride=2,
        activation="hardswish",
        residual=(1, 16, 4, 3),
    ),
    conv((2, 18, 6, 6), (20, 9, 3, 3), (20,), groups=2, activation="relu", residual=(2, 20, 4, 4)),
    conv((2, 3, 5, 6), (4, 3, 3, 3), (4,), activation="gelu"),
    conv((2, 3, 5, 6), (4, 3, 3, 3), (4,), activation="silu", residual=(2, 4, 3, 4)),
    conv((0, 3, 5, 6), (4, 3, 3, 3), (4,), activation="relu", residual=(0, 4, 3, 4)),
    conv((3, 5, 6), (4, 3, 3, 3), (4,), activation="sigmoid"),
    conv(
        (2, 3, 5, 6), (4, 3, 3, 3), (4,), activation="relu", residual=(2, 4, 3, 4), dtype="float16"
    ),
    conv((2, 16, 5, 6), (17, 16, 3, 3), (17,), padding=1, activation="tanh", dtype="bfloat16"),
    conv((1, 3, 5, 6), (4, 3, 3, 3), (4,), activation="gelu", dtype="float64"),
    linear((3, 5), (7, 5), (7,), activation="relu"),
    linear((3, 5), (7, 5), activation="tanh"),
    linear((5,), (7, 5), (7,), activation="sigmoid"),
    linear((2, 3, 40), (33, 40), (33,), activation="gelu", residual=(2, 3, 33)),
    linear((17, 600), (50, 600), (50,), activation="relu", residual=(17, 50)),
    linear((2, 600), (50, 600), residual=(2, 50)),
    linear((4, 0), (3, 0), (3,), activation="sigmoid", residual=(4, 3)),
    linear((65, 33), (70, 33), (70,), activation="hardsigmoid", dtype="float16"),
    linear((65, 33), (70, 33), (70,), activation="silu", residual=(65, 70), dtype="bfloat16"),
]

ERRORS = [
    bad(
        "fused_linear",
        T(3, 5),
        T(7, 5),
        activation="swish",
        error=SettingError,
        match="one of relu",
    ),
    bad(
        "fused_conv2d",
        T(1, 1, 3, 3),
        T(1, 1, 3, 3),
        activation="softmax",
        error=SettingError,
        match="one of relu",
    ),
    bad("fused_linear", T(3, 5), T(7, 5), residual=T(7), error=ShapeError, match="residual"),
    bad("fused_linear", T(3, 5), T(7, 5), T(6), activation="relu", error=ShapeError, match="bias"),
    bad(
        "fused_conv2d",
        T(1, 1, 3, 3),
        T(1, 1, 3, 3),
        residual=T(1, 1, 2, 2),
        error=ShapeError,
        match="residual",
    ),
    bad(
        "fused_conv2d",
        T(1, 1, 3, 3),
        T(1, 1, 3, 3),
        residual=T(1, 1, 1, 1, dtype="float16"),
        error=DTypeError,
        match="residual",
    ),
    bad(
        "fused_linear",
        T(2, 3),
        T(4, 3),
        activation=[1],
        error=SettingError,
        match="fused_linear: expected activation None or one of",
    ),
    bad(
        "fused_conv2d",
        None,
        T(1, 1, 2, 2),
        activation="relu",
        error=DTypeError,
        match="fused_conv2d: expected a Tensor, got NoneType",
    ),
]
