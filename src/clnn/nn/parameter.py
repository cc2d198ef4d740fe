"""Parameter: a leaf tensor that a module trains, and one whose shape is not known yet."""

from __future__ import annotations

from typing import Any, NoReturn

from ..autograd import Node, no_grad
from ..device import Device
from ..dtypes import DType, float32
from ..errors import DTypeError, ShapeError
from ..shapes import Shape, Spec
from ..tensor import Tensor, empty
from .arguments import DeviceLike


class Parameter(Tensor):
    """A tensor that requires grad and registers itself with the module it is assigned to.

    Shares memory with `data`. What an op on it returns is a plain Tensor. Raises DTypeError for
    anything but a Tensor of a floating dtype.
    """

    __slots__ = ()

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        if not isinstance(data, Tensor):
            raise DTypeError(
                f"Parameter: expected a Tensor, got {type(data).__name__}; "
                "make one with clnn.tensor(array)"
            )
        if requires_grad and not data.dtype.is_floating_point:
            raise DTypeError(f"Parameter: expected a floating dtype, got {data.dtype}")
        super().__init__(data.array, data.spec, data.device, requires_grad=requires_grad)

    @classmethod
    def _wrap(cls, array: Any, spec: Spec, device: Device, node: Node | None = None) -> Tensor:
        return Tensor(array, spec, device, node, node is not None)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        with no_grad():
            copy = Parameter(self.clone(), self.requires_grad)
            copy.grad = None if self.grad is None else self.grad.clone()
        memo[id(self)] = copy
        return copy

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class UninitializedParameter(Parameter):
    """A parameter of a lazy layer before its first input.

    It becomes a Parameter, the same object, once `replace` gives it contents: an optimizer made
    before the first forward pass therefore trains it. Reading its shape or device until then raises
    ShapeError.
    """

    __slots__ = ()

    def __init__(self, requires_grad: bool = True) -> None:
        self.requires_grad = requires_grad
        self.grad = self.node = None

    @property
    def dtype(self) -> DType:
        """What it will be unless its layer is told otherwise: an optimizer asks if it is floating."""
        return float32

    def __getattr__(self, name: str) -> NoReturn:
        # Reached for a slot that was never set, so for everything `replace` sets.
        if name in ("array", "spec", "device"):
            raise ShapeError(
                "Parameter: expected one with a shape, got one of a lazy layer that has seen no "
                "input; run one forward pass first"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        memo[id(self)] = copy = UninitializedParameter(self.requires_grad)
        return copy

    def __repr__(self) -> str:
        return "UninitializedParameter()"


def replace(target: Tensor, source: Tensor) -> None:
    """Make `target`, a leaf, the owner of `source`'s memory, shape, dtype and device.

    It stays the same object, and trained or not as before.
    """
    target.array, target.spec, target.device = source.array, source.spec, source.device
    if isinstance(target, UninitializedParameter):
        target.__class__ = Parameter  # type: ignore[assignment]


def new_parameter(shape: Shape, device: DeviceLike, dtype: DType | None) -> Parameter:
    """A parameter yet to be filled; float32 and on the default device unless told otherwise."""
    return Parameter(empty(*shape, device=device, dtype=dtype))
