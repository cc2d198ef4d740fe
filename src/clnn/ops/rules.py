"""What families share: checks of dtypes, shape rules, gradient rules, and declarations made of them."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

from ..autograd import Variable, apply, python_number
from ..dtypes import DType, Number, as_kind, bool_, float32, result_type
from ..errors import DTypeError, SettingError, ShapeError
from ..op import OPS, Op
from ..shapes import Spec, broadcast


def check_floating(op: str, *kinds: DType, hint: str = "") -> None:
    """Raise DTypeError unless every dtype is floating."""
    for kind in kinds:
        if kind.category != 2:
            raise DTypeError(f"{op}: expected a floating dtype, got {kind}{hint and '; ' + hint}")


def real(op: str, name: str, value: Any) -> float:
    """A setting as a float; raises DTypeError for what is no number, SettingError for one that no float holds."""
    if type(value) is float:
        return value
    if not isinstance(value, Real):
        raise DTypeError(f"{op}: expected a number as {name}, got {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        raise SettingError(
            f"{op}: expected {name} that a float holds, got a larger number"
        ) from None


def operand(op: str, x: Any) -> None:
    """Raise apply's error where a function needs a shape before it can apply anything."""
    if not isinstance(x, Variable):
        kind = f"{type(x).__module__}.{type(x).__qualname__}".removeprefix("builtins.")
        hint = "; make a Tensor with clnn.tensor(array)" if hasattr(x, "__array__") else ""
        raise DTypeError(f"{op}: expected a Tensor, got {kind}{hint}")


def as_number(op: str, value: Any, kind: DType) -> Number:
    """`value` as the Python number of `kind`; raises DTypeError, or SettingError where it does not fit."""
    return as_kind(op, python_number(op, value), kind)


def factor(op: str, value: Any, kind: DType) -> Number:
    """A number for tensors of `kind` to be multiplied by or compared with; SettingError for an int too large."""
    number = python_number(op, value)
    if isinstance(number, int) and kind.category == 1:
        as_kind(op, number, kind)
    return number


def unbroadcast(g: Any, x: Variable) -> Any:
    """The adjoint of broadcasting and promoting `x` to g: sum down to its shape, cast to its dtype."""
    if g.shape != x.shape:
        g = apply(OPS["sum_to"], g, shape=x.shape)
    return g if g.dtype == x.dtype else apply(OPS["cast"], g, dtype=x.dtype)


def like_first(g: Spec, *_: Spec, **__: Any) -> Spec:
    """Shape rule: as the first operand."""
    return g


def like_floating(name: str) -> Callable[..., Spec]:
    """Shape rule: as the one operand, which must be floating."""

    def infer(x: Spec, **_: Any) -> Spec:
        check_floating(name, x.dtype, hint="convert with .to()")
        return x

    return infer


def promoted(
    name: str, *, floating: bool = False, to: DType | None = None, logical: bool = True
) -> Callable[..., Spec]:
    """Shape rule: broadcast; dtype rule: `to`, else promotion, integers to float32 if `floating`.

    Without `logical` a bool result is a DTypeError: what torch does not compute on bool.
    """

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
        elif kind is bool_ and not logical:
            raise DTypeError(f"{name}: expected a numeric dtype, got bool; convert with .to()")
        return Spec(shape, kind)

    return infer


def unary(name: str, saves: str | None = "x", *, floating: bool = True, logical: bool = False,
          infer: Callable[..., Spec] | None = None) -> Op:  # fmt: skip
    """Declare `name` and, if it saves "x" (its input) or "y" (its output), the gradient op `name`_grad(g, saved).

    Settings of the op are passed on to its gradient. Without `saves` the gradient is zero. The shape
    rule is `infer`, else `promoted` with the other arguments.
    """
    rule = infer or promoted(name, floating=floating and saves is not None, logical=logical)
    if saves is None:
        return Op(name, rule, lambda g, outs, x, *, needs, **_: (apply(OPS["mul"], g, 0.0),))
    grad = Op(f"{name}_grad", like_first)

    def vjp(g: Any, outs: Any, x: Any, *, needs: Any, **settings: Any) -> Any:
        return (apply(grad, g, x if saves == "x" else outs[0], **settings),)

    return Op(name, rule, vjp)


def binary_vjp(da: Callable[..., Any], db: Callable[..., Any]) -> Callable[..., Any]:
    """Gradient rule of a broadcasting binary op from the two partial derivatives times g."""

    def vjp(g: Any, outs: Any, a: Any, b: Any, *, needs: Any) -> Any:
        return (
            unbroadcast(da(g, a, b), a) if needs[0] else None,
            unbroadcast(db(g, a, b), b) if needs[1] else None,
        )

    return vjp


# --- what ends a product --------------------------------------------------------------------------

# Activations that a product or a normalization can end in, and the op that takes a gradient back through them from
# their result; None: it needs what they were applied to.
ENDINGS: dict[str, str | None] = {
    "relu": "relu_grad", "relu6": "relu6_grad", "sigmoid": "sigmoid_grad", "tanh": "tanh_grad",
    "hardswish": None, "hardsigmoid": None, "silu": None, "gelu": None,
}  # fmt: skip


def check_ending(op: str, out: Spec, residual: Spec | None, activation: str | None) -> None:
    """Raise SettingError for what nothing ends in, ShapeError or DTypeError for a residual unlike `out`."""
    if activation is not None and (not isinstance(activation, str) or activation not in ENDINGS):
        raise SettingError(
            f"{op}: expected activation None or one of {', '.join(ENDINGS)}, got {activation!r}"
        )
    if residual is not None and residual.shape != out.shape:
        raise ShapeError(
            f"{op}: expected residual of the result's shape {out.shape}, got {residual.shape}"
        )
    if residual is not None and residual.dtype is not out.dtype:
        raise DTypeError(
            f"{op}: expected residual of dtype {out.dtype}, got {residual.dtype}; convert with .to()"
        )


def before_activation(g: Any, y: Any, activation: str | None) -> Any:
    """The gradient of what `activation` made y of."""
    if activation is None:
        return g
    back = ENDINGS[activation]
    if back is None:
        raise SettingError(
            f"{activation}: expected to be applied on its own where gradients are recorded"
        )
    return apply(OPS[back], g, y)
