"""What the strategies of calls/ are made of: shapes, operands, and choices that compile little."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import inf, nan, prod
from pkgutil import iter_modules
from typing import Any

from hypothesis import strategies as st

from samples import Sample, T, sample

FLOATS = ("float32", "float16", "bfloat16", "float64")
INTS = ("int64", "int32", "uint8")
NUMBERS = (*FLOATS, *INTS)
KINDS = (*NUMBERS, "bool")
MOST = 20_000  # elements of an operand
LISTED = 24  # elements of an operand whose values are drawn one by one

# Values that find wrong branches. No float32 denormals: a device may take them for zero (docs/numerics.md).
PLAIN = (0.0, 1.0, -1.0, 2.0, 0.5, -0.5, 3.0, -2.0, 0.25, 1.5, -3.0)
SPECIAL = (0.0, 1.0, -1.0, nan, inf, -inf, -0.0, 0.5, -2.5, 6.0, 3.0, 100.0, -1e4, 1e-3)
WHOLE = {"bool": (0, 1), "uint8": (0, 1, 2, 3, 7, 200, 255), "int32": (0, 1, -1, 2, -3, 7, 100, -(2**31), 2**31 - 1),
         "int64": (0, 1, -1, 2, -3, 7, 100, 2**40)}  # fmt: skip
SIZES = (7, 8, 15, 16, 17, 31, 33, 64, 65, 100, 130)


class _Epoch:
    seed = 0


def epoch(seed: int) -> None:
    """Draw again which few values `few` offers."""
    _Epoch.seed = seed


def few(name: str, options: Sequence[Any], k: int = 2) -> st.SearchStrategy[Any]:
    """`k` of the options until the next epoch: for what is compiled into a kernel."""
    if len(options) <= k:
        return st.sampled_from(options)
    chosen = random.Random(f"{_Epoch.seed} {name}").sample(range(len(options)), k)
    return st.sampled_from([options[i] for i in sorted(chosen)])


def sizes(low: int = 0, high: int = 5) -> st.SearchStrategy[int]:
    """Mostly small, now and then longer than a vector or a work-group."""
    small = st.integers(low, high)
    return st.one_of(small, small, small, st.sampled_from(SIZES))


@st.composite
def shapes(draw: Any, rank: tuple[int, int] = (0, 4), low: int = 0, most: int = MOST) -> tuple[int, ...]:  # fmt: skip
    """A shape of at most `most` elements, of few ranks: these are compiled in."""
    axes = draw(few(f"ranks {rank}", range(rank[0], rank[1] + 1)))
    return cut([draw(sizes(low)) for _ in range(axes)], most)


def cut(shape: Iterable[int], most: int = MOST) -> tuple[int, ...]:
    """The shape with its largest sizes made 3 until it is small enough."""
    out = list(shape)
    while prod(n or 1 for n in out) > most:
        out[out.index(max(out))] = 3
    return tuple(out)


@st.composite
def broadcastable(draw: Any, count: int = 2, low: int = 0) -> list[tuple[int, ...]]:
    """Shapes that broadcast together: one full shape with axes dropped or set to 1."""
    full = draw(shapes(low=low))
    out = []
    for _ in range(count):
        kept = [1 if draw(st.integers(0, 3)) == 0 else n for n in full]
        out.append(tuple(kept[draw(st.integers(0, len(full))) if draw(st.booleans()) else 0 :]))
    return out


@st.composite
def tensor(
    draw: Any, shape: Sequence[int], dtype: str = "float32", special: bool = False, low: float | None = None,
    high: float | None = None, grad: bool = True, values: Sequence[Any] | None = None,
) -> T:  # fmt: skip
    """An operand: random numbers, in [low, high) if given, or for a small one numbers of a list."""
    one_by_one = draw(
        st.booleans()
    )  # drawn in any case, so that a large operand can shrink to a small one
    size = prod(shape)
    listed = 0 < size <= LISTED and (values is not None or (low is None and one_by_one))
    if not listed:
        if values is not None:
            low, high = min(values), max(values) + (dtype not in FLOATS)
        return T(*shape, dtype=dtype, low=low, high=high, grad=grad)
    if values is None:
        values = WHOLE.get(dtype, SPECIAL if special else PLAIN)
    flat = draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))
    return T(values=nested(flat, shape), dtype=dtype, grad=grad)


def nested(flat: list[Any], shape: Sequence[int]) -> Any:
    """A list of numbers as nested lists of a shape."""
    if not shape:
        return flat[0]
    step = len(flat) // shape[0]
    return [nested(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


def axis(rank: int) -> st.SearchStrategy[int]:
    """An axis of that many, from either end."""
    return st.integers(-max(rank, 1), max(rank, 1) - 1)


@st.composite
def axes(draw: Any, rank: int) -> Any:
    """None, an axis, or a tuple of axes."""
    how = draw(st.integers(0, 2))
    if how == 0:
        return None
    if how == 1 or not rank:
        return draw(axis(rank))
    picked = draw(st.lists(st.integers(0, rank - 1), unique=True, min_size=1))
    return tuple(a - rank if draw(st.booleans()) else a for a in picked)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """None or something."""
    return st.one_of(st.none(), strategy)


def number(dtype: str = "float32") -> st.SearchStrategy[Any]:
    """A Python number that an operand of that dtype can meet."""
    whole = st.integers(0 if dtype in ("uint8", "bool") else -3, 3)
    return st.one_of(whole, st.sampled_from(PLAIN)) if dtype in FLOATS else whole


def kwargs(draw: Any, **options: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Some of the keyword arguments."""
    return {name: draw(s) for name, s in options.items() if draw(st.booleans())}


# --- one strategy per op -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calls:
    """How calls of an op are drawn, the family they belong to, and how its results are compared with torch's."""

    family: str
    draws: Callable[[], st.SearchStrategy[Sample]]


STRATEGIES: dict[str, Calls] = {}


def calls(*names: str) -> Callable[[Any], Any]:
    """Register fn(draw, name) -> Sample as the strategy of each named op, in the family of its module."""

    def mark(fn: Any) -> Any:
        family = fn.__module__.rpartition(".")[2]
        for name in names:
            if name in STRATEGIES:
                raise ValueError(f"{name} has two strategies")

            @st.composite
            def drawn(draw: Any, name: str = name) -> Sample:
                made = fn(draw, name)
                object.__setattr__(made, "family", family)
                return made

            STRATEGIES[name] = Calls(family, drawn)
        return fn

    return mark


def gather() -> dict[str, Calls]:
    """All strategies, by the name of the op."""
    package = import_module("fuzz.calls")
    for m in iter_modules(package.__path__):
        import_module(f"fuzz.calls.{m.name}")
    return STRATEGIES


# --- as text -----------------------------------------------------------------------------------------------


def as_code(value: Any) -> str:
    """Python that makes the value; nan and inf are math's."""
    if isinstance(value, Sample):
        parts = [as_code(value.fn), *map(as_code, value.args)]
        parts += [f"{k}={as_code(v)}" for k, v in value.kwargs.items()]
        return f"sample({', '.join(parts)})"
    if isinstance(value, T):
        parts = [f"values={as_code(value.values)}"] if value.values is not None else [*map(str, value.shape)]  # fmt: skip
        parts += [] if value.dtype == "float32" else [f'dtype="{value.dtype}"']
        parts += [f"{k}={v}" for k, v in (("low", value.low), ("high", value.high)) if v is not None]  # fmt: skip
        parts += ["grad=False"] if not value.grad and value.dtype in FLOATS else []
        return f"T({', '.join(parts)})"
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        inside = ", ".join(map(as_code, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' if len(value) == 1 else ''})"  # fmt: skip
    return f'"{value}"' if isinstance(value, str) else repr(value)


__all__ = [
    "FLOATS", "INTS", "KINDS", "NUMBERS", "PLAIN", "SPECIAL", "STRATEGIES", "T", "as_code", "axes", "axis",
    "broadcastable", "calls", "cut", "epoch", "few", "gather", "kwargs", "maybe", "nested", "number", "prod", "sample",
    "shapes", "sizes", "st", "tensor",
]  # fmt: skip
