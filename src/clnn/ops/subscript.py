"""input[index] and input[index] = value, as functions, with torch's rules for where axes go."""

from __future__ import annotations

from array import array
from itertools import chain
from math import prod
from operator import index as as_int
from typing import Any, NamedTuple

from ..autograd import T, Variable, apply, create
from ..dtypes import Number, bool_, int64
from ..errors import DTypeError, IndexOutOfRangeError, ShapeError
from ..op import OPS
from ..shapes import Shape, Spec, broadcast
from .elementwise import cast, sub, where
from .indexing import FLAT_INDEX, POSITIONS, check_index, scatter, take_rows
from .movement import ASSIGN, broadcast_to, permute, reshape, take_slice
from .reduce import sum as total
from .rules import as_number, operand


def getitem(input: T, index: Any) -> T:
    """input[index]: ints, slices, None, ..., tensors of ints or bool, and lists of them, as in torch.

    Ints and lists are checked here; where a tensor's index is out of range the result is NaN (0 of an
    integer dtype). Counting the set elements of a mask waits for the device. Raises IndexOutOfRangeError
    for too many indices or one out of range, ShapeError for a slice that steps back or a mask of another
    shape, DTypeError for anything else.
    """
    operand("getitem", input)
    return _select(input, _Plan("getitem", input, index))


def setitem(input: T, index: Any, value: T | Number) -> T:
    """A copy of input with `value`, broadcast and converted to its dtype, at input[index].

    Indices and errors are those of getitem; where tensors name a place twice the last one wins, and what
    they name out of range is not written. Raises ShapeError for a value that does not broadcast.
    """
    operand("setitem", input)
    kind = input.dtype
    value = cast(value, kind) if isinstance(value, Variable) else as_number("setitem", value, kind)
    single = not isinstance(value, Variable) or value.spec.size == 1
    if single and isinstance(index, Variable) and index.dtype is bool_:
        _check_mask("setitem", index.shape, input.shape, 0)
        mask = reshape(index, index.shape + (1,) * (input.ndim - index.ndim))
        one: Any = reshape(value, ()) if isinstance(value, Variable) else value
        return cast(where(mask, one, input), input.dtype)
    plan = _Plan("setitem", input, index)
    if not plan.tensors:
        return _assign(input, plan, value)
    # Counted from 1 on, so that the 0 read where an index is out of range names no element.
    size = prod(input.shape)
    numbers = create(
        OPS["arange"], Variable, input.device, start=1, end=size + 1, step=1, dtype=int64
    )
    places: Any = sub(_select(reshape(numbers, input.shape), plan), 1)
    source: Any = value
    if isinstance(value, Variable):
        source = reshape(_to_shape(value, places.shape), -1)
    return reshape(scatter(reshape(input, -1), 0, reshape(places, -1), source), input.shape)


def masked_select(input: T, mask: Variable) -> T:
    """The elements of input where the bool mask is set, as a vector; both broadcast.

    Counting them waits for the device. Raises DTypeError for a mask that is not bool.
    """
    operand("masked_select", input)
    operand("masked_select", mask)
    if mask.dtype is not bool_:
        raise DTypeError(f"masked_select: expected a bool mask, got {mask.dtype}")
    shape = broadcast("masked_select", input.shape, mask.shape)
    return take_rows(
        reshape(broadcast_to(input, shape), -1), _positions(broadcast_to(mask, shape)), 0
    )


# --- what an index means ------------------------------------------------------------------------


class _List(NamedTuple):
    """A nested list of ints, or of bools, read on the host."""

    shape: Shape
    values: list[int]
    mask: bool


class _Chosen(NamedTuple):
    """An axis, the tensor that indexes it, and whether that is known to be in range."""

    axis: int
    index: Any
    known: bool


class _Plan:
    """An index sorted out for one shape: a slice, then a shape, then tensors on some of its axes."""

    def __init__(self, op: str, input: Variable, index: Any) -> None:
        self.op, self.device = op, input.device
        self.cuts: dict[int, tuple[int, int, int]] = {}  # per axis of input (start, count, step)
        self.shape: list[int] = []  # after the slice: no ints, with new axes, axes of a mask joined
        self.tensors: list[_Chosen] = []
        items = list(index) if isinstance(index, tuple) else [index]
        items = [_read_list(op, i) if isinstance(i, (list, tuple, range)) else i for i in items]
        taken = [_axes_taken(i) for i in items]
        rest = input.ndim - sum(taken)
        dots = [k for k, i in enumerate(items) if i is Ellipsis] or [len(items)]
        if len(dots) > 1:
            raise IndexOutOfRangeError(f"{op}: expected at most one ..., got {len(dots)}")
        if rest < 0:
            raise IndexOutOfRangeError(
                f"{op}: expected at most {input.ndim} indices for shape {input.shape}, got {sum(taken)}"
            )
        items[dots[0] : dots[0] + 1] = [slice(None)] * rest
        places = [(item, sum(map(_axes_taken, items[:k]))) for k, item in enumerate(items)]
        if any(isinstance(item, Variable) and item.dtype is bool_ for item in items):
            for item, axis in places:  # or an error would have to wait until a mask is counted
                _check_item(op, item, input.shape, axis)
        for item, axis in places:
            self._add(item, input.shape, axis)

    def _add(self, item: Any, shape: Shape, axis: int) -> None:
        if item is None:
            self.shape.append(1)
        elif isinstance(item, bool):
            self._choose(1, self._upload((int(item),), [0] * item), True)
        elif isinstance(item, slice):
            self.cuts[axis] = cut = _cut(self.op, item, shape[axis])
            self.shape.append(cut[1])
        elif isinstance(item, Variable) and item.dtype is bool_:
            _check_mask(self.op, item.shape, shape, axis)
            self._choose(prod(item.shape), _positions(item), True)
        elif isinstance(item, Variable):
            check_index(self.op, item)
            self._choose(shape[axis], item, False)
        elif isinstance(item, _List) and item.mask:
            _check_mask(self.op, item.shape, shape, axis)
            where_set = [k for k, v in enumerate(item.values) if v]
            self._choose(prod(item.shape), self._upload((len(where_set),), where_set), True)
        elif isinstance(item, _List):
            inside = [_in_range(self.op, v, shape[axis]) for v in item.values]
            self._choose(shape[axis], self._upload(item.shape, inside), True)
        else:
            self.cuts[axis] = (_in_range(self.op, item, shape[axis]), 1, 1)

    def _choose(self, size: int, index: Any, known: bool) -> None:
        self.tensors.append(_Chosen(len(self.shape), index, known))
        self.shape.append(size)

    def _upload(self, shape: Shape, values: list[int]) -> Variable:
        host = array("q", values)
        flat = Variable(self.device.backend.upload(host), Spec((len(host),), int64), self.device)
        return reshape(flat, shape)


def _check_item(op: str, item: Any, shape: Shape, axis: int) -> None:
    """Raise what adding the item to a plan would."""
    if isinstance(item, slice):
        _cut(op, item, shape[axis])
    elif isinstance(item, Variable | _List) and (
        item.dtype is bool_ if isinstance(item, Variable) else item.mask
    ):
        _check_mask(op, item.shape, shape, axis)
    elif isinstance(item, Variable):
        check_index(op, item)
    elif not (item is None or isinstance(item, bool)):
        for v in item.values if isinstance(item, _List) else [item]:
            _in_range(op, v, shape[axis])


def _axes_taken(item: Any) -> int:
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if (isinstance(item, Variable) and item.dtype is bool_) or (
        isinstance(item, _List) and item.mask
    ):
        return len(item.shape)
    return 1


def _in_range(op: str, item: Any, n: int) -> int:
    """A Python int counted from the front; raises IndexOutOfRangeError, or DTypeError for another type."""
    try:
        k = as_int(item)
    except TypeError:
        hint = "; make a Tensor with clnn.tensor(array)" if hasattr(item, "__array__") else ""
        raise DTypeError(
            f"{op}: expected ints, slices, None, ..., int or bool Tensors, or lists, got {type(item).__name__}{hint}"
        ) from None
    if not -n <= k < n:
        raise IndexOutOfRangeError(
            f"{op}: expected an index in [{-n}, {n - 1}] for an axis of size {n}, got {k}"
        )
    return k % n


def _cut(op: str, item: slice, n: int) -> tuple[int, int, int]:
    """(start, count, step) of a slice of an axis of size n."""
    try:
        start, stop, step = item.indices(n)
    except (TypeError, ValueError) as error:
        raise DTypeError(
            f"{op}: expected a slice of ints with a step other than 0, got {item}"
        ) from error
    if step < 0:
        raise ShapeError(f"{op}: expected a slice with a positive step, got {step}; use flip first")
    return start, len(range(start, stop, step)), step


def _check_mask(op: str, mask: Shape, shape: Shape, axis: int) -> None:
    if shape[axis : axis + len(mask)] != mask:
        raise ShapeError(
            f"{op}: expected a mask of the shape it masks, {shape[axis : axis + len(mask)]}, got {mask}"
        )


def _read_list(op: str, value: Any) -> _List:
    """The shape and the numbers of nested sequences; raises ShapeError if they are ragged."""
    shape: list[int] = []
    level: list[Any] = [value]
    while level and all(isinstance(v, (list, tuple, range)) for v in level):
        if len({len(v) for v in level}) > 1:
            raise ShapeError(f"{op}: expected nested lists of equal lengths, got {value}")
        shape.append(len(level[0]))
        level = list(chain.from_iterable(level))
    if (
        not all(hasattr(v, "__index__") for v in level)
        or len({isinstance(v, bool) for v in level}) > 1
    ):
        raise DTypeError(f"{op}: expected a list of ints or one of bools, got {value}")
    return _List(tuple(shape), level, bool(level) and isinstance(level[0], bool))


def _positions(mask: Any) -> Any:
    """Where a mask is set, counted in row-major order; the host waits for their number."""
    count = int(mask.device.backend.download(total(mask).array))
    return apply(POSITIONS, mask, count=count)


# --- doing it -----------------------------------------------------------------------------------


def _select(x: T, plan: _Plan) -> T:
    x = reshape(take_slice(x, plan.cuts), plan.shape)
    alone = [c.axis for c in plan.tensors if not c.index.ndim]
    for axis, index, known in reversed(plan.tensors):
        if (
            not index.ndim
        ):  # it takes its axis away, as an int would, before the others find their places
            x = take_rows(
                x, index if known else apply(FLAT_INDEX, 0, index, size=x.shape[axis]), axis
            )
    many = [
        c._replace(axis=c.axis - len([a for a in alone if a < c.axis]))
        for c in plan.tensors
        if c.index.ndim
    ]
    return _select_by(x, many, plan.op) if many else x


def _select_by(x: T, chosen: list[_Chosen], op: str) -> T:
    """Index several axes at once: the result of the indices goes where they are, in front if they are apart."""
    axes = [c.axis for c in chosen]
    at = axes[0]
    if axes != list(range(at, at + len(axes))):
        x = permute(x, axes + [k for k in range(x.ndim) if k not in axes])
        at = 0
    if len(chosen) == 1 and chosen[0].known:
        return take_rows(x, chosen[0].index, at)
    broadcast(op, *[c.index.shape for c in chosen])
    flat: Any = 0
    sizes = x.shape[at : at + len(axes)]
    for c, size in zip(chosen, sizes, strict=True):
        flat = apply(FLAT_INDEX, flat, c.index, size=size)
    return take_rows(
        reshape(x, (*x.shape[:at], prod(sizes), *x.shape[at + len(sizes) :])), flat, at
    )


def _assign(input: T, plan: _Plan, value: Any) -> T:
    """Write into a slice."""
    cuts = [plan.cuts.get(k, (0, n, 1)) for k, n in enumerate(input.shape)]
    starts, sizes, steps = zip(*cuts, strict=True) if cuts else ((), (), ())
    if isinstance(value, Variable):
        single = value.spec.size == 1
        value = (
            reshape(value, ()) if single else reshape(_to_shape(value, tuple(plan.shape)), sizes)
        )
    result: T = apply(ASSIGN, input, value, starts=starts, steps=steps, sizes=sizes)
    return result


def _to_shape(value: T, shape: Shape) -> T:
    """value broadcast to what an index selects; ones in front of it do not count, as in torch."""
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = reshape(value, value.shape[1:])
    if value.ndim > len(shape) or broadcast("setitem", value.shape, shape) != shape:
        raise ShapeError(
            f"setitem: expected a value that broadcasts to {shape}, got shape {value.shape}"
        )
    return broadcast_to(value, shape)
