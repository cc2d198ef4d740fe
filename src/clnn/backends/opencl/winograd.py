"""Host side of kernels/winograd.cl.mako: 3x3 convolutions of stride 1 and 2 by minimal filtering."""

from __future__ import annotations

from collections.abc import Callable

from ...dtypes import accumulator
from . import winograd_phases, winograd_simd
from .correlation import Problem
from .discovery import DeviceInfo
from .gemm import Epilogue, simd_fits
from .gemm_tile import applies as tile_fits
from .runtime import Buffer, Runtime
from .winograd_tiling import backward, forward

# With fewer channels on either side, transforms cost more than products save; on GPUs they pass through memory.
_CHANNELS, _GPU_CHANNELS = 16, 64
_DEEPEST = 2**14  # channels up to which the error stays well within the bound of docs/numerics.md
_FEW = 8  # tiles of 4 x 4 in all: then reading the filters' points takes the time, and 16 are fewer than 36


def applies(p: Problem, info: DeviceInfo) -> bool:
    """3x3, dense, stride 1 (on CPUs also 2), where the channels are enough to pay for the transforms."""
    dense = p.dilation == (1, 1) and p.groups == 1 and p.kernel == (3, 3)
    if not dense or p.N == 0 or max(p.C, p.O) > _DEEPEST:
        return False
    if simd_fits(info, p.kind):
        return min(p.C, p.O) >= _CHANNELS and p.stride in ((1, 1), (2, 2))
    size = winograd_phases.largest(p) * accumulator(p.kind).itemsize
    fits = tile_fits(info, accumulator(p.kind)) and size <= info.max_alloc
    return fits and min(p.C, p.O) >= _GPU_CHANNELS and p.stride == (1, 1)


def small_applies(p: Problem, info: DeviceInfo) -> bool:
    """For tiles of 2 x 2: stride 1."""
    return applies(p, info) and p.stride == (1, 1)


def grad_applies(p: Problem, info: DeviceInfo) -> bool:
    """For the data gradient, whose tiles of stride 2 begin where one tap meets."""
    return applies(p, info) and (p.stride == (1, 1) or all(n % 2 for n in p.padding))


def worth(p: Problem, info: DeviceInfo) -> bool:
    """Of stride 2 a quarter of the products goes, or half: too little where filters are all there is to read."""
    return p.stride == (1, 1) or forward(p).tiles(4)[2] > _FEW


def worth_weight_grad(p: Problem, info: DeviceInfo) -> bool:
    """Of stride 2 sums of all points in slices cost what their products save."""
    return p.stride == (1, 1)


def few_tiles(p: Problem, info: DeviceInfo) -> bool:
    """Where smaller tiles win, for they have fewer points to a filter."""
    return small_applies(p, info) and forward(p).tiles(4)[2] <= _FEW


def conv2d(m: int) -> Callable[..., None]:
    """The launcher for tiles of m x m outputs."""

    def launch(rt: Runtime, p: Problem, x: Buffer, w: Buffer, end: Epilogue, y: Buffer) -> None:
        engine = winograd_simd if simd_fits(rt.info, p.kind) else winograd_phases
        engine.correlate(rt, p, forward(p), m, x, w, end, y)

    return launch


def input_grad(m: int) -> Callable[..., None]:
    """The launcher of the data gradient, also the transposed convolution."""

    def launch(rt: Runtime, p: Problem, g: Buffer, w: Buffer, end: Epilogue, dx: Buffer) -> None:
        engine = winograd_simd if simd_fits(rt.info, p.kind) else winograd_phases
        engine.correlate(rt, p, backward(p), m, g, w, end, dx)

    return launch


def weight_grad(m: int) -> Callable[..., None]:
    """The launcher of the weight gradient, where tiles of m x m of the gradient are the filters."""

    def launch(rt: Runtime, p: Problem, g: Buffer, x: Buffer, end: Epilogue, dw: Buffer) -> None:
        engine = winograd_simd if simd_fits(rt.info, p.kind) else winograd_phases
        engine.weight_grad(rt, p, forward(p), m, g, x, dw)

    return launch
