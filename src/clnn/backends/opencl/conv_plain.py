"""The convolutions of kernels/conv.cl.mako that work everywhere: a work-item per output."""

from __future__ import annotations

from typing import Any

from ...dtypes import accumulator
from ...shapes import Spec
from .correlation import Problem
from .gemm import NO_EPILOGUE, Epilogue, ceil_div
from .runtime import Buffer, Runtime


def _defines(p: Problem, end: Epilogue) -> dict[str, Any]:
    names = ("KH", "KW", "SH", "SW", "DH", "DW", "PH", "PW")
    values = (*p.kernel, *p.stride, *p.dilation, *p.padding)
    return p.defines(engine="plain", **end.defines, **dict(zip(names, values, strict=True)))


def conv2d(rt: Runtime, p: Problem, x: Buffer, w: Buffer, end: Epilogue, y: Buffer) -> None:
    """The convolution itself."""
    rt.launch("conv", "conv2d", (p.P * p.Q, p.O, p.N), x, w, *end.operands, y, p.C, p.H, p.W, p.O, p.P, p.Q, p.groups,
              **_defines(p, end))  # fmt: skip


def input_grad(rt: Runtime, p: Problem, g: Buffer, w: Buffer, end: Epilogue, dx: Buffer) -> None:
    """dx from g; also the transposed convolution."""
    rt.launch("conv", "input_grad", (p.H * p.W, p.C, p.N), g, w, *end.operands, dx, p.C, p.H, p.W, p.O, p.P,
              p.Q, p.groups, **_defines(p, end))  # fmt: skip


def weight_grad(rt: Runtime, p: Problem, g: Buffer, x: Buffer, end: Epilogue, dw: Buffer) -> None:
    """dw from g, in slices of the pixels that are then added."""
    defines = _defines(p, NO_EPILOGUE)
    each = ceil_div(max(p.N, 1), max(1, min(p.N, 1024 * rt.info.compute_units // dw.size)))
    slices = ceil_div(p.N, each)
    partial = rt.empty(Spec((slices, *dw.shape), accumulator(p.kind)))
    rt.launch("conv", "weight_grad", (dw.size // p.O, p.O, slices), g, x, partial, p.N, p.C, p.H, p.W, p.O, p.P, p.Q,
              p.groups, each, **defines)  # fmt: skip
    rt.launch("conv", "reduce", (dw.size,), partial, dw, dw.size, slices, **defines)
