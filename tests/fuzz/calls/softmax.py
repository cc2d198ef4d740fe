"""Calls of clnn.ops.softmax."""

from fuzz.draw import FLOATS, axis, calls, few, kwargs, sample, shapes, st, tensor


@calls("softmax", "log_softmax", "softmin")
def along(draw, name):
    x = draw(tensor(draw(shapes()), draw(few(name, FLOATS))))
    more = kwargs(draw, dtype=st.sampled_from(("float32", "float64")))
    return sample(name, x, draw(axis(len(x.shape))), **more)
