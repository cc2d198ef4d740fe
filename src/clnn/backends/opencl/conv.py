"""Convolution in OpenCL: which algorithm computes each of the three products."""

from __future__ import annotations

from typing import Any

from ...shapes import Shape
from .. import implements
from . import conv_plain, conv_simd, conv_tile, depthwise, winograd, winograd_deep
from .algorithms import Algorithm, always, choose, not_on_cpus
from .correlation import Problem, problem
from .gemm import NO_EPILOGUE, Epilogue, epilogue
from .plan import planned
from .runtime import Buffer, Runtime


@implements("conv2d")
@planned
def conv2d(rt: Runtime, x: Buffer, w: Buffer, *rest: Buffer, activation: str | None = None,
           residual: bool = False, **at: Any) -> None:  # fmt: skip
    """y = act(conv2d(x, w) + bias + residual)."""
    *operands, y = rest
    p = problem(x.shape, w.shape, y.shape, y.dtype, **at)
    _run("conv2d", rt, p, x, w, epilogue(operands, activation, residual), y)


@implements("conv2d_input_grad")
@planned
def input_grad(rt: Runtime, g: Buffer, w: Buffer, dx: Buffer, *, size: Shape, **at: Any) -> None:
    """dx from g = dL/dy."""
    p = problem(dx.shape, w.shape, g.shape, dx.dtype, **at)
    _run("conv2d_input_grad", rt, p, g, w, NO_EPILOGUE, dx)


@implements("conv_transpose2d")
@planned
def conv_transpose2d(
    rt: Runtime, x: Buffer, w: Buffer, *rest: Buffer, output_padding: Shape, **at: Any
) -> None:
    """The data gradient as a forward pass (+ bias)."""
    *operands, y = rest
    p = problem(y.shape, w.shape, x.shape, y.dtype, **at)
    _run("conv_transpose2d", rt, p, x, w, epilogue(operands), y)


@implements("conv2d_weight_grad")
@planned
def weight_grad(rt: Runtime, g: Buffer, x: Buffer, dw: Buffer, *, kernel: Shape, **at: Any) -> None:
    """dw from g = dL/dy."""
    p = problem(x.shape, dw.shape, g.shape, dw.dtype, **at)
    _run("conv2d_weight_grad", rt, p, g, x, NO_EPILOGUE, dw)


def _run(
    op: str, rt: Runtime, p: Problem, a: Buffer, b: Buffer, end: Epilogue, out: Buffer
) -> None:
    if out.size:
        choose(op, ALGORITHMS[op], p, rt.info, rt.tuning).launch(rt, p, a, b, end, out)


_INPUT_GRAD = [
    Algorithm(
        "winograd_2x2", winograd.small_applies, winograd.input_grad(2), default=winograd.few_tiles
    ),
    Algorithm(
        "winograd_deep",
        winograd_deep.grad_applies,
        winograd_deep.input_grad,
        default=winograd_deep.worth_input_grad,
    ),
    Algorithm(
        "winograd_4x4", winograd.grad_applies, winograd.input_grad(4), default=winograd.worth
    ),
    Algorithm("depthwise", depthwise.applies, depthwise.input_grad),
    Algorithm("simd", conv_simd.applies, conv_simd.input_grad, conv_simd.tunables),
    Algorithm("tile", conv_tile.applies, conv_tile.input_grad, conv_tile.tunables, not_on_cpus),
    Algorithm("plain", always, conv_plain.input_grad),
]
ALGORITHMS = {
    "conv2d": [
        Algorithm(
            "winograd_2x2", winograd.small_applies, winograd.conv2d(2), default=winograd.few_tiles
        ),
        Algorithm(
            "winograd_deep",
            winograd_deep.applies,
            winograd_deep.conv2d,
            default=winograd_deep.worth_conv2d,
        ),
        Algorithm("winograd_4x4", winograd.applies, winograd.conv2d(4), default=winograd.worth),
        Algorithm("depthwise", depthwise.applies, depthwise.conv2d),
        Algorithm("simd", conv_simd.applies, conv_simd.conv2d, conv_simd.tunables),
        Algorithm("tile", conv_tile.applies, conv_tile.conv2d, conv_tile.tunables, not_on_cpus),
        Algorithm("plain", always, conv_plain.conv2d),
    ],
    "conv2d_input_grad": _INPUT_GRAD,
    "conv_transpose2d": _INPUT_GRAD,
    "conv2d_weight_grad": [
        Algorithm(
            "winograd_2x2",
            winograd.small_applies,
            winograd.weight_grad(2),
            default=winograd.few_tiles,
        ),
        Algorithm(
            "winograd_deep",
            winograd_deep.applies,
            winograd_deep.weight_grad,
            default=winograd_deep.worth_weight_grad,
        ),
        Algorithm(
            "winograd_4x4",
            winograd.applies,
            winograd.weight_grad(4),
            default=winograd.worth_weight_grad,
        ),
        Algorithm("depthwise", depthwise.applies, depthwise.weight_grad),
        Algorithm("simd", conv_simd.applies, conv_simd.weight_grad, conv_simd.tunables),
        Algorithm(
            "tile", conv_tile.applies, conv_tile.weight_grad, conv_tile.tunables, not_on_cpus
        ),
        Algorithm("plain", always, conv_plain.weight_grad),
    ],
}
