"""Calls of clnn.ops.norm."""

from math import prod

from fuzz.draw import FLOATS, calls, few, kwargs, sample, shapes, st, tensor

EPS = st.sampled_from([1e-5, 1e-3, 0.1])


def affine(draw, shape, dtype):
    """weight and bias, or only one of them, or none."""
    there = draw(
        st.sampled_from([(True, True), (True, True), (True, False), (False, True), (False, False)])
    )
    kind = draw(st.sampled_from([dtype, "float32"])) if dtype in ("float16", "bfloat16") else dtype
    return [draw(tensor(shape, kind, low=-2.0, high=2.0)) if t else None for t in there]


def running(draw, c, dtype):
    """running_mean and running_var, or none."""
    if draw(st.booleans()):
        return None, None
    return tuple(
        draw(tensor((c,), dtype, low=low, high=high, grad=False))
        for low, high in ((-1.0, 1.0), (0.5, 2.0))
    )


def channelled(draw, rank=(2, 5), low=0):
    return draw(shapes(rank, low=low))


@calls("batch_norm")
def batch_norm(draw, name):
    shape, dtype = channelled(draw), draw(few(name, FLOATS))
    x = draw(tensor(shape, dtype, low=-3.0, high=3.0))
    means = running(draw, shape[1], dtype)
    training = means[0] is None or draw(st.booleans())
    more = kwargs(draw, eps=EPS, momentum=st.sampled_from([0.1, 0.0, 1.0]))
    return sample(name, x, *means, *affine(draw, (shape[1],), dtype), training, **more)


@calls("instance_norm")
def instance_norm(draw, name):
    shape, dtype = channelled(draw, (3, 5), low=1), draw(few(name, FLOATS))
    x = draw(tensor(shape, dtype, low=-3.0, high=3.0))
    means = running(draw, shape[1], dtype)
    own = means[0] is None or draw(st.booleans())
    return sample(name, x, *means, *affine(draw, (shape[1],), dtype), own, **kwargs(draw, eps=EPS))


@calls("group_norm")
def group_norm(draw, name):
    shape, dtype = list(channelled(draw, low=0)), draw(few(name, FLOATS))
    groups = draw(st.sampled_from([1, 2, 3, 4]))
    shape[1] = groups * draw(st.integers(1, 5))
    x = draw(tensor(shape, dtype, low=-3.0, high=3.0))
    return sample(name, x, groups, *affine(draw, (shape[1],), dtype), **kwargs(draw, eps=EPS))


@calls("layer_norm", "rms_norm")
def rows(draw, name):
    shape, dtype = draw(shapes((1, 4), low=0)), draw(few(name, FLOATS))
    own = shape[draw(st.integers(0, len(shape) - 1)) :]
    x = draw(tensor(shape, dtype, low=-3.0, high=3.0))
    params = affine(draw, own, dtype)
    return sample(
        name, x, own, *(params if name == "layer_norm" else params[:1]), **kwargs(draw, eps=EPS)
    )


@calls("local_response_norm")
def local_response_norm(draw, name):
    shape = draw(shapes((3, 4), low=1, most=4000))
    x = draw(tensor(shape, draw(few(name, FLOATS)), low=-3.0, high=3.0))
    more = kwargs(
        draw,
        alpha=st.sampled_from([1e-4, 0.5]),
        beta=st.sampled_from([0.75, 1.0]),
        k=st.sampled_from([1.0, 2.0]),
    )
    return sample(name, x, draw(st.integers(1, 6)), **more)


__all__ = ["prod"]
