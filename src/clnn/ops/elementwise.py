"""Elementwise arithmetic, comparison, logic and choice, with broadcasting and torch's dtype promotion."""

from __future__ import annotations

from typing import Any, TypeAlias

from ..autograd import T, Variable, apply, python_number
from ..dtypes import DType, Number, bool_, result_type
from ..dtypes import dtype as as_dtype
from ..errors import DTypeError, SettingError, ShapeError
from ..op import OPS, Op
from ..shapes import Shape, Spec, broadcast
from .rules import as_number, binary_vjp, factor, operand, promoted, unary, unbroadcast

Operand: TypeAlias = (
    T | Number
)  # what a binary op takes on either side, as long as one side is a Tensor


# --- arithmetic ---------------------------------------------------------------------------------


def add(input: Operand[T], other: Operand[T], *, alpha: Number = 1) -> T:
    """input + alpha * other, broadcasting."""
    return apply(ADD, input, _times("add", input, other, alpha))


def sub(input: Operand[T], other: Operand[T], *, alpha: Number = 1) -> T:
    """input - alpha * other, broadcasting."""
    return apply(SUB, input, _times("sub", input, other, alpha))


def _times(op: str, input: Any, other: Any, alpha: Number) -> Any:
    """alpha * other, in the dtype of the result: in a smaller one it might not fit."""
    if alpha == 1:
        return other
    number = python_number(op, alpha)
    if not isinstance(other, Variable):
        return python_number(op, other) * number
    if isinstance(input, Variable):
        OPS[op].infer(input.spec, other.spec)
        kind = result_type((x.dtype, x.ndim) for x in (input, other))
        number = factor(op, alpha, kind)
        other = cast(other, kind)
    else:
        python_number(op, input)
    product = mul(other, number)
    return cast(product, other.dtype) if isinstance(number, int) else product


def mul(input: Operand[T], other: Operand[T]) -> T:
    """input * other, broadcasting."""
    return apply(MUL, input, other)


def div(input: Operand[T], other: Operand[T], *, rounding_mode: str | None = None) -> T:
    """input / other, broadcasting; integers give float32.

    rounding_mode "floor" and "trunc" (toward zero) round the quotient, and leave integers integers.
    """
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        q: Any = floor_divide(input, other)
        return where(logical_and(lt(q, 0), ne(mul(q, other), input)), add(q, 1), q)
    if rounding_mode is not None:
        raise SettingError(
            f"div: expected rounding_mode None, 'floor' or 'trunc', got {rounding_mode!r}"
        )
    return apply(DIV, input, other)


def floor_divide(input: Operand[T], other: Operand[T]) -> T:
    """The largest integer not above input / other; an integer divided by 0 gives 0."""
    return apply(FLOOR_DIVIDE, input, other)


def remainder(input: Operand[T], other: Operand[T]) -> T:
    """input - floor(input / other) * other: the sign is other's, as Python's %."""
    return apply(REMAINDER, input, other)


def pow(input: Operand[T], exponent: Operand[T]) -> T:
    """input to the power of exponent, broadcasting; a plain 2 is a product.

    Raises SettingError for integers to the power of a negative int.
    """
    if isinstance(input, Variable) and isinstance(exponent, (int, float)):
        if exponent == 2 and input.dtype.category:
            return mul(input, input)
        if exponent < 0 and input.dtype.category < 2 and isinstance(exponent, int):
            raise SettingError(f"pow: expected an exponent >= 0 for integers, got {exponent}")
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
    return pow(input, 2)


_promoted_sub = promoted("sub", logical=False)


def _infer_sub(a: Spec, b: Spec) -> Spec:
    if a.dtype is bool_ or b.dtype is bool_:
        raise DTypeError("sub: expected a numeric dtype, got bool; convert with .to()")
    return _promoted_sub(a, b)


ADD = Op("add", promoted("add"), binary_vjp(lambda g, a, b: g, lambda g, a, b: g))
SUB = Op("sub", _infer_sub, binary_vjp(lambda g, a, b: g, lambda g, a, b: neg(g)))
MUL = Op("mul", promoted("mul"), binary_vjp(lambda g, a, b: mul(g, b), lambda g, a, b: mul(g, a)))
DIV_GRAD = Op("div_grad", promoted("div_grad"))
DIV = Op("div", promoted("div", floating=True),
         binary_vjp(lambda g, a, b: div(g, b), lambda g, a, b: apply(DIV_GRAD, g, a, b)))  # fmt: skip
FLOOR_DIVIDE = Op("floor_divide", promoted("floor_divide", logical=False))
REMAINDER = Op("remainder", promoted("remainder", logical=False),
               binary_vjp(lambda g, a, b: g, lambda g, a, b: neg(mul(g, floor_divide(a, b)))))  # fmt: skip
POW_BASE_GRAD = Op("pow_base_grad", promoted("pow_base_grad"))
POW_EXPONENT_GRAD = Op("pow_exponent_grad", promoted("pow_exponent_grad"))
POW = Op("pow", promoted("pow", logical=False), binary_vjp(
    lambda g, a, b: apply(POW_BASE_GRAD, g, a, b), lambda g, a, b: apply(POW_EXPONENT_GRAD, g, a, b)))  # fmt: skip
MAXIMUM_GRAD = Op("maximum_grad", promoted("maximum_grad"))
MAXIMUM = Op("maximum", promoted("maximum"), binary_vjp(
    lambda g, a, b: apply(MAXIMUM_GRAD, g, a, b), lambda g, a, b: apply(MAXIMUM_GRAD, g, b, a)))  # fmt: skip
MINIMUM = Op("minimum", promoted("minimum"), binary_vjp(
    lambda g, a, b: apply(MAXIMUM_GRAD, g, b, a), lambda g, a, b: apply(MAXIMUM_GRAD, g, a, b)))  # fmt: skip
NEG = Op("neg", promoted("neg", logical=False), lambda g, outs, x, *, needs: (neg(g),))
ABS = unary("abs", floating=False)


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


EQ, NE, LT, LE, GT, GE = (
    Op(n, promoted(n, to=bool_)) for n in ("eq", "ne", "lt", "le", "gt", "ge")
)
LOGICAL_AND, LOGICAL_OR, LOGICAL_XOR = (
    Op(n, promoted(n, to=bool_)) for n in ("logical_and", "logical_or", "logical_xor")
)
LOGICAL_NOT = Op("logical_not", promoted("logical_not", to=bool_))
ISNAN, ISINF, ISFINITE = (Op(n, promoted(n, to=bool_)) for n in ("isnan", "isinf", "isfinite"))


# --- choice and conversion ----------------------------------------------------------------------


def where(condition: T, input: Operand[T], other: Operand[T]) -> T:
    """input where condition holds, else other; all three broadcast. condition must be bool."""
    return apply(WHERE, condition, input, other)


def masked_fill(input: T, mask: T, value: Operand[T]) -> T:
    """input with `value`, a number or a 0-d tensor, wherever the bool `mask` holds; the dtype stays input's.

    Raises SettingError for a number that input's dtype cannot hold, ShapeError for a larger tensor.
    """
    operand("masked_fill", input)
    if isinstance(value, Variable):
        if value.ndim:
            raise ShapeError(f"masked_fill: expected a 0-d value, got shape {value.shape}")
    else:
        value = as_number("masked_fill", value, input.dtype)
    return cast(where(mask, value, input), input.dtype)


def clamp(input: T, min: Operand[T] | None = None, max: Operand[T] | None = None) -> T:
    """input limited to [min, max]; NaN stays NaN. At least one limit is needed; max wins over min."""
    if min is None and max is None:
        raise SettingError("clamp: expected min, max or both, got neither")
    limits = [limit for limit in (min, max) if limit is not None]
    tensors = [x for x in (input, *limits) if isinstance(x, Variable)]
    if len(tensors) > 2:
        broadcast("clamp", *(x.shape for x in tensors))
    for limit in limits:
        if not isinstance(limit, Variable) and isinstance(input, Variable):
            factor("clamp", limit, input.dtype)
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
CLAMP_MIN = Op("clamp_min", promoted("clamp"), binary_vjp(
    lambda g, a, b: where(ge(a, b), g, 0.0), lambda g, a, b: where(lt(a, b), g, 0.0)))  # fmt: skip
CLAMP_MAX = Op("clamp_max", promoted("clamp"), binary_vjp(
    lambda g, a, b: where(le(a, b), g, 0.0), lambda g, a, b: where(gt(a, b), g, 0.0)))  # fmt: skip
CAST = Op("cast", lambda x, *, dtype: Spec(x.shape, dtype), _cast_vjp)
