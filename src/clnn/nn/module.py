"""Module: the tree of parameters, buffers and child modules that every layer and model is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from ..autograd import no_grad
from ..device import Device
from ..dtypes import DTYPES, DType
from ..dtypes import dtype as as_dtype
from ..errors import DTypeError, SettingError, UnsupportedOpError
from ..shapes import Spec
from ..tensor import Tensor
from . import config, state
from .arguments import DeviceLike, DTypeLike
from .parameter import Parameter, UninitializedParameter, replace

if TYPE_CHECKING:
    from .summary import Summary

Hook = Callable[["Module", tuple[Any, ...], Any], Any]
_T = TypeVar("_T")
_hook_ids = itertools.count()


class HookHandle:
    """What `register_forward_hook` returns; `remove()` takes the hook off again."""

    def __init__(self, hooks: dict[int, Hook], key: int) -> None:
        self._hooks, self._key = hooks, key

    def remove(self) -> None:
        """Stop calling the hook; doing it twice does no harm."""
        self._hooks.pop(self._key, None)


class Module:
    """Base of all layers and models: assign parameters and modules as attributes, define `forward`.

    Every constructor argument is kept as an attribute of the same name (a Parameter, or None, stands
    for the flag that asked for it); `get_config`, `from_config` and `repr` rely on that and on
    nothing else. A class that cannot do so overrides `get_config` and `from_config`.
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _passing: set[str]  # buffers that are not saved
    _forward_hooks: dict[int, Hook]

    # Arguments that say where a module lives, not what it is.
    not_config: ClassVar[frozenset[str]] = frozenset({"device"})

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the registries, so that no subclass can forget to."""
        self = super().__new__(cls)
        self.__dict__.update(
            training=True, _parameters={}, _buffers={}, _modules={}, _passing=set(),
            _forward_hooks={},
        )  # fmt: skip
        return self

    def __init__(self) -> None:
        pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        config.register(cls)

    # ------------------------------------------------------------------------ registration

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Keep `param` under `name` and as that attribute; None reserves the name.

        Raises DTypeError for what is no Parameter, SettingError for a name that cannot be used.
        """
        self._register(self._parameters, name, param, Parameter)

    def register_module(self, name: str, module: Module | None) -> None:
        """Keep `module` under `name` and as that attribute; raises as `register_parameter`."""
        self._register(self._modules, name, module, Module)

    add_module = register_module

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Keep a tensor that moves with the module but is not trained, e.g. running statistics.

        With persistent=False it is no part of the state dict. Raises as `register_parameter`.
        """
        self._register(self._buffers, name, tensor, Tensor)
        (self._passing.discard if persistent else self._passing.add)(name)

    def _register(self, into: dict[str, Any], name: str, value: Any, kind: type) -> None:
        who = type(self).__name__
        if not isinstance(name, str) or not name or "." in name:
            raise SettingError(f"{who}: expected a non-empty name without dots, got {name!r}")
        if value is not None and not isinstance(value, kind):
            raise DTypeError(
                f"{who}.{name}: expected a {kind.__name__} or None, got {type(value).__name__}"
            )
        if callable(getattr(type(self), name, None)) or name in Module.__annotations__:
            raise SettingError(f"{who}: expected a name the class does not use, got {name!r}")
        for registry in (self._parameters, self._buffers, self._modules, self.__dict__):
            if registry is not into:
                registry.pop(name, None)
        into[name] = value

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self.register_module(name, value)
        elif name in self._buffers:
            self._register(self._buffers, name, value, Tensor)
        elif name in self._parameters:
            self._register(self._parameters, name, value, Parameter)
        elif name in self._modules:
            self._register(self._modules, name, value, Module)
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is no ordinary attribute.
        for registry in (self._parameters, self._buffers, self._modules):
            if name in registry:
                return registry[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for registry in (self._parameters, self._buffers, self._modules):
            if name in registry:
                del registry[name]
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    # --------------------------------------------------------------------------- traversal

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module and all below it, each module once."""
        seen: set[int] = set()
        for name, module in state.walk(self, prefix):
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the modules directly below, each module once."""
        found = ((name, module) for name, module in self._modules.items() if module is not None)
        return _distinct(found)

    def children(self) -> Iterator[Module]:
        """The modules directly below, each once."""
        return (module for _, module in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter), each parameter once even when modules share it."""
        return _distinct(self._named("_parameters", prefix, recurse))

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Every parameter once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer), each buffer once."""
        return _distinct(self._named("_buffers", prefix, recurse))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Every buffer once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def _named(self, registry: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            module._refresh()
            for name, value in getattr(module, registry).items():
                if value is not None:
                    yield state.join(path, name), value

    def _refresh(self) -> None:
        """Bring buffers that are kept in another form up to date; called before they are read."""

    # ------------------------------------------------------------------------------- state

    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """Name -> tensor of every parameter and persistent buffer, detached but not copied.

        Training goes on in the same memory: clone the tensors to keep a snapshot. Names are torch's.
        """
        return state.collect(self, prefix)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> state.Keys:
        """Copy Tensors or arrays into the parameters and buffers of the same names.

        Returns the names missing and unexpected; with `strict` any is an error. Values are converted
        to the dtype and device of what they replace. Raises SettingError or ShapeError naming every
        key that does not fit, and then loads nothing.
        """
        return state.load(self, state_dict, strict)

    def _slot(self, name: str, given: Spec) -> state.Slot:
        """What a value `given` for a parameter or buffer must be; a lazy layer learns from it."""
        now = self._parameters.get(name)
        held = self._buffers[name] if now is None else now
        if held is None:
            raise SettingError(
                f"{type(self).__name__}: expected an entry called {name!r}, got none"
            )
        return state.Slot(held.shape, held.dtype, held.device)

    # ------------------------------------------------------------------------------- modes

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and below: dropout drops, batch norm uses batch statistics."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Whether the parameters here and below are trained."""
        for p in self.parameters():
            p.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.grad = None

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module below, then on this one; returns self."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self, device: DeviceLike | DType = None, dtype: DTypeLike = None) -> Self:
        """Move parameters, gradients and buffers to a device, floating ones to a dtype; in place.

        Parameters stay the same objects, so an optimizer that holds them stays valid. A dtype may be
        the only argument, as in torch. Raises DeviceError or DTypeError before anything moves.
        """
        if isinstance(device, DType) or (isinstance(device, str) and device in DTYPES):
            device, dtype = None, device
        place = None if device is None else Device(device)
        kind = None if dtype is None else as_dtype(dtype)
        if kind is not None and not kind.is_floating_point:
            raise DTypeError(f"{type(self).__name__}.to: expected a floating dtype, got {kind}")
        with no_grad():
            for module in self.modules():
                module._move(place, kind)
        return self

    to_ = to

    def _move(self, device: Device | None, dtype: DType | None) -> None:
        """Move what this module holds itself."""
        if dtype is not None and "dtype" in self.__dict__:
            self.__dict__["dtype"] = dtype
        for x in (*self._parameters.values(), *self._buffers.values()):
            if x is not None and not isinstance(x, UninitializedParameter):
                kind = dtype if x.dtype.is_floating_point else None
                replace(x, state.moved(x, device, kind))
                x.grad = None if x.grad is None else state.moved(x.grad, device, kind)

    # ------------------------------------------------------------------------------ config

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as JSON can hold them; modules among them recursively.

        Raises SettingError for an argument that is not kept as an attribute of its name.
        """
        return config.arguments(self)

    def architecture(self) -> dict[str, Any]:
        """The class and its config, as `build_module` takes them; clnn.save keeps it in the file."""
        return config.module_config(self)

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any]) -> Self:
        """A new module from `get_config`'s result; its weights are new too.

        Raises SettingError for arguments the constructor does not have.
        """
        return config.construct(cls, cfg)

    # -------------------------------------------------------------------------------- call

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass that is called defines it."""
        raise UnsupportedOpError(f"{type(self).__name__}: expected a forward method, got none")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`forward`, then the hooks."""
        out = self.forward(*args, **kwargs)
        for hook in tuple(self._forward_hooks.values()) if self._forward_hooks else ():
            new = hook(self, args, out)
            out = out if new is None else new
        return out

    def register_forward_hook(self, hook: Hook) -> HookHandle:
        """Call hook(module, args, output) after each forward; what it returns, unless None, replaces
        the output."""
        key = next(_hook_ids)
        self._forward_hooks[key] = hook
        return HookHandle(self._forward_hooks, key)

    def summary(self, input_shape: Any = None, **options: Any) -> Summary:
        """Print and return a table of layers, output shapes, parameters and memory; see `summarize`."""
        from .summary import summarize

        return summarize(self, input_shape, **options)

    # -------------------------------------------------------------------------------- text

    def extra_repr(self) -> str:
        """What stands in the parentheses of the module's line: the arguments that are not defaults."""
        return config.describe(self)

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): {module!r}" for name, module in self._modules.items()]
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = ([extra] if extra else []) + children
        body = "\n".join(lines).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n)"


def _distinct(pairs: Iterator[tuple[str, _T]]) -> Iterator[tuple[str, _T]]:
    seen: set[int] = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value
