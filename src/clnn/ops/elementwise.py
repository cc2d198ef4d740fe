"""Elementwise arithmetic, comparison, logic and choice, with broadcasting and torch's dtype promotion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ..autograd import T, Variable, apply
from ..dtypes import DType, Number, bool_, float32, result_type
from ..dtypes import dtype as as_dtype
from ..errors import DTypeError, SettingError
from ..op import OPS, Op
from ..shapes import Shape, Spec, broadcast

Operand: TypeAlias = (
    T | Number
)  # what a binary op takes on either side, as long as one side is a Tensor


def unbroadcast(g: Any, x: Variable) -> Any:
    """The adjoint of broadcasting and promoting `x` to g: sum down to its shape, cast to its dtype."""
    if g.shape != x.shape:
        g = apply(OPS["sum_to"], g, shape=x.shape)
    return g if g.dtype == x.dtype else apply(CAST, g, dtype=x.dtype)


# --- declaring ----------------------------------------------------------------------------------


def _promoted(name: str, *, floating: bool = False, to: DType | None = None) -> Callable[..., Spec]:
    """Shape rule: broadcast; dtype rule: `to`, else promotion, integers to float32 if `floating`."""

    def infer(*xs: Spec, **_: Any) -> Spec:
        first = xs[0]
        if type(first) is Spec and (len(xs) == 1 or all([x == first for x in xs])):
            shape, kind = first  # the common case, kept short: this runs on every op
        else:
            shape = broadcast(name, *[x.shape for x in xs])
            kind = result_type((x.dtype, x.rank) for x in xs)
        if to is not None:
            kind = to
        elif floating and kind.category < 2:
            kind = float32
        return Spec(shape, kind)

    return infer


def _like_first(g: Spec, *_: Spec, **__: Any) -> Spec:
    return g


def unary(name: str, saves: str | None = "x", *, floating: bool = True) -> Op:
    """Declare `name` and, if it saves "x" (its input) or "y" (its output), the gradient op `name`_grad(g, saved).

    Settings of the op are passed on to its gradient. Without `saves` the gradient is zero.
    """
    if saves is None:
        return Op(name, _promoted(name), lambda g, outs, x, *, needs, **_: (mul(g, 0.0),))
    grad = Op(f"{name}_grad", _like_first)

    def vjp(g: Any, outs: Any, x: Any, *, needs: Any, **settings: Any) -> Any:
        return (apply(grad, g, x if saves == "x" else outs[0], **settings),)

    return Op(name, _promoted(name, floating=floating), vjp)


def _compare(name: str) -> Op:
    return Op(name, _promoted(name, to=bool_))


def _binary_vjp(da: Callable[..., Any], db: Callable[..., Any]) -> Callable[..., Any]:
    """Gradient rule of a broadcasting binary op from the two partial derivatives times g."""

    def vjp(g: Any, outs: Any, a: Any, b: Any, *, needs: Any) -> Any:
        return (
            unbroadcast(da(g, a, b), a) if needs[0] else None,
            unbroadcast(db(g, a, b), b) if needs[1] else None,
        )

    return vjp


# --- arithmetic ---------------------------------------------------------------------------------


def add(input: Operand[T], other: Operand[T], *, alpha: Number = 1) -> T:
    """input + alpha * other, broadcasting."""
    return apply(ADD, input, other if alpha == 1 else mul(other, alpha))


def sub(input: Operand[T], other: Operand[T], *, alpha: Number = 1) -> T:
    """input - alpha * other, broadcasting."""
    return apply(SUB, input, other if alpha == 1 else mul(other, alpha))


def mul(input: Operand[T], other: Operand[T]) -> T:
    """input * other, broadcasting."""
    return apply(MUL, input, other)


def div(input: Operand[T], other: Operand[T], *, rounding_mode: str | None = None) -> T:
    """input / other, broadcasting; integers give float32 unless rounding_mode is "floor"."""
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode is not None:
        raise SettingError(f"div: expected rounding_mode None or 'floor', got {rounding_mode!r}")
    return apply(DIV, input, other)


def floor_divide(input: Operand[T], other: Operand[T]) -> T:
    """The largest integer not above input / other; an integer divided by 0 gives 0."""
    return apply(FLOOR_DIVIDE, input, other)


def remainder(input: Operand[T], other: Operand[T]) -> T:
    """input - floor(input / other) * other: the sign is other's, as Python's %."""
    return apply(REMAINDER, input, other)


def pow(input: Operand[T], exponent: Operand[T]) -> T:
    """input to the power of exponent, broadcasting; a plain 2 is a product."""
    if type(exponent) in (int, float) and exponent == 2 and isinstance(input, Variable):
        return mul(input, input)
    return apply(POW, input, exponent)


def maximum(input: Operand[T], other: Operand[T]) -> T:
    """The larger of both; NaN if either is NaN. Ties share the gradient."""
    return apply(MAXIMUM, input, other)


def minimum(input: Operand[T], other: Operand[T]) -> T:
    """The smaller of both; NaN if either is NaN. Ties share the gradient."""
    return apply(MINIMUM, input, other)


def neg(input: T) -> T:
    """-input."""
    return apply(NEG, input)


def abs(input: T) -> T:
    """The distance from zero; gradient 0 at 0."""
    return apply(ABS, input)


def square(input: T) -> T:
    """input * input."""
    return mul(input, input)


def _scaled(scale: float) -> Callable[..., Any]:
    return lambda g, a, b: g if scale == 1 else neg(g)


ADD = Op("add", _promoted("add"), _binary_vjp(_scaled(1), _scaled(1)))
SUB = Op("sub", _promoted("sub"), _binary_vjp(_scaled(1), _scaled(-1)))
MUL = Op("mul", _promoted("mul"), _binary_vjp(lambda g, a, b: mul(g, b), lambda g, a, b: mul(g, a)))
DIV_GRAD = Op("div_grad", _promoted("div_grad"))
DIV = Op("div", _promoted("div", floating=True),
         _binary_vjp(lambda g, a, b: div(g, b), lambda g, a, b: apply(DIV_GRAD, g, a, b)))  # fmt: skip
FLOOR_DIVIDE = Op("floor_divide", _promoted("floor_divide"))
REMAINDER = Op("remainder", _promoted("remainder"),
               _binary_vjp(lambda g, a, b: g, lambda g, a, b: neg(mul(g, floor_divide(a, b)))))  # fmt: skip
POW_BASE_GRAD = Op("pow_base_grad", _promoted("pow_base_grad"))
POW_EXPONENT_GRAD = Op("pow_exponent_grad", _promoted("pow_exponent_grad"))
POW = Op("pow", _promoted("pow"), _binary_vjp(
    lambda g, a, b: apply(POW_BASE_GRAD, g, a, b), lambda g, a, b: apply(POW_EXPONENT_GRAD, g, a, b)))  # fmt: skip
MAXIMUM_GRAD = Op("maximum_grad", _promoted("maximum_grad"))
MAXIMUM = Op("maximum", _promoted("maximum"), _binary_vjp(
    lambda g, a, b: apply(MAXIMUM_GRAD, g, a, b), lambda g, a, b: apply(MAXIMUM_GRAD, g, b, a)))  # fmt: skip
MINIMUM = Op("minimum", _promoted("minimum"), _binary_vjp(
    lambda g, a, b: apply(MAXIMUM_GRAD, g, b, a), lambda g, a, b: apply(MAXIMUM_GRAD, g, a, b)))  # fmt: skip
NEG = Op("neg", _promoted("neg"), lambda g, outs, x, *, needs: (neg(g),))
ABS = unary("abs", floating=False)


# --- functions of one number --------------------------------------------------------------------


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


def round(input: T) -> T:
    """The nearest integer, halves to the even one; gradient 0."""
    return apply(ROUND, input)


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
SIGN = unary("sign", None)
FLOOR = unary("floor", None)
CEIL = unary("ceil", None)
ROUND = unary("round", None)


# --- comparison and logic -----------------------------------------------------------------------


def eq(input: Operand[T], other: Operand[T]) -> T:
    """input == other, as bool."""
    return apply(EQ, input, other)


def ne(input: Operand[T], other: Operand[T]) -> T:
    """input != other, as bool."""
    return apply(NE, input, other)


def lt(input: Operand[T], other: Operand[T]) -> T:
    """input < other, as bool."""
    return apply(LT, input, other)


def le(input: Operand[T], other: Operand[T]) -> T:
    """input <= other, as bool."""
    return apply(LE, input, other)


def gt(input: Operand[T], other: Operand[T]) -> T:
    """input > other, as bool."""
    return apply(GT, input, other)


def ge(input: Operand[T], other: Operand[T]) -> T:
    """input >= other, as bool."""
    return apply(GE, input, other)


def logical_and(input: Operand[T], other: Operand[T]) -> T:
    """Whether both are non-zero."""
    return apply(LOGICAL_AND, input, other)


def logical_or(input: Operand[T], other: Operand[T]) -> T:
    """Whether either is non-zero."""
    return apply(LOGICAL_OR, input, other)


def logical_xor(input: Operand[T], other: Operand[T]) -> T:
    """Whether exactly one is non-zero."""
    return apply(LOGICAL_XOR, input, other)


def logical_not(input: T) -> T:
    """Whether input is zero."""
    return apply(LOGICAL_NOT, input)


def isnan(input: T) -> T:
    """Whether input is NaN."""
    return apply(ISNAN, input)


def isinf(input: T) -> T:
    """Whether input is plus or minus infinity."""
    return apply(ISINF, input)


def isfinite(input: T) -> T:
    """Whether input is neither infinite nor NaN."""
    return apply(ISFINITE, input)


EQ, NE, LT, LE, GT, GE = (_compare(n) for n in ("eq", "ne", "lt", "le", "gt", "ge"))
LOGICAL_AND, LOGICAL_OR, LOGICAL_XOR = (_compare(f"logical_{n}") for n in ("and", "or", "xor"))
LOGICAL_NOT = _compare("logical_not")
ISNAN, ISINF, ISFINITE = (_compare(n) for n in ("isnan", "isinf", "isfinite"))


# --- choice and conversion ----------------------------------------------------------------------


def where(condition: T, input: Operand[T], other: Operand[T]) -> T:
    """input where condition holds, else other; all three broadcast. condition must be bool."""
    return apply(WHERE, condition, input, other)


def masked_fill(input: T, mask: T, value: Number) -> T:
    """input with `value` wherever the bool `mask` holds; the dtype stays input's."""
    return cast(where(mask, value, input), input.dtype)


def clamp(input: T, min: Operand[T] | None = None, max: Operand[T] | None = None) -> T:
    """input limited to [min, max]; NaN stays NaN. At least one limit is needed; max wins over min."""
    if min is None and max is None:
        raise SettingError("clamp: expected min, max or both, got neither")
    if min is not None:
        input = apply(CLAMP_MIN, input, min)
    return input if max is None else apply(CLAMP_MAX, input, max)


def cast(input: T, dtype: Any) -> T:
    """input converted to `dtype`; floats are cut off toward zero to become integers."""
    kind = as_dtype(dtype)
    same = isinstance(input, Variable) and input.dtype == kind
    return input if same else apply(CAST, input, dtype=kind)


def _infer_where(condition: Spec, a: Spec, b: Spec) -> Spec:
    if condition.dtype is not bool_:
        raise DTypeError(f"where: expected a bool condition, got {condition.dtype}")
    shape: Shape = broadcast("where", condition.shape, a.shape, b.shape)
    return Spec(shape, result_type(((a.dtype, a.rank), (b.dtype, b.rank))))


def _where_vjp(g: Any, outs: Any, c: Any, a: Any, b: Any, *, needs: Any) -> Any:
    return (None, unbroadcast(where(c, g, 0.0), a) if needs[1] else None,
            unbroadcast(where(c, 0.0, g), b) if needs[2] else None)  # fmt: skip


def _cast_vjp(g: Any, outs: Any, x: Any, *, needs: Any, dtype: DType) -> Any:
    return (cast(g, x.dtype),)


WHERE = Op("where", _infer_where, _where_vjp)
CLAMP_MIN = Op("clamp_min", _promoted("clamp"), _binary_vjp(
    lambda g, a, b: where(ge(a, b), g, 0.0), lambda g, a, b: where(lt(a, b), g, 0.0)))  # fmt: skip
CLAMP_MAX = Op("clamp_max", _promoted("clamp"), _binary_vjp(
    lambda g, a, b: where(le(a, b), g, 0.0), lambda g, a, b: where(gt(a, b), g, 0.0)))  # fmt: skip
CAST = Op("cast", lambda x, *, dtype: Spec(x.shape, dtype), _cast_vjp)
