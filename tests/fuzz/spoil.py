"""Bad calls, made of good ones: one thing is made wrong."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

from hypothesis import strategies as st

from fuzz.draw import FLOATS, KINDS
from samples import Sample, T

NUMBERS = (
    -1,
    0,
    1,
    2,
    -2,
    3,
    5,
    100,
    -100,
    2**31,
    2**40,
    -(2**63),
    10**30,
    0.5,
    -0.5,
    nan,
    inf,
    1e30,
)
OTHERS = (
    None,
    True,
    "x",
    "mean",
    (),
    (1,),
    (1, 2),
    (1, 2, 3),
    (0, 0),
    (-1, 2),
    [1],
    [],
    (1.5, 2),
    ("a",),
    object,
    {},
    b"a",
)


@st.composite
def spoil(draw: Any, good: Sample) -> tuple[Sample, str]:
    """The sample with one argument changed, and what was done."""
    places = [("args", k) for k in range(len(good.args))] + [("kwargs", k) for k in good.kwargs]
    where, key = draw(st.sampled_from(places))
    old = good.args[key] if where == "args" else good.kwargs[key]
    what, new = draw(spoiled(old))
    if where == "args":
        made = replace(good, args=(*good.args[:key], new, *good.args[key + 1 :]))
    else:
        made = replace(good, kwargs={**good.kwargs, key: new})
    return made, f"argument {key}: {what}"


@st.composite
def spoiled(draw: Any, old: Any) -> tuple[str, Any]:
    """What was done, and another value than `old`."""
    if isinstance(old, T):
        return draw(st.one_of(other_shape(old), other_dtype(old), st.sampled_from([("no tensor", v) for v in (None, 2.0, "x", [1.0, 2.0])])))  # fmt: skip
    if isinstance(old, (list, tuple)) and old and draw(st.booleans()):
        at = draw(st.integers(0, len(old) - 1))
        what, new = draw(spoiled(old[at]))
        return f"item {at}: {what}", type(old)([*old[:at], new, *old[at + 1 :]])
    return "another value", draw(st.one_of(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS), st.sampled_from(OTHERS)))  # fmt: skip


@st.composite
def other_shape(draw: Any, t: T) -> tuple[str, T]:
    """An operand of another shape."""
    shape = list(t.shape)
    how = draw(st.integers(0, 3))
    if how == 0 and shape:
        del shape[draw(st.integers(0, len(shape) - 1))]
    elif how == 1 or not shape:
        shape.insert(draw(st.integers(0, len(shape))), draw(st.integers(0, 3)))
    elif how == 2:
        at = draw(st.integers(0, len(shape) - 1))
        shape[at] += draw(st.sampled_from([1, -1, 2])) if shape[at] else 1
    else:
        shape[draw(st.integers(0, len(shape) - 1))] = 0
    low, high = (0, 2) if t.values is not None and t.dtype not in ("float32",) else (t.low, t.high)
    return f"shape {tuple(shape)}", T(
        *[max(n, 0) for n in shape], dtype=t.dtype, low=low, high=high, grad=t.grad
    )


@st.composite
def other_dtype(draw: Any, t: T) -> tuple[str, T]:
    """An operand of another dtype."""
    dtype = draw(st.sampled_from(KINDS))
    low, high = (t.low, t.high) if t.low is not None and dtype in FLOATS else (0, 2)
    return f"dtype {dtype}", T(*t.shape, dtype=dtype, low=low, high=high, grad=t.grad)
