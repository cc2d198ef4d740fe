"""Calls of clnn.ops.pool."""

from fuzz.calls.conv import as_setting, images, windows
from fuzz.draw import FLOATS, calls, few, kwargs, sample, st, tensor


def lead(draw):
    return (*draw(st.sampled_from([(1,), (2,), (), (0,)])), draw(st.sampled_from([1, 2, 3, 7, 17])))


def sliding(draw, name, dilated):
    rank = int(name[-2])
    kernel, stride, dilation = draw(windows(name, rank))
    dilation = dilation if dilated else (1,) * rank
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    least = [d * (k - 1) + 1 - 2 * p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    x = draw(
        tensor((*lead(draw), *images(draw, least, 20)), draw(few(name, FLOATS)), special=dilated)
    )
    step = None if draw(st.integers(0, 3)) == 0 else as_setting(draw, stride)
    return x, as_setting(draw, kernel), step, as_setting(draw, padding), dilation


@calls("max_pool1d", "max_pool2d")
def max_pool(draw, name):
    x, kernel, stride, padding, dilation = sliding(draw, name, True)
    more = kwargs(draw, ceil_mode=st.booleans(), return_indices=st.booleans())
    return sample(name, x, kernel, stride, padding, dilation, **more)


@calls("avg_pool1d", "avg_pool2d")
def avg_pool(draw, name):
    x, kernel, stride, padding, _ = sliding(draw, name, False)
    more = kwargs(draw, ceil_mode=st.booleans(), count_include_pad=st.booleans())
    if name == "avg_pool2d":
        more |= kwargs(draw, divisor_override=st.sampled_from([1, 3, -2]))
    return sample(name, x, kernel, stride, padding, **more)


@calls("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d")
def adaptive(draw, name):
    rank = int(name[-2])
    x = draw(
        tensor(
            (*lead(draw), *images(draw, [1] * rank, 20)),
            draw(few(name, FLOATS)),
            special="max" in name,
        )
    )
    size = tuple(draw(st.one_of(st.integers(1, 4), st.sampled_from([7, 16, 1]))) for _ in range(rank))  # fmt: skip
    if rank == 2 and draw(st.integers(0, 4)) == 0:
        size = (None, size[1])
    more = kwargs(draw, return_indices=st.booleans()) if "max" in name else {}
    return sample(name, x, size[0] if rank == 1 else size, **more)
