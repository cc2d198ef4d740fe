"""Calls of clnn.ops.indexing and clnn.ops.subscript."""

from fuzz.draw import (
    FLOATS,
    KINDS,
    axis,
    broadcastable,
    calls,
    few,
    maybe,
    nested,
    number,
    prod,
    sample,
    shapes,
    st,
    tensor,
)  # fmt: skip
from samples import T
from samples.indexing import add_part, get, last_wins, put, rows_of

WHERE = ("int64", "int32")


@st.composite
def index(draw, shape, n, dtype="int64", negative=False):
    """Indices into an axis of size n, which must not be empty unless the shape is."""
    low = -n if negative and n else 0
    if prod(shape) > 64 or not prod(shape):
        return T(*shape, dtype=dtype, low=low, high=max(n, 1))
    flat = draw(st.lists(st.integers(low, max(n - 1, 0)), min_size=prod(shape), max_size=prod(shape)))  # fmt: skip
    return T(values=nested(flat, shape), dtype=dtype)


def long(f):
    """torch's function, which takes int64 alone."""
    return lambda *args, **kw: f(
        *[a.long() if getattr(a, "dtype", None) == __import__("torch").int32 else a for a in args],
        **kw,
    )


@calls("index_select")
def index_select(draw, name):
    shape = draw(shapes((1, 4), low=1))
    dim = draw(axis(len(shape)))
    at = draw(index((draw(st.integers(0, 9)),), shape[dim], draw(few(name, WHERE))))
    return sample(name, draw(tensor(shape, draw(few(name, KINDS)))), dim, at)


@calls("index_add")
def index_add(draw, name):
    shape = draw(shapes((1, 4), low=1, most=3000))
    dim = draw(axis(len(shape)))
    n = draw(st.integers(0, 9))
    own = list(shape)
    own[dim] = n
    dtype = draw(few(name, (*FLOATS, "int64", "int32")))
    more = {"alpha": draw(st.sampled_from([1, 2]))}
    return sample(name, draw(tensor(shape, dtype)), dim, draw(index((n,), shape[dim], draw(few(name, WHERE)))),
                  draw(tensor(own, dtype)), **more)  # fmt: skip


@calls("embedding")
def embedding(draw, name):
    v, d = draw(st.integers(1, 40)), draw(st.sampled_from([1, 2, 3, 5, 16, 17, 64, 0]))
    at = draw(index(draw(shapes((0, 3), most=500)), v, draw(few(name, WHERE))))
    padding = draw(maybe(st.integers(-v, v - 1)))
    weight = draw(tensor((v, d), draw(few(name, FLOATS)), low=-1.0, high=1.0))
    return sample(name, at, weight, *([] if padding is None else [padding]))


@calls("one_hot")
def one_hot(draw, name):
    n = draw(st.integers(1, 20))
    at = draw(index(draw(shapes((0, 3), low=1, most=500)), n))
    return sample(name, at, *draw(st.sampled_from([(n,), (n + 3,), (-1,), ()])))


@calls("gather")
def gather(draw, name):
    shape = draw(shapes((1, 4), low=1, most=5000))
    dim = draw(axis(len(shape))) % len(shape)
    own = [draw(st.integers(0, 9)) if k == dim else draw(st.integers(min(n, 1), n)) for k, n in enumerate(shape)]  # fmt: skip
    x = draw(tensor(shape, draw(few(name, KINDS))))
    return sample(name, x, dim - draw(st.sampled_from([0, len(shape)])), draw(index(own, shape[dim], draw(few(name, WHERE)))))  # fmt: skip


@calls("take_along_dim")
def take_along_dim(draw, name):
    a, b = draw(broadcastable(2, low=1))
    rank = max(len(a), len(b), 1)
    a, b = ([1] * (rank - len(s)) + list(s) for s in (a, b))
    dim = draw(axis(rank))
    b[dim] = draw(st.integers(1, 5))
    x = draw(tensor(a, draw(few(name, KINDS))))
    if draw(st.integers(0, 3)) == 0:
        return sample(name, x, draw(index((draw(st.integers(0, 9)),), prod(a))))
    return sample(name, x, draw(index(b, a[dim])), dim)


def places(draw, name, distinct):
    """(input, dim, index, source): the index inside of the others."""
    shape = draw(shapes((1, 3), low=1, most=3000))
    dim = draw(axis(len(shape))) % len(shape)
    own = [draw(st.integers(0, 9 if k == dim else n)) for k, n in enumerate(shape)]
    src = [n + draw(st.integers(0, 2)) for n in own]
    dtype = draw(few(name, (*FLOATS, "int64", "int32") if not distinct else KINDS))
    return draw(tensor(shape, dtype)), dim, draw(index(own, shape[dim], draw(few(name, WHERE)))), src, dtype  # fmt: skip


@calls("scatter")
def scatter(draw, name):
    x, dim, at, src, dtype = places(draw, name, True)
    if draw(st.booleans()):
        return sample(name, x, dim, at, draw(number(dtype)))

    def oracle(x, dim, at, src):
        out = last_wins(x, dim, at.long(), src[tuple(slice(n) for n in at.shape)])
        return (
            out + 0 * src.sum() if src.requires_grad else out
        )  # it depends on src without an index too

    return sample(name, x, dim, at, draw(tensor(src, dtype)), oracle=oracle)


@calls("scatter_add")
def scatter_add(draw, name):
    x, dim, at, src, dtype = places(draw, name, False)
    return sample(name, x, dim, at, draw(tensor(src, dtype)), oracle=long(add_part))


# --- input[index] ------------------------------------------------------------------------------------------


@st.composite
def subscripts(draw, shape, tensors=True):
    """An index of a tensor of that shape."""
    items, left = [], list(shape)
    while left and draw(st.integers(0, 4)):
        n = left.pop(0)
        how = draw(st.integers(0, 6 if tensors else 3))
        if how == 0 and n:
            items.append(draw(st.integers(-n, n - 1)))
        elif how == 1:
            items.append(None)
            left.insert(0, n)
        elif how == 4 and n:
            items.append(draw(index(draw(st.sampled_from([(), (1,), (3,), (2, 1), (2, 3)])), n, draw(st.sampled_from(WHERE)), negative=True)))  # fmt: skip
        elif how == 5 and n < 20:
            items.append(draw(tensor((n,), "bool")))
        elif how == 6 and n:
            items.append(draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=3)))
        else:
            ends = maybe(st.integers(-n - 2, n + 2))
            items.append(slice(draw(ends), draw(ends), draw(maybe(st.integers(1, 3)))))
    if draw(st.integers(0, 4)) == 0:
        items.insert(draw(st.integers(0, len(items))) if not left else len(items), Ellipsis)
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


@calls("getitem")
def getitem(draw, name):
    shape = draw(shapes())
    return sample(name, draw(tensor(shape, draw(few(name, KINDS)))), draw(subscripts(shape)), oracle=get)  # fmt: skip


@calls("setitem")
def setitem(draw, name):
    shape, dtype = draw(shapes()), draw(few(name, KINDS))
    where = draw(subscripts(shape, tensors=False))
    value = draw(number(dtype)) if draw(st.booleans()) else draw(tensor((), dtype))
    return sample(name, draw(tensor(shape, dtype)), where, value, oracle=put)


@calls("masked_select")
def masked_select(draw, name):
    a, b = draw(broadcastable(2))
    return sample(name, draw(tensor(a, draw(few(name, KINDS)))), draw(tensor(b, "bool")))


__all__ = ["rows_of"]
