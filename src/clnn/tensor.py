"""Tensor: operators and methods on an array, its way from and to NumPy, and how tensors are made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn, Self

import ml_dtypes  # noqa: F401  (registers "bfloat16" with NumPy)
import numpy as np

from . import autograd, ops
from .autograd import Node, no_grad
from .device import Device
from .device import device as open_device
from .dtypes import DType, Number, float32, int64
from .dtypes import dtype as as_dtype
from .errors import AutogradError, DTypeError, ShapeError
from .methods import Where
from .operators import Operators
from .ops.creation import ARANGE, EMPTY, EYE, LINSPACE, as_shape, filled, make
from .ops.movement import Ints
from .ops.rules import as_number
from .shapes import Spec


class Tensor(Operators):
    """An n-dimensional array on a device, with gradients on request.

    Made by clnn.tensor(data), clnn.zeros(2, 3) and their like, not by calling this class.
    """

    __slots__ = ()
    __array_ufunc__ = None  # NumPy leaves `array + tensor` to us, where the error says what to do

    # --- out to Python and NumPy ------------------------------------------------------------

    def numpy(self) -> Any:
        """The contents as a new NumPy array; waits for the device. bfloat16 comes as ml_dtypes.bfloat16."""
        return self.device.backend.download(self.array)

    def to_numpy(self) -> Any:
        """The same as numpy()."""
        return self.numpy()

    def item(self) -> Any:
        """The only element as a Python number; raises ShapeError if there is not exactly one."""
        if self.spec.size != 1:
            raise ShapeError(f"item: expected a tensor of one element, got shape {self.shape}")
        value = self.tolist()
        while isinstance(value, list):
            value = value[0]
        return value

    def tolist(self) -> Any:
        """The contents as nested lists of Python numbers; a number for a 0-d tensor."""
        host = self.numpy()
        return (host.astype(np.float32) if self.dtype == "bfloat16" else host).tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """For np.asarray: the contents, outside of the graph even where torch would refuse."""
        if copy is False:
            raise ValueError(
                "__array__: expected copy None or True, got False; a device array has to be copied"
            )
        host = self.numpy()
        return host if dtype is None else host.astype(dtype, copy=False)

    def __dlpack__(self, **options: Any) -> Any:
        """For torch.from_dlpack and its like: a copy in host memory, outside of the graph."""
        if self.dtype == "bfloat16":
            raise DTypeError(
                "__dlpack__: expected a dtype NumPy can pass on, got bfloat16; use .float()"
            )
        return self.numpy().__dlpack__(**{k: v for k, v in options.items() if v is not None})

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # kDLCPU: contents are passed on through host memory

    def __bool__(self) -> bool:
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        if self.dtype.category == 2:
            raise DTypeError(f"index: expected an integer tensor, got {self.dtype}")
        return int(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("len: expected a tensor with at least one axis, got shape ()")
        return self.shape[0]

    def __iter__(self) -> Iterator[Self]:
        return (self[k] for k in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool(self.eq(value).any())

    def __repr__(self) -> str:
        host = self.numpy()
        if self.dtype.category == 2:
            host = host.astype(np.float64)
        body = np.array2string(host, separator=", ", prefix="tensor(", threshold=200, precision=4)
        plain = self.dtype in (float32, int64, "bool")
        parts = [body, f"device='{self.device}'", *([] if plain else [f"dtype={self.dtype!r}"])]
        if self.node is not None:
            parts.append(f"grad_fn={self.node}")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        return f"tensor({', '.join(parts)})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    # --- copies, and other devices and dtypes -----------------------------------------------

    def to(
        self, *target: Any, device: Where = None, dtype: Any = None, non_blocking: bool = False
    ) -> Self:
        """This tensor on a device, in a dtype, in both, or as another tensor is; the gradient follows.

        Returns the tensor itself where nothing changes. Raises DeviceError or DTypeError. non_blocking
        is accepted and changes nothing: uploads never wait.
        """
        for t in target:
            if isinstance(t, Tensor):
                device, dtype = t.device, t.dtype
            elif isinstance(t, Device) or (isinstance(t, str) and not _names_dtype(t)):
                device = t
            elif t is not None:
                dtype = t
        there = self.device if device is None else open_device(device)
        kind = self.dtype if dtype is None else as_dtype(dtype)
        if kind.itemsize < self.dtype.itemsize:
            return autograd.transfer(ops.cast(self, kind), there)
        return ops.cast(autograd.transfer(self, there), kind)

    def cpu(self) -> Self:
        """This tensor on the NumPy reference."""
        return self.to(device="cpu")

    def detach(self) -> Tensor:
        """The same memory outside of the graph."""
        return Tensor(self.array, self.spec, self.device)

    @property
    def data(self) -> Tensor:
        """The same memory outside of the graph; assign a tensor to take over its memory instead."""
        return self.detach()

    @data.setter
    def data(self, other: Tensor) -> None:
        self.array, self.spec, self.device = other.array, other.spec, other.device

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        if self.node is not None:
            raise AutogradError(
                "deepcopy: expected a leaf, got the result of an op; use .detach().clone()"
            )
        with no_grad():
            copy = self.clone().requires_grad_(self.requires_grad)
            copy.grad = None if self.grad is None else self.grad.clone()
        memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise DTypeError(
            "pickle: expected plain data, got a Tensor; use clnn.save, or pickle x.numpy()"
        )

    # --- the graph --------------------------------------------------------------------------

    def backward(self, gradient: Tensor | None = None, retain_graph: bool = False) -> None:
        """Add the gradient of this tensor to `.grad` of every leaf it depends on.

        `gradient` has this tensor's shape; it may be left out for a single element. The graph is freed
        unless `retain_graph`. Raises AutogradError when there is no graph to walk.
        """
        autograd.backward(self, gradient, retain_graph=retain_graph)

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    @property
    def is_leaf(self) -> bool:
        """Whether it is not the result of an op that was recorded."""
        return self.node is None

    @property
    def grad_fn(self) -> Node | None:
        """The record of the op this is the result of."""
        return self.node

    # --- facts, and others like it ----------------------------------------------------------

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one axis."""
        return self.shape if dim is None else self.shape[ops.movement.axis_of("size", self, dim)[0]]

    def numel(self) -> int:
        """Number of elements."""
        return self.spec.size

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.spec.nbytes

    def new_tensor(
        self, data: Any, *, dtype: Any = None, device: Where = None, requires_grad: bool = False
    ) -> Tensor:
        """clnn.tensor with this tensor's dtype and device, unless given."""
        return tensor(
            data,
            dtype=dtype or self.dtype,
            device=device or self.device,
            requires_grad=requires_grad,
        )


def _names_dtype(text: str) -> bool:
    try:
        as_dtype(text)
    except DTypeError:
        return False
    return True


# --- from data ----------------------------------------------------------------------------------


def tensor(
    data: Any, *, dtype: Any = None, device: Where = None, requires_grad: bool = False
) -> Tensor:
    """Copy `data` (numbers, nested sequences, a NumPy array or a Tensor) to a new tensor.

    Python floats become float32 and ints int64; arrays keep their dtype. device None is the default
    device. Raises DTypeError for data clnn has no dtype for, ShapeError for sequences of unequal length.
    """
    host, kind = to_host(data, dtype)
    dev = open_device(device)
    made = Tensor(dev.backend.upload(host), Spec(host.shape, kind), dev)
    return made.requires_grad_() if requires_grad else made


def from_numpy(ndarray: Any) -> Tensor:
    """Copy a NumPy array to a new tensor on the default device; raises DTypeError for anything else."""
    if not isinstance(ndarray, np.ndarray):
        raise DTypeError(
            f"from_numpy: expected a NumPy array, got {type(ndarray).__name__}; use clnn.tensor"
        )
    return tensor(ndarray)


def to_host(data: Any, dtype: Any = None) -> tuple[Any, DType]:
    """`data` as a C-contiguous NumPy array of a dtype clnn has, and that dtype."""
    if isinstance(data, Tensor):
        data = data.numpy()
    try:
        host = np.asarray(data)
    except ValueError as error:
        raise ShapeError(
            f"tensor: expected sequences of equal length, got others ({error})"
        ) from None
    if dtype is None and not hasattr(data, "dtype"):
        dtype = float32 if host.dtype == np.float64 else host.dtype
    kind = as_dtype(host.dtype if dtype is None else dtype)
    return np.asarray(host.astype(str(kind)), order="C"), kind


# --- from numbers -------------------------------------------------------------------------------


def kind_of(dtype: Any, default: DType = float32) -> DType:
    """The dtype that a caller means; raises DTypeError for what is none."""
    return default if dtype is None else as_dtype(dtype)


def zeros(
    *size: Any, dtype: Any = None, device: Where = None, requires_grad: bool = False
) -> Tensor:
    """Zeros, of shape `size`: ints, or one sequence of them. float32 unless told otherwise."""
    return filled(
        "zeros", Tensor, as_shape("zeros", size), 0, kind_of(dtype), device, requires_grad
    )


def ones(
    *size: Any, dtype: Any = None, device: Where = None, requires_grad: bool = False
) -> Tensor:
    """Ones, of shape `size`: ints, or one sequence of them. float32 unless told otherwise."""
    return filled("ones", Tensor, as_shape("ones", size), 1, kind_of(dtype), device, requires_grad)


def empty(
    *size: Any, dtype: Any = None, device: Where = None, requires_grad: bool = False
) -> Tensor:
    """Memory of shape `size` with whatever it held before. float32 unless told otherwise."""
    return make(
        EMPTY, Tensor, device, requires_grad, shape=as_shape("empty", size), dtype=kind_of(dtype)
    )


def full(size: Ints, fill_value: Number, *, dtype: Any = None, device: Where = None,
         requires_grad: bool = False) -> Tensor:  # fmt: skip
    """One number everywhere; its own dtype decides unless one is given."""
    return filled(
        "full", Tensor, as_shape("full", (size,)), fill_value, dtype, device, requires_grad
    )


def arange(start: Number, end: Number | None = None, step: Number = 1, *, dtype: Any = None,
           device: Where = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """start, start + step, ... up to but without end; from 0 if only one number is given.

    int64 if all three are integers, else float32. Raises SettingError unless step leads to end.
    """
    given = [
        autograd.python_number("arange", v) for v in ((0, start) if end is None else (start, end))
    ]
    given.append(autograd.python_number("arange", step))
    kind = kind_of(dtype, float32 if any(isinstance(v, float) for v in given) else int64)
    first, last, by = [as_number("arange", v, kind) if kind.category else v for v in given]
    return make(ARANGE, Tensor, device, requires_grad, start=first, end=last, step=by, dtype=kind)


def linspace(start: float, end: float, steps: int, *, dtype: Any = None, device: Where = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`steps` numbers at equal distances from start to end, both included."""
    return make(LINSPACE, Tensor, device, requires_grad, start=float(start), end=float(end), steps=steps,
                dtype=kind_of(dtype))  # fmt: skip


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Where = None,
        requires_grad: bool = False) -> Tensor:  # fmt: skip
    """n rows and m (else n) columns, ones on the diagonal and zeros elsewhere."""
    return make(
        EYE,
        Tensor,
        device,
        requires_grad,
        rows=n,
        columns=n if m is None else m,
        dtype=kind_of(dtype),
    )
