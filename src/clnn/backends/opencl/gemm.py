"""What matmul and convolution share on the host: which engine fits, and in tiles of what shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...dtypes import DType, float64
from .activation import EXPRESSIONS
from .discovery import DeviceInfo
from .runtime import Buffer

# Register blocks (rows, vectors) by the lanes of a float vector: 16 and 4 lanes come with 32 registers
# (AVX-512, NEON), 8 with 16 (AVX2). More rows would fit, but compilers then spill the row pointers.
_MICRO = {16: ((8, 2), (6, 4), (12, 1)), 8: ((6, 2), (12, 1)), 4: ((8, 2), (6, 4), (12, 1))}
# TM, TN, TK, RM, RN, largest first; the last needs no more than 64 work-items and 9 KB.
_TILES = ((128, 128, 8, 8, 8), (64, 64, 16, 4, 4), (32, 32, 16, 4, 4))


class Epilogue(NamedTuple):
    """What becomes of a sum v before it is stored: act(v + bias + residual)."""

    operands: tuple[Buffer, ...]  # bias and residual, where there are such
    defines: dict[str, Any]


def epilogue(
    operands: Sequence[Buffer], activation: str | None = None, residual: bool = False
) -> Epilogue:
    """The epilogue of an op from its optional operands and settings."""
    expression = "v" if activation is None else EXPRESSIONS[activation].replace("a0", "v")
    defines = {"bias": len(operands) > residual, "residual": residual, "act": expression}
    return Epilogue(tuple(operands), defines)


NO_EPILOGUE = epilogue(())


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def simd_fits(info: DeviceInfo, kind: DType) -> bool:
    """Whether the engine of explicit vectors suits the device: a thread per work-item."""
    return info.kind == "cpu" and kind.is_floating_point


def tile_fits(info: DeviceInfo, kind: DType) -> bool:
    """Whether the smallest tile fits the device."""
    return kind.is_floating_point and _tile_fits(info, kind, _TILES[-1])


def lanes(info: DeviceInfo, kind: DType) -> int:
    """Lanes of a full vector of the accumulator of `kind`."""
    width = min(max(int(info.handle.native_vector_width_float), 4), 16)
    return width // 2 if kind is float64 else width


def micro(info: DeviceInfo, kind: DType, columns: int, rows: int | None = None) -> dict[str, int]:
    """Defines V, MR, NV of the micro-tile that covers the product with the least work.

    Without `rows` their number plays no part: a new batch size must not compile anything.
    """
    v = lanes(info, kind)

    def cost(shape: tuple[int, int]) -> float:
        mr, nv = shape
        blocks = 1 / mr if rows is None else ceil_div(rows, mr)
        return blocks * ceil_div(columns, nv * v) * (mr * nv + nv + 2)

    mr, nv = min(micros(info, kind), key=cost)
    return {"V": v, "MR": mr, "NV": nv}


def micros(info: DeviceInfo, kind: DType) -> Sequence[tuple[int, int]]:
    """Every micro-tile (MR, NV) that fits the registers."""
    v = lanes(info, kind)
    return _MICRO[v * 2 if kind is float64 else v]


def tile(
    info: DeviceInfo, kind: DType, rows: int, columns: int, products: int = 1
) -> dict[str, int]:
    """Defines of the largest tile that fits the device and still gives every compute unit work."""
    for shape in _TILES[:-1]:
        groups = ceil_div(rows, shape[0]) * ceil_div(columns, shape[1]) * products
        wasted = rows * 2 <= shape[0] or columns * 2 <= shape[1]
        if _tile_fits(info, kind, shape) and groups >= 2 * info.compute_units and not wasted:
            break
    else:
        shape = _TILES[-1]
    return dict(zip(("TM", "TN", "TK", "RM", "RN"), shape, strict=True))


def tiles(info: DeviceInfo, kind: DType) -> list[dict[str, int]]:
    """Defines of every tile that fits the device."""
    names = ("TM", "TN", "TK", "RM", "RN")
    return [dict(zip(names, s, strict=True)) for s in _TILES if _tile_fits(info, kind, s)]


def tile_grid(at: dict[str, int], rows: int, columns: int, depth: int) -> dict[str, Any]:
    """The launch `grid` and `group` for tiles `at` over rows x columns, `depth` times."""
    x, y = at["TN"] // at["RN"], at["TM"] // at["RM"]
    grid = (ceil_div(columns, at["TN"]) * ceil_div(rows, at["TM"]) * x, y, depth)
    return {"grid": grid, "group": (x, y, 1)}


def _tile_fits(info: DeviceInfo, kind: DType, shape: tuple[int, ...]) -> bool:
    tm, tn, tk, rm, rn = shape
    nbytes = (tm + tn + 2) * tk * (8 if kind is float64 else 4)
    items = (tm // rm) * (tn // rn)
    return (
        nbytes <= info.local_mem
        and items <= info.max_group
        and tm // rm <= info.max_items[1]
        and tn // rn <= info.max_items[0]
    )
