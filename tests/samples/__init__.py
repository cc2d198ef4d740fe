"""What every op is tested on. One module per ops family; SAMPLES lists calls, ERRORS lists bad calls."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np


@dataclass(frozen=True)
class T:
    """An operand to be made: `T(2, 3)` is float32 of shape (2, 3), drawn from N(0, 1) with a fixed seed.

    low, high: uniform numbers (integers for integer dtypes) instead. values: exactly these.
    grad: whether its gradient is compared (floating dtypes only).
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    low: float | None = None
    high: float | None = None
    values: Any = None
    grad: bool = True

    def __init__(self, *shape: int, dtype: str = "float32", low: float | None = None, high: float | None = None,
                 values: Any = None, grad: bool = True) -> None:  # fmt: skip
        put = object.__setattr__
        put(self, "shape", shape if values is None else np.shape(values))
        put(self, "dtype", dtype)
        put(self, "low", low)
        put(self, "high", high)
        put(self, "values", values)
        put(self, "grad", grad and dtype in ("float16", "bfloat16", "float32", "float64"))

    def make(self, rng: np.random.Generator) -> np.ndarray:
        import ml_dtypes  # noqa: F401  (registers "bfloat16")

        if self.values is not None:
            return np.asarray(self.values).astype(self.dtype)
        low, high = self.low, self.high
        if self.dtype == "bool":
            return rng.random(self.shape) < 0.5
        if self.dtype in ("int32", "int64", "uint8"):
            low = (0 if self.dtype == "uint8" else -9) if low is None else low
            return rng.integers(low, 9 if high is None else high, self.shape).astype(self.dtype)
        if low is None and high is None:
            return np.asarray(rng.standard_normal(self.shape)).astype(self.dtype)
        return np.asarray(rng.uniform(low or 0.0, high, self.shape)).astype(self.dtype)

    def __str__(self) -> str:
        size = "x".join(map(str, self.shape)) or "scalar"
        return size if self.dtype == "float32" else f"{size}:{self.dtype}"


@dataclass(frozen=True)
class Sample:
    """One call of a public op. The oracle is torch's function of that name unless one is given."""

    fn: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    oracle: Callable[..., Any] | str | None = None
    rtol: float | None = None
    atol: float | None = None
    numeric_grad: bool = (
        True  # finite differences on the reference (off where the function has kinks)
    )
    family: str = ""

    def __str__(self) -> str:
        parts = [str(a) for a in self.args] + [f"{k}={v}" for k, v in self.kwargs.items()]
        return f"{self.fn}({','.join(parts)})".replace(" ", "")


@dataclass(frozen=True)
class BadSample(Sample):
    """A call that must raise `error` with a message matching `match`, the same on every device."""

    error: type[Exception] = Exception
    match: str = ""


def sample(fn: str, *args: Any, oracle: Any = None, rtol: float | None = None, atol: float | None = None,
           numeric_grad: bool = True, **kwargs: Any) -> Sample:  # fmt: skip
    """A Sample of `clnn.ops.<fn>(*args, **kwargs)`; T operands (also inside lists) become tensors."""
    return Sample(fn, args, kwargs, oracle, rtol, atol, numeric_grad)


def bad(fn: str, *args: Any, error: type[Exception], match: str, **kwargs: Any) -> BadSample:
    """A BadSample of `clnn.ops.<fn>(*args, **kwargs)`."""
    return BadSample(fn, args, kwargs, error=error, match=match)


def gather(kind: str) -> list[Any]:
    """All samples of a kind, each with the name of the family (module) it came from."""
    out = []
    for m in iter_modules(__path__):
        for s in vars(import_module(f"{__name__}.{m.name}")).get(kind, []):
            object.__setattr__(s, "family", m.name)
            out.append(s)
    return out
