"""Activations in OpenCL: one expression each; g (the cotangent) is a0 and the saved tensor a1 in gradients."""

from __future__ import annotations

from math import prod
from typing import Any

from .. import implements
from .elementwise import chunking, elementwise
from .runtime import Buffer, Runtime

EXPRESSIONS = {
    "relu": "a0 < 0 ? (T)0 : a0",
    "relu_grad": "a1 <= 0 ? (T)0 : a0",
    "relu6": "a0 < 0 ? (T)0 : a0 > 6 ? (T)6 : a0",
    "relu6_grad": "a1 <= 0 || a1 >= 6 ? (T)0 : a0",
    "leaky_relu": "a0 > 0 ? a0 : a0 * negative_slope",
    "leaky_relu_grad": "a1 > 0 ? a0 : a0 * negative_slope",
    "threshold": "a0 <= threshold ? value : a0",
    "threshold_grad": "a1 <= threshold ? (T)0 : a0",
    "hardtanh": "a0 < min_val ? min_val : a0 > max_val ? max_val : a0",
    "hardtanh_grad": "a1 <= min_val || a1 >= max_val ? (T)0 : a0",
    "prelu": "a0 > 0 ? a0 : a0 * a1",
    "prelu_grad": "a1 > 0 ? a0 : a0 * a2",
    "prelu_weight_grad": "a1 > 0 ? (T)0 : a0 * a1",
    "elu": "a0 > 0 ? a0 : alpha * exp_minus_one(a0)",
    "elu_grad": "a1 <= 0 ? a0 * alpha * exp(a1) : a0",
    "selu": "C(1.0507009873554805) * (a0 > 0 ? a0 : C(1.6732632423543772) * exp_minus_one(a0))",
    "selu_grad": "C(1.0507009873554805) * (a1 <= 0 ? a0 * C(1.6732632423543772) * exp(a1) : a0)",
    "celu": "a0 > 0 ? a0 : alpha * exp_minus_one(a0 / alpha)",
    "celu_grad": "a1 <= 0 ? a0 * exp(a1 / alpha) : a0",
    "gelu": "gelu(a0)",
    "gelu_grad": "a0 * (normal_cdf(a1) + a1 * C(0.39894228040143268) * exp_below(C(-0.5) * a1 * a1))",
    "gelu_tanh": "gelu_tanh(a0)",
    "gelu_tanh_grad": "a0 * gelu_tanh_slope(a1)",
    "silu": "a0 * sigmoid(a0)",
    "silu_grad": "a0 * silu_slope(a1)",
    "mish": "a0 * tanh_softplus(a0)",
    "mish_grad": "a0 * mish_slope(a1)",
    "softplus": "a0 * beta > threshold ? a0 : softplus(a0 * beta) * (1 / beta)",
    "softplus_grad": "a1 * beta > threshold ? a0 : a0 * sigmoid(a1 * beta)",
    "logsigmoid": "-softplus(-a0)",
    "logsigmoid_grad": "a0 * sigmoid(-a1)",
    "softsign": "a0 / (1 + fabs(a0))",
    "softsign_grad": "a0 / (1 + fabs(a1)) / (1 + fabs(a1))",
    "tanhshrink": "a0 - tanh(a0)",
    "tanhshrink_grad": "a0 * tanh(a1) * tanh(a1)",
    "sigmoid": "sigmoid(a0)",
    "sigmoid_grad": "a0 * (1 - a1) * a1",
    "tanh": "tanh(a0)",
    "tanh_grad": "a0 * (1 - a1 * a1)",
    "hardswish": "a0 * fmin(fmax(a0 + 3, (T)0), (T)6) / 6",
    "hardswish_grad": "a1 <= -3 ? (T)0 : a1 < 3 ? a0 * (a1 / 3 + C(0.5)) : a0",
    "hardsigmoid": "a0 <= -3 ? (T)0 : a0 >= 3 ? (T)1 : (a0 + 3) / 6",
    "hardsigmoid_grad": "a1 > -3 && a1 < 3 ? a0 / 6 : (T)0",
    "hardshrink": "fabs(a0) <= lambd ? (T)0 : a0",
    "hardshrink_grad": "fabs(a1) <= lambd ? (T)0 : a0",
    "softshrink": "a0 > lambd ? a0 - lambd : a0 < -lambd ? a0 + lambd : isnan(a0) ? a0 : (T)0",
    "softshrink_grad": "fabs(a1) <= lambd ? (T)0 : a0",
}
IMPLEMENTATIONS = {name: elementwise(expr) for name, expr in EXPRESSIONS.items()}


def _launch(rt: Runtime, name: str, half: Buffer, arrays: tuple[Any, ...], dim: int) -> None:
    """Run a kernel of activation.cl.mako over the elements of one half."""
    dim %= len(half.shape)
    wg, chunk = chunking(rt, half.size)
    items = -(-half.size // chunk)
    rt.launch("activation", name, (-(-items // wg) * wg,), *arrays, half.size, prod(half.shape[dim:]), chunk,
              group=(wg,), dtype=half.dtype.code, WG=wg)  # fmt: skip


@implements("glu")
def glu(rt: Runtime, x: Buffer, y: Buffer, *, dim: int) -> None:
    """One launch; the halves are read in place."""
    _launch(rt, "glu", y, (x, y), dim)


@implements("glu_grad")
def glu_grad(rt: Runtime, g: Buffer, x: Buffer, gx: Buffer, *, dim: int) -> None:
    """One launch; both halves of gx are written from one read of x."""
    _launch(rt, "glu_grad", g, (g, x, gx), dim)
