"""Keras' layers as clnn's modules: dense, normalising, reshaping and joining ones; `CONVERTERS` has them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import nn
from . import activations, recurrent, windows
from .build import FIRST, FLAT, SAME, Builder, Converter, Value, axis_of, loaded, refuse_unless
from .network import Layer

Config = Mapping[str, Any]


# --- weights ------------------------------------------------------------------------------------


def dense(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Linear over the last axis; behind a flattened image its columns follow clnn's order."""
    (x,) = xs
    if x.order == FIRST or (x.order == FLAT and b.is_shared(layer)):
        x = b.ordered(x, SAME, layer)
    kernel, *bias = b.weights(layer, 1 + bool(c["use_bias"]))
    weight = kernel.T
    if x.order == FLAT:
        units, features = weight.shape
        weight = weight.reshape(units, -1, x.channels).transpose(0, 2, 1).reshape(units, features)

    def make() -> nn.Module:
        linear = nn.Linear(weight.shape[1], weight.shape[0], bool(bias), device="cpu")
        return loaded(linear, weight=weight, **dict(zip(("bias",), bias, strict=False)))

    y = b.put(layer, make, x, channels=weight.shape[0], order=SAME)
    return activations.applied(b, layer, c.get("activation"), y)


def embedding(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Rows of a table."""
    refuse_unless(not c.get("mask_zero"), "mask_zero=False", True)
    (table,) = b.weights(layer, 1)

    def make() -> nn.Module:
        return loaded(nn.Embedding(*table.shape, device="cpu"), weight=table)

    x = b.ordered(xs[0], SAME, layer)
    return b.put(layer, make, x, ndim=x.ndim + 1, channels=table.shape[1])


def batch_normalization(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Batch norm of the axis behind the batch; momentum counts the other way round."""
    (x,) = xs
    axis = c["axis"][0] if isinstance(c["axis"], list) else c["axis"]
    axis = axis % x.ndim
    refuse_unless(axis in (1, x.ndim - 1), "axis 1 or the last", axis)
    refuse_unless(not c.get("renorm"), "renorm=False", True)
    x = b.ordered(x, FIRST if axis == x.ndim - 1 else SAME, layer)
    center, scale = bool(c["center"]), bool(c["scale"])
    found = b.weights(layer, 2 + center + scale)
    mean, variance = found[-2:]
    arrays = {"weight": found[0] if scale else np.ones_like(mean)}
    if center:
        arrays["bias"] = found[int(scale)]

    def make() -> nn.Module:
        kind = nn.BatchNorm2d if x.ndim == 4 else nn.BatchNorm1d
        norm = kind(
            len(mean), c["epsilon"], round(1 - c["momentum"], 12), device="cpu", bias=center
        )
        _frozen(norm.weight, scale)
        batches = np.zeros((), np.int64)
        return loaded(
            norm, **arrays, running_mean=mean, running_var=variance, num_batches_tracked=batches
        )

    return b.put(layer, make, x)


def layer_normalization(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Layer norm of the last axes, in Keras' order."""
    x = b.ordered(xs[0], SAME, layer)
    axes = c["axis"] if isinstance(c["axis"], list) else [c["axis"]]
    axes = sorted(a % x.ndim for a in axes)
    refuse_unless(axes == list(range(axes[0], x.ndim)), "the last axes", c["axis"])
    refuse_unless(not c.get("rms_scaling"), "rms_scaling=False", True)
    center, scale = bool(c["center"]), bool(c["scale"])
    found = b.weights(layer, center + scale)
    refuse_unless(bool(found), "center or scale", (center, scale))
    arrays = {"weight": found[0] if scale else np.ones_like(found[0])}
    if center:
        arrays["bias"] = found[-1]

    def make() -> nn.Module:
        norm = nn.LayerNorm(found[0].shape, c["epsilon"], bias=center, device="cpu")
        _frozen(norm.weight, scale)
        return loaded(norm, **arrays)

    return b.put(layer, make, x)


def _frozen(weight: nn.Parameter | None, trained: bool) -> None:
    """A weight of ones that Keras does not have is not trained."""
    if weight is not None:
        weight.requires_grad = trained


def prelu(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """A slope per channel."""
    x = b.ordered(xs[0], SAME if xs[0].order == FLAT else FIRST, layer)
    (alpha,) = b.weights(layer, 1)
    refuse_unless(
        alpha.size == alpha.shape[-1],
        "one slope per channel, as shared_axes makes them",
        alpha.shape,
    )
    return b.put(
        layer, lambda: loaded(nn.PReLU(alpha.size, device="cpu"), weight=alpha.reshape(-1)), x
    )


# --- shapes -------------------------------------------------------------------------------------


def flatten(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """One axis behind the batch; the order of an image's elements is made good by whoever reads them."""
    (x,) = xs
    if x.ndim < 3:
        return x
    if (
        c.get("data_format") == "channels_first"
    ):  # Keras flattens in the order of channels_last even then
        x = b.ordered(x, SAME, layer)
        dims = (0, *range(2, x.ndim), 1)
        x = b.put(layer, lambda: nn.Permute(dims), x, part="last", channels=None)
    if x.order == FIRST and not x.channels:
        x = b.ordered(x, SAME, layer)
    order = FLAT if x.order == FIRST else SAME
    return b.put(
        layer, nn.Flatten, x, ndim=2, channels=x.channels if order == FLAT else None, order=order
    )


def reshape(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Keras' order of elements in another shape."""
    x = b.ordered(xs[0], SAME, layer)
    shape = tuple(int(n) for n in c["target_shape"])
    if x.ndim > 2:
        x = b.put(layer, nn.Flatten, x, part="flat", ndim=2)
    last = shape[-1] if shape and shape[-1] > 0 else None
    if len(shape) == 1:
        return x._replace(channels=last)
    return b.put(layer, lambda: nn.Unflatten(1, shape), x, ndim=len(shape) + 1, channels=last)


def permute(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Keras' axes in another order."""
    x = b.ordered(xs[0], SAME, layer)
    dims = (0, *(int(d) for d in c["dims"]))
    refuse_unless(sorted(dims) == list(range(x.ndim)), f"an order of {x.ndim - 1} axes", c["dims"])
    return b.put(layer, lambda: nn.Permute(dims), x, channels=None)


def around(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...], sign: int) -> Value:
    """Zeros around the axes between batch and channels, or less of them."""
    x = b.ordered(xs[0], windows.order_of(c), layer)
    given = c["padding"] if sign > 0 else c["cropping"]
    pairs = [given] if x.ndim == 3 else list(given)
    padding = tuple(sign * int(n) for before_after in reversed(pairs) for n in before_after)
    kind = nn.ZeroPad1d if x.ndim == 3 else nn.ZeroPad2d
    return b.put(layer, lambda: kind(padding), x)


def zero_padding(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Zeros around."""
    return around(b, layer, c, xs, 1)


def cropping(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Less around."""
    return around(b, layer, c, xs, -1)


def up_sampling(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Whole factors of height and width."""
    how = c.get("interpolation", "nearest")
    refuse_unless(how in ("nearest", "bilinear"), "nearest or bilinear", how)
    x = b.ordered(xs[0], windows.order_of(c), layer)
    factors = tuple(int(n) for n in windows.each(c["size"], 2))
    return b.put(layer, lambda: nn.Upsample(scale_factor=factors, mode=how), x)


# --- joints and the rest ------------------------------------------------------------------------


def joined(how: str) -> Converter:
    """Values element by element, or along an axis."""

    def convert(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
        orders = {x.order for x in xs}
        ndim = max(x.ndim for x in xs)
        if len(orders) > 1 or (
            orders == {FLAT} and (how == "cat" or len({x.channels for x in xs}) > 1)
        ):
            wanted = FIRST if ndim == 4 and FIRST in orders else SAME
            xs = tuple(b.ordered(x, wanted, layer) for x in xs)
        refuse_unless(len({x.ndim for x in xs}) == 1, "operands of one rank", [x.ndim for x in xs])
        if how != "cat":
            return b.put(layer, lambda: nn.Merge(how), *xs)
        axis = c["axis"] % ndim
        last = axis == ndim - 1
        known = [x.channels for x in xs if x.channels]
        channels = (sum(known) if last else known[0]) if len(known) == len(xs) else None
        dim = axis_of(xs[0], axis)
        return b.put(layer, lambda: nn.Merge("cat", dim), *xs, channels=channels)

    return convert


def dropout(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Elements dropped in training."""
    refuse_unless(c.get("noise_shape") is None, "noise_shape=None", c.get("noise_shape"))
    return b.put(layer, lambda: nn.Dropout(c["rate"]), xs[0])


def spatial_dropout(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Channels dropped in training."""
    x = b.ordered(xs[0], windows.order_of(c), layer)
    kind = nn.Dropout1d if x.ndim == 3 else nn.Dropout2d
    return b.put(layer, lambda: kind(c["rate"]), x)


def rescaling(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """A factor and an offset for all elements."""
    for name in ("scale", "offset"):
        refuse_unless(isinstance(c[name], (int, float)), f"{name} to be a number", c[name])
    return b.put(layer, lambda: nn.Rescale(float(c["scale"]), float(c["offset"])), xs[0])


def unchanged(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """Layers that matter to training alone."""
    return xs[0]


def time_distributed(b: Builder, layer: Layer, c: Config, xs: tuple[Value, ...]) -> Value:
    """A layer that treats every step alike anyhow."""
    inner = c["layer"]
    kind = inner["class_name"]
    refuse_unless(
        kind in ("Dense", "Activation", "Dropout"), "Dense, Activation or Dropout in it", kind
    )
    return CONVERTERS[kind](b, layer, inner["config"], xs)


CONVERTERS: dict[str, Converter] = {
    "Dense": dense, "Embedding": embedding, "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization, "PReLU": prelu,
    "Flatten": flatten, "Reshape": reshape, "Permute": permute,
    "ZeroPadding1D": zero_padding, "ZeroPadding2D": zero_padding, "Cropping1D": cropping, "Cropping2D": cropping,
    "UpSampling2D": up_sampling,
    "Add": joined("add"), "Subtract": joined("sub"), "Multiply": joined("mul"), "Average": joined("mean"),
    "Maximum": joined("maximum"), "Minimum": joined("minimum"), "Concatenate": joined("cat"),
    "Dropout": dropout, "SpatialDropout1D": spatial_dropout, "SpatialDropout2D": spatial_dropout,
    "Rescaling": rescaling, "ActivityRegularization": unchanged, "TimeDistributed": time_distributed,
    **activations.CONVERTERS, **recurrent.CONVERTERS, **windows.CONVERTERS,
}  # fmt: skip
