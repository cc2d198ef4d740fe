"""Reverse-mode differentiation over ops: `apply` runs one and remembers it, `backward` walks back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ContextDecorator
from numbers import Integral, Real
from typing import Any, Self, TypeVar
from weakref import ReferenceType, ref

from .device import Device
from .dtypes import DType, Number, as_kind, result_type
from .errors import AutogradError, DeviceError, DTypeError, NotDifferentiableError, ShapeError
from .op import OPS, Op
from .shapes import NumberSpec, Shape, Spec, number_spec


class Node:
    """One applied op: what its gradient rule needs, and where the gradients go.

    It holds arrays and not the tensors around them, so nothing refers to itself and memory dies by
    reference count; and a tensor that is changed in place later leaves the graph as it was.
    """

    __slots__ = ("arrays", "edges", "freed", "name", "outs", "retained", "settings", "specs", "vjp")

    def __init__(self, name: str, vjp: Callable[..., Any] | None, inputs: Sequence[Any],
                 arrays: Sequence[Any], outs: Sequence[Any], specs: tuple[Any, Any],
                 settings: dict[str, Any]) -> None:  # fmt: skip
        self.name, self.vjp, self.settings = name, vjp, settings
        self.arrays, self.outs, self.specs = (
            arrays,
            outs,
            specs,
        )  # specs: of the inputs, of the outputs
        # per input the node that made it, or the leaf that collects its gradient, or None: needs none
        self.edges: tuple[Any, ...] = tuple(
            [(x.node or x) if isinstance(x, Variable) and x.requires_grad else None for x in inputs]
        )
        self.freed = False
        self.retained: ReferenceType[Variable] | None = None  # set by retain_grad()

    def __repr__(self) -> str:
        return f"<gradient of {self.name}>"


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

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for a gradient from now on, or no longer; raises AutogradError inside of a graph.

        Raises DTypeError unless the dtype is floating.
        """
        if requires_grad and self.spec.dtype.category != 2:
            raise DTypeError(f"requires_grad_: expected a floating dtype, got {self.spec.dtype}")
        if self.node is not None and not requires_grad:
            raise AutogradError(
                "requires_grad_: expected a leaf, got the result of an op; use .detach()"
            )
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Keep `.grad` in backward although this is not a leaf; AutogradError if it needs no gradient."""
        if not self.requires_grad:
            raise AutogradError(
                "retain_grad: expected a tensor that requires grad, got one that does not"
            )
        if self.node is not None:
            self.node.retained = ref(self)  # weak, or the tensor would hold itself through its node

    @classmethod
    def _wrap(cls, array: Any, spec: Spec, device: Device, node: Node | None = None) -> Any:
        """What an op on this class returns; a subclass that is not closed under ops overrides it."""
        return cls(array, spec, device, node, node is not None)


T = TypeVar("T", bound=Variable)


# --- recording ----------------------------------------------------------------------------------


class _Mode(threading.local):
    recording = True


_mode = _Mode()


class _Recording(ContextDecorator):
    """Records ops, or not, on this thread inside a block or a function."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self.before: list[bool] = []

    def __enter__(self) -> None:
        self.before.append(_mode.recording)
        _mode.recording = self.mode

    def __exit__(self, *error: object) -> None:
        _mode.recording = self.before.pop()

    def _recreate_cm(self) -> _Recording:
        # A decorated function may run on several threads, each with a mode of its own to restore.
        return _Recording(self.mode)


class set_grad_enabled(_Recording):  # noqa: N801 (torch's name)
    """Record ops, or not, on this thread: from the call on, or inside a block or a function."""

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        super().__enter__()

    def __enter__(self) -> None:
        """The constructor has switched."""

    def __call__(self, func: Any) -> Any:
        """Decorate `func`; the mode outside of it is put back."""
        self.__exit__()
        return _Recording(self.mode)(func)


def is_grad_enabled() -> bool:
    """Whether ops on this thread are being recorded."""
    return _mode.recording


def no_grad() -> _Recording:
    """Do not record ops on this thread inside the block (also a decorator)."""
    return _Recording(False)


def enable_grad() -> _Recording:
    """Record ops inside the block even within `no_grad` (also a decorator)."""
    return _Recording(True)


# --- running ops --------------------------------------------------------------------------------


def apply(op: Op, *inputs: Any, **settings: Any) -> Any:
    """Validate, run on the inputs' device, record. The only place an op on tensors is executed.

    Inputs are Variables, or numbers for ops that broadcast. Raises DTypeError for anything else,
    DeviceError for operands on several devices, and whatever `op.infer` raises.
    """
    first: Variable | None = None
    record = large = False
    specs_in: list[Spec] = []
    arrays: list[Any] = []
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
            arrays.append(x.array)
        else:
            number = x if type(x) in (float, int, bool) else python_number(op.name, x)
            specs_in.append(number_spec(number))
            arrays.append(number)
            large = large or (type(number) is int and not 0 <= number < 256)
    if first is None:
        raise DTypeError(f"{op.name}: expected at least one Tensor, got only Python numbers")
    call = op.call(tuple(specs_in), settings)
    if large:  # or it would wrap around on one device and raise on another
        kind = result_type((s.dtype, s.rank) for s in specs_in)
        for a in arrays:
            if type(a) is int:
                as_kind(op.name, a, kind)
    device, specs = first.device, call.outs
    outs = device.backend.perform(call, arrays, settings)
    node = None
    if record and _mode.recording and specs[0].dtype.category == 2:
        node = Node(op.name, op.vjp, inputs, arrays, outs, (call.inputs, specs), settings)
    head = first._wrap(outs[0], specs[0], device, node)
    if not call.many:
        return head
    return (head, *(first._wrap(a, s, device) for a, s in zip(outs[1:], specs[1:], strict=True)))


def python_number(op: str, x: Any) -> Number:
    """A NumPy scalar and its like as the Python number it is; raises DTypeError for the rest."""
    if isinstance(x, bool):
        return x
    if isinstance(x, Real):
        return int(x) if isinstance(x, Integral) else float(x)
    kind = f"{type(x).__module__}.{type(x).__qualname__}".removeprefix("builtins.")
    hint = "; make a Tensor with clnn.tensor(array)" if hasattr(x, "__array__") else ""
    raise DTypeError(f"{op}: expected Tensors or Python numbers, got {kind}{hint}")


def create(op: Op, cls: type[T], device: Device, **settings: Any) -> T:
    """Run an op without operands (full, arange, uniform, ...) on `device`; nothing is recorded."""
    call = op.call((), settings)
    (array,) = device.backend.perform(call, (), settings)
    made: T = cls._wrap(array, call.outs[0], device)
    return made


def transfer(x: T, device: Device) -> T:
    """`x` on another device, through host memory; its gradient comes back the same way."""
    if device == x.device:
        return x
    array = device.backend.upload(x.device.backend.download(x.array))
    node = None
    if x.requires_grad and _mode.recording:
        node = Node("to", _transfer_vjp, (x,), (), (), ((), ()), {"device": x.device})
    moved: T = x._wrap(array, x.spec, device, node)
    return moved


def _transfer_vjp(g: Any, outs: Any, *, needs: Any, device: Device) -> Any:
    return (transfer(g, device),)


# --- walking back -------------------------------------------------------------------------------


def backward(root: Variable, seed: Any = None, *, retain_graph: bool = False) -> None:
    """Add d(root)/d(leaf) into `.grad` of every leaf that requires it.

    `seed` is the gradient of root: shape, dtype and device are root's, and a single element needs
    none. The graph is freed on the way unless `retain_graph`. Raises AutogradError when there is no
    graph, or it has been freed; ShapeError, DTypeError or DeviceError for a seed that is not like root.
    """
    _walk("backward", [(root, seed)], None, retain_graph)


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool = False,
         allow_unused: bool = False) -> tuple[Any, ...]:  # fmt: skip
    """Gradients of the sum of `outputs` by `inputs`, each a Tensor or several; `.grad` stays as it is.

    Raises as backward, and AutogradError for an input that outputs do not depend on, which gives
    None with `allow_unused`.
    """
    roots, leaves = _several(outputs), _several(inputs)
    seeds = [None] * len(roots) if grad_outputs is None else _several(grad_outputs)
    if len(seeds) != len(roots):
        raise AutogradError(f"grad: expected {len(roots)} gradients of outputs, got {len(seeds)}")
    if not all(isinstance(x, Variable) and x.requires_grad for x in leaves):
        raise AutogradError("grad: expected inputs that require grad, got one that does not")
    wanted: dict[int, Any] = {id(x.node or x): None for x in leaves}
    _walk("grad", list(zip(roots, seeds, strict=True)), wanted, retain_graph)
    found = tuple([wanted[id(x.node or x)] for x in leaves])
    if not allow_unused and any(g is None for g in found):
        raise AutogradError("grad: expected inputs that outputs depend on, got one that is unused; "
                            "allow_unused=True gives None for it")  # fmt: skip
    return found


def _several(given: Any) -> list[Any]:
    return [given] if isinstance(given, Variable) or given is None else list(given)


def _walk(who: str, roots: Sequence[tuple[Any, Any]], wanted: dict[int, Any] | None,
          retain_graph: bool) -> None:  # fmt: skip
    """Pull the seeds back; gradients go to `wanted`, keyed by node or leaf, or to `.grad` of leaves."""
    seeds = [_seed(who, root, seed) for root, seed in roots]
    order = _newest_first(who, [root.node for root, _ in roots if root.node is not None])
    cotangents: dict[int, Any] = {}
    with no_grad():
        for (root, _), seed in zip(roots, seeds, strict=True):
            _send(root.node or root, seed, cotangents, wanted)
        for node in order:
            g = cotangents.pop(id(node), None)
            if g is not None:
                if wanted is not None and id(node) in wanted:
                    wanted[id(node)] = g
                _pull_back(node, g, cotangents, wanted)
            if not retain_graph:
                node.freed, node.edges, node.arrays, node.outs = True, (), (), ()


def _seed(who: str, root: Any, seed: Any) -> Any:
    """The cotangent to start from, checked."""
    if not isinstance(root, Variable) or not root.requires_grad:
        raise AutogradError(f"{who}: expected a tensor that requires grad, got one that does not")
    if seed is None:
        if root.spec.size != 1:
            raise AutogradError(
                f"{who}: expected a gradient for a tensor of shape {root.shape}, got none; "
                "reduce it to one element or pass a gradient of that shape"
            )
        return create(
            OPS["full"], type(root), root.device, shape=root.shape, dtype=root.dtype, value=1.0
        )
    if not isinstance(seed, Variable):
        raise DTypeError(f"{who}: expected a Tensor as gradient, got {type(seed).__name__}")
    if seed.shape != root.shape:
        raise ShapeError(f"{who}: expected a gradient of shape {root.shape}, got {seed.shape}")
    if seed.dtype != root.dtype:
        raise DTypeError(f"{who}: expected a gradient of dtype {root.dtype}, got {seed.dtype}")
    if seed.device != root.device:
        raise DeviceError(f"{who}: expected a gradient on {root.device}, got one on {seed.device}")
    return seed


def _pull_back(
    node: Node, g: Any, cotangents: dict[int, Any], wanted: dict[int, Any] | None
) -> None:
    """Give every input of `node` its share of the cotangent `g`."""
    if node.vjp is None:
        raise NotDifferentiableError(
            f"{node.name}: declares no gradient; use .detach() on its inputs"
        )
    kept = None if node.retained is None else node.retained()
    if kept is not None and kept.node is node and wanted is None:
        _accumulate(kept, g)
    wrap, device = g._wrap, g.device
    specs_in, specs_out = node.specs
    outs = tuple([wrap(a, s, device) for a, s in zip(node.outs, specs_out, strict=True)])
    inputs = [
        a if type(s) is NumberSpec else wrap(a, s, device)
        for a, s in zip(node.arrays, specs_in, strict=True)
    ]
    needs = tuple([edge is not None for edge in node.edges])
    grads: Sequence[Any] = node.vjp(g, outs, *inputs, needs=needs, **node.settings)
    for edge, gx in zip(node.edges, grads, strict=True):
        if edge is not None and gx is not None:
            _send(edge, gx, cotangents, wanted)


def _send(edge: Any, g: Any, cotangents: dict[int, Any], wanted: dict[int, Any] | None) -> None:
    """Add `g` to what the node or leaf at the end of `edge` has got so far."""
    key = id(edge)
    if type(edge) is not Node:
        if wanted is None:
            _accumulate(edge, g)
            return
        if key not in wanted:
            return
        cotangents = wanted
    old = cotangents.get(key)
    cotangents[key] = g if old is None else apply(OPS["add"], old, g)


def _accumulate(x: Variable, g: Any) -> None:
    """Add `g` to `x.grad` (out of place, in a tensor of its own: others may hold either gradient)."""
    if g.spec != x.spec or (g.device is not x.device and g.device != x.device):
        raise AutogradError(
            f"backward: expected a gradient of {x.spec} on {x.device}, got {g.spec} on {g.device}"
        )
    x.grad = x._wrap(g.array, g.spec, g.device) if x.grad is None else apply(OPS["add"], x.grad, g)


def _newest_first(who: str, last: list[Node]) -> Iterator[Node]:
    """Nodes so that each comes before all it was computed from; iterative, for graphs of any depth."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[Any] = list(last)
    while stack:
        node = stack.pop()
        if node is None:  # all that the node below was computed from has its place
            order.append(stack.pop())
        elif node not in seen:
            if node.freed:
                raise AutogradError(
                    f"{who}: expected a graph that still holds its tensors, got one freed by an "
                    "earlier backward(); pass retain_graph=True to the first call"
                )
            seen.add(node)
            stack += (node, None, *[edge for edge in node.edges if type(edge) is Node])
    return reversed(order)
