"""Indexing by tensors: reading where they point, and adding or writing there.

Indices live on the device, so nothing waits to check them: one that is out of range reads NaN (0 of an
integer dtype) and writes nothing. Sums over equal indices run in ascending order of what is summed.
"""

from __future__ import annotations

from typing import Any

from ..autograd import T, Variable, apply
from ..dtypes import Number, int32, int64
from ..errors import DTypeError, SettingError, ShapeError
from ..op import Op
from ..shapes import Shape, Spec, broadcast, normalize_axis
from .elementwise import add, lt, mul, where
from .movement import PLACE, as_ints, broadcast_to, reshape, take_slice
from .rules import as_number, factor, operand

# --- the primitives -----------------------------------------------------------------------------


def _infer_take(x: Spec, index: Spec, *, dim: int, skip: int) -> Spec:
    return Spec(x.shape[:dim] + index.shape + x.shape[dim + 1 :], x.dtype)


def _take_vjp(g: Any, outs: Any, x: Any, index: Any, *, needs: Any, dim: int, skip: int) -> Any:
    return apply(TAKE_GRAD, g, index, dim=dim, size=x.shape[dim], skip=skip), None


def _infer_take_grad(g: Spec, index: Spec, *, dim: int, size: int, skip: int) -> Spec:
    return Spec((*g.shape[:dim], size, *g.shape[dim + index.rank :]), g.dtype)


def _infer_gather_grad(g: Spec, index: Spec, *, dim: int, size: int) -> Spec:
    return Spec((*g.shape[:dim], size, *g.shape[dim + 1 :]) if g.shape else (), g.dtype)


def _gather_vjp(g: Any, outs: Any, x: Any, index: Any, *, needs: Any, dim: int) -> Any:
    size = x.shape[dim] if x.shape else 1
    return apply(GATHER_GRAD, g, index, dim=dim, size=size), None


def _infer_scatter(x: Spec, index: Spec, src: Spec, *, dim: int) -> tuple[Spec, Spec]:
    return Spec(x.shape, x.dtype), Spec(x.shape, int32)


def _scatter_vjp(g: Any, outs: Any, x: Any, index: Any, src: Any, *, needs: Any, dim: int) -> Any:
    winner = outs[1]
    return (where(lt(winner, 0), g, 0.0) if needs[0] else None, None,
            apply(SCATTER_GRAD, g, winner, index, dim=dim) if needs[2] else None)  # fmt: skip


TAKE = Op("take", _infer_take, _take_vjp)
TAKE_GRAD = Op("take_grad", _infer_take_grad,
               lambda g, outs, x, index, *, needs, dim, size, skip: (take_rows(g, index, dim, skip), None))  # fmt: skip
GATHER = Op("gather", lambda x, index, *, dim: Spec(index.shape, x.dtype), _gather_vjp)
GATHER_GRAD = Op("gather_grad", _infer_gather_grad,
                 lambda g, outs, x, index, *, needs, dim, size: (apply(GATHER, g, index, dim=dim), None))  # fmt: skip
SCATTER = Op("scatter", _infer_scatter, _scatter_vjp)
SCATTER_GRAD = Op("scatter_grad", lambda g, winner, index, *, dim: Spec(index.shape, g.dtype))
FLAT_INDEX = Op(
    "flat_index",
    lambda high, low, *, size: Spec(broadcast("getitem", high.shape, low.shape), int64),
)
ONE_HOT = Op("one_hot", lambda index, *, num_classes: Spec((*index.shape, num_classes), int64))
POSITIONS = Op("positions", lambda mask, *, count: Spec((count,), int64))


def check_index(op: str, index: Any) -> None:
    """Raise DTypeError unless `index` is a tensor of int32 or int64."""
    operand(op, index)
    if index.dtype not in (int32, int64):
        raise DTypeError(f"{op}: expected an index of int32 or int64, got {index.dtype}")


def take_rows(x: T, index: Variable, dim: int, skip: int = -1) -> T:
    """x with axis `dim` replaced by those of index; the row `skip` gets no gradient. Checks nothing."""
    result: T = apply(TAKE, x, index, dim=dim, skip=skip)
    return result


# --- one index for whole rows -------------------------------------------------------------------


def index_select(input: T, dim: int, index: Variable) -> T:
    """The rows along axis `dim` that a vector of indices names.

    Raises DTypeError for an index that is not int32 or int64, ShapeError for one that is no vector.
    """
    axis = _along("index_select", input, dim, index)
    if index.ndim > 1 or (not input.ndim and index.spec.size != 1):
        what = "a vector of indices" if input.ndim else "one index for a tensor of shape ()"
        raise ShapeError(f"index_select: expected {what}, got shape {index.shape}")
    row = reshape(index, 1) if not index.ndim else index
    return (
        take_rows(input, row, axis)
        if input.ndim
        else reshape(take_rows(reshape(input, 1), row, 0), ())
    )


def index_add(input: T, dim: int, index: Variable, source: T, *, alpha: Number = 1) -> T:
    """input with alpha * source[i] added to row index[i] along axis `dim`; equal indices add up.

    Raises ShapeError unless index is a vector, as long as that axis of source, and the other axes agree.
    """
    axis = _along("index_add", input, dim, index)
    _same_dtype("index_add", input, source)
    alpha = factor("index_add", alpha, source.dtype)
    if isinstance(alpha, float) and not source.dtype.is_floating_point:
        raise DTypeError(f"index_add: expected alpha to be an int for {source.dtype}, got {alpha}")
    if not input.ndim:
        raise ShapeError("index_add: expected an input of at least one axis, got shape ()")
    n = index.shape[0] if index.ndim == 1 else -1
    if source.shape != (*input.shape[:axis], n, *input.shape[axis + 1 :]):
        raise ShapeError(
            f"index_add: expected a source of input's shape {input.shape} with the size of the index on axis {axis}, "
            f"got {source.shape} and an index of {index.shape}"
        )
    total = apply(TAKE_GRAD, source, index, dim=axis, size=input.shape[axis], skip=-1)
    return add(input, total if alpha == 1 else mul(total, alpha))


def embedding(input: Variable, weight: T, padding_idx: int | None = None, max_norm: float | None = None,
              norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False) -> T:  # fmt: skip
    """weight[input]: the rows (V, D) of a table that a tensor of indices of any shape names.

    Row padding_idx gets no gradient. Raises ShapeError for a weight that is no matrix, SettingError for a
    padding_idx outside of it and for max_norm, scale_grad_by_freq and sparse, which do not exist here.
    """
    check_index("embedding", input)
    operand("embedding", weight)
    if weight.ndim != 2:
        raise ShapeError(f"embedding: expected a weight of shape (V, D), got {weight.shape}")
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise SettingError(
            "embedding: expected neither max_norm, scale_grad_by_freq nor sparse; clnn has none of them"
        )
    rows = weight.shape[0]
    if padding_idx is not None:
        (padding_idx,) = as_ints("embedding", (padding_idx,))
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise SettingError(
            f"embedding: expected padding_idx in [{-rows}, {rows - 1}], got {padding_idx}"
        )
    return take_rows(weight, input, 0, -1 if padding_idx is None else padding_idx % rows)


def one_hot(tensor: T, num_classes: int = -1) -> T:
    """A last axis of num_classes with 1 at the index and 0 elsewhere, all 0 for an index out of range; int64.

    With num_classes -1 the host waits for the device to learn the largest index.
    """
    check_index("one_hot", tensor)
    (classes,) = as_ints("one_hot", (num_classes,))
    if classes == -1:
        if not tensor.spec.size:
            raise SettingError(
                "one_hot: expected num_classes for a tensor without elements, got -1"
            )
        classes = int(tensor.device.backend.download(tensor.array).max()) + 1
    if classes < 1:
        raise SettingError(f"one_hot: expected at least one class, got {classes}")
    result: T = apply(ONE_HOT, tensor, num_classes=classes)
    return result


# --- an index for every element -----------------------------------------------------------------


def gather(input: T, dim: int, index: Variable) -> T:
    """y[i][j] = input[index[i][j]][j] for dim 0, and so on for others; y has the shape of index.

    Raises ShapeError unless index has input's rank and is not larger on the other axes, DTypeError for an
    index that is not int32 or int64.
    """
    axis = _along("gather", input, dim, index)
    _fits("gather", "index", index.shape, input.shape, "input", axis)
    part = take_slice(input, {k: (0, n, 1) for k, n in enumerate(index.shape) if k != axis})
    return apply(GATHER, part, index, dim=axis)


def take_along_dim(input: T, indices: Variable, dim: int | None = None) -> T:
    """gather after broadcasting input and indices on the other axes; without dim, of the flat input."""
    if dim is None:
        operand("take_along_dim", input)
        check_index("take_along_dim", indices)
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    axis = _along("take_along_dim", input, dim, indices)
    if indices.ndim != input.ndim:
        raise ShapeError(
            f"take_along_dim: expected indices of {input.ndim} axes, got shape {indices.shape}"
        )
    rest = [s[:axis] + s[axis + 1 :] for s in (input.shape, indices.shape)]
    common = broadcast("take_along_dim", *rest)
    wide: list[Any] = [
        broadcast_to(x, (*common[:axis], *x.shape[axis : axis + 1], *common[axis:]))
        for x in (input, indices)
    ]
    return gather(wide[0], axis, wide[1])


def scatter(
    input: T,
    dim: int,
    index: Variable,
    src: T | Number | None = None,
    *,
    value: Number | None = None,
) -> T:
    """input with y[index[i][j]][j] = src[i][j] for dim 0, and so on; src may be a number.

    Where several write to one place the last of them along `dim` wins, on every device. Raises ShapeError
    unless index has the rank of input and src and is not larger than src, nor than input on other axes.
    """
    if (src is None) == (value is None):
        raise SettingError("scatter: expected either src or value")
    axis = _along("scatter", input, dim, index)
    _fits("scatter", "index", index.shape, input.shape, "input", axis)
    given = value if src is None else src
    if isinstance(given, Variable):
        given = _source("scatter", input, index, given, axis)
    else:
        given = as_number("scatter", given, input.dtype)
    return apply(SCATTER, input, _widen(index, input.shape, axis, -1), given, dim=axis)[0]


def scatter_add(input: T, dim: int, index: Variable, src: T) -> T:
    """input with src[i][j] added at y[index[i][j]][j] for dim 0, and so on; equal indices add up.

    Shapes and errors are those of scatter.
    """
    axis = _along("scatter_add", input, dim, index)
    _fits("scatter_add", "index", index.shape, input.shape, "input", axis)
    part = _source("scatter_add", input, index, src, axis)
    wide = _widen(index, input.shape, axis, -1)
    return add(input, apply(GATHER_GRAD, part, wide, dim=axis, size=_size(input.shape, axis)))


def _size(shape: Shape, axis: int) -> int:
    return shape[axis] if shape else 1


def _along(op: str, input: Any, dim: int, index: Any) -> int:
    """The axis, after checks that every function here makes."""
    operand(op, input)
    check_index(op, index)
    return normalize_axis(op, dim, input.ndim)


def _same_dtype(op: str, input: Variable, src: Any) -> None:
    operand(op, src)
    if src.dtype is not input.dtype:
        raise DTypeError(
            f"{op}: expected a source of input's dtype {input.dtype}, got {src.dtype}; convert it first"
        )


def _fits(op: str, name: str, shape: Shape, around: Shape, other: str, free: int = -1) -> None:
    """Raise ShapeError unless `shape` has the rank of `around` and is nowhere larger, but on axis `free`."""
    if len(shape) != len(around) or any(
        a > b for k, (a, b) in enumerate(zip(shape, around, strict=True)) if k != free
    ):
        but = f" except on axis {free}" if free >= 0 else ""
        raise ShapeError(
            f"{op}: expected an {name} inside of {other}'s shape {around}{but}, got {shape}"
        )


def _source(op: str, input: Variable, index: Variable, src: Any, axis: int) -> Any:
    """The part of src that index reads, widened to input's shape on the other axes."""
    _same_dtype(op, input, src)
    _fits(op, "index", index.shape, src.shape, "src")
    return _widen(
        take_slice(src, {k: (0, n, 1) for k, n in enumerate(index.shape)}), input.shape, axis, 0
    )


def _widen(x: T, shape: Shape, axis: int, value: int) -> T:
    """x behind which `value` fills up `shape`, except on `axis`."""
    to = tuple(x.shape[k] if k == axis else n for k, n in enumerate(shape))
    if to == x.shape:
        return x
    ones, zeros = (1,) * x.ndim, (0,) * x.ndim
    result: T = apply(PLACE, x, starts=zeros, steps=ones, shape=to, value=value)
    return result
