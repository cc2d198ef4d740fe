"""State dicts: gather a module's tensors by name, and load them all or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..autograd import no_grad
from ..device import Device
from ..device import device as open_device
from ..dtypes import DType
from ..errors import DTypeError, SettingError, ShapeError
from ..shapes import Shape, Spec
from ..tensor import Tensor, tensor, to_host
from .arguments import DeviceLike
from .parameter import UninitializedParameter, replace

if TYPE_CHECKING:
    from .module import Module


class Keys(NamedTuple):
    """The names of a module that a state dict lacks, and those it has beyond the module's."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Slot(NamedTuple):
    """What a value must become to be loaded under a name."""

    shape: Shape
    dtype: DType
    device: DeviceLike


class _Entry(NamedTuple):
    target: Tensor
    slot: Slot
    value: Any


def join(path: str, name: str) -> str:
    """A dotted name."""
    return f"{path}.{name}" if path else name


def walk(module: Module, path: str = "") -> Iterator[tuple[str, Module]]:
    """(dotted name, module) of a module and all below it; a shared one under each of its names."""
    yield path, module
    for name, child in module._modules.items():
        if child is not None:
            yield from walk(child, join(path, name))


def entries(module: Module) -> Iterator[tuple[str, Module, str, Tensor]]:
    """(dotted name, owner, name, tensor) of all that is saved, and of what a lazy layer will have."""
    for path, owner in walk(module):
        owner._refresh()
        for name, p in owner._parameters.items():
            if p is not None:
                yield join(path, name), owner, name, p
        for name, b in owner._buffers.items():
            if b is not None and name not in owner._passing:
                yield join(path, name), owner, name, b


def collect(module: Module, prefix: str) -> dict[str, Tensor]:
    """The state dict of `module`; see Module.state_dict."""
    return {
        prefix + key: value.detach()
        for key, _, _, value in entries(module)
        if not isinstance(value, UninitializedParameter)
    }


def load(module: Module, given: Mapping[str, Any], strict: bool) -> Keys:
    """Load `given` into `module`; see Module.load_state_dict."""
    who = f"{type(module).__name__}.load_state_dict"
    if not isinstance(given, Mapping):
        raise DTypeError(f"{who}: expected a dict of tensors, got {type(given).__name__}")
    wanted = {key: (owner, name, value) for key, owner, name, value in entries(module)}
    missing = [
        key
        for key, (_, _, value) in wanted.items()
        if key not in given and not isinstance(value, UninitializedParameter)
    ]
    unexpected = [key for key in given if key not in wanted]
    plan: list[_Entry] = []
    misfits: list[str] = []
    for key, (owner, name, target) in wanted.items():
        if key in given:
            try:
                value, spec = _read(given[key])
            except (ValueError, TypeError) as error:
                misfits.append(f"{key!r}: {error}")
                continue
            slot = owner._slot(name, spec)
            if spec.shape == slot.shape:
                plan.append(_Entry(target, slot, value))
            else:
                misfits.append(f"{key!r}: expected shape {slot.shape}, got {spec.shape}")
    problems = list(misfits)
    if strict and missing:
        problems.append(f"missing keys: {', '.join(map(repr, missing))}")
    if strict and unexpected:
        problems.append(f"unexpected keys: {', '.join(map(repr, unexpected))}")
    if problems:
        kind = ShapeError if misfits else SettingError
        raise kind(f"{who}: expected the state of this module, got {'; '.join(problems)}")
    # All of them are on the device before the first is replaced: running out of memory changes nothing.
    with no_grad():
        fresh = [_fresh(entry) for entry in plan]
    for entry, new in zip(plan, fresh, strict=True):
        replace(entry.target, new)
    return Keys(missing, unexpected)


def _read(value: Any) -> tuple[Any, Spec]:
    """`value` as a Tensor or a NumPy array, and its spec; raises DTypeError for what is neither."""
    if isinstance(value, Tensor):
        return value.detach(), value.spec
    host, kind = to_host(value)
    return host, Spec(host.shape, kind)


def _fresh(entry: _Entry) -> Tensor:
    """A tensor of its own with the entry's value, as its slot wants it."""
    value, slot = entry.value, entry.slot
    if not isinstance(value, Tensor):
        return tensor(value, dtype=slot.dtype, device=slot.device)
    new = moved(value, open_device(slot.device), slot.dtype)
    return new.clone() if new is value else new


def moved(x: Tensor, device: Device | None, dtype: DType | None) -> Tensor:
    """`x` itself or, where it is elsewhere or of another dtype, a converted copy; None: as it is."""
    if device is not None and x.device != device:
        x = x.to(device)
    if dtype is not None and x.dtype != dtype:
        x = x.to(dtype)
    return x
