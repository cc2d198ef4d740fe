"""Calls of clnn.ops.elementwise."""

from fuzz.draw import (
    FLOATS,
    INTS,
    KINDS,
    NUMBERS,
    broadcastable,
    calls,
    few,
    kwargs,
    number,
    sample,
    shapes,
    st,
    tensor,
)  # fmt: skip

POSITIVE = {"low": 0.1, "high": 4.0}


def one(draw, name, kinds, **how):
    dtype = draw(few(name, kinds, 3))
    return draw(tensor(draw(shapes()), dtype, special=True, **how))


@calls("exp", "expm1", "sin", "cos", "tan", "erf", "sqrt", "rsqrt", "log", "log1p", "log2", "log10", "reciprocal", "sign",
       "isnan", "isinf", "isfinite", "logical_not")  # fmt: skip
def unary(draw, name):
    return sample(name, one(draw, name, KINDS))


@calls("neg", "abs", "floor", "ceil", "square")
def of_numbers(draw, name):
    return sample(name, one(draw, name, NUMBERS))


@calls("round")
def round(draw, name):
    dtype = draw(few(name, NUMBERS, 3))
    x = draw(tensor(draw(shapes()), dtype, special=True))
    settings = {} if dtype not in ("float32", "float64") else kwargs(draw, decimals=st.integers(-2, 3))  # fmt: skip
    return sample(name, x, **settings)


def pair(draw, name, kinds, *, low=None, high=None, second=None, mixed=True):
    """Two tensors that broadcast, or a tensor and a number, in either order."""
    a, b = draw(broadcastable(2))
    first = draw(few(f"{name} a", kinds, 2))
    other = draw(few(f"{name} b", kinds, 2)) if mixed else first
    x = draw(tensor(a, first, special=low is None, low=low, high=high))
    how = {"low": low, "high": high, **(second or {})}
    if draw(st.integers(0, 3)) == 0:
        n = draw(number(first) if not how["low"] else st.sampled_from([1, 2, 3, 2.5][: 3 + (first in FLOATS)]))  # fmt: skip
        return x, n
    y = draw(tensor(b, other, special=how["low"] is None, low=how["low"], high=how["high"]))
    return x, y


@calls("add", "sub")
def with_alpha(draw, name):
    x, y = pair(draw, name, KINDS if name == "add" else NUMBERS)
    whole = all(getattr(v, "dtype", "int64") not in FLOATS for v in (x, y))
    of_bool = name == "add" and all(getattr(v, "dtype", "bool") == "bool" for v in (x, y))
    if of_bool or isinstance(y, (int, float)):
        return sample(name, x, y)
    return sample(name, x, y, **kwargs(draw, alpha=st.integers(0, 3) if whole else st.sampled_from([2, 0.5, -1])))  # fmt: skip


@calls("mul", "eq", "ne", "lt", "le", "gt", "ge", "maximum", "minimum")
def binary(draw, name):
    x, y = pair(draw, name, KINDS)
    if name in ("maximum", "minimum") and isinstance(y, (int, float)):
        y = draw(tensor((), "float32"))
    return sample(name, x, y)


@calls("logical_and", "logical_or", "logical_xor")
def logic(draw, name):
    a, b = draw(broadcastable(2))
    kinds = [draw(few(f"{name} {k}", KINDS, 2)) for k in "ab"]
    return sample(name, *[draw(tensor(s, k, special=True)) for s, k in zip((a, b), kinds, strict=True)])  # fmt: skip


@calls("div")
def div(draw, name):
    mode = draw(st.sampled_from([None, None, "floor", "trunc"]))
    kinds = FLOATS if mode is None else (*FLOATS[:1], *INTS[:2])
    x, y = pair(draw, name, kinds, second=POSITIVE if mode is None else {"low": 1, "high": 5}, mixed=mode is None)  # fmt: skip
    return sample(name, x, y, **({} if mode is None else {"rounding_mode": mode}))


@calls("floor_divide", "remainder")
def whole_division(draw, name):
    x, y = pair(draw, name, ("float32", "float64", *INTS), second={"low": 1, "high": 5}, mixed=False)  # fmt: skip
    return sample(name, x, y)


@calls("pow")
def pow(draw, name):
    if draw(st.booleans()):
        dtype = draw(few(name, NUMBERS, 3))
        x = draw(tensor(draw(shapes()), dtype))
        powers = [2, 3, 0, 1, 4] if dtype in INTS else [2, 3, 0, 1, 0.5, -1, -0.5, 2.5, -2]
        return sample(name, x, draw(st.sampled_from(powers)))
    x, y = pair(draw, name, FLOATS, **POSITIVE, second={"low": -2.0, "high": 2.0})
    return sample(name, x, y)


@calls("where")
def where(draw, name):
    c, a, b = draw(broadcastable(3))
    kinds = [draw(few(f"{name} {k}", KINDS, 2)) for k in "ab"]
    x, y = (draw(tensor(s, k, special=True)) for s, k in zip((a, b), kinds, strict=True))
    return sample(name, draw(tensor(c, "bool")), x, y)


@calls("masked_fill")
def masked_fill(draw, name):
    a, b = draw(broadcastable(2))
    dtype = draw(few(name, KINDS, 3))
    value = draw(number(dtype)) if draw(st.booleans()) else draw(tensor((), dtype))
    return sample(name, draw(tensor(a, dtype, special=True)), draw(tensor(b, "bool")), value)


@calls("clamp")
def clamp(draw, name):
    dtype = draw(few(name, NUMBERS, 3))
    if draw(st.booleans()):
        x = draw(tensor(draw(shapes()), dtype, special=True))
        low, high = draw(number(dtype)), draw(number(dtype))
        which = draw(st.integers(0, 2))
        return sample(name, x, None if which == 1 else low, None if which == 0 else high)
    shapes3 = draw(broadcastable(3))
    x, low, high = (draw(tensor(s, dtype)) for s in shapes3)
    which = draw(st.integers(0, 2))
    return sample(name, x, None if which == 1 else low, None if which == 0 else high)


@calls("cast")
def cast(draw, name):
    dtype, to = draw(few("cast from", KINDS, 3)), draw(few("cast to", KINDS, 3))
    high = 2 if dtype == "bool" else 100
    return sample(name, draw(tensor(draw(shapes()), dtype, low=0, high=high)), to)
