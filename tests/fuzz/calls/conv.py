"""Calls of clnn.ops.conv and the windows of clnn.ops.spatial."""

from fuzz.draw import FLOATS, calls, few, sample, sizes, st, tensor

UNIT = {"low": -1.0, "high": 1.0}
# what is compiled in: kernel, stride, dilation per axis
WINDOWS = [
    (k, s, d)
    for k in (1, 2, 3, 4, 5, 7)
    for s in (1, 2, 3)
    for d in (1, 2, 3)
    if (k > 1 or d == 1) and s * d < 7
]


@st.composite
def windows(draw, name, rank):
    """(kernel, stride, dilation), each one number per axis."""
    if rank == 1:
        return tuple((v,) for v in draw(few(f"{name} 1", WINDOWS, 3)))
    square = draw(st.booleans())
    a = draw(few(f"{name} a", WINDOWS, 3))
    b = a if square else draw(few(f"{name} b", WINDOWS, 2))
    return tuple(zip(a, b, strict=True))


def as_setting(draw, values):
    """One number where all are the same, as people write it."""
    return values[0] if len(set(values)) == 1 and draw(st.booleans()) else values


def channels(draw):
    """(groups, input channels, output channels)."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 8]))
    if draw(st.integers(0, 3)) == 0:  # depthwise
        return groups, groups, groups * draw(st.integers(1, 2))
    return groups, groups * draw(st.sampled_from([1, 2, 3, 4, 8, 16, 17])), groups * draw(st.sampled_from([1, 2, 3, 5, 8, 16, 17]))  # fmt: skip


def images(draw, least, most):
    """Sizes of at least `least`, not too many elements together."""
    out = [max(low, 1) + draw(st.one_of(st.integers(0, 4), st.sampled_from([7, 12, 17, 30]))) for low in least]  # fmt: skip
    return [min(n, max(low, 1) + most) for n, low in zip(out, least, strict=True)]


@calls("conv1d", "conv2d")
def conv(draw, name):
    rank = int(name[4])
    dtype = draw(few(name, FLOATS))
    kernel, stride, dilation = draw(windows(name, rank))
    groups, c, o = channels(draw)
    most = 24 if c * o < 100 else 9
    if draw(st.integers(0, 5)) == 0:
        padding = draw(st.sampled_from(["valid", "same"]))
        stride = (1,) * rank if padding == "same" else stride
        sides = (0,) * rank
    else:
        sides = padding = tuple(draw(st.integers(0, 3)) for _ in range(rank))
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    least = [1 if padding == "same" else n - 2 * p for n, p in zip(span, sides, strict=True)]
    n = draw(st.sampled_from([(1,), (2,), (3,), (), (0,)]))
    x = draw(tensor((*n, c, *images(draw, least, most)), dtype, **UNIT))
    w = draw(tensor((o, c // groups, *kernel), dtype, **UNIT))
    bias = draw(tensor((o,), dtype, **UNIT)) if draw(st.booleans()) else None
    padding = padding if isinstance(padding, str) else as_setting(draw, padding)
    return sample(name, x, w, bias, as_setting(draw, stride), padding, as_setting(draw, dilation), groups)  # fmt: skip


@calls("conv_transpose1d", "conv_transpose2d")
def conv_transpose(draw, name):
    rank = int(name[14])
    dtype = draw(few(name, FLOATS))
    kernel, stride, dilation = draw(windows(name, rank))
    groups, c, o = channels(draw)
    n = draw(st.sampled_from([(1,), (2,), (), (0,)]))
    padding = tuple(draw(st.integers(0, min(2, d * (k - 1)))) for k, d in zip(kernel, dilation, strict=True))  # fmt: skip
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))  # fmt: skip
    least = [1 + max(0, -(-(2 * p - d * (k - 1) - e) // s)) for p, k, s, d, e in zip(padding, kernel, stride, dilation, extra, strict=True)]  # fmt: skip
    x = draw(tensor((*n, c, *images(draw, least, 8)), dtype, **UNIT))
    w = draw(tensor((c, o // groups, *kernel), dtype, **UNIT))
    bias = draw(tensor((o,), dtype, **UNIT)) if draw(st.booleans()) else None
    return sample(name, x, w, bias, stride, padding, extra, groups, dilation)


@calls("unfold", "fold")
def columns(draw, name):
    dtype = draw(few(name, FLOATS))
    kernel, stride, dilation = draw(windows(name, 2))
    padding = tuple(draw(st.integers(0, 2)) for _ in "hw")
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = images(draw, [s - 2 * p for s, p in zip(span, padding, strict=True)], 12)
    n, c = draw(st.sampled_from([(1,), (2,), ()])), draw(st.integers(1, 4))
    if name == "unfold":
        return sample(name, draw(tensor((*n, c, *size), dtype)), kernel, dilation, padding, stride)
    out = [(a + 2 * p - s) // t + 1 for a, p, s, t in zip(size, padding, span, stride, strict=True)]
    shape = (*n, c * kernel[0] * kernel[1], out[0] * out[1])
    return sample(name, draw(tensor(shape, dtype)), tuple(size), kernel, dilation, padding, stride)


__all__ = ["sizes"]
