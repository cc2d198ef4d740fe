"""Suite `gemm`: squares, and the products of transformers and classifiers."""

from __future__ import annotations

from typing import Any

from .case import Case, forward

SQUARES = (256, 512, 1024, 2048)
# rows (tokens or images), inputs, outputs of linear layers
LINEAR = (
    (1024, 768, 768), (1024, 768, 3072), (1024, 3072, 768), (512, 1024, 4096), (64, 2048, 1000),
    (8, 25088, 4096), (1, 4096, 4096),
)  # fmt: skip
ATTENTION = ((96, 128, 64, 128), (96, 128, 128, 64))  # heads, rows, inner, columns


def cases(quick: bool = False) -> list[Case]:
    """All of the suite, or two small ones."""
    if quick:
        return [_square(64), _linear(3, 33, 17)]
    return [
        *map(_square, SQUARES), *(_linear(*s) for s in LINEAR), *(_batched(*s) for s in ATTENTION)
    ]  # fmt: skip


def _square(n: int) -> Case:
    return _case("squares", f"matmul {n}³", ((n, n), (n, n)), 2.0 * n**3, 12.0 * n * n)


def _batched(b: int, m: int, k: int, n: int) -> Case:
    nbytes = 4.0 * b * (m * k + k * n + m * n)
    return _case(
        "layers", f"matmul {b}× {m}·{k}·{n}", ((b, m, k), (b, k, n)), 2.0 * b * m * k * n, nbytes
    )


def _case(group: str, name: str, shapes: Any, flops: float, nbytes: float) -> Case:
    return Case(
        "gemm", group, name, shapes, forward(lambda lib, a, b: lib.m.matmul(a, b)), flops, nbytes,
        numpy=lambda a, b: a @ b, op="matmul",
    )  # fmt: skip


def _linear(rows: int, inputs: int, outputs: int) -> Case:
    nbytes = 4.0 * (rows * inputs + inputs * outputs + outputs + rows * outputs)
    return Case(
        "gemm", "layers", f"linear {rows}·{inputs}→{outputs}",
        ((rows, inputs), (outputs, inputs), (outputs,)),
        forward(lambda lib, x, w, b: lib.f.linear(x, w, b)), 2.0 * rows * inputs * outputs, nbytes,
        numpy=lambda x, w, b: x @ w.T + b, op="linear",
    )  # fmt: skip
