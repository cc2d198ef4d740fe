"""Batch normalisation: one mean and variance per channel, the batch's own or running ones."""

from __future__ import annotations

from math import prod
from typing import Any

from ..autograd import T, Variable, apply
from ..dtypes import DType, accumulator
from ..errors import SettingError, ShapeError
from ..op import Op
from ..shapes import Shape, Spec
from .elementwise import add, cast, mul
from .maths import rsqrt
from .movement import reshape
from .norm import (
    affine_grads,
    channel_sums,
    check_channels,
    check_params,
    epsilon,
    given,
    param_names,
    running_pair,
)
from .rules import before_activation, check_ending, operand, real


def batch_norm(input: T, running_mean: T | None, running_var: T | None, weight: T | None = None,
               bias: T | None = None, training: bool = False, momentum: float = 0.1,
               eps: float = 1e-5) -> T:  # fmt: skip
    """Every channel of input (N, C, *) with mean 0 and variance 1, times weight, plus bias (each (C,)).

    In training by the batch's own statistics, which are mixed into the running ones (each (C,)) with the
    share momentum; else by the running ones. Raises ShapeError for one value per channel in training.
    Source: Ioffe, Szegedy, "Batch normalization", 2015.
    """
    return ended_batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def ended_batch_norm(input: T, running_mean: T | None, running_var: T | None, weight: T | None,
                     bias: T | None, training: bool, momentum: float, eps: float,
                     rest: T | None = None, correction: int = 1, **ending: Any) -> T:  # fmt: skip
    """As `batch_norm`, and then what the settings `ending` say: activation, and residual if `rest` is added.

    running_var gets the sum of squares over n - correction.
    """
    name = "batch_norm"
    operand(name, input)
    affine, params = given(weight, bias)
    running = running_pair(name, running_mean, running_var)
    added = () if rest is None else (rest,)
    if not training:
        if not running:
            raise SettingError(
                f"{name}: expected running_mean and running_var unless training, got None"
            )
        return apply(
            BATCH_NORM_EVAL,
            input,
            *running,
            *params,
            *added,
            affine=affine,
            eps=epsilon(name, eps),
            **ending,
        )
    y, _, _, *fresh = apply(BATCH_NORM, input, *params, *running, *added, affine=affine, running=bool(running),
                            momentum=real(name, "momentum", momentum), eps=epsilon(name, eps), **ending,
                            **({} if correction == 1 else {"correction": correction}))  # fmt: skip
    if input.spec.size:
        for old, new in zip(running, fresh, strict=True):
            old.array = new.array
    out: T = y
    return out


# --- shapes and gradients -----------------------------------------------------------------------


def _batch_view(x: Spec | Variable) -> Shape:
    return x.shape[0], 1, x.shape[1], prod(x.shape[2:])


def _infer_batch(x: Spec, *more: Spec, affine: tuple[bool, bool], running: bool, momentum: float,
                 eps: float, activation: str | None = None, residual: bool = False,
                 correction: int = 1) -> tuple[Spec, ...]:  # fmt: skip
    name = "batch_norm"
    if type(correction) is not int or correction not in (0, 1):
        raise SettingError(f"{name}: expected correction 0 or 1, got {correction!r}")
    n, _, channels, inner = _batch_view(Spec(check_channels(name, x), x.dtype))
    if n * inner == 1 and correction:
        raise ShapeError(
            f"{name}: expected more than 1 value per channel when training, got input size {x.shape}"
        )
    check_ending(name, x, more[-1] if residual else None, activation)
    cut, end = sum(affine), len(more) - residual
    check_params(name, x, more[:cut], param_names(affine), (channels,))
    moment = Spec((channels,), accumulator(x.dtype))
    if running:
        check_params(name, x, more[cut:end], ("running_mean", "running_var"), (channels,))
    return (x, moment, moment, *more[cut:end])


def _batch_vjp(g: Any, outs: Any, x: Any, *more: Any, needs: Any, affine: tuple[bool, bool], running: bool,
               momentum: float, eps: float, activation: str | None = None, residual: bool = False,
               correction: int = 1) -> Any:  # fmt: skip
    y, centre, inverse = outs[:3]
    cut = sum(affine)
    params, rest = more[:cut], [None, None] * running
    if not needs[0]:
        g = before_activation(g, y, activation)
        sums = lambda: channel_sums(g, x, (centre, inverse), _batch_view(x), per_row=False)  # noqa: E731
        return (
            None,
            *affine_grads(params, needs[1 : 1 + cut], affine, sums),
            *rest,
            *[g] * residual,
        )
    saved = () if activation is None else (y,)
    undone = activation is not None and residual and needs[-1]
    gx, *sums_of = apply(BATCH_NORM_GRAD, g, x, centre, inverse, *params[: affine[0]], *saved,
                         weight=affine[0], activation=activation, residual=undone)  # fmt: skip
    h = sums_of.pop() if undone else g
    return (
        gx,
        *affine_grads(params, needs[1 : 1 + cut], affine, lambda: sums_of),
        *rest,
        *[h] * residual,
    )


def _infer_batch_grad(g: Spec, x: Spec, centre: Spec, inverse: Spec, *more: Spec, weight: bool,
                      activation: str | None, residual: bool) -> tuple[Spec, ...]:  # fmt: skip
    """The gradient by x, per channel the sums of h * xhat and of h, and if `residual` h: g before the activation."""
    return (x, centre, centre, *[g] * residual)


def _infer_batch_eval(x: Spec, centre: Spec, var: Spec, *more: Spec, affine: tuple[bool, bool], eps: float,
                      activation: str | None = None, residual: bool = False) -> Spec:  # fmt: skip
    name = "batch_norm"
    shape = check_channels(name, x)[1:2]
    check_ending(name, x, more[-1] if residual else None, activation)
    check_params(name, x, (centre, var), ("running_mean", "running_var"), shape)
    check_params(name, x, more[: len(more) - residual], param_names(affine), shape)
    return x


def _batch_eval_vjp(g: Any, outs: Any, x: Any, centre: Any, var: Any, *more: Any, needs: Any,
                    affine: tuple[bool, bool], eps: float, activation: str | None = None,
                    residual: bool = False) -> Any:  # fmt: skip
    kind: DType = accumulator(x.dtype)
    params = more[: sum(affine)]
    g = before_activation(g, outs[0], activation)
    centre, inverse = cast(centre, kind), rsqrt(add(cast(var, kind), eps))
    gx = None
    if needs[0]:
        scale = mul(inverse, params[0]) if affine[0] else inverse
        gx = cast(mul(g, reshape(scale, (-1, *(1,) * (x.ndim - 2)))), x.dtype)
    sums = lambda: channel_sums(g, x, (centre, inverse), _batch_view(x), per_row=False)  # noqa: E731
    by_params = affine_grads(params, needs[3 : 3 + len(params)], affine, sums)
    return (gx, None, None, *by_params, *[g] * residual)


BATCH_NORM_GRAD = Op("batch_norm_grad", _infer_batch_grad)
BATCH_NORM = Op("batch_norm", _infer_batch, _batch_vjp)
BATCH_NORM_EVAL = Op("batch_norm_eval", _infer_batch_eval, _batch_eval_vjp)
