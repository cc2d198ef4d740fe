"""Host side of kernels/reduce.cl.mako: which axes merge, and which kernel reads them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...dtypes import accumulator
from ...shapes import Shape
from .. import implements
from .runtime import Buffer, Runtime


class Problem(NamedTuple):
    """A reduction on the fewest axes that describe it: (size, stride) of each, outermost first."""

    kept: tuple[Shape, ...]
    reduced: tuple[Shape, ...]
    inner_reduced: bool

    @property
    def arguments(self) -> tuple[int, ...]:
        """Sizes and strides as the kernels take them."""
        return tuple(n for axis in (*self.kept, *self.reduced) for n in axis)


def merged(shape: Shape, axes: Shape) -> Problem:
    """Merge neighbouring axes that are alike; drop those of size 1."""
    found: list[tuple[bool, int, int]] = []
    stride = 1
    for axis in reversed(range(len(shape))):
        n, gone = shape[axis], axis in axes
        if n == 1:
            continue
        if found and found[-1][0] == gone:
            found[-1] = (gone, found[-1][1] * n, found[-1][2])
        else:
            found.append((gone, n, stride))
        stride *= n
    found.reverse()
    kept = tuple((n, s) for gone, n, s in found if not gone)
    reduced = tuple((n, s) for gone, n, s in found if gone) or ((1, 1),)
    return Problem(kept, reduced, not kept or (bool(found) and found[-1][0]))


def total(rt: Runtime, x: Buffer, y: Buffer, axes: Shape) -> None:
    """y = the sum of x over `axes`."""
    problem = merged(x.shape, axes)
    count = 1
    for n, _ in problem.reduced:
        count *= n
    cpu = rt.info.kind == "cpu"
    compute = accumulator(x.dtype)
    defines: dict[str, Any] = {"dtype": x.dtype.code, "out": y.dtype.code, "compute": compute.code,
                               "kept": len(problem.kept), "reduced": len(problem.reduced)}  # fmt: skip
    if problem.inner_reduced:
        rt.launch("reduce", "rows", (y.size * rt.wg,), x, y, y.size, count, *problem.arguments,
                  group=(rt.wg,), WG=rt.wg, W=1, **defines)  # fmt: skip
        return
    width = 128 if cpu else 1
    inner = problem.kept[-1][0]
    items = y.size // inner * -(-inner // width) if inner else 0
    rt.launch("reduce", "lanes", (-(-items // rt.wg) * rt.wg,), x, y, y.size, count, *problem.arguments,
              group=(rt.wg,), WG=rt.wg, W=width, **defines)  # fmt: skip


@implements("sum")
def sum(rt: Runtime, x: Buffer, y: Buffer, *, axes: Shape, keepdim: bool) -> None:
    """Sum over `axes`."""
    total(rt, x, y, axes)


@implements("sum_to")
def sum_to(rt: Runtime, x: Buffer, y: Buffer, *, shape: Shape) -> None:
    """Sum over the axes along which `shape` was broadcast to x."""
    full = (1,) * (len(x.shape) - len(shape)) + shape
    total(rt, x, y, tuple(a for a, (n, m) in enumerate(zip(x.shape, full, strict=True)) if m == 1 != n))


@implements("sum_grad")
def sum_grad(rt: Runtime, g: Buffer, y: Buffer, *, axes: Shape, shape: Shape) -> None:
    """Repeat g along `axes`."""
    kept = tuple(1 if a in axes else n for a, n in enumerate(shape))
    _repeat(rt, Buffer(g.mem, g.spec._replace(shape=kept)), y)


from .elementwise import elementwise  # noqa: E402

_repeat = elementwise("a0")
