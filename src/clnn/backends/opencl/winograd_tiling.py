"""3x3 correlations of stride 1 as numbers: sizes, steps and tiles, whichever product of a convolution they are."""

from __future__ import annotations

from typing import NamedTuple

from ...shapes import Shape
from .correlation import Problem
from .gemm import ceil_div


class Pass(NamedTuple):
    """A correlation of (N, C, H, W) with 3x3 filters to (N, O, P, Q)."""

    N: int
    C: int
    H: int
    W: int
    O: int  # noqa: E741
    P: int
    Q: int
    top: int
    left: int
    filters: tuple[int, int]  # steps between the filters of output and of input channels
    flip: bool  # whether their taps count backwards

    @property
    def sizes(self) -> Shape:
        """The integers that kernels take first."""
        return (self.N, self.C, self.H, self.W, self.O, self.P, self.Q, self.top, self.left)

    def tiles(self, m: int) -> tuple[int, int, int]:
        """Tiles of m x m outputs: down, across, and of all images."""
        down, across = ceil_div(self.P, m), ceil_div(self.Q, m)
        return down, across, self.N * down * across


def forward(p: Problem) -> Pass:
    """The convolution itself."""
    top, left = p.padding
    return Pass(p.N, p.C, p.H, p.W, p.O, p.P, p.Q, top, left, (9 * p.C, 9), False)


def backward(p: Problem) -> Pass:
    """The data gradient: the output's gradient under flipped filters, the two kinds of channels exchanged."""
    top, left = p.padding
    return Pass(p.N, p.O, p.P, p.Q, p.C, p.H, p.W, 2 - top, 2 - left, (9, 9 * p.C), True)
