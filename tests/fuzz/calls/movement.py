"""Calls of clnn.ops.movement."""

from math import prod

from fuzz.draw import (
    FLOATS,
    KINDS,
    axis,
    calls,
    cut,
    few,
    kwargs,
    maybe,
    sample,
    shapes,
    sizes,
    st,
    tensor,
)


def any_tensor(draw, name, rank=(0, 4), low=0):
    return draw(tensor(draw(shapes(rank, low)), draw(few(name, KINDS))))


@st.composite
def factors(draw, size):
    """A shape of so many elements."""
    if not size:
        return tuple(draw(st.permutations([0, *draw(st.lists(st.integers(0, 4), max_size=3))])))
    out = []
    while size > 1 and len(out) < 4:
        n = draw(st.sampled_from([k for k in range(1, min(size, 50) + 1) if size % k == 0]))
        out.append(n)
        size //= n
    return (*out, size) if size > 1 or draw(st.booleans()) else tuple(out)


@calls("reshape", "view")
def reshape(draw, name):
    x = any_tensor(draw, name)
    to = list(draw(factors(prod(x.shape))))
    if to and prod(to) and draw(st.booleans()):
        to[draw(st.integers(0, len(to) - 1))] = -1
    return sample(name, x, tuple(to))


@calls("flatten")
def flatten(draw, name):
    x = any_tensor(draw, name)
    a, b = sorted(draw(st.integers(0, max(len(x.shape) - 1, 0))) for _ in "ab")
    return sample(name, x, a, b - draw(st.sampled_from([0, max(len(x.shape), 1)])))


@calls("squeeze")
def squeeze(draw, name):
    x = any_tensor(draw, name)
    rank = len(x.shape)
    dim = draw(st.one_of(st.none(), axis(rank), st.lists(st.integers(0, rank - 1), unique=True).map(tuple) if rank else st.none()))  # fmt: skip
    return sample(name, x) if dim is None else sample(name, x, dim)


@calls("unsqueeze")
def unsqueeze(draw, name):
    x = any_tensor(draw, name)
    return sample(name, x, draw(axis(len(x.shape) + 1)))


@calls("expand", "broadcast_to")
def expand(draw, name):
    to = draw(shapes())
    own = [1 if draw(st.booleans()) else n for n in to][draw(st.integers(0, len(to))) :]
    new = len(to) - len(own)
    size = [
        -1 if k >= new and name == "expand" and draw(st.integers(0, 3)) == 0 else n
        for k, n in enumerate(to)
    ]
    kept = [own[k - new] if n == -1 else to[k] for k, n in enumerate(size)]
    return sample(name, draw(tensor(own, draw(few(name, KINDS)))), tuple(n if n == -1 else m for n, m in zip(size, kept, strict=True)))  # fmt: skip


@calls("permute")
def permute(draw, name):
    x = any_tensor(draw, name, (0, 5))
    rank = len(x.shape)
    order = draw(st.permutations(range(rank)))
    return sample(name, x, tuple(d - rank if draw(st.booleans()) else d for d in order))


@calls("transpose", "swapaxes")
def transpose(draw, name):
    x = any_tensor(draw, name)
    return sample(name, x, draw(axis(len(x.shape))), draw(axis(len(x.shape))))


@calls("t")
def t(draw, name):
    return sample(name, any_tensor(draw, name, (0, 2)))


@calls("movedim")
def movedim(draw, name):
    x = any_tensor(draw, name, (1, 4))
    rank = len(x.shape)
    if draw(st.booleans()):
        return sample(name, x, draw(axis(rank)), draw(axis(rank)))
    n = draw(st.integers(0, rank))
    pair = [tuple(draw(st.permutations(range(rank)))[:n]) for _ in "ab"]
    return sample(name, x, *pair)


@calls("flip")
def flip(draw, name):
    x = any_tensor(draw, name)
    rank = len(x.shape)
    dims = draw(st.lists(st.integers(0, rank - 1), unique=True)) if rank else []
    return sample(name, x, tuple(d - rank if draw(st.booleans()) else d for d in dims))


@calls("roll")
def roll(draw, name):
    x = any_tensor(draw, name)
    rank, shift = len(x.shape), st.sampled_from([0, 1, -1, 3, 7, -100, 2**33])
    if not rank or draw(st.booleans()):
        return sample(name, x, draw(shift))
    dims = draw(st.lists(axis(rank), min_size=1, max_size=3))
    return sample(name, x, tuple(draw(shift) for _ in dims), tuple(dims))


@calls("tril", "triu")
def triangle(draw, name):
    x = any_tensor(draw, name, (2, 4))
    return sample(name, x, **kwargs(draw, diagonal=st.sampled_from([0, 1, -1, 2, -3, 100, -100])))


@calls("narrow")
def narrow(draw, name):
    x = any_tensor(draw, name, (1, 4))
    dim = draw(axis(len(x.shape)))
    n = x.shape[dim]
    start = draw(st.integers(0, n))
    length = draw(st.integers(0, n - start))
    return sample(name, x, dim, start - n if start < n and draw(st.booleans()) else start, length)


@calls("cat")
def cat(draw, name):
    shape = draw(shapes((1, 4)))
    dim = draw(axis(len(shape)))
    kinds = [draw(few(name, KINDS)) for _ in range(draw(st.integers(1, 4)))]
    xs = []
    for kind in kinds:
        own = list(shape)
        own[dim] = draw(sizes())
        skipped = draw(st.integers(0, 9)) == 0
        xs.append(draw(tensor((0,) if skipped else cut(own) if cut(own) == tuple(own) else shape, kind)))  # fmt: skip
    return sample(name, xs, dim)


__all__ = ["FLOATS", "any_tensor", "maybe"]
