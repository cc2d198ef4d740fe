"""Methods: every op that torch has as a method, and the small ones around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from . import ops
from .autograd import Variable
from .device import Device
from .dtypes import Number
from .ops.creation import EMPTY, as_shape, filled, like, make
from .ops.movement import Ints

Where = str | Device | None


def _converted(name: str) -> Callable[..., Any]:
    def method(self: Any) -> Any:
        return ops.cast(self, name)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Converted to {name}; the tensor itself if it is that already."
    return method


class Methods(Variable):
    """What `clnn.Tensor` inherits: ops that give a new tensor, by their names."""

    __slots__ = ()

    abs = ops.abs
    add = ops.add
    addmm = ops.addmm
    all = ops.all
    amax = ops.amax
    amin = ops.amin
    any = ops.any
    argmax = ops.argmax
    argmin = ops.argmin
    bmm = ops.bmm
    broadcast_to = ops.broadcast_to
    ceil = ops.ceil
    chunk = ops.chunk
    clamp = ops.clamp
    clone = ops.clone
    cos = ops.cos
    cumsum = ops.cumsum
    div = ops.div
    dot = ops.dot
    eq = ops.eq
    erf = ops.erf
    exp = ops.exp
    expand = ops.expand
    expm1 = ops.expm1
    flatten = ops.flatten
    flip = ops.flip
    floor = ops.floor
    floor_divide = ops.floor_divide
    gather = ops.gather
    ge = ops.ge
    gt = ops.gt
    hardshrink = ops.hardshrink
    index_add = ops.index_add
    index_select = ops.index_select
    isfinite = ops.isfinite
    isinf = ops.isinf
    isnan = ops.isnan
    le = ops.le
    log = ops.log
    log10 = ops.log10
    log1p = ops.log1p
    log2 = ops.log2
    log_softmax = ops.log_softmax
    logical_and = ops.logical_and
    logical_not = ops.logical_not
    logical_or = ops.logical_or
    logical_xor = ops.logical_xor
    logsumexp = ops.logsumexp
    lt = ops.lt
    masked_fill = ops.masked_fill
    masked_select = ops.masked_select
    matmul = ops.matmul
    max = ops.max
    maximum = ops.maximum
    mean = ops.mean
    min = ops.min
    minimum = ops.minimum
    mm = ops.mm
    movedim = ops.movedim
    mul = ops.mul
    narrow = ops.narrow
    ne = ops.ne
    neg = ops.neg
    norm = ops.norm
    outer = ops.outer
    permute = ops.permute
    pow = ops.pow
    prelu = ops.prelu
    prod = ops.prod
    reciprocal = ops.reciprocal
    relu = ops.relu
    remainder = ops.remainder
    repeat = ops.repeat
    reshape = ops.reshape
    roll = ops.roll
    round = ops.round
    rsqrt = ops.rsqrt
    scatter = ops.scatter
    scatter_add = ops.scatter_add
    sigmoid = ops.sigmoid
    sign = ops.sign
    sin = ops.sin
    softmax = ops.softmax
    split = ops.split
    sqrt = ops.sqrt
    square = ops.square
    squeeze = ops.squeeze
    std = ops.std
    sub = ops.sub
    sum = ops.sum
    swapaxes = ops.swapaxes
    t = ops.t
    take_along_dim = ops.take_along_dim
    tan = ops.tan
    tanh = ops.tanh
    tile = ops.tile
    transpose = ops.transpose
    tril = ops.tril
    triu = ops.triu
    unbind = ops.unbind
    unsqueeze = ops.unsqueeze
    var = ops.var
    view = ops.view

    def dim(self) -> int:
        """Number of axes."""
        return self.ndim

    def where(self, condition: Self, other: Any) -> Self:
        """self where the bool condition holds, else other."""
        return ops.where(condition, self, other)

    def view_as(self, other: Variable) -> Self:
        """In the shape of another tensor."""
        return ops.reshape(self, other.shape)

    reshape_as = view_as

    def expand_as(self, other: Variable) -> Self:
        """Broadcast to the shape of another tensor."""
        return ops.expand(self, other.shape)

    def type_as(self, other: Variable) -> Self:
        """In the dtype of another tensor."""
        return ops.cast(self, other.dtype)

    def is_floating_point(self) -> bool:
        """Whether elements are real numbers."""
        return self.dtype.is_floating_point

    def contiguous(self) -> Self:
        """The tensor itself: arrays are always contiguous."""
        return self

    @property
    def T(self) -> Self:  # noqa: N802 (torch's name)
        """The axes in reverse order."""
        return ops.permute(self, tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> Self:  # noqa: N802 (torch's name)
        """The last two axes exchanged."""
        return ops.transpose(self, -2, -1)

    # --- others like it ---------------------------------------------------------------------

    def new_full(self, size: Ints, fill_value: Number, *, dtype: Any = None, device: Where = None,
                 requires_grad: bool = False) -> Self:  # fmt: skip
        """clnn.full with this tensor's dtype and device, unless given."""
        kind, where = like("new_full", self, dtype, device)
        shape = as_shape("new_full", (size,))
        return filled("new_full", type(self), shape, fill_value, kind, where, requires_grad)

    def new_zeros(self, *size: Any, **options: Any) -> Self:
        """clnn.zeros with this tensor's dtype and device, unless given."""
        return self.new_full(as_shape("new_zeros", size), 0, **options)

    def new_ones(self, *size: Any, **options: Any) -> Self:
        """clnn.ones with this tensor's dtype and device, unless given."""
        return self.new_full(as_shape("new_ones", size), 1, **options)

    def new_empty(
        self, *size: Any, dtype: Any = None, device: Where = None, requires_grad: bool = False
    ) -> Self:
        """clnn.empty with this tensor's dtype and device, unless given."""
        kind, where = like("new_empty", self, dtype, device)
        shape = as_shape("new_empty", size)
        return make(EMPTY, type(self), where, requires_grad, shape=shape, dtype=kind)

    # --- conversions; last, because they hide Python's types of these names ------------------

    def type(self, dtype: Any = None) -> Any:
        """Converted to `dtype`; without one, the dtype there is."""
        return self.dtype if dtype is None else ops.cast(self, dtype)

    double = _converted("float64")
    half = _converted("float16")
    bfloat16 = _converted("bfloat16")
    long = _converted("int64")
    byte = _converted("uint8")
    float = _converted("float32")
    int = _converted("int32")
    bool = _converted("bool")
