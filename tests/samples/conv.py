"""Samples of clnn.ops.conv."""

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample

HALVES = ("float16", "bfloat16")


def conv(x, w, bias=True, dtype="float32", fn="conv2d", **settings):
    out = w[1] * settings.get("groups", 1) if "transpose" in fn else w[0]
    extra = (T(out, dtype=dtype),) if bias else ()
    return sample(fn, T(*x, dtype=dtype), T(*w, dtype=dtype), *extra, **settings)


def same_by_hand(x, w, b, padding):
    """torch pads the same way, but warns about even kernels."""
    from torch.nn import functional as F

    return F.conv2d(F.pad(x, (0, 1, 1, 2)), w, b)


FORWARD = [
    conv((1, 1, 1, 1), (1, 1, 1, 1)),
    conv((1, 1, 3, 4), (1, 1, 3, 3), bias=False),
    conv((2, 3, 5, 6), (4, 3, 3, 3), padding=1),
    conv((0, 3, 5, 6), (4, 3, 3, 3), padding=1),
    conv((3, 5, 6), (4, 3, 3, 3)),
    conv((2, 2, 7, 8), (3, 2, 3, 3), stride=2, padding=1),
    conv((1, 2, 6, 7), (2, 2, 1, 1), stride=2),
    conv((2, 1, 8, 9), (2, 1, 3, 3), stride=3, padding=2),
    conv((2, 3, 7, 11), (5, 3, 2, 3), stride=(1, 2), padding=(0, 2), dilation=(2, 1)),
    conv((1, 2, 9, 9), (3, 2, 3, 3), dilation=3, padding=3),
    conv((1, 2, 5, 5), (3, 2, 2, 2), padding=3, bias=False),
    conv((2, 2, 9, 10), (3, 2, 3, 2), stride=4, dilation=2, padding=1),
    conv((1, 1, 13, 11), (2, 1, 4, 4), stride=(3, 4), dilation=(2, 3), padding=5),
    conv((2, 4, 5, 5), (6, 2, 3, 3), groups=2, padding=1),
    conv((2, 4, 6, 5), (8, 1, 3, 3), groups=4, stride=2, padding=1),
    conv((1, 16, 6, 7), (32, 8, 3, 3), groups=2, padding=1),
    conv((2, 24, 5, 5), (48, 8, 1, 1), groups=3),
    conv((2, 17, 9, 9), (37, 17, 3, 3), padding=1),
    conv((1, 67, 8, 8), (70, 67, 3, 3), stride=2, padding=1),
    conv((5, 32, 7, 7), (64, 32, 1, 1), bias=False),
    # more pixels than a slice of the weight gradient multiplies at a time
    conv((1, 2, 27, 28), (100, 2, 3, 3), bias=False),
    conv((1, 3, 12, 12), (8, 3, 4, 4), stride=4),
    conv((2, 2, 6, 5), (3, 2, 3, 5), padding="same"),
    conv((2, 2, 9, 5), (3, 2, 4, 3), padding="same", dilation=2),
    conv((2, 2, 6, 5), (3, 2, 4, 2), padding="same", oracle=same_by_hand),
    conv((2, 2, 6, 5), (3, 2, 3, 2), padding="valid", stride=2),
    *[conv((2, 3, 6, 7), (17, 3, 3, 3), dtype=d, padding=1) for d in (*HALVES, "float64")],
    *[conv((2, 3, 9, 7), (5, 3, 3, 3), dtype=d, stride=2) for d in (*HALVES, "float64")],
    *[conv((2, 4, 5, 5), (4, 1, 3, 3), dtype=d, groups=4, padding=1) for d in (*HALVES, "float64")],
    conv((2, 3, 9), (4, 3, 3), fn="conv1d", padding=1),
    conv((3, 9), (4, 3, 3), fn="conv1d", stride=2),
    conv((2, 4, 11), (6, 2, 2), fn="conv1d", bias=False, groups=2, dilation=3, padding=(2,)),
    conv((2, 2, 8), (3, 2, 3), fn="conv1d", padding="same", dilation=2),
]
# Where Winograd applies: 16 channels or more, 3x3, stride 1 or 2.
TILED = [
    conv((1, 16, 1, 1), (16, 16, 3, 3), padding=1),
    conv((0, 16, 5, 5), (17, 16, 3, 3), padding=1),
    conv((2, 18, 5, 11), (35, 18, 3, 3), padding=(0, 2)),
    conv((1, 33, 4, 9), (16, 33, 3, 3), padding=3, bias=False),
    conv((3, 16, 13, 17), (50, 16, 3, 3), padding=1, bias=False),
    conv((1, 16, 3, 270), (16, 16, 3, 3), padding=1),
    *[conv((2, 17, 6, 5), (18, 17, 3, 3), dtype=d, padding=1) for d in (*HALVES, "float64")],
    conv((1, 16, 1, 1), (16, 16, 3, 3), stride=2, padding=1),
    conv((0, 16, 5, 5), (17, 16, 3, 3), stride=2, padding=1),
    conv((2, 18, 9, 20), (35, 18, 3, 3), stride=2, padding=(1, 3)),
    conv((3, 33, 8, 7), (16, 33, 3, 3), stride=2, padding=2, bias=False),
    conv((1, 16, 3, 300), (16, 16, 3, 3), stride=2, padding=1),
    *[
        conv((2, 17, 6, 9), (18, 17, 3, 3), dtype=d, stride=2, padding=1)
        for d in (*HALVES, "float64")
    ],
]
# Few channels in a group: rows wider and narrower than vectors, whole blocks and what is left, taps in loops.
DEPTHWISE = [
    conv((2, 3, 7, 35), (3, 1, 3, 3), groups=3, padding=1, bias=False),
    conv((2, 3, 9, 37), (6, 1, 3, 3), groups=3, stride=2, padding=1),
    conv((3, 5, 7, 7), (5, 1, 3, 3), groups=5, padding=1),
    conv((2, 5, 14, 14), (5, 1, 3, 3), groups=5, stride=2, padding=1),
    conv((1, 3, 1, 40), (6, 1, 3, 3), groups=3, padding=1),
    conv((1, 3, 40, 1), (3, 1, 3, 3), groups=3, padding=1),
    conv((2, 2, 11, 33), (4, 1, 3, 3), groups=2, dilation=2, padding=2),
    conv((1, 2, 12, 21), (2, 1, 5, 5), groups=2, padding=2),
    conv((1, 2, 12, 20), (4, 1, 5, 3), groups=2, stride=(2, 1), padding=(0, 1), dilation=(1, 2)),
    conv((1, 2, 9, 41), (2, 1, 2, 4), groups=2, stride=(1, 3), padding=2),
    conv((1, 2, 9, 40), (2, 1, 7, 7), groups=2, padding=3),
    conv((2, 4, 6, 18), (6, 2, 3, 3), groups=2, padding=1),
    conv((0, 3, 6, 18), (6, 1, 3, 3), groups=3, padding=1),
    *[conv((2, 3, 6, 19), (6, 1, 3, 3), dtype=d, groups=3, padding=1) for d in (*HALVES, "float64")],
    *[conv((2, 3, 7, 18), (3, 1, 3, 3), dtype=d, groups=3, stride=2, padding=1) for d in HALVES],
    conv((2, 3, 19), (6, 1, 3), fn="conv1d", groups=3, padding=1),
    conv((2, 3, 5, 19), (3, 1, 3, 3), fn="conv_transpose2d", groups=3, padding=1),
    conv((2, 3, 5, 18), (3, 2, 3, 3), fn="conv_transpose2d", groups=3, stride=2, padding=1, output_padding=1),
    conv((2, 3, 5, 9), (3, 1, 4, 4), fn="conv_transpose2d", groups=3, stride=2, padding=1, bias=False),
]  # fmt: skip
TRANSPOSED = [
    conv((2, 17, 5, 9), (17, 20, 3, 3), fn="conv_transpose2d", padding=1),
    conv((1, 16, 2, 3), (16, 16, 3, 3), fn="conv_transpose2d", bias=False),
    conv(
        (2, 17, 5, 6), (17, 20, 3, 3), fn="conv_transpose2d", stride=2, padding=1, output_padding=1
    ),
    conv((1, 1, 1, 1), (1, 1, 1, 1), fn="conv_transpose2d"),
    conv((2, 3, 4, 5), (3, 4, 3, 3), fn="conv_transpose2d"),
    conv((3, 4, 5), (3, 4, 3, 3), fn="conv_transpose2d", bias=False),
    conv((2, 3, 4, 5), (3, 4, 3, 3), fn="conv_transpose2d", stride=2, padding=1, output_padding=1),
    conv(
        (2, 3, 4, 5),
        (3, 2, 2, 3),
        fn="conv_transpose2d",
        stride=(3, 2),
        padding=(0, 1),
        output_padding=(2, 0),
    ),
    conv(
        (1, 2, 4, 4), (2, 3, 3, 3), fn="conv_transpose2d", dilation=2, padding=1, output_padding=1
    ),
    conv((1, 2, 4, 4), (2, 3, 2, 2), fn="conv_transpose2d", dilation=3, stride=2, output_padding=2),
    conv((1, 4, 3, 3), (4, 2, 3, 3), fn="conv_transpose2d", groups=2, stride=2),
    conv((2, 4, 3, 4), (4, 1, 3, 3), fn="conv_transpose2d", groups=4, padding=1),
    conv((1, 16, 5, 5), (16, 16, 4, 4), fn="conv_transpose2d", groups=2, stride=2, padding=1),
    conv((1, 3, 3, 3), (3, 20, 5, 5), fn="conv_transpose2d", stride=3, padding=4),
    conv((1, 3, 2, 2), (3, 2, 2, 2), fn="conv_transpose2d", stride=5),
    conv((0, 3, 4, 5), (3, 4, 3, 3), fn="conv_transpose2d"),
    *[
        conv((2, 3, 5, 4), (3, 18, 3, 3), fn="conv_transpose2d", dtype=d, stride=2)
        for d in (*HALVES, "float64")
    ],
    conv((2, 3, 5), (3, 4, 3), fn="conv_transpose1d", stride=2, padding=1, output_padding=1),
    conv((3, 5), (3, 4, 3), fn="conv_transpose1d", bias=False),
    conv((2, 4, 5), (4, 3, 2), fn="conv_transpose1d", groups=2, dilation=2),
]
SAMPLES = [*FORWARD, *TILED, *DEPTHWISE, *TRANSPOSED]

X, W = T(1, 4, 5, 5), T(6, 4, 3, 3)
ERRORS = [
    bad("conv2d", X, W, groups=None, error=DTypeError, match="conv2d: expected groups to be an int, got None"),
    bad("conv_transpose1d", T(1, 1, 1), T(1, 1, 2), groups=None, error=DTypeError, match="conv_transpose1d: expected groups to be an int, got None"),
    bad("conv2d", T(1, 1, 9, 9), T(1, 1, 2, 2), None, 1, b"a", error=DTypeError, match="conv2d: expected padding to be an int or 2 ints, got b'a'"),
    bad("conv2d", T(5, 5), W, error=ShapeError, match=r"conv2d: expected input \(N, C, H, W\) and weight \(O, C/groups, KH, KW\)"),
    bad("conv2d", X, T(6, 4, 3), error=ShapeError, match=r"conv2d: expected input .* got \(1, 4, 5, 5\) and \(6, 4, 3\)"),
    bad("conv2d", X, T(6, 4, 3), padding="same", error=ShapeError, match="conv2d: expected input"),
    bad("conv2d", X, T(6, 3, 3, 3), error=ShapeError, match=r"conv2d: expected input with 3 channels .* got 4"),
    bad("conv2d", X, T(5, 2, 3, 3), groups=2, error=ShapeError, match="conv2d: expected output channels divisible by groups=2, got 5"),
    bad("conv2d", X, W, groups=0, error=ShapeError, match="conv2d: expected groups >= 1, got 0"),
    bad("conv2d", X, T(6, 4, 7, 3), error=ShapeError, match=r"conv2d: expected kernel \(7, 3\) .* to fit in \(5, 5\)"),
    bad("conv2d", X, W, dilation=3, error=ShapeError, match="conv2d: expected kernel"),
    bad("conv2d", X, W, stride=0, error=ShapeError, match="conv2d: expected stride >= 1"),
    bad("conv2d", X, W, dilation=(1, -1), error=ShapeError, match="conv2d: expected dilation >= 1"),
    bad("conv2d", X, W, padding=-1, error=ShapeError, match="conv2d: expected padding >= 0"),
    bad("conv2d", X, W, padding=1.5, error=DTypeError, match="conv2d: expected padding to be an int or 2 ints, got 1.5"),
    bad("conv2d", X, W, stride=(1, 2, 3), error=ShapeError, match="conv2d: expected stride to be an int or 2 ints"),
    bad("conv2d", X, W, padding="full", error=SettingError, match="conv2d: expected padding 'valid', 'same' or ints, got 'full'"),
    bad("conv2d", X, W, padding="same", stride=2, error=SettingError, match="conv2d: expected stride 1 with padding='same'"),
    bad("conv2d", X, W, T(5), error=ShapeError, match=r"conv2d: expected bias of shape \(6,\), got \(5,\)"),
    bad("conv2d", X, T(6, 4, 3, 3, dtype="float64"), error=DTypeError, match="conv2d: .* floating dtype, got float32, float64"),
    bad("conv2d", T(1, 4, 5, 5, dtype="int32"), T(6, 4, 3, 3, dtype="int32"), error=DTypeError, match="floating dtype, got int32, int32"),
    bad("conv2d", X, T(6, 4, 0, 3), error=ShapeError, match="conv2d: expected a weight without empty axes"),
    bad("conv2d", X, [1.0], error=DTypeError, match="conv2d: expected Tensors or Python numbers, got list"),
    bad("conv1d", X, W, error=ShapeError, match=r"conv1d: expected input \(N, C, L\) and weight \(O, C/groups, K\)"),
    bad("conv1d", T(1, 4, 5), T(6, 3, 3), error=ShapeError, match="conv1d: expected input with 3 channels"),
    bad("conv_transpose2d", X, T(3, 4, 3, 3), error=ShapeError, match="conv_transpose2d: expected input with 3 channels .* got 4"),
    bad("conv_transpose2d", X, T(4, 2, 3, 3), groups=3, error=ShapeError, match="input channels divisible by groups=3"),
    bad("conv_transpose2d", X, T(4, 2, 3, 3), output_padding=1, error=ShapeError, match="conv_transpose2d: expected output_padding"),
    bad("conv_transpose2d", X, T(4, 2, 3, 3), padding=9, error=ShapeError, match="conv_transpose2d: expected an output"),
    bad("conv_transpose2d", X, T(4, 2, 3, 3), T(3), error=ShapeError, match=r"conv_transpose2d: expected bias of shape \(2,\)"),
    bad("conv_transpose1d", X, W, error=ShapeError, match="conv_transpose1d: expected input"),
]  # fmt: skip
