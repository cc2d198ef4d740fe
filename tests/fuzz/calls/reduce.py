"""Calls of clnn.ops.reduce and clnn.ops.scan."""

from math import inf

from fuzz.draw import (
    FLOATS,
    INTS,
    KINDS,
    NUMBERS,
    axes,
    axis,
    calls,
    few,
    kwargs,
    maybe,
    sample,
    shapes,
    st,
    tensor,
)  # fmt: skip

SMALL_VALUES = (1.0, -1.0, 2.0, 0.5, 0.0, -0.5)


@calls("sum")
def total(draw, name):
    dtype = draw(few(name, KINDS, 3))
    x = draw(tensor(draw(shapes()), dtype))
    out = kwargs(draw, keepdim=st.booleans(), dtype=st.sampled_from(("float32", "float64")))
    return sample(name, x, draw(axes(len(x.shape))), **out)


@calls("mean", "var", "std", "var_mean", "std_mean", "logsumexp")
def statistics(draw, name):
    x = draw(tensor(draw(shapes()), draw(few(name, FLOATS))))
    more = {} if name in ("mean", "logsumexp") else kwargs(draw, correction=st.sampled_from([0, 1, 2, 0.5]))  # fmt: skip
    dims = draw(axes(len(x.shape)))
    if name == "logsumexp" and dims is None:  # torch takes none there
        dims = tuple(range(len(x.shape)))
    return sample(name, x, dims, **more, **kwargs(draw, keepdim=st.booleans()))


@calls("prod")
def prod(draw, name):
    dtype = draw(few(name, NUMBERS))
    x = draw(tensor(draw(shapes(most=200)), dtype, values=SMALL_VALUES if dtype in FLOATS else (1, 2, 0)))  # fmt: skip
    dim = draw(maybe(axis(len(x.shape))))
    return sample(name, x, *([] if dim is None else [dim]), **({} if dim is None else kwargs(draw, keepdim=st.booleans())))  # fmt: skip


@calls("amax", "amin")
def extreme(draw, name):
    x = draw(tensor(draw(shapes()), draw(few(name, KINDS)), special=True))
    dims = draw(axes(len(x.shape)))
    return sample(name, x, () if dims is None else dims, **kwargs(draw, keepdim=st.booleans()))


@calls("max", "min")
def extreme_and_place(draw, name):
    x = draw(tensor(draw(shapes()), draw(few(name, KINDS)), special=True))
    dim = draw(maybe(axis(len(x.shape))))
    return sample(name, x) if dim is None else sample(name, x, dim, **kwargs(draw, keepdim=st.booleans()))  # fmt: skip


@calls("argmax", "argmin")
def place(draw, name):
    x = draw(tensor(draw(shapes()), draw(few(name, NUMBERS)), special=True))
    return sample(name, x, draw(maybe(axis(len(x.shape)))), **kwargs(draw, keepdim=st.booleans()))


@calls("any", "all")
def logic(draw, name):
    x = draw(tensor(draw(shapes()), draw(few(name, KINDS)), special=True))
    dims = draw(axes(len(x.shape)))
    return sample(name, x) if dims is None else sample(name, x, dims, **kwargs(draw, keepdim=st.booleans()))  # fmt: skip


@calls("norm")
def norm(draw, name):
    x = draw(tensor(draw(shapes()), draw(few(name, FLOATS))))
    p = draw(st.sampled_from(["fro", 2, 1, 3, 0, 0.5, inf, -inf, -1]))
    return sample(name, x, p, draw(axes(len(x.shape))), **kwargs(draw, keepdim=st.booleans()))


@calls("cumsum")
def cumsum(draw, name):
    x = draw(tensor(draw(shapes()), draw(few(name, (*FLOATS, *INTS, "bool")))))
    return sample(name, x, draw(axis(len(x.shape))))
