"""Layers that move elements: flatten, permute, shuffle, resize. None has parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..shapes import normalize_axis
from ..tensor import Tensor
from .arguments import Size, check_tensor, count
from .module import Module


class Identity(Module):
    """Its input, whatever arguments it was made with.  (*) -> (*)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def get_config(self) -> dict[str, Any]:
        """Nothing: the arguments are ignored."""
        return {}

    def forward(self, x: Any) -> Any:
        """(*) -> (*)."""
        return x


class Flatten(Module):
    """The axes start_dim to end_dim as one.  (N, *) -> (N, prod(*)) by default."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        """(N, *) -> (N, prod(*))."""
        return ops.flatten(x, self.start_dim, self.end_dim)


class Unflatten(Module):
    """One axis as several, one of which may be -1.  (*, prod(sizes), *) -> (*, *sizes, *)."""

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Tensor) -> Tensor:
        """(*, prod(sizes), *) -> (*, *sizes, *)."""
        check_tensor("Unflatten", x)
        at = normalize_axis("Unflatten", self.dim, x.ndim)
        return ops.reshape(x, (*x.shape[:at], *self.unflattened_size, *x.shape[at + 1 :]))


class Permute(Module):
    """Axes in another order, as torchvision's layer.  (*) -> (*)."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = tuple(dims)

    def forward(self, x: Tensor) -> Tensor:
        """(*) -> (*)."""
        return ops.permute(x, self.dims)


class Upsample(Module):
    """Resize by `scale_factor` or to `size`; mode "nearest" or "bilinear".  (N, C, H, W) -> (N, C, H', W')."""

    def __init__(
        self, size: Size | None = None, scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest", align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.scale_factor = size, scale_factor
        self.mode, self.align_corners = mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return ops.interpolate(
            x, self.size, self.scale_factor, self.mode, self.align_corners,
            self.recompute_scale_factor,
        )  # fmt: skip


class PixelShuffle(Module):
    """Channels to space.  (N, C r^2, H, W) -> (N, C, H r, W r); Shi et al. 2016."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = count("PixelShuffle", "upscale_factor", upscale_factor)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C r^2, H, W) -> (N, C, H r, W r)."""
        return ops.pixel_shuffle(x, self.upscale_factor)


class PixelUnshuffle(Module):
    """Space to channels.  (N, C, H r, W r) -> (N, C r^2, H, W)."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = count("PixelUnshuffle", "downscale_factor", downscale_factor)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H r, W r) -> (N, C r^2, H, W)."""
        return ops.pixel_unshuffle(x, self.downscale_factor)
