"""Tiles on GPUs: which fit a device, and which of them, in how many slices of K, should be done first.

The estimates are of time: they count the multiplications a compute unit does one after another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ...dtypes import DType, float64
from .discovery import DeviceInfo
from .gemm import ceil_div

Tile = dict[str, int]

# Defines TM, TN, TK, RM, RN of every tile, and how near to the peak it comes when there is work enough.
TILES = {
    (128, 128, 8, 8, 8): 1.0,
    (128, 128, 16, 8, 8): 0.99,
    (128, 64, 8, 8, 8): 0.9,
    (64, 64, 16, 8, 4): 0.75,
    (64, 64, 8, 8, 4): 0.7,
    (64, 64, 16, 4, 4): 0.65,
    (32, 32, 16, 4, 4): 0.35,
    (32, 32, 8, 4, 4): 0.3,
}
_SLICE = 256  # elements of K a slice sums at least
_BYTE = 11  # multiplications a device does while it moves a byte
_LAUNCH = 1_000_000  # multiplications a compute unit does while a kernel starts
_GAIN = 1.3  # by which slices must be expected to be faster, for the estimate is a rough one


class Split(NamedTuple):
    """A tile, and K in slices of `depth`."""

    tile: Tile
    slices: int
    depth: int


def applies(info: DeviceInfo, kind: DType, *, windows: bool = False) -> bool:
    """Whether any tile fits the device; for `windows` see `tiles`."""
    return kind.is_floating_point and next(_fitting(info, kind, windows), None) is not None


def tiles(info: DeviceInfo, kind: DType, *, windows: bool = False) -> list[Tile]:
    """Every tile that fits the device; `windows` says that elements are gathered from those of an image."""
    return [_named(shape) for shape, _ in _fitting(info, kind, windows)]


def whole(info: DeviceInfo, kind: DType, rows: int, columns: int, products: int) -> Tile:
    """The tile that is done first with `products` products, whatever the depth."""
    shape, _ = min(
        _fitting(info, kind), key=lambda t: _time(info, t[0], t[1], rows, columns, products)
    )
    return _named(shape)


def split(
    info: DeviceInfo, kind: DType, rows: int, columns: int, depth: int, products: int, *, windows: bool = False
) -> Split:  # fmt: skip
    """The tile and the slices of K that are done first; one slice where more would hardly help."""
    depth = max(depth, 1)
    alone, sliced = [], []
    for shape, speed in _fitting(info, kind, windows):

        def time(slices: int, shape: tuple[int, ...] = shape, speed: float = speed) -> float:
            busy = _time(info, shape, speed, rows, columns, products * slices) * ceil_div(
                depth, slices
            )
            moved = 8 * rows * columns * products * slices
            return busy if slices == 1 else busy + moved * _BYTE / info.compute_units + _LAUNCH

        groups = ceil_div(rows, shape[0]) * ceil_div(columns, shape[1]) * products
        alone.append((time(1), Split(_named(shape), 1, depth)))
        for waves in (1, 2, 4):
            slices, each = slice_up(depth, waves * info.compute_units // groups, shape[2])
            sliced.append((time(slices), Split(_named(shape), slices, each)))
    (before, one), (after, several) = (min(found, key=lambda f: f[0]) for found in (alone, sliced))
    return several if after * _GAIN < before else one


def slice_up(depth: int, slices: int, step: int) -> tuple[int, int]:
    """At most so many slices of K, and what each sums: whole steps, and enough to be worth it."""
    slices = max(1, min(slices, depth // _SLICE))
    each = ceil_div(max(depth, 1), slices * step) * step
    return ceil_div(max(depth, 1), each), each


def launch(at: Tile, rows: int, columns: int, depth: int) -> dict[str, Any]:
    """The launch `grid` and `group` for tiles `at` over rows x columns, `depth` times."""
    items = at["TN"] // at["RN"] * (at["TM"] // at["RM"])
    groups = ceil_div(columns, at["TN"]) * ceil_div(rows, at["TM"])
    return {"grid": (groups * items, 1, depth), "group": (items, 1, 1)}


def vector(*sizes: int) -> int:
    """Elements to move at once along an axis: 4 where all these sizes, steps and starts are multiples of 4."""
    return 1 if any(n % 4 for n in sizes) else 4


def _named(shape: tuple[int, ...]) -> Tile:
    return dict(zip(("TM", "TN", "TK", "RM", "RN"), shape, strict=True))


def _fitting(
    info: DeviceInfo, kind: DType, windows: bool = False
) -> Iterator[tuple[tuple[int, ...], float]]:
    intel = "intel" in info.vendor.lower() and info.kind == "gpu"
    for shape, speed in TILES.items():
        tm, tn, tk, rm, rn = shape
        nbytes = 2 * (tm + tn + 8) * tk * (8 if kind is float64 else 4)
        items = tm // rm * (tn // rn)
        registers = rm * rn <= (32 if kind is float64 else 64)
        if intel and kind is float64:
            registers = rm * rn * tk <= 128  # as few as half of what others have for a work-item
        elif intel:
            # what is on its way takes registers, addresses of windows do, and halves that become floats
            most = 64 if not windows else 16 if kind.itemsize == 2 else 32
            on_its_way = 8 if windows else 12 if rm * rn > 16 else 16
            registers = rm * rn <= most and (tm + tn) * tk <= on_its_way * items
        if (
            registers
            and nbytes <= info.local_mem
            and items <= min(info.max_group, info.max_items[0])
        ):
            yield shape, speed


def _time(
    info: DeviceInfo, shape: tuple[int, ...], speed: float, rows: int, columns: int, products: int
) -> float:
    groups = ceil_div(rows, shape[0]) * ceil_div(columns, shape[1]) * products
    return ceil_div(groups, info.compute_units) * shape[0] * shape[1] / speed
