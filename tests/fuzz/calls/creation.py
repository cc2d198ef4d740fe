"""Calls of clnn.ops.creation and clnn.ops.random."""

from fuzz.draw import FLOATS, KINDS, calls, few, kwargs, number, sample, shapes, st, tensor


@calls("clone", "zeros_like", "ones_like", "empty_like")
def like(draw, name):
    x = draw(tensor(draw(shapes()), draw(few(name, KINDS)), special=True))
    return sample(name, x, **({} if name == "clone" else kwargs(draw, dtype=st.sampled_from(KINDS))))  # fmt: skip


@calls("full_like")
def full_like(draw, name):
    dtype = draw(few(name, KINDS))
    return sample(name, draw(tensor(draw(shapes()), dtype)), draw(number(dtype)))


@calls("rand_like", "randn_like")
def random_like(draw, name):
    return sample(name, draw(tensor(draw(shapes()), draw(few(name, FLOATS)))))


@calls("dropout", "dropout1d", "dropout2d")
def dropout(draw, name):
    rank = {"dropout": (0, 4), "dropout1d": (2, 3), "dropout2d": (4, 4)}[name]
    x = draw(tensor(draw(shapes(rank)), draw(few(name, FLOATS))))
    return sample(name, x, draw(st.sampled_from([0.5, 0.0, 1.0, 0.1])), **kwargs(draw, training=st.booleans()))  # fmt: skip
