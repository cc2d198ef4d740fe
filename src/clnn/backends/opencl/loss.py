"""Host side of kernels/loss.cl.mako: an expression per loss and per gradient."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ...dtypes import accumulator
from ...shapes import Spec, broadcast
from .elementwise import chunking, elementwise
from .runtime import Buffer, Runtime

LOSSES = {
    "mse_loss": "(a0 - a1) * (a0 - a1)",
    "l1_loss": "fabs(a0 - a1)",
    "smooth_l1_loss": "smooth_l1(fabs(a0 - a1), beta)",
    "huber_loss": "huber(fabs(a0 - a1), delta)",
    "binary_cross_entropy": "-(a1 * log_at_least(log(a0)) + (1 - a1) * log_at_least(log_plus_one(-a0)))",
    "binary_cross_entropy_with_logits": "(1 - a1) * a0 + softplus(-a0)",
    "binary_cross_entropy_pos_weight": "(1 - a1) * a0 + (1 + (a2 - 1) * a1) * softplus(-a0)",
    "kl_div": "(a1 == 0 ? (T)0 : a1 * log(a1)) - a1 * a0",
    "kl_div_log": "exp(a1) * (a1 - a0)",
}
# a0 is g, a1 the input, a2 the target
GRADIENTS = {
    "mse_loss": "2 * scale * a0 * (a1 - a2)",
    "mse_loss_target": "2 * scale * a0 * (a2 - a1)",
    "l1_loss": "scale * a0 * sign(a1 - a2)",
    "l1_loss_target": "scale * a0 * sign(a2 - a1)",
    "smooth_l1_loss": "scale * a0 * smooth_l1_slope(a1 - a2, beta)",
    "smooth_l1_loss_target": "scale * a0 * smooth_l1_slope(a2 - a1, beta)",
    "huber_loss": "scale * a0 * limited(a1 - a2, delta)",
    "huber_loss_target": "scale * a0 * limited(a2 - a1, delta)",
    "binary_cross_entropy": "scale * a0 * (a1 - a2) / fmax((1 - a1) * a1, C(1e-12))",
    "binary_cross_entropy_target": "scale * a0 * (log_at_least(log_plus_one(-a1)) - log_at_least(log(a1)))",
    "binary_cross_entropy_with_logits": "scale * a0 * (sigmoid(a1) - a2)",
    "binary_cross_entropy_with_logits_target": "-scale * a0 * a1",
    "binary_cross_entropy_pos_weight": "scale * a0 * ((1 - a2) - (1 + (a3 - 1) * a2) * sigmoid(-a1))",
    "binary_cross_entropy_pos_weight_target": "scale * a0 * ((a3 - 1) * softplus(-a1) - a1)",
    "kl_div": "-scale * a0 * a2",
    "kl_div_target": "scale * a0 * (log(a2) + 1 - a1)",
    "kl_div_log": "-scale * a0 * exp(a2)",
    "kl_div_log_target": "scale * a0 * exp(a2) * (a2 - a1 + 1)",
}


def total(
    rt: Runtime, expr: str, inputs: list[Buffer], y: Buffer, count: float, settings: dict[str, Any]
) -> None:
    """y = the sum of `expr` over operands of one shape, divided by `count`.

    Two launches; one for a few elements.
    """
    wide = accumulator(y.dtype)
    n, wg, cpu = inputs[0].size, rt.wg, rt.info.kind == "cpu"
    chunk = chunking(rt, n)[1] if cpu else 16 * wg
    groups = max(1, -(-n // chunk))
    defines = {"dtype": wide.code, "compute": wide.code, "WG": wg, "V": 16 if cpu else 1}
    whole = groups == 1
    into = y if whole else rt.empty(Spec((groups,), wide))
    rt.launch("loss", "total", (groups * wg,), *inputs, into, *settings.values(), count if whole else 1.0,
              n, chunk, group=(wg,), expr=expr, inputs=tuple(x.dtype.code for x in inputs),
              settings=tuple(settings), out=into.dtype.code, **defines)  # fmt: skip
    if not whole:
        rt.launch("loss", "total", (wg,), into, y, count, groups, groups, group=(wg,), expr="a0",
                  inputs=(wide.code,), settings=(), out=y.dtype.code, **defines)  # fmt: skip


def _reducing(expr: str) -> Callable[..., None]:
    """A launcher of the loss `expr`; the losses themselves never reach memory if they are to be summed."""
    each = elementwise(expr)

    def launch(rt: Runtime, *arrays: Buffer, reduction: str, **settings: Any) -> None:
        *xs, y = arrays
        if reduction == "none":
            each(rt, *arrays, **settings)
            return
        shape = broadcast("loss", *[x.shape for x in xs])
        count = float(prod(shape)) if reduction == "mean" else 1.0
        if all(x.shape == shape for x in xs):
            total(rt, expr, xs, y, count, settings)
            return
        losses = rt.empty(Spec(shape, accumulator(y.dtype)))
        each(rt, *xs, losses, **settings)
        total(rt, "a0", [losses], y, count, {})

    return launch


IMPLEMENTATIONS = {
    **{name: _reducing(expr) for name, expr in LOSSES.items()},
    **{f"{name}_grad": elementwise(expr) for name, expr in GRADIENTS.items()},
}
