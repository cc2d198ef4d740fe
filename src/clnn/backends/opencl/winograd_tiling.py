"""3x3 correlations of stride 1 or 2 as numbers: sizes, steps and tiles, whichever product of a convolution they are."""

from __future__ import annotations

from typing import NamedTuple

from ...shapes import Shape
from .correlation import Problem
from .gemm import ceil_div


class Tile(NamedTuple):
    """A tile along one axis (see kernels/_winograd_transform.cl.mako)."""

    inputs: int
    hop: int  # to the inputs of the next one
    points: int
    outputs: int


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
    form: str = "same"  # of the size: "halve" for stride 2, "double" for its data gradient

    @property
    def sizes(self) -> Shape:
        """The integers that kernels take first."""
        return (self.N, self.C, self.H, self.W, self.O, self.P, self.Q, self.top, self.left)

    def tile(self, m: int) -> Tile:
        """A tile of m outputs, or 2 m where the size doubles."""
        return {
            "same": Tile(m + 2, m, m + 2, m),
            "halve": Tile(2 * m + 1, 2 * m, 2 * m + 1, m),
            "double": Tile(m + 1, m, 2 * m + 1, 2 * m),
        }[self.form]

    def lines(self, m: int, wide: int, lanes: int) -> Shape:
        """Lines of an image that `wide` tiles read, and their columns transformed."""
        at = self.tile(m)
        return at.inputs + 2 + at.points, wide * at.hop + at.inputs - at.hop + lanes, lanes

    def tiles(self, m: int) -> tuple[int, int, int]:
        """Tiles: down, across, and of all images."""
        outputs = self.tile(m).outputs
        down, across = ceil_div(self.P, outputs), ceil_div(self.Q, outputs)
        return down, across, self.N * down * across


def forward(p: Problem) -> Pass:
    """The convolution itself."""
    top, left = p.padding
    form = "same" if p.stride == (1, 1) else "halve"
    return Pass(p.N, p.C, p.H, p.W, p.O, p.P, p.Q, top, left, (9 * p.C, 9), False, form)


def backward(p: Problem) -> Pass:
    """The data gradient: the output's gradient under flipped filters, the two kinds of channels exchanged."""
    (top, left), filters = p.padding, (9, 9 * p.C)
    if p.stride == (1, 1):
        return Pass(p.N, p.O, p.P, p.Q, p.C, p.H, p.W, 2 - top, 2 - left, filters, True)
    top, left = -(top // 2), -(left // 2)
    return Pass(p.N, p.O, p.P, p.Q, p.C, p.H, p.W, top, left, filters, True, "double")
