"""summary(): what a model is made of, how large it is, and what its layers put out."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from ..autograd import no_grad
from ..device import device as open_device
from ..errors import DTypeError
from ..shapes import Shape, check_shape
from ..tensor import Tensor, zeros
from .arguments import DeviceLike, DTypeLike
from .module import Module
from .parameter import UninitializedParameter


@dataclass
class Row:
    """One module: its own parameters (a shared one counts where it comes first) and its output."""

    name: str
    layer: str
    depth: int
    parameters: int | None  # None before a lazy layer's first input
    output_shape: Shape | None = None
    output_bytes: int = 0


@dataclass
class Summary:
    """A model's rows and totals; str() gives the table."""

    title: str
    rows: list[Row] = field(default_factory=list)
    parameters: int = 0
    trainable: int = 0
    parameter_bytes: int = 0
    buffer_bytes: int = 0
    activation_bytes: int | None = None  # outputs of the modules without children; None: no forward

    def table(self) -> Table:
        """The rich table that `Module.summary` prints."""
        shapes = self.activation_bytes is not None
        out = Table(title=self.title, caption=self._caption(), caption_justify="left")
        out.add_column("layer", no_wrap=True)
        if shapes:
            out.add_column("output shape", no_wrap=True)
        out.add_column("parameters", justify="right", no_wrap=True)
        for row in self.rows:
            label = f"{'  ' * row.depth}{row.name}: {row.layer}" if row.name else row.layer
            shape = "" if row.output_shape is None else str(row.output_shape)
            number = "not built" if row.parameters is None else f"{row.parameters:,}"
            out.add_row(label, *([shape] if shapes else []), number)
        return out

    def _caption(self) -> str:
        held = self.parameter_bytes, self.buffer_bytes
        memory = f"memory: parameters {_bytes(held[0])}, buffers {_bytes(held[1])}"
        if self.activation_bytes is not None:
            total = _bytes(sum(held) + self.activation_bytes)
            memory += f", activations {_bytes(self.activation_bytes)}, total {total}"
        return f"parameters: {self.parameters:,} ({self.trainable:,} trainable)\n{memory}"

    def __str__(self) -> str:
        text = io.StringIO()
        Console(file=text, width=100).print(self.table())
        return text.getvalue()


def summarize(
    model: Module, input_shape: Sequence[Any] | None = None, *, dtype: DTypeLike = None,
    device: DeviceLike = None, console: Console | None = None,
) -> Summary:  # fmt: skip
    """Print, and return, a table of a model's layers.

    With `input_shape` (the batch axis included; a sequence of shapes for several inputs) the model is
    run once on zeros of `dtype`, without gradients and in evaluation mode, on `device` or where its
    parameters are. Neither weights, modes, statistics nor the random generator change; a model with
    lazy layers is copied for it. Raises DTypeError or ShapeError for a bad shape.
    """
    shapes = None if input_shape is None else _shapes(input_shape)
    if shapes is not None and any(
        isinstance(p, UninitializedParameter) for p in model.parameters()
    ):
        model = _lazy_copy(model)
    out = Summary(type(model).__name__)
    outputs = {} if shapes is None else _run(model, shapes, dtype, device)
    _measure(model, out, outputs)
    if shapes is None:
        out.activation_bytes = None
    (console or Console()).print(out.table())
    return out


def _measure(model: Module, out: Summary, outputs: dict[int, Tensor]) -> None:
    seen: set[int] = set()
    out.activation_bytes = 0
    for name, module in model.named_modules():
        own = [p for p in module.parameters(recurse=False) if id(p) not in seen]
        seen.update(map(id, own))
        built = [p for p in own if not isinstance(p, UninitializedParameter)]
        number = sum(p.spec.size for p in built)
        out.parameters += number
        out.trainable += sum(p.spec.size for p in built if p.requires_grad)
        out.parameter_bytes += sum(p.spec.nbytes for p in built)
        y = outputs.get(id(module))
        row = Row(
            name=name.rpartition(".")[2], layer=type(module).__name__,
            depth=name.count(".") + 1 if name else 0,
            parameters=number if len(built) == len(own) else None,
        )  # fmt: skip
        if y is not None:
            row.output_shape, row.output_bytes = y.shape, y.spec.nbytes
            if not module._modules:
                out.activation_bytes += row.output_bytes
        out.rows.append(row)
    out.buffer_bytes = sum(b.spec.nbytes for b in model.buffers())


def _run(
    model: Module, shapes: list[Shape], dtype: DTypeLike, device: DeviceLike
) -> dict[int, Tensor]:
    """Each module's output (the first one of several), by the module's id."""
    found: dict[int, Tensor] = {}

    def note(module: Module, args: tuple[Any, ...], out: Any) -> None:
        first = out[0] if isinstance(out, (tuple, list)) and out else out
        if isinstance(first, Tensor):
            found[id(module)] = first

    built = (p for p in model.parameters() if not isinstance(p, UninitializedParameter))
    first = next(built, None)
    place = open_device(device if device is not None or first is None else first.device)
    with _as_is(model), no_grad():
        handles = [m.register_forward_hook(note) for m in model.modules()]
        try:
            model.eval()
            model(*(zeros(*s, dtype=dtype, device=place) for s in shapes))
        finally:
            for handle in handles:
                handle.remove()
    return found


@contextmanager
def _as_is(model: Module) -> Iterator[None]:
    """Give every module its mode back."""
    modes = [(m, m.training) for m in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _lazy_copy(model: Module) -> Module:
    """A copy whose lazy layers will be built from zeros, which draws no random numbers."""
    model = copy.deepcopy(model)
    for module in model.modules():
        own = module.parameters(recurse=False)
        if any(isinstance(p, UninitializedParameter) for p in own):
            module.initializer = "zeros"
    return model


def _shapes(given: Sequence[Any]) -> list[Shape]:
    if not isinstance(given, (tuple, list)):
        raise DTypeError(f"summary: expected input_shape to be a tuple of ints, got {given!r}")
    many = [given] if all(isinstance(n, int) for n in given) else list(given)
    return [check_shape("summary", shape) for shape in many]


def _bytes(n: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:,.0f} {unit}" if unit == "B" else f"{n:,.1f} {unit}"
        n /= 1024
    return f"{n:,.1f} GiB"
