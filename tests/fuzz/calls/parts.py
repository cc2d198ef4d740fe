"""Calls of clnn.ops.parts."""

from math import prod

from fuzz.calls.movement import any_tensor
from fuzz.draw import KINDS, axis, calls, few, sample, shapes, st, tensor


@calls("split")
def split(draw, name):
    x = any_tensor(draw, name, (1, 4))
    dim = draw(axis(len(x.shape)))
    n = x.shape[dim]
    if draw(st.booleans()):
        return sample(name, x, draw(st.integers(1, n + 2)), dim)
    parts = []
    while sum(parts) < n and len(parts) < 6:
        parts.append(draw(st.integers(0, n - sum(parts))))
    return sample(name, x, [*parts, n - sum(parts)], dim)


@calls("chunk")
def chunk(draw, name):
    x = any_tensor(draw, name, (1, 4))
    return sample(name, x, draw(st.integers(1, 9)), draw(axis(len(x.shape))))


@calls("unbind")
def unbind(draw, name):
    x = draw(tensor(draw(shapes((1, 4), most=500)), draw(few(name, KINDS))))
    return sample(name, x, draw(axis(len(x.shape))))


@calls("repeat", "tile")
def repeat(draw, name):
    x = draw(tensor(draw(shapes(most=300)), draw(few(name, KINDS))))
    least = len(x.shape) if name == "repeat" else 0
    counts = draw(st.lists(st.integers(0, 3), min_size=least, max_size=least + 2))
    return sample(name, x, tuple(counts))


@calls("stack")
def stack(draw, name):
    shape = draw(shapes(most=4000))
    xs = [draw(tensor(shape, draw(few(name, KINDS)))) for _ in range(draw(st.integers(1, 4)))]
    return sample(name, xs, draw(axis(len(shape) + 1)))


@calls("pad")
def pad(draw, name):
    if draw(st.booleans()):
        x = any_tensor(draw, name)
        count = draw(st.integers(0, len(x.shape)))
        around = [
            draw(st.integers(-1 if n else 0, 3))
            for n in reversed(x.shape[len(x.shape) - count :])
            for _ in "ab"
        ]
        around = [0 if min(a, b) < 0 and n + a + b < 0 else k for n, (a, b) in zip(reversed(x.shape[len(x.shape) - count :]), zip(around[::2], around[1::2], strict=True), strict=True) for k in (a, b)]  # fmt: skip
        value = (
            draw(st.sampled_from([None, 0, 1, 7]))
            if x.dtype != "bool"
            else draw(st.sampled_from([None, 0, 1]))
        )
        return sample(name, x, tuple(around), **({} if value is None else {"value": value}))
    count = draw(st.integers(1, 3))
    shape = draw(shapes((count + 1, count + 2), low=1, most=4000))
    mode = draw(st.sampled_from(["reflect", "replicate", "circular"]))
    around = []
    for n in reversed(shape[len(shape) - count :]):
        most = {"reflect": n - 1, "circular": n}.get(mode, 4)
        around += [draw(st.integers(-1 if n > 2 else 0, min(most, 4))) for _ in "ab"]
    kinds = ("float32", "float64", "float16", "bfloat16")
    return sample(name, draw(tensor(shape, draw(few(name, kinds)))), tuple(around), mode)


__all__ = ["prod"]
