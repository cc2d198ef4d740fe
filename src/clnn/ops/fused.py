"""Products and norms that end in an activation or add a residual: one launch where the parts would take three."""

from __future__ import annotations

from typing import Any

from ..autograd import T, Variable, apply, is_grad_enabled
from ..errors import SettingError
from ..op import OPS, Op
from ..shapes import Spec
from .batch_norm import ended_batch_norm
from .conv import CONV2D, Padding, Size, conv2d, conv_settings
from .elementwise import add
from .matmul import LINEAR, linear
from .rules import ENDINGS, check_ending, operand


def fused_conv2d(
    input: T, weight: T, bias: T | None = None, stride: Size = 1, padding: Padding = 0, dilation: Size = 1,
    groups: int = 1, *, activation: str | None = None, residual: T | None = None,
) -> T:  # fmt: skip
    """activation(conv2d(input, weight, bias, ...) + residual).

    activation: None, "relu", "relu6", "sigmoid", "tanh", "hardswish", "hardsigmoid", "silu" or "gelu".
    input (N, C, H, W), weight (O, C/groups, KH, KW), residual and result (N, O, OH, OW). Raises what conv2d does,
    and SettingError or ShapeError on an activation or a residual that does not fit.
    """
    operands = (input, weight, bias, residual)
    if not _at_once("fused_conv2d", activation, operands) or getattr(input, "ndim", 4) != 4:
        if getattr(input, "ndim", 0) in (3, 4):
            at = conv_settings("fused_conv2d", 2, weight, stride, padding, dilation, groups)
            _check(CONV2D, "fused_conv2d", operands, **at, **_ending(activation, residual))
        y = conv2d(input, weight, bias, stride, padding, dilation, groups)
        return _ended(y, activation, residual)
    at = conv_settings("fused_conv2d", 2, weight, stride, padding, dilation, groups)
    return apply(CONV2D, *_given("fused_conv2d", operands), **at, **_ending(activation, residual))


def fused_linear(
    input: T, weight: T, bias: T | None = None, *, activation: str | None = None,
    residual: T | None = None,
) -> T:  # fmt: skip
    """activation(input @ weight.T + bias + residual).

    activation: None, "relu", "relu6", "sigmoid", "tanh", "hardswish", "hardsigmoid", "silu" or "gelu".
    input (..., I), weight (O, I), bias (O,), residual and result (..., O). Raises what linear does, and SettingError
    or ShapeError on an activation or a residual that does not fit.
    """
    operands = (input, weight, bias, residual)
    if not _at_once("fused_linear", activation, operands):
        _check(LINEAR, "fused_linear", operands, **_ending(activation, residual))
        return _ended(linear(input, weight, bias), activation, residual)
    return apply(LINEAR, *_given("fused_linear", operands), **_ending(activation, residual))


def fused_batch_norm(
    input: T, running_mean: T | None, running_var: T | None, weight: T | None = None, bias: T | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5, *, activation: str | None = None,
    residual: T | None = None, correction: int = 1,
) -> T:  # fmt: skip
    """activation(batch_norm(input, ...) + residual); running_var gets the sum of squares over n - correction.

    activation: None, "relu", "relu6", "sigmoid", "tanh", "hardswish", "hardsigmoid", "silu" or "gelu".
    input, residual and result (N, C, *), all else (C,). Raises what batch_norm does, and SettingError or ShapeError on
    an activation or a residual that does not fit.
    """
    settings = (training, momentum, eps)
    operands = (input, weight, bias, residual)
    if not _at_once("fused_batch_norm", activation, operands):
        if residual is not None:
            operand("fused_batch_norm", input)
            operand("fused_batch_norm", residual)
            check_ending("batch_norm", input.spec, residual.spec, activation)
        y = ended_batch_norm(
            input, running_mean, running_var, weight, bias, *settings, correction=correction
        )
        return _ended(y, activation, residual)
    return ended_batch_norm(input, running_mean, running_var, weight, bias, *settings, residual,
                            correction, **_ending(activation, residual))  # fmt: skip


def _at_once(op: str, activation: str | None, operands: tuple[Any, ...]) -> bool:
    """Whether the op can do it all: some activations leave too little behind for their gradient."""
    if activation is None:
        return True
    if not isinstance(activation, str) or activation not in ENDINGS:
        names = ", ".join(ENDINGS)
        raise SettingError(f"{op}: expected activation None or one of {names}, got {activation!r}")
    if ENDINGS[activation] is not None or not is_grad_enabled():
        return True
    return not any(isinstance(x, Variable) and x.requires_grad for x in operands)


def _given(op: str, operands: tuple[Any, ...]) -> list[Any]:
    for x in operands[:2]:
        operand(op, x)
    return [x for x in operands if x is not None]


def _check(op: Op, name: str, operands: tuple[Any, ...], **settings: Any) -> None:
    """What the op at once would refuse, before its parts run."""
    given = _given(name, operands)
    for x in given:
        operand(name, x)
    specs = [x.spec for x in given]
    if op is CONV2D and specs[0].rank == 3:  # one image: as a batch of one
        one = (0, -1) if "residual" in settings else (0,)
        for k in one:
            specs[k] = Spec((1, *specs[k].shape), specs[k].dtype)
    op.infer(*specs, **settings)


def _ending(activation: str | None, residual: Any) -> dict[str, Any]:
    """Only what there is: a call without an ending is the plain op, and shares its plans."""
    settings: dict[str, Any] = {} if activation is None else {"activation": activation}
    return settings if residual is None else {**settings, "residual": True}


def _ended(y: Any, activation: str | None, residual: Any) -> Any:
    if residual is not None:
        y = add(y, residual)
    return y if activation is None else apply(OPS[activation], y)
