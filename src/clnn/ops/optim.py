"""In-place updates of many parameters at once, and clipping of their gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isinf, prod
from typing import Any

from ..autograd import Variable, apply, create, no_grad
from ..dtypes import accumulator, float32, promote
from ..errors import AutogradError, DeviceError, DTypeError, SettingError, ShapeError
from ..op import Op
from ..shapes import Spec
from .creation import FULL


def update(
    op: Op,
    params: Sequence[Variable],
    grads: Sequence[Variable],
    state: Sequence[Variable],
    *,
    start: int = 0,
    **settings: Any,
) -> None:
    """Run a step op: it changes `params` and `state` in place, which no other op may do.

    params, grads: as many of each, of any shapes but one dtype. state: flat arrays in which the first
    parameter's share begins at `start` and the others follow. Raises DeviceError, ShapeError, DTypeError.
    """
    operands = (*params, *grads, *state)
    device = params[0].device
    for x in operands:
        if x.device is not device and x.device != device:
            raise DeviceError(
                f"{op.name}: expected operands on one device, got {device.name} and {x.device.name}; "
                "move one with .to()"
            )
    place = {"count": len(params), "start": start}
    call = op.call(tuple([x.spec for x in operands]), place)  # numbers differ in every step
    device.backend.run(op.name, [x.array for x in operands], call.outs, {**place, **settings})


def _step(name: str) -> Op:
    """Declare an op that returns nothing and updates its operands: parameters, gradients, flat state."""

    def infer(*specs: Spec, count: int, start: int, **settings: Any) -> tuple[Spec, ...]:
        params, grads, state = specs[:count], specs[count : 2 * count], specs[2 * count :]
        kind = params[0].dtype
        for p, g in zip(params, grads, strict=True):
            if p.dtype != kind:
                raise DTypeError(f"{name}: expected parameters of one dtype, got {kind}, {p.dtype}")
            if g.shape != p.shape:
                raise ShapeError(f"{name}: expected a gradient of {p.shape}, got {g.shape}")
            if g.dtype != kind:
                raise DTypeError(f"{name}: expected a gradient of {kind}, got {g.dtype}")
        if not kind.is_floating_point:
            raise DTypeError(f"{name}: expected floating parameters, got {kind}")
        end = start + sum(prod(p.shape) for p in params)
        for s in state:
            if s.rank != 1 or s.size < end or s.dtype != accumulator(kind):
                raise ShapeError(
                    f"{name}: expected flat {accumulator(kind)} state of at least {end} elements, got {s}"
                )
        return ()

    return Op(name, infer)


SGD_STEP = _step("sgd_step")
ADAM_STEP = _step("adam_step")
RMSPROP_STEP = _step("rmsprop_step")


# --- clipping -----------------------------------------------------------------------------------


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Any:
    """Scale the gradients of `parameters` so that their joint norm is at most `max_norm`; returns the norm.

    parameters: Tensors, or one. The norm is that of all gradients as one vector, a 0-d tensor which stays
    on the device (float32, or float64); only `error_if_nonfinite` waits for it. Each `.grad` becomes a new
    tensor. Raises SettingError for a norm below 0, DeviceError for gradients on several devices, AutogradError
    when asked about a norm that is not finite.
    Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", 2013.
    """
    limit, order = float(max_norm), float(norm_type)
    if not limit >= 0:
        raise SettingError(f"clip_grad_norm_: expected max_norm >= 0, got {max_norm}")
    if not order > 0:
        raise SettingError(f"clip_grad_norm_: expected norm_type > 0, got {norm_type}")
    params = _parameters("clip_grad_norm_", parameters)
    owners = [p for p in params if p.grad is not None]
    with no_grad():
        if not owners:
            first = params[0]
            return create(FULL, type(first), first.device, shape=(), dtype=float32, value=0.0)
        norm = apply(TOTAL_NORM, *[p.grad for p in owners], norm_type=order)
        if error_if_nonfinite:
            value = norm.item()
            if value != value or isinf(value):
                raise AutogradError(f"clip_grad_norm_: expected a finite norm, got {value}")
        clipped = apply(CLIP_NORM, norm, *[p.grad for p in owners], max_norm=limit)
    for p, g in zip(owners, clipped, strict=True):
        p.grad = g
    return norm


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Clamp every element of the gradients of `parameters` to [-clip_value, clip_value].

    parameters: Tensors, or one. Each `.grad` becomes a new tensor. Raises SettingError for a negative value.
    """
    bound = float(clip_value)
    if not bound >= 0:
        raise SettingError(f"clip_grad_value_: expected clip_value >= 0, got {clip_value}")
    owners = [p for p in _parameters("clip_grad_value_", parameters) if p.grad is not None]
    if owners:
        with no_grad():
            clipped = apply(CLIP_VALUE, *[p.grad for p in owners], bound=bound)
        for p, g in zip(owners, clipped, strict=True):
            p.grad = g


def _parameters(op: str, given: Any) -> list[Any]:
    params = [given] if isinstance(given, Variable) else list(_iterable(op, given))
    for p in params:
        if not isinstance(p, Variable):
            raise DTypeError(f"{op}: expected Tensors, got {type(p).__name__}")
    if not params:
        raise SettingError(f"{op}: expected at least one parameter, got none")
    return params


def _iterable(op: str, given: Any) -> Iterable[Any]:
    if not isinstance(given, Iterable):
        raise DTypeError(f"{op}: expected Tensors, got {type(given).__name__}")
    return given


def _check_floating(op: str, grads: Sequence[Spec]) -> None:
    for g in grads:
        if not g.dtype.is_floating_point:
            raise DTypeError(f"{op}: expected floating gradients, got {g.dtype}")


def _infer_total_norm(*grads: Spec, norm_type: float) -> Spec:
    _check_floating("total_norm", grads)
    return Spec((), promote(float32, *[accumulator(g.dtype) for g in grads]))


def _infer_clip_norm(norm: Spec, *grads: Spec, max_norm: float) -> tuple[Spec, ...]:
    _check_floating("clip_norm", grads)
    return grads


def _infer_clip_value(*grads: Spec, bound: float) -> tuple[Spec, ...]:
    _check_floating("clip_value", grads)
    return grads


TOTAL_NORM = Op("total_norm", _infer_total_norm)
CLIP_NORM = Op("clip_norm", _infer_clip_norm)
CLIP_VALUE = Op("clip_value", _infer_clip_value)
