"""Convolution and transposed convolution, 1-d and 2-d, and the ops that are their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

from ..autograd import T, Variable, apply
from ..errors import DTypeError, SettingError, ShapeError
from ..op import Op
from ..shapes import Shape, Spec, pair, window_out
from .movement import reshape
from .reduce import sum as reduce_sum
from .rules import before_activation, check_ending

Size = int | Sequence[int]
Padding = Size | str
Sides = tuple[tuple[int, int], ...]  # per spatial axis: padding before, padding after

_AXES = {1: ("L",), 2: ("H", "W")}


def conv1d(input: T, weight: T, bias: T | None = None, stride: Size = 1, padding: Padding = 0,
           dilation: Size = 1, groups: int = 1) -> T:  # fmt: skip
    """Cross-correlate sequences with filters; `padding` may be "valid" or "same" (with stride 1).

    input (N, C, L) or (C, L), weight (O, C/groups, K), bias (O,) -> (N, O, (L + padding - span) // stride + 1),
    span = dilation * (K - 1) + 1. Raises ShapeError, DTypeError or SettingError on what does not fit.
    """
    return _convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input: T, weight: T, bias: T | None = None, stride: Size = 1, padding: Padding = 0,
           dilation: Size = 1, groups: int = 1) -> T:  # fmt: skip
    """Cross-correlate images with filters; `padding` may be "valid" or "same" (with stride 1).

    input (N, C, H, W) or (C, H, W), weight (O, C/groups, KH, KW), bias (O,) -> (N, O, OH, OW),
    OH = (H + padding - dilation * (KH - 1) - 1) // stride + 1. Raises ShapeError, DTypeError or
    SettingError on what does not fit.
    """
    return _convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(input: T, weight: T, bias: T | None = None, stride: Size = 1, padding: Size = 0,
                     output_padding: Size = 0, groups: int = 1, dilation: Size = 1) -> T:  # fmt: skip
    """The adjoint of conv1d as a map of its own.

    input (N, C, L) or (C, L), weight (C, O/groups, K), bias (O,) -> (N, O, OL),
    OL = (L - 1) * stride - 2 * padding + dilation * (K - 1) + output_padding + 1. Raises ShapeError or DTypeError.
    """
    return _transpose("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups,
                      dilation)  # fmt: skip


def conv_transpose2d(input: T, weight: T, bias: T | None = None, stride: Size = 1, padding: Size = 0,
                     output_padding: Size = 0, groups: int = 1, dilation: Size = 1) -> T:  # fmt: skip
    """The adjoint of conv2d as a map of its own.

    input (N, C, H, W) or (C, H, W), weight (C, O/groups, KH, KW), bias (O,) -> (N, O, OH, OW),
    OH = (H - 1) * stride - 2 * padding + dilation * (KH - 1) + output_padding + 1. Raises ShapeError or DTypeError.
    """
    return _transpose("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups,
                      dilation)  # fmt: skip


# --- from torch's arguments to the 2-d ops ------------------------------------------------------


def _convolve(op: str, rank: int, input: Any, weight: Any, bias: Any, stride: Size, padding: Padding,
              dilation: Size, groups: int) -> Any:  # fmt: skip
    at = conv_settings(op, rank, weight, stride, padding, dilation, groups)
    operands = [input, weight, *([] if bias is None else [bias])]
    if _as_it_is(rank, operands):
        return apply(CONV2D, *operands, **at)
    shape = _output(op, _batch_spec(input, rank), *(a.spec for a in operands[1:]), **at)
    x = _batched(input, rank)
    y = apply(
        CONV2D, _planar(x, rank), _planar(weight, rank), *operands[2:], **_planar_settings(at, rank)
    )
    return _reshaped(y, shape if input.ndim == rank + 2 else shape[1:])


def conv_settings(op: str, rank: int, weight: Any, stride: Size, padding: Padding, dilation: Size,
                  groups: int) -> dict[str, Any]:  # fmt: skip
    """What a convolution is called with, as settings of its op; raises SettingError or ShapeError."""
    if type(groups) is int and _plain(stride) and _plain(padding) and _plain(dilation):
        return dict(_of_ints(op, rank, stride, padding, dilation, groups))
    return _settings(op, rank, weight, stride, padding, dilation, groups)


def _plain(size: Any) -> bool:
    """Whether it is an int or a tuple of such, and no bool, which would equal one."""
    return type(size) is int or (type(size) is tuple and all([type(n) is int for n in size]))


@lru_cache(1024)
def _of_ints(op: str, rank: int, *numbers: Any) -> dict[str, Any]:
    """The same, remembered: the weight plays no part in it."""
    return _settings(op, rank, None, *numbers)


def _settings(op: str, rank: int, weight: Any, stride: Size, padding: Padding, dilation: Size,
              groups: int) -> dict[str, Any]:  # fmt: skip
    at: dict[str, Any] = {
        "stride": pair(op, "stride", stride, rank), "dilation": pair(op, "dilation", dilation, rank),
        "groups": _groups(op, groups),
    }  # fmt: skip
    at["padding"] = _sides(op, rank, padding, weight, at)
    _not_negative(op, "padding", at["padding"])
    return at


def _groups(op: str, groups: Any) -> int:
    if isinstance(groups, bool) or not isinstance(groups, int):
        raise DTypeError(f"{op}: expected groups to be an int, got {groups!r}")
    return groups


def _transpose(op: str, rank: int, input: Any, weight: Any, bias: Any, stride: Size, padding: Size,
               output_padding: Size, groups: int, dilation: Size) -> Any:  # fmt: skip
    before = pair(op, "padding", padding, rank)
    at: dict[str, Any] = {
        "stride": pair(op, "stride", stride, rank), "padding": tuple((n, n) for n in before),
        "dilation": pair(op, "dilation", dilation, rank), "groups": _groups(op, groups),
        "output_padding": pair(op, "output_padding", output_padding, rank),
    }  # fmt: skip
    _not_negative(op, "padding", at["padding"])
    operands = [input, weight, *([] if bias is None else [bias])]
    if _as_it_is(rank, operands):
        return apply(CONV_TRANSPOSE2D, *operands, **at)
    shape = _transposed_output(op, _batch_spec(input, rank), *(a.spec for a in operands[1:]), **at)
    y = apply(
        CONV_TRANSPOSE2D,
        _planar(_batched(input, rank), rank),
        _planar(weight, rank),
        *operands[2:],
        **_planar_settings(at, rank),
    )
    return _reshaped(y, shape if input.ndim == rank + 2 else shape[1:])


def _sides(op: str, rank: int, padding: Padding, weight: Any, at: dict[str, Any]) -> Sides:
    if not isinstance(padding, str):
        return tuple((n, n) for n in pair(op, "padding", padding, rank))
    if (
        padding == "valid" or getattr(weight, "ndim", 0) != rank + 2
    ):  # a weight of another rank is refused later
        return ((0, 0),) * rank
    if padding != "same":
        raise SettingError(f"{op}: expected padding 'valid', 'same' or ints, got {padding!r}")
    if set(at["stride"]) != {1}:
        raise SettingError(f"{op}: expected stride 1 with padding='same', got {at['stride']}")
    total = [d * (k - 1) for d, k in zip(at["dilation"], weight.shape[2:], strict=True)]
    return tuple((n // 2, n - n // 2) for n in total)


def _not_negative(op: str, name: str, sides: Sides) -> None:
    if any(n < 0 for side in sides for n in side):
        raise ShapeError(f"{op}: expected {name} >= 0, got {tuple(side[0] for side in sides)}")


def _as_it_is(rank: int, operands: Sequence[Any]) -> bool:
    """Whether there is nothing to reshape: a batch of images, or no tensors, of which `apply` says what is wrong."""
    if not all([isinstance(x, Variable) for x in operands]):
        return True
    return rank == 2 and operands[0].ndim == 4


def _batch_spec(x: Any, rank: int) -> Spec:
    return Spec((1, *x.shape), x.dtype) if x.ndim == rank + 1 else x.spec


def _batched(x: Any, rank: int) -> Any:
    return reshape(x, (1, *x.shape)) if x.ndim == rank + 1 else x


def _reshaped(x: Any, shape: Shape) -> Any:
    return x if x.shape == shape else reshape(x, shape)


def _planar(x: Any, rank: int) -> Any:
    return x if rank == 2 else reshape(x, (*x.shape[:2], 1, x.shape[2]))


def _planar_settings(at: dict[str, Any], rank: int) -> dict[str, Any]:
    if rank == 2:
        return at
    one = {"stride": (1,), "padding": ((0, 0),), "dilation": (1,), "output_padding": (0,)}
    return {name: one[name] + value if name in one else value for name, value in at.items()}


# --- shape rules --------------------------------------------------------------------------------


def _check(op: str, x: Spec, w: Spec, bias: Spec | None, weight_axes: str, channels: int, stride: Shape,
           dilation: Shape, groups: int) -> None:  # fmt: skip
    """What convolution and its transpose ask alike; `channels` is what a bias must have."""
    rank = len(stride)
    if len(x.shape) != rank + 2 or len(w.shape) != rank + 2:
        axes = ", ".join(_AXES[rank])
        kernel = ", ".join("K" + a if rank > 1 else "K" for a in _AXES[rank])
        raise ShapeError(f"{op}: expected input (N, C, {axes}) and weight ({weight_axes}, {kernel}), "
                         f"got {x.shape} and {w.shape}")  # fmt: skip
    kinds = [s.dtype for s in (x, w, bias) if s is not None]
    if any(k is not x.dtype or not k.is_floating_point for k in kinds):
        raise DTypeError(
            f"{op}: expected operands of one floating dtype, got {', '.join(kinds)}; convert with .to()"
        )
    if not isinstance(groups, int) or groups < 1:
        raise ShapeError(f"{op}: expected groups >= 1, got {groups}")
    for name, value in (("stride", stride), ("dilation", dilation)):
        if min(value) < 1:
            raise ShapeError(f"{op}: expected {name} >= 1, got {value}")
    if min(w.shape) < 1:
        raise ShapeError(f"{op}: expected a weight without empty axes, got {w.shape}")
    if bias is not None and bias.shape != (channels,):
        raise ShapeError(f"{op}: expected bias of shape {(channels,)}, got {bias.shape}")


def _output(op: str, x: Spec, w: Spec, bias: Spec | None = None, *, stride: Shape, padding: Sides, dilation: Shape,
            groups: int) -> Shape:  # fmt: skip
    _check(op, x, w, bias, "O, C/groups", w.shape[0] if w.shape else 0, stride, dilation, groups)
    (n, c, *size), (o, depth, *kernel) = x.shape, w.shape
    if o % groups:
        raise ShapeError(
            f"{op}: expected output channels divisible by groups={groups}, got {o} in weight {w.shape}"
        )
    if c != depth * groups:
        raise ShapeError(f"{op}: expected input with {depth * groups} channels to match weight {w.shape} in "
                         f"{groups} group(s), got {c} in input {x.shape}")  # fmt: skip
    out = tuple(window_out(a, k, s, sum(p), d)
                for a, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True))  # fmt: skip
    if min(out) < 1:
        raise ShapeError(f"{op}: expected kernel {tuple(kernel)} with dilation {dilation} to fit in {tuple(size)} "
                         f"padded by {padding}, got output {out}")  # fmt: skip
    return (n, o, *out)


def _transposed_output(op: str, x: Spec, w: Spec, bias: Spec | None = None, *, stride: Shape, padding: Sides,
                       dilation: Shape, groups: int, output_padding: Shape) -> Shape:  # fmt: skip
    each = w.shape[1] if len(w.shape) > 1 else 0
    _check(op, x, w, bias, "C, O/groups", each * groups, stride, dilation, groups)
    (n, c, *size), (depth, _, *kernel) = x.shape, w.shape
    if c % groups:
        raise ShapeError(
            f"{op}: expected input channels divisible by groups={groups}, got {c} in input {x.shape}"
        )
    if c != depth:
        raise ShapeError(f"{op}: expected input with {depth} channels to match weight {w.shape}, "
                         f"got {c} in input {x.shape}")  # fmt: skip
    if any(
        not 0 <= e < max(s, d) for e, s, d in zip(output_padding, stride, dilation, strict=True)
    ):
        raise ShapeError(f"{op}: expected output_padding >= 0 and smaller than stride {stride} or dilation {dilation}, "
                         f"got {output_padding}")  # fmt: skip
    out = tuple((a - 1) * s - sum(p) + d * (k - 1) + e + 1 for a, k, s, p, d, e in
                zip(size, kernel, stride, padding, dilation, output_padding, strict=True))  # fmt: skip
    if min(out) < 1 or not prod(size):
        raise ShapeError(f"{op}: expected an output of at least one element, got {out} from {tuple(size)} "
                         f"padded by {padding}")  # fmt: skip
    return (n, each * groups, *out)


def _infer(
    x: Spec, w: Spec, *rest: Spec, activation: str | None = None, residual: bool = False, **at: Any
) -> Spec:
    out = Spec(_output("conv2d", x, w, *rest[: len(rest) - residual], **at), x.dtype)
    check_ending("conv2d", out, rest[-1] if residual else None, activation)
    return out


def _infer_transposed(x: Spec, w: Spec, bias: Spec | None = None, **at: Any) -> Spec:
    return Spec(_transposed_output("conv_transpose2d", x, w, bias, **at), x.dtype)


def _infer_input_grad(g: Spec, w: Spec, *, size: Shape, groups: int, **_: Any) -> Spec:
    return Spec((g.shape[0], w.shape[1] * groups, *size), g.dtype)


def _infer_weight_grad(g: Spec, x: Spec, *, kernel: Shape, groups: int, **_: Any) -> Spec:
    return Spec((g.shape[1], x.shape[1] // groups, *kernel), g.dtype)


# --- gradient rules -----------------------------------------------------------------------------


def _bias_grad(g: Any, needs: Sequence[bool]) -> tuple[Any, ...]:
    return tuple(reduce_sum(g, (0, 2, 3)) if needed else None for needed in needs[2:])


def _vjp(
    g: Any, outs: Any, x: Any, w: Any, *rest: Any, needs: Any, activation: str | None = None,
    residual: bool = False, **at: Any,
) -> Any:  # fmt: skip
    g = before_activation(g, outs[0], activation)
    return (
        apply(INPUT_GRAD, g, w, size=x.shape[2:], **at) if needs[0] else None,
        apply(WEIGHT_GRAD, g, x, kernel=w.shape[2:], **at) if needs[1] else None,
        *_bias_grad(g, needs[: len(needs) - residual]),
        *([g] * residual),
    )


def _vjp_transposed(g: Any, outs: Any, x: Any, w: Any, *bias: Any, needs: Any, output_padding: Shape,
                    padding: Sides, **at: Any) -> Any:  # fmt: skip
    # what output_padding added belongs to no window, even where another window would fit
    at["padding"] = tuple((a, b - e) for (a, b), e in zip(padding, output_padding, strict=True))
    return (
        apply(CONV2D, g, w, **at) if needs[0] else None,
        apply(WEIGHT_GRAD, x, g, kernel=w.shape[2:], **at) if needs[1] else None,
        *_bias_grad(g, needs),
    )


CONV2D = Op("conv2d", _infer, _vjp)
INPUT_GRAD = Op("conv2d_input_grad", _infer_input_grad)
WEIGHT_GRAD = Op("conv2d_weight_grad", _infer_weight_grad)
CONV_TRANSPOSE2D = Op("conv_transpose2d", _infer_transposed, _vjp_transposed)
