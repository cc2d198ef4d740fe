"""Creation: arrays made on the device from a few numbers, and copies."""

from __future__ import annotations

from math import ceil, isfinite
from typing import Any

from ..autograd import T, apply, create, python_number
from ..device import Device
from ..device import device as open_device
from ..dtypes import DType, Number, bool_, of_number
from ..dtypes import dtype as as_dtype
from ..errors import DTypeError, SettingError
from ..op import Op
from ..shapes import Shape, Spec, check_shape
from .movement import as_ints
from .rules import as_number, check_floating, operand


def make(
    op: Op, cls: type[T], device: str | Device | None, requires_grad: bool, **settings: Any
) -> T:
    """Run an op without operands; the leaf it gives requires grad if asked, else DTypeError."""
    out = create(op, cls, open_device(device), **settings)
    return out.requires_grad_() if requires_grad else out


def as_shape(op: str, size: tuple[Any, ...]) -> Shape:
    """A shape given as one sequence or one int after the other."""
    return check_shape(op, as_ints(op, size[0] if len(size) == 1 else size))


# --- the primitives -----------------------------------------------------------------------------


def _infer_arange(*, start: Number, end: Number, step: Number, dtype: DType) -> Spec:
    if dtype is bool_:
        raise DTypeError("arange: expected a numeric dtype, got bool")
    if step == 0 or not all(map(isfinite, (start, end, step))):
        raise SettingError(
            f"arange: expected finite ends and a step other than 0, got ({start}, {end}, {step})"
        )
    if (end - start) * step < 0:
        raise SettingError(f"arange: expected a step from {start} towards {end}, got {step}")
    whole = dtype.category == 1  # exact in integers, however large
    n = -((start - end) // step) if whole else (end - start) / step
    return Spec((ceil(n),), dtype)


def _infer_linspace(*, start: float, end: float, steps: int, dtype: DType) -> Spec:
    check_floating("linspace", dtype)
    return Spec(check_shape("linspace", (steps,)), dtype)


EMPTY = Op("empty", lambda *, shape, dtype: Spec(shape, dtype))
FULL = Op("full", lambda *, shape, dtype, value: Spec(shape, dtype))
ARANGE = Op("arange", _infer_arange)
LINSPACE = Op("linspace", _infer_linspace)
EYE = Op("eye", lambda *, rows, columns, dtype: Spec(check_shape("eye", (rows, columns)), dtype))
CLONE = Op("clone", lambda x: x, lambda g, outs, x, *, needs: (g,))


# --- on the shape of another tensor -------------------------------------------------------------


def clone(input: T) -> T:
    """A copy in memory of its own; the gradient passes through it."""
    return apply(CLONE, input)


def full_like(input: T, fill_value: Number, *, dtype: Any = None, device: str | Device | None = None,
              requires_grad: bool = False) -> T:  # fmt: skip
    """A tensor of input's shape, dtype and device, unless given, filled with one number."""
    return _like("full_like", input, fill_value, dtype, device, requires_grad)


def zeros_like(input: T, *, dtype: Any = None, device: str | Device | None = None,
               requires_grad: bool = False) -> T:  # fmt: skip
    """Zeros in input's shape, dtype and device, unless given."""
    return _like("zeros_like", input, 0, dtype, device, requires_grad)


def ones_like(input: T, *, dtype: Any = None, device: str | Device | None = None,
              requires_grad: bool = False) -> T:  # fmt: skip
    """Ones in input's shape, dtype and device, unless given."""
    return _like("ones_like", input, 1, dtype, device, requires_grad)


def empty_like(input: T, *, dtype: Any = None, device: str | Device | None = None,
               requires_grad: bool = False) -> T:  # fmt: skip
    """Memory of input's shape, dtype and device, unless given, with whatever it held before."""
    kind, where = like("empty_like", input, dtype, device)
    return make(EMPTY, type(input), where, requires_grad, shape=input.shape, dtype=kind)


def like(op: str, input: Any, dtype: Any, device: str | Device | None) -> tuple[DType, Device]:
    """The dtype and device asked for, else input's; raises DTypeError if it is no Tensor."""
    operand(op, input)
    return (
        input.dtype if dtype is None else as_dtype(dtype),
        input.device if device is None else open_device(device),
    )


def _like(op: str, input: T, value: Number, dtype: Any, device: str | Device | None,
          requires_grad: bool) -> T:  # fmt: skip
    kind, where = like(op, input, dtype, device)
    return filled(op, type(input), input.shape, value, kind, where, requires_grad)


def filled(op: str, cls: type[T], shape: Shape, value: Number, dtype: Any,
           device: str | Device | None, requires_grad: bool = False) -> T:  # fmt: skip
    """A `cls` of one number, whose own dtype is the default."""
    kind = of_number(python_number(op, value)) if dtype is None else as_dtype(dtype)
    number = as_number(op, value, kind)
    shape = check_shape(op, shape)
    return make(FULL, cls, device, requires_grad, shape=shape, dtype=kind, value=number)
