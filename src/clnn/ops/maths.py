"""Exponentials, logarithms, roots, angles and rounding: floating functions of one number."""

from __future__ import annotations

from ..autograd import T, apply
from ..errors import DTypeError, SettingError
from .elementwise import div, mul
from .rules import unary


def exp(input: T) -> T:
    """e to the power of input."""
    return apply(EXP, input)


def expm1(input: T) -> T:
    """exp(input) - 1, accurate near 0."""
    return apply(EXPM1, input)


def log(input: T) -> T:
    """Natural logarithm; NaN below 0, -inf at 0."""
    return apply(LOG, input)


def log1p(input: T) -> T:
    """log(1 + input), accurate near 0."""
    return apply(LOG1P, input)


def log2(input: T) -> T:
    """Logarithm to the base 2."""
    return apply(LOG2, input)


def log10(input: T) -> T:
    """Logarithm to the base 10."""
    return apply(LOG10, input)


def sqrt(input: T) -> T:
    """Square root; NaN below 0."""
    return apply(SQRT, input)


def rsqrt(input: T) -> T:
    """1 / sqrt(input)."""
    return apply(RSQRT, input)


def reciprocal(input: T) -> T:
    """1 / input."""
    return apply(RECIPROCAL, input)


def sin(input: T) -> T:
    """Sine of an angle in radians."""
    return apply(SIN, input)


def cos(input: T) -> T:
    """Cosine of an angle in radians."""
    return apply(COS, input)


def tan(input: T) -> T:
    """Tangent of an angle in radians."""
    return apply(TAN, input)


def erf(input: T) -> T:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to input."""
    return apply(ERF, input)


def sign(input: T) -> T:
    """-1, 0 or 1; gradient 0."""
    return apply(SIGN, input)


def floor(input: T) -> T:
    """The largest integer not above input; gradient 0."""
    return apply(FLOOR, input)


def ceil(input: T) -> T:
    """The smallest integer not below input; gradient 0."""
    return apply(CEIL, input)


def round(input: T, *, decimals: int = 0) -> T:
    """The nearest integer, halves to the even one; gradient 0. To `decimals` places if there are any."""
    if not isinstance(decimals, int):
        raise DTypeError(f"round: expected decimals to be an int, got {decimals!r}")
    if not -300 <= decimals <= 300:
        raise SettingError(f"round: expected decimals in [-300, 300], got {decimals}")
    if not decimals:
        return apply(ROUND, input)
    scale = 10.0**-decimals if decimals < 0 else 10.0**decimals
    to, back = (div, mul) if decimals < 0 else (mul, div)
    return back(apply(ROUND, to(input, scale)), scale)


EXP = unary("exp", "y")
EXPM1 = unary("expm1", "y")
LOG = unary("log")
LOG1P = unary("log1p")
LOG2 = unary("log2")
LOG10 = unary("log10")
SQRT = unary("sqrt", "y")
RSQRT = unary("rsqrt", "y")
RECIPROCAL = unary("reciprocal", "y")
SIN = unary("sin")
COS = unary("cos")
TAN = unary("tan", "y")
ERF = unary("erf")
SIGN = unary("sign", None, logical=True)
FLOOR = unary("floor", None)
CEIL = unary("ceil", None)
ROUND = unary("round", None)
