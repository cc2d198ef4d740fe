"""Convolutions as numbers: which elements meet, in steps that the kernels of conv add up."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd, prod
from typing import Any, NamedTuple

from ...dtypes import DType
from ...shapes import Shape
from .gemm import ceil_div
from .runtime import WIDE, Buffer
from .tuning import bucket


class Problem(NamedTuple):
    """One convolution y = conv2d(x, w), whichever of its three products is wanted."""

    N: int
    C: int
    H: int
    W: int
    O: int  # noqa: E741
    P: int
    Q: int
    kernel: Shape
    stride: Shape
    padding: Shape  # before: top and left
    dilation: Shape
    groups: int
    kind: DType
    wide: bool

    def defines(self, **more: Any) -> dict[str, Any]:
        """What every kernel is compiled for."""
        return {
            "dtype": self.kind.code,
            **({"wide": True} if self.wide else {}),
            **more,
        }

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.N * self.O * self.P * self.Q * (self.C // self.groups) * prod(self.kernel)

    def tuning_class(self) -> str:
        """Convolutions of one class are tuned alike."""
        depthwise = self.groups == self.C > 1
        each = 1 if depthwise else self.groups
        taps = [f"{name}{'x'.join(map(str, pair))}" for name, pair in
                (("", self.kernel), ("s", self.stride), ("d", self.dilation))]  # fmt: skip
        group = "depthwise" if depthwise else f"g{bucket(self.groups)}"
        sizes = (
            ("n", self.N),
            ("p", self.P * self.Q),
            ("c", self.C // each),
            ("o", self.O // each),
        )
        return " ".join(
            [self.kind.code, *taps, group, *(f"{name}{bucket(n)}" for name, n in sizes)]
        )

    @property
    def whole_lanes(self) -> bool:
        """Whether a group has channels enough to fill lanes and tiles with."""
        return self.groups == 1 or min(self.C, self.O) // self.groups >= 8


class Window(NamedTuple):
    """The part of an image that taps reach, zero where there is no image.

    `inside` says that there always is, whatever the image's size, so that no size compiles anything new.
    """

    top: int
    left: int
    height: int
    width: int
    inside: bool


class Source(NamedTuple):
    """What taps reach of an image: element (h, w) of a plane lies at h*pitch + w."""

    mem: Buffer
    plane: int
    pitch: int


class Product(NamedTuple):
    """A correlation that fills y, or one phase of it; steps are in elements (see _conv_simd)."""

    P: int
    Q: int
    depth: int  # input channels of a group
    taps: Shape
    out: int  # output channels of a group
    # group, output channel, input channel, tap row, tap column, start
    w_steps: tuple[int, int, int, int, int, int]
    # image, group, channel, p, q, tap row, tap column, start
    x_steps: tuple[int, int, int, int, int, int, int, int]
    # image, channel, p, q, start
    y_steps: tuple[int, int, int, int, int]


class Axis(NamedTuple):
    """Along one axis, the outputs of a data gradient that meet the same taps."""

    first: int  # output coordinate; the others follow at the stride
    outputs: int
    tap: int  # the first tap that meets them; the others follow at `step`
    taps: int
    step: int
    start: int  # coordinate in g that `first` and `tap` meet
    back: int  # how far the next tap lies before it


class Meeting(NamedTuple):
    """Along one axis, the window of g that all phases of a data gradient meet together."""

    first: int  # coordinate in g, for the outputs from 0 on
    taps: int
    met: tuple[Shape, ...]  # what each phase meets of the window, in order


def problem(x: Shape, w: Shape, y: Shape, kind: DType, stride: Shape, padding: Any, dilation: Shape,
            groups: int) -> Problem:  # fmt: skip
    """Read the sizes off the three shapes."""
    (n, c, h, wd), (o, _, *kernel), (_, _, p, q) = x, w, y
    before = (padding[0][0], padding[1][0])
    wide = n * max(c * (h + sum(padding[0])) * (wd + sum(padding[1])), o * p * q) >= WIDE
    return Problem(
        n, c, h, wd, o, p, q, tuple(kernel), stride, before, dilation, groups, kind, wide
    )


def border(p: Problem) -> Window:
    """What a forward convolution reads of x."""
    high, wide = [(n - 1) * s + (k - 1) * d + 1
                  for n, s, k, d in zip((p.P, p.Q), p.stride, p.kernel, p.dilation, strict=True)]  # fmt: skip
    top, left = p.padding
    return Window(-top, -left, high, wide, p.padding == (0, 0))


def forward(p: Problem, x: Source) -> Product:
    """The convolution itself, over x with the border its taps reach."""
    (kh, kw), (sh, sw), (dh, dw) = p.kernel, p.stride, p.dilation
    depth, out, pixels = p.C // p.groups, p.O // p.groups, p.P * p.Q
    filters = depth * kh * kw
    return Product(
        p.P, p.Q, depth, p.kernel, out,
        (out * filters, filters, kh * kw, kw, 1, 0),
        (p.C * x.plane, depth * x.plane, x.plane, sh * x.pitch, sw, dh * x.pitch, dw, 0),
        (p.O * pixels, pixels, p.Q, 1, 0),
    )  # fmt: skip


def grad_border(p: Problem) -> Window:
    """What a data gradient reads of g."""
    first, size = [], []
    for n, pad, k, s, d in zip((p.H, p.W), p.padding, p.kernel, p.stride, p.dilation, strict=True):
        first.append(ceil_div(pad - (k - 1) * d, s))
        size.append(max(1, (n - 1 + pad) // s - first[-1] + 1))
    inside = p.kernel == (1, 1) and p.padding == (0, 0) and size[0] <= p.P and size[1] <= p.Q
    return Window(first[0], first[1], size[0], size[1], inside)


def _axis(size: int, kernel: int, stride: int, pad: int, dilation: int) -> Iterator[Axis]:
    step = stride // gcd(stride, dilation)
    for first in range(min(stride, size)):
        count = ceil_div(size - first, stride)
        tap = next(
            (i for i in range(min(step, kernel)) if (first + pad - i * dilation) % stride == 0),
            kernel,
        )
        start = (first + pad - tap * dilation) // stride
        yield Axis(
            first, count, tap, ceil_div(kernel - tap, step), step, start, step * dilation // stride
        )


def phases(p: Problem, g: Source) -> Iterator[Product]:
    """One product per phase of the stride: each input pixel is written once."""
    (kh, kw), (sh, sw), (h0, w0) = p.kernel, p.stride, grad_border(p)[:2]
    depth, out = p.O // p.groups, p.C // p.groups
    for a in _axis(p.H, kh, sh, p.padding[0], p.dilation[0]):
        for b in _axis(p.W, kw, sw, p.padding[1], p.dilation[1]):
            start = (a.start - h0) * g.pitch + b.start - w0 if a.taps and b.taps else 0
            yield Product(
                a.outputs, b.outputs, depth, (a.taps, b.taps), out,
                (depth * out * kh * kw, kh * kw, out * kh * kw, a.step * kw, b.step, a.tap * kw + b.tap),
                (p.O * g.plane, depth * g.plane, g.plane, g.pitch, 1, -a.back * g.pitch, -b.back, start),
                (p.C * p.H * p.W, p.H * p.W, sh * p.W, sw, a.first * p.W + b.first),
            )  # fmt: skip


def meeting(kernel: int, stride: int, pad: int, dilation: int) -> Meeting:
    """The window, for outputs a stride apart."""
    met = [[a.start - t * a.back for t in reversed(range(a.taps))]
           for a in _axis(stride, kernel, stride, pad, dilation)]  # fmt: skip
    first = min(at[0] for at in met if at)
    last = max(at[-1] for at in met if at)
    return Meeting(first, last - first + 1, tuple(tuple(i - first for i in at) for at in met))


def runs(down: Meeting, across: Meeting) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Per phase the taps it meets of the window, row by row: the first and the end of each run."""

    def of(rows: Shape, columns: Shape) -> Iterator[tuple[int, int]]:
        starts = [c for c in columns if c - 1 not in columns]
        ends = [c + 1 for c in columns if c + 1 not in columns]
        for r in rows:
            for a, b in zip(starts, ends, strict=True):
                yield r * across.taps + a, r * across.taps + b

    return tuple(tuple(of(rows, columns)) for rows in down.met for columns in across.met)
