"""What matmul and convolution share on the host: how sums end, and micro-tiles for CPUs (see also gemm_tile)."""

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
        return blocks * ceil_div(columns, nv * v) * (mr * nv + (mr + nv + 1) / 4)  # sums, and loads

    mr, nv = min(micros(info, kind), key=cost)
    return {"V": v, "MR": mr, "NV": nv}


def micros(info: DeviceInfo, kind: DType) -> Sequence[tuple[int, int]]:
    """Every micro-tile (MR, NV) that fits the registers."""
    v = lanes(info, kind)
    return _MICRO[v * 2 if kind is float64 else v]
