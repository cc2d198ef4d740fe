"""Pooling over sliding and over adaptive windows, in one and two dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import T, Variable, apply, is_grad_enabled
from ..dtypes import int32, int64
from ..errors import SettingError, ShapeError
from ..op import OPS, Op
from ..shapes import Shape, Spec, extents, pair, window_out
from .elementwise import cast
from .reduce import mean
from .rules import check_floating

Ints = int | Sequence[int]


# --- maximum ------------------------------------------------------------------------------------


def max_pool1d(input: T, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
               dilation: Ints = 1, ceil_mode: bool = False, return_indices: bool = False) -> Any:  # fmt: skip
    """The largest element of every window; (N, C, L) or (C, L). See `max_pool2d`."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(input: T, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
               dilation: Ints = 1, ceil_mode: bool = False, return_indices: bool = False) -> Any:  # fmt: skip
    """The largest element of every window; (N, C, H, W) or (C, H, W). NaN wins, else the first maximum.

    stride None is kernel_size. With return_indices also the int64 position in the H*W plane. Raises
    ShapeError if the padding exceeds half the kernel or no window fits.
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def adaptive_max_pool1d(
    input: T, output_size: int | Sequence[int | None], return_indices: bool = False
) -> Any:
    """The largest element of each of output_size equal parts; (N, C, L) or (C, L)."""
    return _adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(
    input: T, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Any:
    """The largest element of each cell of an output_size grid; (N, C, H, W) or (C, H, W).

    Part k of m covers [floor(k*n/m), ceil((k+1)*n/m)). None keeps the size of an axis.
    """
    return _adaptive_max_pool(2, input, output_size, return_indices)


# --- average ------------------------------------------------------------------------------------


def avg_pool1d(input: T, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
               ceil_mode: bool = False, count_include_pad: bool = True) -> T:  # fmt: skip
    """The mean of every window; (N, C, L) or (C, L). See `avg_pool2d`."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(input: T, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0,
               ceil_mode: bool = False, count_include_pad: bool = True,
               divisor_override: int | None = None) -> T:  # fmt: skip
    """The mean of every window; (N, C, H, W) or (C, H, W).

    The sum is divided by divisor_override, else by the window's size: the padding counts if
    count_include_pad, what ceil_mode lets stick out never does. Raises ShapeError as `max_pool2d`.
    """
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_avg_pool1d(input: T, output_size: int | Sequence[int | None]) -> T:
    """The mean of each of output_size equal parts; (N, C, L) or (C, L)."""
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: T, output_size: int | Sequence[int | None] | None) -> T:
    """The mean of each cell of an output_size grid; (N, C, H, W) or (C, H, W). See `adaptive_max_pool2d`."""
    return _adaptive_avg_pool(2, input, output_size)


# --- from arguments to settings -----------------------------------------------------------------


def _recorded(x: Any) -> bool:
    return isinstance(x, Variable) and x.requires_grad and is_grad_enabled()


def _window(name: str, rank: int, kernel: Ints, stride: Ints | None, padding: Ints,
            dilation: Ints = 1) -> dict[str, Shape]:  # fmt: skip
    step = kernel if stride is None or (isinstance(stride, Sequence) and not stride) else stride
    given = {"kernel_size": kernel, "stride": step, "padding": padding, "dilation": dilation}
    return {key: pair(name, key, value, rank) for key, value in given.items()}


def _indexed(outs: Any, wanted: bool, given: bool) -> Any:
    """What a maximum returns: with indices as int64 if they are wanted; int32 ones serve the gradient."""
    if wanted:
        return outs[0], cast(outs[1], int64)
    return outs[0] if given else outs


def _max_pool(rank: int, input: Any, kernel: Ints, stride: Ints | None, padding: Ints, dilation: Ints,
              ceil_mode: bool, return_indices: bool) -> Any:  # fmt: skip
    op = OPS[f"max_pool{rank}d"]
    window = _window(op.name, rank, kernel, stride, padding, dilation)
    indices = return_indices or _recorded(input)
    outs = apply(op, input, **window, ceil_mode=bool(ceil_mode), indices=indices)
    return _indexed(outs, return_indices, indices)


def _avg_pool(rank: int, input: Any, kernel: Ints, stride: Ints | None, padding: Ints, ceil_mode: bool,
              count_include_pad: bool, divisor: int | None) -> Any:  # fmt: skip
    op = OPS[f"avg_pool{rank}d"]
    window = _window(op.name, rank, kernel, stride, padding)
    del window["dilation"]
    return apply(op, input, **window, ceil_mode=bool(ceil_mode),
                 count_include_pad=bool(count_include_pad), divisor_override=divisor)  # fmt: skip


def _adaptive_max_pool(rank: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    op = OPS[f"adaptive_max_pool{rank}d"]
    indices = return_indices or _recorded(input)
    outs = apply(op, input, output_size=_grid(op.name, rank, input, output_size), indices=indices)
    return _indexed(outs, return_indices, indices)


def _adaptive_avg_pool(rank: int, input: Any, output_size: Any) -> Any:
    op = OPS[f"adaptive_avg_pool{rank}d"]
    sizes = _grid(op.name, rank, input, output_size)
    if set(sizes) == {1} and isinstance(input, Variable):
        op.infer(input.spec, output_size=sizes)
        return mean(input, tuple(range(-rank, 0)), keepdim=True)
    return apply(op, input, output_size=sizes)


def _grid(name: str, rank: int, x: Any, size: Any) -> Shape:
    """output_size with the sizes of x in place of None."""
    sizes: Any = tuple(size) if isinstance(size, Sequence) else (size,) * rank
    if isinstance(x, Variable) and len(sizes) == rank <= x.ndim:
        sizes = tuple(n if m is None else m for m, n in zip(sizes, x.shape[-rank:], strict=True))
    return extents(name, "output_size", sizes, rank)


# --- shapes and gradients -----------------------------------------------------------------------


def _check_input(name: str, x: Spec, rank: int) -> Shape:
    """The spatial sizes of x."""
    check_floating(name, x.dtype)
    layout = "(N, C, L) or (C, L)" if rank == 1 else "(N, C, H, W) or (C, H, W)"
    if x.rank not in (rank + 1, rank + 2) or 0 in x.shape[x.rank - rank - 1 :]:
        raise ShapeError(f"{name}: expected input of {layout}, only N may be 0, got {x.shape}")
    return x.shape[-rank:]


def _slide(name: str, x: Spec, rank: int, ceil_mode: bool, kernel: Shape, stride: Shape, padding: Shape,
           dilation: Shape) -> Shape:  # fmt: skip
    """The shape after a sliding window."""
    sizes = _check_input(name, x, rank)
    for key, value in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if min(value) < 1:
            raise ShapeError(f"{name}: expected {key} of at least 1, got {value}")
    if any(not 0 <= p <= k // 2 for p, k in zip(padding, kernel, strict=True)):
        raise ShapeError(
            f"{name}: expected padding from 0 to half of kernel_size {kernel}, got {padding}"
        )
    out = tuple(
        window_out(n, k, s, 2 * p, d, ceil_mode=ceil_mode)
        for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True)
    )
    if min(out) < 1:
        raise ShapeError(
            f"{name}: expected a window that fits, got kernel_size {kernel} on {sizes} with padding "
            f"{padding} and dilation {dilation}, which leaves an output of {out}"
        )
    return (*x.shape[:-rank], *out)


def _max_specs(shape: Shape, x: Spec, indices: bool) -> Any:
    return (Spec(shape, x.dtype), Spec(shape, int32)) if indices else Spec(shape, x.dtype)


def _infer_max(name: str, rank: int) -> Callable[..., Any]:
    def infer(x: Spec, *, kernel_size: Shape, stride: Shape, padding: Shape, dilation: Shape,
              ceil_mode: bool, indices: bool) -> Any:  # fmt: skip
        shape = _slide(name, x, rank, ceil_mode, kernel_size, stride, padding, dilation)
        return _max_specs(shape, x, indices)

    return infer


def _infer_avg(name: str, rank: int) -> Callable[..., Spec]:
    def infer(x: Spec, *, kernel_size: Shape, stride: Shape, padding: Shape, ceil_mode: bool,
              count_include_pad: bool, divisor_override: int | None) -> Spec:  # fmt: skip
        if divisor_override == 0:
            raise SettingError(f"{name}: expected divisor_override other than 0, got 0")
        if divisor_override is not None and abs(divisor_override) >= 2**31:
            raise SettingError(
                f"{name}: expected divisor_override of 32 bits, got {divisor_override}"
            )
        shape = _slide(name, x, rank, ceil_mode, kernel_size, stride, padding, (1,) * rank)
        return Spec(shape, x.dtype)

    return infer


def _infer_adaptive(name: str, rank: int) -> Callable[..., Any]:
    def infer(x: Spec, *, output_size: Shape, indices: bool = False) -> Any:
        _check_input(name, x, rank)
        if min(output_size) < 0:
            raise ShapeError(f"{name}: expected output_size of at least 0, got {output_size}")
        return _max_specs((*x.shape[:-rank], *output_size), x, indices)

    return infer


def _infer_grad(g: Spec, *_: Spec, shape: Shape, **__: Any) -> Spec:
    return Spec(shape, g.dtype)


def _max_vjp(
    g: Any, outs: Any, x: Any, *, needs: Any, ceil_mode: bool, indices: bool, **window: Any
) -> Any:
    return (apply(MAX_GRAD, g, outs[1], shape=x.shape, **window),)


def _avg_vjp(g: Any, outs: Any, x: Any, *, needs: Any, ceil_mode: bool, **window: Any) -> Any:
    return (apply(AVG_GRAD, g, shape=x.shape, **window),)


def _adaptive_max_vjp(
    g: Any, outs: Any, x: Any, *, needs: Any, output_size: Shape, indices: bool
) -> Any:
    return (apply(ADAPTIVE_MAX_GRAD, g, outs[1], shape=x.shape, output_size=output_size),)


def _adaptive_avg_vjp(g: Any, outs: Any, x: Any, *, needs: Any, output_size: Shape) -> Any:
    return (apply(ADAPTIVE_AVG_GRAD, g, shape=x.shape, output_size=output_size),)


MAX_GRAD = Op("max_pool_grad", _infer_grad)
AVG_GRAD = Op("avg_pool_grad", _infer_grad)
ADAPTIVE_MAX_GRAD = Op("adaptive_max_pool_grad", _infer_grad)
ADAPTIVE_AVG_GRAD = Op("adaptive_avg_pool_grad", _infer_grad)
for _rank in (1, 2):
    for _name, _infer, _vjp in (("max_pool", _infer_max, _max_vjp),
                                ("avg_pool", _infer_avg, _avg_vjp),
                                ("adaptive_max_pool", _infer_adaptive, _adaptive_max_vjp),
                                ("adaptive_avg_pool", _infer_adaptive, _adaptive_avg_vjp)):  # fmt: skip
        Op(f"{_name}{_rank}d", _infer(f"{_name}{_rank}d", _rank), _vjp)
