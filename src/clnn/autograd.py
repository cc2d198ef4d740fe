"""Reverse-mode differentiation over ops: `apply` runs one and remembers it, `backward` walks back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from .device import Device
from .dtypes import DType
from .errors import AutogradError, DeviceError, DTypeError, NotDifferentiableError, ShapeError
from .op import OPS, Op
from .shapes import Shape, Spec, number_spec


class Node:
    """One applied op. Holds output *arrays*, not output variables, so nothing refers to itself."""

    __slots__ = ("freed", "inputs", "op", "outs", "retained", "settings", "specs")

    def __init__(self, op: Op, inputs: tuple[Any, ...], outs: tuple[Any, ...], specs: tuple[Spec, ...],
                 settings: dict[str, Any]) -> None:  # fmt: skip
        self.op, self.inputs, self.outs, self.specs, self.settings = (
            op,
            inputs,
            outs,
            specs,
            settings,
        )
        self.freed = False
        self.retained: Variable | None = None  # set by retain_grad(): a cycle the user asked for


class Variable:
    """An array on a device, and how it came to be. `clnn.Tensor` adds the operators."""

    __slots__ = ("__weakref__", "array", "device", "grad", "node", "requires_grad", "spec")

    def __init__(self, array: Any, spec: Spec, device: Device, node: Node | None = None,
                 requires_grad: bool = False) -> None:  # fmt: skip
        self.array, self.spec, self.device, self.node = array, spec, device, node
        self.requires_grad = requires_grad
        self.grad: Any = None

    @property
    def shape(self) -> Shape:
        """Sizes of the axes."""
        return self.spec.shape

    @property
    def dtype(self) -> DType:
        """Type of the elements."""
        return self.spec.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.spec.shape)

    @classmethod
    def _wrap(cls, array: Any, spec: Spec, device: Device, node: Node | None = None) -> Any:
        """What an op on this class returns; a subclass that is not closed under ops overrides it."""
        return cls(array, spec, device, node, node is not None)


T = TypeVar("T", bound=Variable)


class _Mode(threading.local):
    recording = True


_mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether ops on this thread are being recorded."""
    return _mode.recording


@contextmanager
def set_grad_enabled(mode: bool) -> Iterator[None]:
    """Record ops, or not, on this thread inside the block (also a decorator)."""
    before, _mode.recording = _mode.recording, mode
    try:
        yield
    finally:
        _mode.recording = before


def no_grad() -> Any:
    """Do not record ops on this thread inside the block (also a decorator)."""
    return set_grad_enabled(False)


def enable_grad() -> Any:
    """Record ops inside the block even within `no_grad` (also a decorator)."""
    return set_grad_enabled(True)


def apply(op: Op, *inputs: Any, **settings: Any) -> Any:
    """Validate, run on the inputs' device, record. The only place an op on tensors is executed.

    Inputs are Variables, or Python numbers for ops that broadcast. Raises DTypeError for anything
    else, DeviceError for operands on several devices, and whatever `op.infer` raises.
    """
    first: Variable | None = None
    record = False
    specs_in = []
    for x in inputs:
        if isinstance(x, Variable):
            if first is None:
                first = x
            elif x.device is not first.device and x.device != first.device:
                names = ", ".join(i.device.name for i in inputs if isinstance(i, Variable))
                raise DeviceError(
                    f"{op.name}: expected operands on one device, got {names}; move one with .to()"
                )
            record = record or x.requires_grad
            specs_in.append(x.spec)
        elif type(x) in (float, int, bool):
            specs_in.append(number_spec(x))
        else:
            raise _not_an_operand(op, x)
    if first is None:
        raise DTypeError(f"{op.name}: expected at least one Tensor, got only Python numbers")
    specs = op.infer(*specs_in, **settings)
    many = type(specs) is tuple
    if not many:
        specs = (specs,)
    device = first.device
    arrays = [x.array if isinstance(x, Variable) else x for x in inputs]
    outs = device.backend.run(op.name, arrays, specs, settings)
    node = None
    if record and _mode.recording and specs[0].dtype.category == 2:
        node = Node(op, inputs, outs, specs, settings)
    head = first._wrap(outs[0], specs[0], device, node)
    if not many:
        return head
    return (head, *(first._wrap(a, s, device) for a, s in zip(outs[1:], specs[1:], strict=True)))


def _not_an_operand(op: Op, x: Any) -> DTypeError:
    kind = f"{type(x).__module__}.{type(x).__qualname__}".removeprefix("builtins.")
    hint = "; make a Tensor with clnn.tensor(array)" if hasattr(x, "__array__") else ""
    return DTypeError(f"{op.name}: expected Tensors or Python numbers, got {kind}{hint}")


def create(op: Op, cls: type[T], device: Device, **settings: Any) -> T:
    """Run an op without operands (full, arange, uniform, ...) on `device`; nothing is recorded."""
    spec: Spec = op.infer(**settings)
    (array,) = device.backend.run(op.name, (), (spec,), settings)
    return cls(array, spec, device)


def backward(root: Variable, seed: Variable, *, retain_graph: bool = False) -> None:
    """Add d(root)/d(leaf) into `.grad` of every leaf that requires it; `seed` has root's shape.

    The graph is freed on the way unless `retain_graph`. Raises AutogradError when there is no graph,
    or it has been freed.
    """
    if seed.spec != root.spec:
        raise ShapeError(f"backward: expected a gradient of {root.spec}, got {seed.spec}")
    if not root.requires_grad:
        raise AutogradError("backward: expected a tensor that requires grad, got one that does not")
    if root.node is None:
        _accumulate(root, seed)
        return
    cotangents: dict[int, Any] = {id(root.node): seed}
    with no_grad():
        for node in _newest_first(root.node):
            g = cotangents.pop(id(node), None)
            if g is not None:
                _pull_back(node, g, cotangents, type(root))
            if not retain_graph:
                node.freed, node.inputs, node.outs = True, (), ()


def _pull_back(node: Node, g: Any, cotangents: dict[int, Any], cls: type[Variable]) -> None:
    """Give every input of `node` its share of the cotangent `g`."""
    if node.op.vjp is None:
        raise NotDifferentiableError(
            f"{node.op.name}: declares no gradient; use .detach() on its inputs"
        )
    if node.retained is not None:
        _accumulate(node.retained, g)
    outs = tuple(cls._wrap(a, s, g.device) for a, s in zip(node.outs, node.specs, strict=True))
    needs = tuple(isinstance(x, Variable) and x.requires_grad for x in node.inputs)
    grads: Sequence[Any] = node.op.vjp(g, outs, *node.inputs, needs=needs, **node.settings)
    for x, gx, needed in zip(node.inputs, grads, needs, strict=True):
        if gx is None or not needed:
            continue
        if x.node is None:
            _accumulate(x, gx)
        else:
            old = cotangents.get(id(x.node))
            cotangents[id(x.node)] = gx if old is None else apply(OPS["add"], old, gx)


def _accumulate(x: Variable, g: Any) -> None:
    """Add `g` to `x.grad` (out of place: others may hold the old gradient)."""
    if g.spec != x.spec:
        raise AutogradError(f"backward: expected a gradient of {x.spec}, got {g.spec}")
    x.grad = g if x.grad is None else apply(OPS["add"], x.grad, g)


def _newest_first(last: Node) -> Iterator[Node]:
    """Nodes so that each comes before all it was computed from; iterative, for graphs of any depth."""
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(last, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            if node.freed:
                raise AutogradError(
                    "backward: expected a graph that still holds its tensors, got one freed by an earlier "
                    "backward(); pass retain_graph=True to the first call"
                )
            seen.add(id(node))
            stack.append((node, True))
            stack += [
                (x.node, False)
                for x in node.inputs
                if isinstance(x, Variable) and x.node is not None
            ]
    return reversed(order)
