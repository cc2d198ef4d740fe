"""Errors of every op and its gradients in float32 against float64, over the largest element of a result."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

from derived import plain
from harness import host_operands, run_clnn
from samples import Sample, T, gather, sample

# What no error exceeds; more for long sums and for what multiplies many numbers or errors.
BOUND = 2e-6
WIDER = {
    **dict.fromkeys(
        (
            "matmul", "mm", "bmm", "addmm", "linear", "fused_linear", "dot", "einsum", "conv1d", "conv_transpose1d",
            "softmax", "log_softmax", "interpolate", "cumsum", "sum", "mean", "var", "std", "var_mean", "std_mean",
            "scatter_add", "index_add",
        ),
        5e-6,
    ),
    **dict.fromkeys(("conv2d", "conv_transpose2d", "fused_conv2d"), 2e-5),  # Winograd's
    "prod": 1e-5,
    "scaled_dot_product_attention": 1e-5,
}  # fmt: skip


class Errors(NamedTuple):
    """The largest error of the outputs and of the gradients of one call, or of several."""

    outputs: float = 0.0
    gradients: float = 0.0

    def worse(self, other: Errors) -> Errors:
        """The larger one of both."""
        return Errors(*map(max, self, other))


def bound(op: str) -> float:
    """What the errors of an op stay below."""
    return WIDER.get(op, BOUND)


def _deep(n: int) -> list[Sample]:
    """Sums and statistics of many elements, along rows and across them."""
    row, column, ones = T(3, n), T(n, 3), T(3, n, low=0.0, high=1.0)
    found = [sample(op, ones, dim=1) for op in ("sum", "mean")]
    for op in ("var", "std", "norm", "logsumexp", "softmax", "log_softmax"):
        found += [sample(op, x, dim=d) for x, d in ((row, 1), (column, 0))]
    found += [sample("cumsum", ones, 1), sample("mse_loss", row, T(3, n))]
    found += [sample(op, row, (n,), T(n)) for op in ("layer_norm", "rms_norm")]
    found += [sample("batch_norm", T(4, 3, n // 4), None, None, T(3), T(3), True)]
    found += [sample("cross_entropy", row, T(3, dtype="int64", low=0, high=n))]
    return found


def cases(large: bool) -> dict[str, list[Sample]]:
    """What each op is measured on: its samples in float32 with most elements, `large` four of them, else one."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for s in gather("SAMPLES"):
        if plain(s):
            found[s.fn].append(s)
    for op, samples in found.items():
        samples.sort(key=lambda s: -sum(a.size for a in host_operands(s)))
        found[op] = samples[: 4 if large else 1]
    for s in _deep(1 << 18 if large else 1 << 14):
        found[s.fn].append(s)
    return dict(found)


def measure(s: Sample, device: Any) -> Errors:
    """The errors of a sample on a device; of a gradient over the largest cotangent, if that is larger."""
    with np.errstate(all="ignore"):
        exact, got = run_clnn(s, "cpu", cast="float64"), run_clnn(s, device)
    pairs = [
        [(a, b) for a, b in zip(x, y, strict=True) if a is not None and a.dtype == np.float32]
        for x, y in zip(got, exact, strict=True)
    ]
    return Errors(
        max((_off(*p, 0.0) for p in pairs[0]), default=0.0),
        max((_off(*p, 1.0) for p in pairs[1]), default=0.0),
    )


def _off(got: Any, exact: Any, least: float) -> float:
    """The largest difference over the largest finite element; infinity for NaN where there should be none."""
    if not got.size:
        return 0.0
    finite = np.abs(exact[np.isfinite(exact)])
    scale = max(float(finite.max(initial=0.0)), least) or 1.0
    same = (got == exact) | (np.isnan(got) & np.isnan(exact))
    with np.errstate(invalid="ignore"):  # of infinities that are the same
        off = np.where(same, 0.0, np.abs(got.astype(np.float64) - exact))
    return float(np.nan_to_num(off, nan=np.inf).max()) / scale
