"""Containers: modules and parameters in sequence, in lists and under names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

from ..dtypes import float32
from ..errors import DTypeError, IndexOutOfRangeError, SettingError
from ..tensor import Tensor, tensor
from .config import build_module, module_config
from .module import Module
from .parameter import Parameter


class _Indexed(Module):
    """What Sequential and ModuleList share: an order, integer indices and slices."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter([m for m in self._modules.values() if m is not None])

    def __contains__(self, module: object) -> bool:
        return any(m is module for m in self._modules.values())

    @overload
    def __getitem__(self, index: int | str) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | str | slice) -> Any:
        if isinstance(index, slice):
            return self._from_items(list(self._modules.items())[index])
        return self._modules[self._key(index)]

    def __setitem__(self, index: int | str, module: Module) -> None:
        self.register_module(self._key(index), _checked(self, module))

    def __delitem__(self, index: int | str | slice) -> None:
        names = list(self._modules)
        gone = names[index] if isinstance(index, slice) else [self._key(index)]
        kept = [(name, m) for name, m in self._modules.items() if name not in gone]
        self._modules.clear()
        self._modules.update(_renumbered(kept))

    def append(self, module: Module) -> Self:
        """Add a module at the end, named by its position; raises for a name in use."""
        self._append(str(len(self)), module)
        return self

    def _append(self, name: str, module: Module) -> None:
        if name in self._modules:
            raise SettingError(f"{type(self).__name__}: expected a new name, got {name!r}")
        self.register_module(name, _checked(self, module))

    def extend(self, modules: Iterable[Module]) -> Self:
        """Append each of `modules`."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before position `index`; the ones numbered after it move up."""
        items = list(self._modules.items())
        items.insert(index, (str(index), _checked(self, module)))
        self._modules.clear()
        self._modules.update(_renumbered(items))
        return self

    def get_config(self) -> dict[str, Any]:
        """{"modules": {name: {"class", "config"}}}."""
        return {"modules": {n: module_config(m) for n, m in self._modules.items() if m is not None}}

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any]) -> Self:
        """Rebuild every module; raises SettingError for a class that is not known."""
        return cls._from_items([(n, build_module(c)) for n, c in _listed(cls, cfg).items()])

    @classmethod
    def _from_items(cls, items: list[tuple[str, Any]]) -> Self:
        out = cls()
        for name, module in _renumbered(items):
            out.register_module(name, module)
        return out

    def _key(self, index: int | str) -> str:
        names = list(self._modules)
        if isinstance(index, str) and index in self._modules:
            return index
        if isinstance(index, int) and -len(names) <= index < len(names):
            return names[index]
        raise IndexOutOfRangeError(
            f"{type(self).__name__}: expected an index below {len(names)} or a name, got {index!r}"
        )

    def extra_repr(self) -> str:
        """Nothing: the modules say it all."""
        return ""


class Sequential(_Indexed):
    """Modules called one after the other: Sequential(a, b), or Sequential({"first": a, "then": b}).

    Raises DTypeError for what is no Module.
    """

    def __init__(self, *layers: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            for name, layer in layers[0].items():
                self.add(layer, name)
        else:
            self.extend(layers)  # type: ignore[arg-type]

    def add(self, layer: Module, name: str | None = None) -> None:
        """Append a module, under a name of your choice if you like; raises for a name in use."""
        self._append(str(len(self)) if name is None else name, layer)

    def layers(self) -> list[Module]:
        """The modules in order."""
        return list(self)

    def forward(self, x: Any) -> Any:
        """The last module's output."""
        for layer in self:
            x = layer(x)
        return x


class ModuleList(_Indexed):
    """A list whose modules are registered; it computes nothing itself."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)


class ModuleDict(Module):
    """A dict whose modules are registered; it computes nothing itself."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Register every module under its key."""
        for name, module in modules.items():
            self[name] = module

    def pop(self, name: str) -> Module:
        """Remove a module and return it."""
        module = self[name]
        del self[name]
        return module

    def keys(self) -> list[str]:
        """The names, in the order in which they were added."""
        return list(self._modules)

    def values(self) -> list[Module]:
        """The modules."""
        return [m for m in self._modules.values() if m is not None]

    def items(self) -> list[tuple[str, Module]]:
        """(name, module) pairs."""
        return list(zip(self.keys(), self.values(), strict=True))

    def __getitem__(self, name: str) -> Module:
        found = self._modules.get(name)
        if found is None:
            raise IndexOutOfRangeError(f"ModuleDict: expected one of {self.keys()}, got {name!r}")
        return found

    def __setitem__(self, name: str, module: Module) -> None:
        self.register_module(name, _checked(self, module))

    def __delitem__(self, name: str) -> None:
        self[name]
        del self._modules[name]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def get_config(self) -> dict[str, Any]:
        """{"modules": {name: {"class", "config"}}}."""
        return {"modules": {name: module_config(m) for name, m in self.items()}}

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any]) -> Self:
        """Rebuild every module; raises SettingError for a class that is not known."""
        return cls({name: build_module(c) for name, c in _listed(cls, cfg).items()})

    def extra_repr(self) -> str:
        """Nothing: the modules say it all."""
        return ""


class ParameterList(Module):
    """A list whose parameters are registered; plain tensors become parameters."""

    def __init__(self, values: Iterable[Tensor] = ()) -> None:
        super().__init__()
        for value in values:
            self.append(value)

    def append(self, value: Tensor) -> Self:
        """Add a parameter at the end."""
        own = value if isinstance(value, Parameter) else Parameter(value)
        self.register_parameter(str(len(self)), own)
        return self

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter([p for p in self._parameters.values() if p is not None])

    def __getitem__(self, index: int) -> Parameter:
        return list(self)[index]

    def get_config(self) -> dict[str, Any]:
        """The values, as nested lists: no argument tells the shapes."""
        return {"values": [p.tolist() for p in self]}

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any]) -> Self:
        """New parameters of the values in the config."""
        return cls([tensor(values, dtype=float32) for values in cfg["values"]])

    def extra_repr(self) -> str:
        """The parameters' shapes."""
        return ", ".join(str(p.shape) for p in self)


def _checked(owner: Module, module: Any) -> Module:
    if not isinstance(module, Module):
        raise DTypeError(f"{type(owner).__name__}: expected a Module, got {type(module).__name__}")
    return module


def _listed(cls: type, cfg: Any) -> Mapping[str, Any]:
    if not isinstance(cfg, Mapping) or not isinstance(cfg.get("modules"), Mapping):
        raise DTypeError(
            f"{cls.__name__}.from_config: expected a dict with 'modules', got {cfg!r:.80}"
        )
    found: Mapping[str, Any] = cfg["modules"]
    return found


def _renumbered(items: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Items whose names are numbers get their position; names of the user's choice stay."""
    return [(str(i) if name.isdecimal() else name, m) for i, (name, m) in enumerate(items)]
