"""Operators: ops by their symbols, and the in-place forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from . import autograd, ops
from .autograd import Variable
from .dtypes import Number, bool_
from .errors import AutogradError, DTypeError, ShapeError
from .methods import Methods
from .ops.creation import FULL, make
from .ops.random import Generator, normal, uniform
from .ops.rules import as_number


def _reflected(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`number OP tensor` from the function of `tensor OP number`."""

    def method(self: Any, other: Any) -> Any:
        return fn(other, self)

    return method


def _compared(fn: Callable[..., Any]) -> Callable[..., Any]:
    """== and != as Python wants them for what no tensor can equal: None, a string, a tuple, ..."""

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, (Variable, bool, int, float)) or hasattr(other, "__array__"):
            return fn(self, other)
        return NotImplemented

    return method


def _boolean(symbol: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """&, | and ^, which are bitwise in Python: the same as logic for bool, and for nothing else."""

    def method(self: Any, other: Any) -> Any:
        for x in (self, other):
            kind = x.dtype if isinstance(x, Variable) else type(x).__name__
            if kind != bool_:
                raise DTypeError(f"{symbol}: expected bool operands, got {kind}")
        return fn(self, other)

    return method


def _in_place(name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """The form of `fn` that puts its result into its first operand."""

    def method(self: Any, *args: Any, **settings: Any) -> Any:
        self._check_writable(name)
        return self._become(name, fn(self, *args, **settings))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"{fn.__name__}, the result of which replaces this tensor's contents."
    return method


class Operators(Methods):
    """What `clnn.Tensor` inherits: ops by their symbols, and ops that change a tensor.

    In-place forms swap in a fresh array: other tensors on the same memory keep theirs, and a graph
    recorded before keeps what it saw. As in torch they raise AutogradError on a leaf that requires
    grad, except under no_grad.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    # --- operators --------------------------------------------------------------------------

    __add__ = ops.add
    __radd__ = _reflected(ops.add)
    __sub__ = ops.sub
    __rsub__ = _reflected(ops.sub)
    __mul__ = ops.mul
    __rmul__ = _reflected(ops.mul)
    __truediv__ = ops.div
    __rtruediv__ = _reflected(ops.div)
    __floordiv__ = ops.floor_divide
    __rfloordiv__ = _reflected(ops.floor_divide)
    __mod__ = ops.remainder
    __rmod__ = _reflected(ops.remainder)
    __pow__ = ops.pow
    __rpow__ = _reflected(ops.pow)
    __matmul__ = ops.matmul
    __neg__ = ops.neg
    __abs__ = ops.abs
    __eq__ = _compared(ops.eq)
    __ne__ = _compared(ops.ne)
    __lt__ = ops.lt
    __le__ = ops.le
    __gt__ = ops.gt
    __ge__ = ops.ge
    __and__ = __rand__ = _boolean("&", ops.logical_and)
    __or__ = __ror__ = _boolean("|", ops.logical_or)
    __xor__ = __rxor__ = _boolean("^", ops.logical_xor)

    __getitem__ = ops.getitem

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check_writable("setitem")
        self._become("setitem", ops.setitem(self, index, value))

    def __pos__(self) -> Self:
        return self

    def __invert__(self) -> Self:
        if self.dtype is not bool_:
            raise DTypeError(f"~: expected a bool tensor, got {self.dtype}")
        return ops.logical_not(self)

    # --- in place ---------------------------------------------------------------------------

    add_ = __iadd__ = _in_place("add_", ops.add)
    sub_ = __isub__ = _in_place("sub_", ops.sub)
    mul_ = __imul__ = _in_place("mul_", ops.mul)
    div_ = __itruediv__ = _in_place("div_", ops.div)
    pow_ = __ipow__ = _in_place("pow_", ops.pow)
    floor_divide_ = __ifloordiv__ = _in_place("floor_divide_", ops.floor_divide)
    remainder_ = __imod__ = _in_place("remainder_", ops.remainder)
    __iand__ = _in_place("&=", __and__)
    __ior__ = _in_place("|=", __or__)
    __ixor__ = _in_place("^=", __xor__)
    neg_ = _in_place("neg_", ops.neg)
    abs_ = _in_place("abs_", ops.abs)
    exp_ = _in_place("exp_", ops.exp)
    sqrt_ = _in_place("sqrt_", ops.sqrt)
    clamp_ = _in_place("clamp_", ops.clamp)
    reciprocal_ = _in_place("reciprocal_", ops.reciprocal)
    floor_ = _in_place("floor_", ops.floor)
    ceil_ = _in_place("ceil_", ops.ceil)
    round_ = _in_place("round_", ops.round)
    relu_ = _in_place("relu_", ops.relu)
    sigmoid_ = _in_place("sigmoid_", ops.sigmoid)
    tanh_ = _in_place("tanh_", ops.tanh)
    masked_fill_ = _in_place("masked_fill_", ops.masked_fill)
    scatter_ = _in_place("scatter_", ops.scatter)
    scatter_add_ = _in_place("scatter_add_", ops.scatter_add)
    index_add_ = _in_place("index_add_", ops.index_add)

    def fill_(self, value: Number) -> Self:
        """Every element becomes `value`."""
        self._check_writable("fill_")
        number = as_number("fill_", value, self.dtype)
        return self._become("fill_", self._made(FULL, value=number))

    def zero_(self) -> Self:
        """Every element becomes 0."""
        return self.fill_(0)

    def uniform_(
        self, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
    ) -> Self:
        """Every element is drawn anew from [from_, to)."""
        self._check_writable("uniform_")
        new = uniform(
            type(self), self.shape, self.dtype, self.device, low=from_, high=to, generator=generator
        )
        return self._become("uniform_", new)

    def normal_(
        self, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
    ) -> Self:
        """Every element is drawn anew from the normal distribution."""
        self._check_writable("normal_")
        new = normal(
            type(self), self.shape, self.dtype, self.device, mean=mean, std=std, generator=generator
        )
        return self._become("normal_", new)

    def copy_(self, src: Self) -> Self:
        """Take over the contents of `src`, broadcast, converted and moved as needed; src keeps its own."""
        self._check_writable("copy_")
        if not isinstance(src, Variable):
            raise DTypeError(f"copy_: expected a Tensor, got {type(src).__name__}")
        new = ops.broadcast_to(
            autograd.transfer(ops.cast(src, self.dtype), self.device), self.shape
        )
        return self._become("copy_", ops.clone(new) if new.array is src.array else new)

    def _made(self, op: Any, **settings: Any) -> Self:
        return make(
            op, type(self), self.device, False, shape=self.shape, dtype=self.dtype, **settings
        )

    def _check_writable(self, name: str) -> None:
        if self.requires_grad and self.node is None and autograd.is_grad_enabled():
            raise AutogradError(
                f"{name}: expected a tensor that is not a leaf that requires grad, got one; "
                "work under clnn.no_grad(), or on a new tensor as in x = x + y"
            )

    def _become(self, name: str, new: Any) -> Self:
        """Take over the array of `new`, and its place in the graph if ops are being recorded."""
        if new.shape != self.shape:
            raise ShapeError(f"{name}: expected a result of shape {self.shape}, got {new.shape}")
        if new.dtype.category > self.dtype.category:
            raise DTypeError(f"{name}: expected a result that {self.dtype} holds, got {new.dtype}")
        new = ops.cast(new, self.dtype)
        self.array = new.array
        if autograd.is_grad_enabled():
            self.node, self.requires_grad = new.node, new.requires_grad
        return self
