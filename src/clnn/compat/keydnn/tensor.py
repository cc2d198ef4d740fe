"""Tensor and Parameter: clnn's, made from a shape, with operands of one shape and gradients of every result."""

# Names are KeyDNN's and their parameters differ from those of clnn.Tensor's methods, which is the point.
# mypy: disable-error-code="override,assignment"

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import nn, ops
from ...autograd import Node, Variable, is_grad_enabled, no_grad
from ...device import Device as AnyDevice
from ...draw import rand as draw_rand
from ...dtypes import DType, float32
from ...errors import DeviceError, DTypeError, ShapeError
from ...nn.init import get_initializer
from ...nn.parameter import replace
from ...profiler import profile as profiled
from ...shapes import Shape, Spec, broadcast
from ...tensor import Tensor as Base
from ...tensor import empty, full, tensor, zeros
from .context import Context, node_of
from .device import place


def _checked(name: str, x: Any, other: Any) -> None:
    if isinstance(other, Variable) and other.shape != x.shape:
        raise ShapeError(
            f"{name}: expected operands of one shape, got {x.shape} and {other.shape}; use broadcast_to"
        )


def _strict(fn: Callable[..., Any]) -> Callable[..., Any]:
    """An operator that does not broadcast."""

    def method(self: Any, other: Any) -> Any:
        _checked(fn.__name__, self, other)
        return fn(self, other)

    return method


def _mask(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A comparison that gives 1.0 and 0.0."""

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, Variable | bool | int | float) and not hasattr(other, "__array__"):
            return NotImplemented
        _checked(fn.__name__, self, other)
        return ops.cast(fn(self, other), float32)

    return method


def _in_place(name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """An operator that changes its tensor: a leaf that is trained unrecorded, as optimizers want it."""

    def method(self: Any, other: Any) -> Any:
        _checked(name, self, other)
        if self.requires_grad and self.node is None:
            with no_grad():
                return self._become(name, fn(self, other))
        self._become(name, fn(self, other))
        if self.node is not None:
            self.retain_grad()
        return self

    return method


class Tensor(Base):
    """A clnn.Tensor with KeyDNN's constructor, methods and rules; zeros unless init_zeros is False.

    Operands have one shape or are numbers, products two axes each; `.grad` is there for every result that is still
    referred to. Raises ShapeError, DTypeError, DeviceError or SettingError, which are what KeyDNN raises.
    """

    __slots__ = ()

    def __init__(
        self, shape: Any, device: Any = None, *, requires_grad: bool = False,
        dtype: Any = np.float32, init_zeros: bool = True, ctx: Context | None = None,
    ) -> None:  # fmt: skip
        make = zeros if init_zeros else empty
        made = make(tuple(shape), dtype=dtype, device=place(device))
        Variable.__init__(self, made.array, made.spec, made.device, None, bool(requires_grad))
        self._set_ctx(ctx)

    @classmethod
    def _wrap(cls, array: Any, spec: Spec, device: AnyDevice, node: Node | None = None) -> Tensor:
        new = object.__new__(Tensor)
        Variable.__init__(new, array, spec, device, node, node is not None)
        if node is not None:
            new.retain_grad()
        return new

    def _set_ctx(self, ctx: Context | None) -> None:
        self.node = None if ctx is None else node_of(ctx)
        if self.node is not None and self.requires_grad:
            self.retain_grad()

    # --- made ---------------------------------------------------------------------------------

    @classmethod
    def zeros(
        cls, *, shape: Any, device: Any, requires_grad: bool = False, dtype: Any = np.float32
    ) -> Tensor:
        """Zeros."""
        return Tensor(shape, device, requires_grad=requires_grad, dtype=dtype)

    @classmethod
    def ones(
        cls, *, shape: Any, device: Any, requires_grad: bool = False, dtype: Any = np.float32
    ) -> Tensor:
        """Ones."""
        made = full(tuple(shape), 1, dtype=dtype, device=place(device))
        return adopted(made.requires_grad_(requires_grad))

    @classmethod
    def full(
        cls, shape: Any, fill_value: float, *, device: Any, requires_grad: bool = False
    ) -> Tensor:
        """One number everywhere, in float32."""
        made = full(tuple(shape), float(fill_value), dtype=float32, device=place(device))
        return adopted(made.requires_grad_(requires_grad))

    @classmethod
    def rand(cls, shape: Any, *, device: Any, requires_grad: bool = False) -> Tensor:
        """Uniform numbers in [0, 1), from clnn's generator."""
        made = draw_rand(tuple(shape), device=place(device))
        return adopted(made.requires_grad_(requires_grad))

    @classmethod
    def _from_numpy(cls, arr: Any, *, device: Any, requires_grad: bool = False) -> Tensor:
        made = tensor(np.asarray(arr), dtype=float32, device=place(device))
        return adopted(made.requires_grad_(requires_grad))

    @staticmethod
    def stack(tensors: Sequence[Any], axis: int = 0) -> Tensor:
        """Tensors of one shape along a new axis."""
        return ops.stack(_several("stack", tensors), axis)

    @staticmethod
    def concat(tensors: Sequence[Any], axis: int = 0) -> Tensor:
        """Tensors along an axis they have."""
        return ops.cat(_several("concat", tensors), axis)

    # --- operators ----------------------------------------------------------------------------

    __add__ = _strict(ops.add)
    __sub__ = _strict(ops.sub)
    __mul__ = _strict(ops.mul)
    __truediv__ = _strict(ops.div)
    __gt__ = _mask(ops.gt)
    __ge__ = _mask(ops.ge)
    __lt__ = _mask(ops.lt)
    __le__ = _mask(ops.le)
    __eq__ = _mask(ops.eq)
    __ne__ = _mask(ops.ne)
    __hash__ = Base.__hash__
    __iadd__ = _in_place("+=", ops.add)
    __isub__ = _in_place("-=", ops.sub)
    __imul__ = _in_place("*=", ops.mul)
    __itruediv__ = _in_place("/=", ops.div)

    def matmul(self, other: Any) -> Tensor:
        """The product of two matrices.  (M, K), (K, N) -> (M, N)."""
        for x in (self, other):
            if isinstance(x, Variable) and x.ndim != 2:
                raise ShapeError(f"matmul: expected operands with 2 axes, got shape {x.shape}")
        return ops.matmul(self, other)

    __matmul__ = matmul

    # --- reductions and shapes ----------------------------------------------------------------

    def sum(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """The sum along an axis, or of all elements."""
        return ops.sum(self, axis, keepdims)

    def mean(self) -> Tensor:
        """The mean of all elements."""
        return ops.mean(self)

    def max(self, axis: int = -1, keepdims: bool = False) -> Tensor:
        """The largest along an axis; the first of several gets the gradient."""
        return ops.max(self, axis, keepdims)[0]

    def transpose(self) -> Tensor:
        """A matrix with its axes exchanged.  (M, N) -> (N, M)."""
        if self.ndim != 2:
            raise ShapeError(f"transpose: expected 2 axes, got shape {self.shape}")
        return ops.t(self)

    T = property(transpose)

    def reshape(self, new_shape: Any) -> Tensor:
        """The same elements in another shape; one size may be -1."""
        return ops.reshape(self, new_shape)

    def sum_to_shape(self, target_shape: Any) -> Tensor:
        """Summed along the axes that `target_shape` would be broadcast along to get here."""
        target: Shape = tuple(target_shape)
        if broadcast("sum_to_shape", self.shape, target) != self.shape:
            raise ShapeError(
                f"sum_to_shape: expected a shape that broadcasts to {self.shape}, got {target}"
            )
        ahead = self.ndim - len(target)
        padded = (1,) * ahead + target
        axes = tuple(k for k in range(self.ndim) if padded[k] != self.shape[k])
        return ops.reshape(ops.sum(self, axes, True) if axes else self, target)

    # --- memory -------------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        """The contents as a NumPy array that cannot be written to: `copy_from_numpy` does that."""
        found = self.numpy()
        found.flags.writeable = False
        return found

    @data.setter
    def data(self, other: Base) -> None:
        replace(self, other)

    @property
    def device_type(self) -> str:
        """ "cuda" for a device asked for by that name, else "cpu"."""
        return "cuda" if self.device.is_cuda() else "cpu"

    def to(self, device: Any, *, copy: bool = False) -> Any:
        """Itself, or a copy where it is elsewhere or `copy` asks for one; outside of the graph."""
        if isinstance(device, DType):
            return super().to(device)
        there = place(device)
        if there == self.device:
            return self.clone() if copy else self
        with no_grad():
            return super().to(there)

    def to_(self, device: Any, *, copy: bool = False) -> Any:
        """Move this tensor and its gradient."""
        there = place(device)
        replace(self, self.to(there, copy=copy))
        self.node = None
        if self.grad is not None:
            self.grad = self.grad.to(there)
        return self

    def clone(self) -> Tensor:
        """A copy outside of the graph."""
        with no_grad():
            return ops.clone(self)

    def fill(self, value: float) -> None:
        """Every element becomes `value`."""
        with no_grad():
            self.fill_(float(value))

    def copy_from(self, other: Any, *, allow_cross_device: bool = False) -> None:
        """Take over the contents of a tensor of the same shape and dtype."""
        if not isinstance(other, Base):
            raise DTypeError(f"copy_from: expected a Tensor, got {type(other).__name__}")
        _checked("copy_from", self, other)
        if other.dtype != self.dtype:
            raise DTypeError(f"copy_from: expected dtype {self.dtype}, got {other.dtype}")
        if other.device != self.device and not allow_cross_device:
            raise DeviceError(
                f"copy_from: expected a tensor on {self.device}, got one on {other.device}; "
                "pass allow_cross_device=True"
            )
        with no_grad():
            self.copy_(adopted(other))

    def copy_from_numpy(self, arr: Any) -> None:
        """Take over the contents of an array of the same shape."""
        host = np.asarray(arr)
        if host.shape != self.shape:
            raise ShapeError(f"copy_from_numpy: expected shape {self.shape}, got {host.shape}")
        self.array = tensor(host, dtype=self.dtype, device=self.device).array

    def free_(self) -> None:
        """Nothing: memory is given back with the last reference to it."""

    def item(self) -> float:
        """The only element."""
        return float(super().item())

    def debug_storage_repr(self) -> str:
        """Where and what the contents are."""
        return f"{self.device} tensor dtype={self.dtype} shape={self.shape}"

    def __repr__(self) -> str:
        return f"Tensor(shape={self.shape}, device={self.device}, dtype={self.dtype})"

    # --- the graph ----------------------------------------------------------------------------

    def backward(
        self, grad_out: Any = None, *, profile: bool = False, profile_topk: int = 20
    ) -> None:
        """Add gradients to every tensor this depends on that is still referred to; the graph stays.

        profile prints the `profile_topk` slowest kernels.
        """
        if grad_out is None and self.shape:
            raise ShapeError(
                f"backward: expected grad_out for a tensor of shape {self.shape}, got None"
            )
        if not profile:
            super().backward(grad_out, retain_graph=True)
            return
        with profiled(self.device) as found:
            super().backward(grad_out, retain_graph=True)
        head, *rows, total = str(found).splitlines()
        print(head, *rows[:profile_topk], total, sep="\n")


class Parameter(Tensor, nn.Parameter):
    """A Tensor that modules register and optimizers train, filled by the named initializer if there is one."""

    __slots__ = ()

    def __init__(
        self, *args: Any, requires_grad: bool = True, initializer: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, requires_grad=requires_grad, **kwargs)
        if initializer:
            get_initializer(initializer)(self)

    def set_grad(self, grad: Any) -> None:
        """Replace the gradient."""
        self.grad = grad

    def accumulate_grad(self, grad: Any) -> None:
        """Add to the gradient."""
        if self.requires_grad:
            with no_grad():
                self.grad = grad if self.grad is None else self.grad + grad

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        return adopted(super().__deepcopy__(memo))

    __repr__ = Tensor.__repr__


def adopted(x: Any) -> Any:
    """`x` itself; a Tensor or Parameter of clnn's becomes one of KeyDNN's."""
    if type(x) is nn.Parameter:
        x.__class__ = Parameter
    elif type(x) is Base:
        x.__class__ = Tensor
        if x.node is not None and is_grad_enabled():
            x.retain_grad()
    return x


def _several(name: str, tensors: Sequence[Any]) -> Sequence[Any]:
    if not tensors:
        raise ShapeError(f"{name}: expected at least one tensor, got none")
    return tensors
