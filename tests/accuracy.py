"""Errors of products in float32 against float64, by algorithm; the bounds that docs/numerics.md states."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

import clnn
from clnn.autograd import apply
from clnn.backends.opencl import conv, matmul
from clnn.errors import UnsupportedOpError
from clnn.op import OPS

# Largest error over the largest result. Sums of n terms by fused multiply-add err by about sqrt(n) 2^-24; Winograd's
# transforms multiply that by the growth of their matrices.
DIRECT = 5e-6
BOUNDS = {"winograd_2x2": 5e-6, "winograd_4x4": 2e-5, "winograd_deep": 2e-5}

ALGORITHMS = {**matmul.ALGORITHMS, **conv.ALGORITHMS}


class Problem(NamedTuple):
    """One call of an op on operands of these shapes."""

    op: str
    shapes: tuple[tuple[int, ...], ...]
    settings: dict[str, Any]

    def __str__(self) -> str:
        shapes = ["x".join(map(str, s)) for s in self.shapes]
        steps = [] if self.settings.get("stride", (1, 1)) == (1, 1) else ["stride=2"]
        return f"{self.op}({','.join(shapes + steps)})"


class Error(NamedTuple):
    """How far a result is from float64's: at most, and by root mean square, over the largest result."""

    largest: float
    rms: float


def _conv(n: int, c: int, size: int, o: int, groups: int = 1, stride: int = 1) -> Iterator[Problem]:
    kernel, to = 3, -(-size // stride)
    at = {"stride": (stride,) * 2, "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": groups}
    x, w, y = (n, c, size, size), (o, c // groups, kernel, kernel), (n, o, to, to)
    yield Problem("conv2d", (x, w), at)
    yield Problem("conv2d_input_grad", (y, w), {"size": (size, size), **at})
    yield Problem("conv2d_weight_grad", (y, x), {"kernel": (kernel, kernel), **at})


def problems(large: bool) -> list[Problem]:
    """What is measured: `large` for the documentation, else what a test has time for."""
    product = {"transpose_a": False, "transpose_b": False}
    deep = (64, 1024, 8192) if large else (64, 1024)
    found = [Problem("matmul", ((128, k), (k, 96)), product) for k in deep]
    found += [Problem("linear", ((128, k), (96, k)), {}) for k in deep]
    found += [Problem("matmul", ((2, k), (k, 96)), product) for k in deep]
    images = [(2, 64, 28, 64), (2, 256, 14, 256), (1, 512, 7, 512)] if large else [(1, 32, 10, 48)]
    for image in images:
        found += _conv(*image)
        found += _conv(*image, stride=2)
    found += _conv(2, 64, 28 if large else 9, 64, groups=64)
    return found


@cache
def _case(shapes: tuple[tuple[int, ...], ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def _call(p: Problem, device: Any, dtype: str) -> Any:
    operands = [clnn.tensor(x.astype(dtype), device=device) for x in _case(p.shapes)]
    return apply(OPS[p.op], *operands, **p.settings).numpy().astype(np.float64)


def measure(p: Problem, device: Any, algorithm: str) -> Error | None:
    """The error of one algorithm on a device; None where it does not apply."""
    try:
        with clnn.algorithm(p.op, algorithm):
            got = _call(p, device, "float32")
    except UnsupportedOpError:
        return None
    exact = _exact(str(p), p.shapes, tuple(p.settings.items()))
    off, scale = np.abs(got - exact), np.abs(exact).max()
    return Error(float(off.max() / scale), float(np.sqrt(np.mean(off**2)) / scale))


@cache
def _exact(name: str, shapes: tuple[tuple[int, ...], ...], settings: tuple[Any, ...]) -> Any:
    return _call(Problem(name.split("(")[0], shapes, dict(settings)), "cpu", "float64")


def bound(algorithm: str) -> float:
    """What the largest error of an algorithm stays below."""
    return BOUNDS.get(algorithm, DIRECT)
