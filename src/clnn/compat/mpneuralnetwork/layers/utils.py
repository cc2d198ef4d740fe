"""Windows of images as columns and back."""

from __future__ import annotations

from .... import ops
from ..backend import ArrayType, upload


def im2col(input_batch: ArrayType, window_size: int, stride: int | None = None) -> ArrayType:
    """Every window.  (N, C, H, W) -> (N, H', W', C, window_size, window_size); stride None is 1."""
    x = upload(input_batch)
    step = 1 if stride is None else stride
    columns = ops.unfold(x, window_size, stride=step)
    rows, wide = ((n - window_size) // step + 1 for n in x.shape[2:])
    shape = (x.shape[0], x.shape[1], window_size, window_size, rows, wide)
    return columns.reshape(shape).permute(0, 4, 5, 1, 2, 3).numpy()


def col2im(cols: ArrayType, input_shape: tuple[int, ...], output_shape: tuple[int, ...], window_size: int,
           stride: int = 1) -> ArrayType:  # fmt: skip
    """The sum of windows at their places.  (N, C, H', W', window_size, window_size) -> input_shape.

    output_shape is (channels, H', W'), without the batch. Raises ShapeError where windows do not belong to images.
    """
    x = upload(cols)
    taps, windows = window_size * window_size, output_shape[1] * output_shape[2]
    columns = x.permute(0, 1, 4, 5, 2, 3).reshape((x.shape[0], x.shape[1] * taps, windows))
    return ops.fold(columns, tuple(input_shape[2:]), window_size, stride=stride).numpy()
