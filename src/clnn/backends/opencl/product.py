"""A batch of matrix products as numbers: what the engines of matmul share."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...dtypes import DType
from ...shapes import Shape
from .gemm import Epilogue
from .tuning import bucket

BATCHES = 64  # work-groups along the batch axis; each strides over the rest


class Problem(NamedTuple):
    """A batch of products (M, K) x (K, N) and how to walk it."""

    M: int
    N: int
    K: int
    batches: int
    kind: DType
    transpose_a: bool
    transpose_b: bool
    axes: tuple[tuple[int, int, int], ...]  # per merged batch axis: size, step in A, step in B
    weight: bool = False  # whether B lives long, so that what is computed from it is worth keeping

    @property
    def sizes(self) -> Shape:
        """The integers every kernel takes, in order."""
        return (self.M, self.N, self.K, self.batches, *(n for axis in self.axes for n in axis))

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.M * self.N * self.K * self.batches

    def tuning_class(self) -> str:
        """Products of one class are tuned alike."""
        a, b = ("nt"[side] for side in (self.transpose_a, self.transpose_b))
        sizes = (("m", self.M), ("n", self.N), ("k", self.K), ("b", self.batches))
        return " ".join([self.kind.code, a + b, *(f"{name}{bucket(size)}" for name, size in sizes)])

    def defines(self, end: Epilogue) -> dict[str, Any]:
        """What every engine is compiled for."""
        return {"dtype": self.kind.code, "ta": self.transpose_a, "tb": self.transpose_b,
                "rank": len(self.axes), **end.defines}  # fmt: skip
