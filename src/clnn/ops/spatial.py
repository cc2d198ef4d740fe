"""Windows as columns, pixels as channels, and images at another size."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, inf, prod
from typing import Any

from ..autograd import T, apply
from ..errors import DTypeError, SettingError, ShapeError
from ..op import Op
from ..shapes import Shape, Spec, extents, pair, window_out
from .movement import as_ints, permute, reshape
from .rules import operand

Size = int | Sequence[int]
Windows = dict[str, Shape]  # kernel, dilation, padding and stride, each (rows, columns)


# --- windows as columns -------------------------------------------------------------------------


def unfold(
    input: T, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> T:
    """Every window of an image as a column: (N, C, H, W) -> (N, C * taps, windows); also without N.

    Raises ShapeError for another rank or if no window fits.
    """
    operand("unfold", input)
    at = _windows("unfold", kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4):
        raise ShapeError(f"unfold: expected (N, C, H, W) or (C, H, W), got {input.shape}")
    out = _places("unfold", input.shape[-2:], at)
    y = apply(UNFOLD, _batch(input, 4), **at, out=out)
    return y if input.ndim == 4 else reshape(y, y.shape[1:])


def fold(input: T, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0,
         stride: Size = 1) -> T:  # fmt: skip
    """The sum of windows at their places in an image: (N, C * taps, windows) -> (N, C, H, W); also without N.

    Raises ShapeError for another rank, or channels or a number of windows that do not belong to the image.
    """
    operand("fold", input)
    at = _windows("fold", kernel_size, dilation, padding, stride)
    size = pair("fold", "output_size", output_size)
    if input.ndim not in (2, 3):
        raise ShapeError(
            f"fold: expected (N, C * taps, windows) or (C * taps, windows), got {input.shape}"
        )
    out = _places("fold", size, at)
    taps = prod(at["kernel"])
    if input.shape[-2] % taps or input.shape[-1] != prod(out):
        raise ShapeError(
            f"fold: expected a multiple of {taps} channels and {prod(out)} windows for an image of {size}, "
            f"got shape {input.shape}"
        )
    y = apply(FOLD, _batch(input, 3), size=size, **at, out=out)
    return y if input.ndim == 3 else reshape(y, y.shape[1:])


def _batch(input: T, rank: int) -> T:
    return input if input.ndim == rank else reshape(input, (1, *input.shape))


def _windows(op: str, kernel: Size, dilation: Size, padding: Size, stride: Size) -> Windows:
    given = {"kernel": kernel, "dilation": dilation, "padding": padding, "stride": stride}
    at = {name: pair(op, name, value) for name, value in given.items()}
    for name, least in (("kernel", 1), ("dilation", 1), ("padding", 0), ("stride", 1)):
        if min(at[name]) < least:
            raise SettingError(f"{op}: expected {name} >= {least}, got {at[name]}")
    return at


def _places(op: str, size: Shape, at: Windows) -> Shape:
    """Rows and columns of windows on an image."""
    sides = zip(size, at["kernel"], at["stride"], at["padding"], at["dilation"], strict=True)
    out = tuple(window_out(n, k, s, 2 * p, d) for n, k, s, p, d in sides)
    if min(out) < 1:
        given = ", ".join(f"{name} {value}" for name, value in at.items())
        raise ShapeError(
            f"{op}: expected an image that a window fits into, got {size} with {given}"
        )
    return out


def _infer_unfold(x: Spec, *, out: Shape, kernel: Shape, **_: Shape) -> Spec:
    n, c = x.shape[:2]
    return Spec((n, c * prod(kernel), prod(out)), x.dtype)


def _infer_fold(x: Spec, *, size: Shape, out: Shape, kernel: Shape, **_: Shape) -> Spec:
    return Spec((x.shape[0], x.shape[1] // prod(kernel), *size), x.dtype)


def _unfold_vjp(g: Any, outs: Any, x: Any, *, needs: Any, **at: Any) -> Any:
    return (apply(FOLD, g, size=x.shape[-2:], **at),)


def _fold_vjp(g: Any, outs: Any, x: Any, *, needs: Any, size: Shape, **at: Any) -> Any:
    return (apply(UNFOLD, g, **at),)


UNFOLD = Op("unfold", _infer_unfold, _unfold_vjp)
FOLD = Op("fold", _infer_fold, _fold_vjp)


# --- pixels as channels -------------------------------------------------------------------------


def pixel_shuffle(input: T, upscale_factor: int) -> T:
    """Channels as pixels: (.., C * r * r, H, W) -> (.., C, H * r, W * r).

    Raises ShapeError for fewer than 3 axes or channels that r * r does not divide.
    """
    r = _factor("pixel_shuffle", input, upscale_factor)
    *rest, c, h, w = input.shape
    if c % (r * r):
        raise ShapeError(
            f"pixel_shuffle: expected a multiple of {r * r} channels, got shape {input.shape}"
        )
    n = len(rest)
    apart = reshape(input, (*rest, c // (r * r), r, r, h, w))
    moved = permute(apart, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return reshape(moved, (*rest, c // (r * r), h * r, w * r))


def pixel_unshuffle(input: T, downscale_factor: int) -> T:
    """Pixels as channels: (.., C, H * r, W * r) -> (.., C * r * r, H, W), the reverse of pixel_shuffle.

    Raises ShapeError for fewer than 3 axes or an image that r does not divide.
    """
    r = _factor("pixel_unshuffle", input, downscale_factor)
    *rest, c, h, w = input.shape
    if h % r or w % r:
        raise ShapeError(
            f"pixel_unshuffle: expected an image that {r} divides, got shape {input.shape}"
        )
    n = len(rest)
    apart = reshape(input, (*rest, c, h // r, r, w // r, r))
    moved = permute(apart, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return reshape(moved, (*rest, c * r * r, h // r, w // r))


def _factor(op: str, input: T, factor: int) -> int:
    operand(op, input)
    (r,) = as_ints(op, (factor,))
    if r < 1:
        raise SettingError(f"{op}: expected a factor >= 1, got {r}")
    if input.ndim < 3:
        raise ShapeError(f"{op}: expected (.., C, H, W), got {input.shape}")
    return r


# --- another size -------------------------------------------------------------------------------


def interpolate(input: T, size: Size | None = None, scale_factor: float | Sequence[float] | None = None,
                mode: str = "nearest", align_corners: bool | None = None,
                recompute_scale_factor: bool | None = None, antialias: bool = False) -> T:  # fmt: skip
    """A signal (N, C, L) or an image (N, C, H, W) at another size.

    Either `size` or scale_factor is given. mode "nearest" takes the source at or before a place; "linear" (of
    signals) and "bilinear" (of images) mix neighbours, floats only. Coordinates are torch's: a scale factor
    is used as it is unless recompute_scale_factor, and align_corners puts the corners onto each other.
    Raises ShapeError for a rank that the mode does not take or an empty result, SettingError for the rest.
    """
    operand("interpolate", input)
    rank = input.ndim - 2
    if rank not in (1, 2):
        raise ShapeError(f"interpolate: expected (N, C, L) or (N, C, H, W), got {input.shape}")
    wanted = {"nearest": rank, "linear": 1, "bilinear": 2}.get(mode)
    if wanted is None or antialias:
        got = "antialias=True" if wanted is not None else f"{mode!r}"
        raise SettingError(
            f"interpolate: expected mode 'nearest', 'linear' or 'bilinear' without antialias, got {got}"
        )
    if wanted != rank:
        raise ShapeError(
            f"interpolate: expected an input of {wanted + 2} axes in mode {mode!r}, got {input.shape}"
        )
    linear = mode != "nearest"
    if align_corners is not None and not linear:
        raise SettingError(
            "interpolate: expected align_corners with mode 'linear' or 'bilinear', got 'nearest'"
        )
    if linear and not input.dtype.is_floating_point:
        raise DTypeError(
            f"interpolate: expected a floating dtype in mode {mode!r}, got {input.dtype}"
        )
    out, scales = _target(input.shape[2:], size, scale_factor, bool(recompute_scale_factor))
    if min(*out, *input.shape[2:]) < 1:
        raise ShapeError(f"interpolate: expected sizes >= 1, got {input.shape[2:]} to become {out}")
    flat = input if rank == 2 else reshape(input, (*input.shape[:2], 1, input.shape[2]))
    fill = (1,) * (2 - rank)
    y = apply(RESAMPLE, flat, out=fill + out, scales=(None,) * len(fill) + scales, linear=linear,
              align=bool(align_corners))  # fmt: skip
    return reshape(y, (*input.shape[:2], *out))


def _target(
    shape: Shape, size: Size | None, factor: Any, recompute: bool
) -> tuple[Shape, tuple[float | None, ...]]:
    """The new sizes, and the scale factors that coordinates are computed with (None: the ratio of sizes)."""
    if (size is None) == (factor is None):
        raise SettingError("interpolate: expected either size or scale_factor")
    if size is not None:
        if recompute:
            raise SettingError(
                "interpolate: expected recompute_scale_factor with scale_factor, got size"
            )
        return extents("interpolate", "size", size, len(shape)), (None,) * len(shape)
    several = isinstance(factor, Sequence) and not isinstance(factor, str)
    factors = tuple(factor) if several else (factor,) * len(shape)
    if len(factors) != len(shape) or not all(
        isinstance(f, (int, float)) and 0 < f < inf for f in factors
    ):
        raise SettingError(
            f"interpolate: expected one positive scale_factor or {len(shape)}, got {factor!r}"
        )
    out = tuple(floor(n * f) for n, f in zip(shape, factors, strict=True))
    return out, (None,) * len(shape) if recompute else tuple(float(f) for f in factors)


def _resample_vjp(g: Any, outs: Any, x: Any, *, needs: Any, out: Shape, **how: Any) -> Any:
    return (apply(RESAMPLE_GRAD, g, size=x.shape[-2:], **how),)


RESAMPLE = Op(
    "resample", lambda x, *, out, **_: Spec((*x.shape[:-2], *out), x.dtype), _resample_vjp
)
RESAMPLE_GRAD = Op("resample_grad", lambda g, *, size, **_: Spec((*g.shape[:-2], *size), g.dtype))
