"""Normalisation by statistics of each row: of layers, groups of channels or instances; or of neighbouring channels."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ..autograd import T, apply, no_grad
from ..dtypes import accumulator, float32
from ..errors import DTypeError, SettingError, ShapeError
from ..op import OPS, Op
from ..shapes import Shape, Spec, pair
from .elementwise import add, cast, div, mul, pow, square
from .movement import Ints, as_ints, narrow, reshape
from .pool import avg_pool2d
from .reduce import mean
from .rules import check_floating, operand, real
from .statistics import var_mean

_EPSILON = {"float64": 2.0**-52}  # of rms_norm, when none is given: that of the accumulator
_VIEW = "(N, C, *)"


# --- one mean and variance per row --------------------------------------------------------------


def layer_norm(input: T, normalized_shape: Ints, weight: T | None = None, bias: T | None = None,
               eps: float = 1e-5) -> T:  # fmt: skip
    """The trailing axes normalized_shape with mean 0 and variance 1, times weight, plus bias.

    weight and bias have normalized_shape, with which input's shape must end (else ShapeError).
    Source: Ba, Kiros, Hinton, "Layer normalization", 2016.
    """
    view, shape = _trailing("layer_norm", input, normalized_shape)
    affine, params = given(weight, bias)
    eps = epsilon("layer_norm", eps)
    y, *_ = apply(LAYER_NORM, input, *params, view=view, shape=shape, affine=affine, eps=eps)
    out: T = y
    return out


def rms_norm(
    input: T, normalized_shape: Ints, weight: T | None = None, eps: float | None = None
) -> T:
    """The trailing axes normalized_shape with mean square 1, times weight of that shape.

    eps None is the machine epsilon of float32, or of float64 for float64. Raises as `layer_norm`.
    Source: Zhang, Sennrich, "Root mean square layer normalization", 2019.
    """
    view, shape = _trailing("rms_norm", input, normalized_shape)
    affine, params = given(weight, None)
    tiny = _EPSILON.get(input.dtype, 2.0**-23) if eps is None else epsilon("rms_norm", eps)
    y, *_ = apply(RMS_NORM, input, *params, view=view, shape=shape, affine=affine, eps=tiny)
    out: T = y
    return out


def group_norm(input: T, num_groups: int, weight: T | None = None, bias: T | None = None,
               eps: float = 1e-5) -> T:  # fmt: skip
    """Every one of num_groups groups of channels of input (N, C, *) with mean 0 and variance 1.

    weight and bias are (C,). Raises ShapeError unless num_groups divides C, or for one value per group.
    Source: Wu, He, "Group normalization", 2018.
    """
    operand("group_norm", input)
    shape = check_channels("group_norm", input.spec)
    (num_groups,) = as_ints("group_norm", (num_groups,))
    if num_groups < 1 or shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: expected num_groups to divide {shape[1]} channels, got {num_groups}"
        )
    view = (shape[0], num_groups, shape[1] // num_groups, prod(shape[2:]))
    if view[0] * view[2] * view[3] == 1:
        raise ShapeError(
            f"group_norm: expected more than 1 value per group, got input size {shape}"
        )
    affine, params = given(weight, bias)
    eps = epsilon("group_norm", eps)
    y, *_ = apply(GROUP_NORM, input, *params, view=view, shape=shape[1:2], affine=affine, eps=eps)
    out: T = y
    return out


def instance_norm(input: T, running_mean: T | None = None, running_var: T | None = None,
                  weight: T | None = None, bias: T | None = None, use_input_stats: bool = True,
                  momentum: float = 0.1, eps: float = 1e-5) -> T:  # fmt: skip
    """Every channel of every sample of input (N, C, *) with mean 0 and variance 1, times weight, plus bias.

    weight, bias and running statistics are (C,); the latter get the samples' mean, and are used
    instead of input's own if not use_input_stats. Raises ShapeError for one value per channel.
    Source: Ulyanov, Vedaldi, Lempitsky, "Instance normalization", 2016.
    """
    name = "instance_norm"
    operand(name, input)
    running = running_pair(name, running_mean, running_var)
    affine, params = given(weight, bias)
    if not use_input_stats:
        if not running:
            raise SettingError(
                f"{name}: expected running_mean and running_var unless use_input_stats, got None"
            )
        eps = epsilon(name, eps)
        return apply(OPS["batch_norm_eval"], input, *running, *params, affine=affine, eps=eps)
    shape = check_channels(name, input.spec)
    if input.ndim < 3 or prod(shape[2:]) == 1:
        raise ShapeError(f"{name}: expected more than 1 value per channel, got input size {shape}")
    names = ("running_mean", "running_var")[: len(running)]
    for found, of in ((running, names), (params, param_names(affine))):
        specs = tuple(_spec(name, p) for p in found)
        check_params(name, input.spec, specs, of, shape[1:2])
    if running and input.spec.size:
        _blend(input, running, real(name, "momentum", momentum))
    view = (shape[0], shape[1], 1, prod(shape[2:]))
    eps = epsilon(name, eps)
    y, *_ = apply(
        INSTANCE_NORM, input, *params, view=view, shape=shape[1:2], affine=affine, eps=eps
    )
    out: T = y
    return out


def _blend(x: T, running: tuple[T, ...], momentum: float) -> None:
    """Move running statistics to the mean over samples of those of x."""
    with no_grad():
        var, centre = var_mean(cast(x, accumulator(x.dtype)), tuple(range(2, x.ndim)), correction=1)
        for old, new in zip(running, (centre, var), strict=True):
            fresh = add(mul(old, 1 - momentum), mul(mean(new, 0), momentum))
            old.array = cast(fresh, old.dtype).array


# --- neighbouring channels ----------------------------------------------------------------------


def local_response_norm(
    input: T, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> T:
    """input (N, C, *) / (k + alpha * mean of squares over size neighbouring channels) ** beta.

    Channels outside count as zeros. Raises ShapeError for fewer than 3 axes or a size below 1.
    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep CNNs", 2012.
    """
    name = "local_response_norm"
    operand(name, input)
    check_floating(name, input.dtype)
    (size,) = pair(name, "size", size, 1)
    alpha, beta, k = real(name, "alpha", alpha), real(name, "beta", beta), real(name, "k", k)
    if input.ndim < 3 or size < 1:
        raise ShapeError(
            f"{name}: expected input of (N, C, L, *) and size of at least 1, got {input.shape} and {size}"
        )
    if not input.spec.size:
        return input
    n, channels = input.shape[:2]
    planes = reshape(square(input), (n, 1, channels, -1))
    means = avg_pool2d(planes, (size, 1), 1, (size // 2, 0))
    near = reshape(narrow(means, 2, 0, channels) if size % 2 == 0 else means, input.shape)
    return div(input, pow(add(mul(near, alpha), k), beta))


# --- arguments ----------------------------------------------------------------------------------


def given(weight: Any, bias: Any) -> tuple[tuple[bool, bool], tuple[Any, ...]]:
    """Which of the two there are, and those."""
    params = tuple(p for p in (weight, bias) if p is not None)
    return (weight is not None, bias is not None), params


def epsilon(name: str, eps: Any) -> float:
    """eps as a float; raises SettingError below 0."""
    value = real(name, "eps", eps)
    if not value >= 0:
        raise SettingError(f"{name}: expected eps >= 0, got {eps}")
    return value


def _spec(name: str, x: Any) -> Spec:
    operand(name, x)
    spec: Spec = x.spec
    return spec


def running_pair(name: str, running_mean: Any, running_var: Any) -> tuple[Any, ...]:
    """Both or neither; raises SettingError for one."""
    if (running_mean is None) != (running_var is None):
        raise SettingError(
            f"{name}: expected both running_mean and running_var or neither, got one"
        )
    if running_mean is None:
        return ()
    for x in (running_mean, running_var):
        operand(name, x)
    return running_mean, running_var


def check_channels(name: str, x: Spec) -> Shape:
    """The shape of a floating x (N, C, *), else DTypeError or ShapeError."""
    check_floating(name, x.dtype)
    if x.rank < 2:
        raise ShapeError(f"{name}: expected input of {_VIEW}, got shape {x.shape}")
    return x.shape


def _trailing(name: str, x: Any, normalized_shape: Ints) -> tuple[Shape, Shape]:
    """The view (rows, 1, elements, 1), and normalized_shape as a tuple."""
    operand(name, x)
    check_floating(name, x.dtype)
    shape = as_ints(name, normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"{name}: expected input of (*, {', '.join(map(str, shape))}), got {x.shape}"
        )
    return (prod(x.shape[: -len(shape)]), 1, prod(shape), 1), shape


def check_params(
    name: str, x: Spec, params: tuple[Spec, ...], names: tuple[str, ...], shape: Shape
) -> None:
    """Raise ShapeError or DTypeError for parameters not of `shape`, or neither of x's dtype nor all float32."""
    for what, p in zip(names, params, strict=True):
        if p.shape != shape:
            raise ShapeError(f"{name}: expected {what} of shape {shape}, got {p.shape}")
        if p.dtype not in (x.dtype, float32) or p.dtype != params[0].dtype:
            kinds = x.dtype if x.dtype == float32 else f"{x.dtype} or float32"
            raise DTypeError(f"{name}: expected {' and '.join(names)} of {kinds}, got {p.dtype}")


def param_names(affine: tuple[bool, bool]) -> tuple[str, ...]:
    """What the parameters that there are are called."""
    return ("weight",) * affine[0] + ("bias",) * affine[1]


# --- shapes and gradients -----------------------------------------------------------------------


def _infer_rows(name: str, centred: bool = True) -> Callable[..., tuple[Spec, ...]]:
    """view is (N, groups, channels of a group, elements of a channel): a row is a group."""

    def infer(x: Spec, *params: Spec, view: Shape, shape: Shape, affine: tuple[bool, bool],
              eps: float) -> tuple[Spec, ...]:  # fmt: skip
        check_params(name, x, params, param_names(affine), shape)
        moment = Spec((view[0] * view[1],), accumulator(x.dtype))
        return (x, moment, moment) if centred else (x, moment)

    return infer


def affine_grads(
    params: tuple[Any, ...], needs: Any, affine: tuple[bool, bool], sums: Any
) -> list[Any]:
    """Gradients of weight and bias from sums(): of g * xhat, and of g."""
    if not any(needs):
        return [None] * len(params)
    chosen: list[Any] = [s for s, there in zip(sums(), affine, strict=True) if there]
    return [cast(reshape(s, p.shape), p.dtype) for s, p in zip(chosen, params, strict=True)]


def _rows_vjp(g: Any, outs: Any, x: Any, *params: Any, needs: Any, view: Shape, shape: Shape,
              affine: tuple[bool, bool], eps: float) -> Any:  # fmt: skip
    _, *moments = outs
    if not needs[0]:
        sums = lambda: channel_sums(g, x, moments, view, per_row=True)  # noqa: E731
        return (None, *affine_grads(params, needs[1:], affine, sums))
    wanted = any(needs[1:])
    got = apply(ROW_NORM_GRAD, g, x, *moments, *params[: affine[0]], view=view, centred=len(moments) == 2,
                sums=wanted)  # fmt: skip
    gx, *sums_of = got if wanted else (got,)
    return (gx, *affine_grads(params, needs[1:], affine, lambda: [*sums_of, None][:2]))


def _infer_row_grad(g: Spec, x: Spec, *more: Spec, view: Shape, centred: bool, sums: bool) -> Any:
    """The gradient by x, and if `sums` per channel those of g * xhat and (if centred) of g."""
    channel = Spec((view[1] * view[2],), accumulator(g.dtype))
    return (g, *[channel] * (1 + centred)) if sums else g


def channel_sums(g: Any, x: Any, moments: Any, view: Shape, per_row: bool) -> Any:
    """Sums per channel of g * xhat, and of g or None where rows are not centred."""
    got = apply(CHANNEL_SUMS, g, x, *moments, view=view, per_row=per_row)
    return got if isinstance(got, tuple) else (got, None)


def _infer_sums(g: Spec, x: Spec, *moments: Spec, view: Shape, per_row: bool) -> Any:
    """Sums of g * xhat, and if the moments have a mean those of g, per channel."""
    out = Spec((view[1] * view[2],), accumulator(g.dtype))
    return (out, out) if len(moments) == 2 else out


ROW_NORM_GRAD = Op("row_norm_grad", _infer_row_grad)
CHANNEL_SUMS = Op("channel_sums", _infer_sums)
LAYER_NORM = Op("layer_norm", _infer_rows("layer_norm"), _rows_vjp)
GROUP_NORM = Op("group_norm", _infer_rows("group_norm"), _rows_vjp)
INSTANCE_NORM = Op("instance_norm", _infer_rows("instance_norm"), _rows_vjp)
RMS_NORM = Op("rms_norm", _infer_rows("rms_norm", centred=False), _rows_vjp)
