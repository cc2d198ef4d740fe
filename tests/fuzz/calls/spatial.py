"""Calls of clnn.ops.spatial; its windows are in conv.py."""

from fuzz.draw import FLOATS, KINDS, calls, few, sample, shapes, st, tensor


@calls("pixel_shuffle", "pixel_unshuffle")
def pixels(draw, name):
    shape, r = list(draw(shapes((3, 5), low=1, most=1500))), draw(st.integers(1, 3))
    if name == "pixel_shuffle":
        shape[-3] *= r * r
    else:
        shape[-2], shape[-1] = shape[-2] * r, shape[-1] * r
    return sample(name, draw(tensor(shape, draw(few(name, KINDS)))), r)


@calls("interpolate")
def interpolate(draw, name):
    rank = draw(st.integers(1, 2))
    shape = draw(shapes((rank + 2, rank + 2), low=1, most=3000))
    linear = draw(st.booleans())
    x = draw(tensor(shape, draw(few(name, FLOATS)), low=-1.0, high=1.0))
    more = {"mode": {1: "linear", 2: "bilinear"}[rank]} if linear else {}
    if linear:
        more["align_corners"] = draw(st.sampled_from([None, True, False]))
    if draw(st.booleans()):
        more["size"] = tuple(draw(st.integers(1, 20)) for _ in range(rank))
    else:
        more["scale_factor"] = draw(st.sampled_from([1, 2, 1.5, 3.0, 2.7]))
    return sample(name, x, **more)
