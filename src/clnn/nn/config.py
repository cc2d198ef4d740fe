"""Configs: a module's class and constructor arguments as JSON can hold them, and the way back."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ClnnError, DTypeError, SettingError
from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module

M = TypeVar("M", bound="Module")

_classes: dict[str, type[Any]] = {}
_MISSING = object()


def register(cls: type[Any]) -> None:
    """Make a class known to `build_module`; Module does it for every subclass."""
    _classes[class_name(cls)] = cls


def class_name(cls: type[Any]) -> str:
    """What a config calls a class: clnn's layers by name, others by module and name as well.

    So a user's `Linear` never stands for clnn's.
    """
    ours = cls.__module__.startswith("clnn.") and not cls.__module__.startswith("clnn.compat.")
    return cls.__name__ if ours else f"{cls.__module__}.{cls.__qualname__}"


def module_config(module: Module) -> dict[str, Any]:
    """{"class": ..., "config": ...}, from which `build_module` makes a module of the same structure."""
    return {"class": class_name(type(module)), "config": module.get_config()}


def build_module(cfg: Mapping[str, Any]) -> Any:
    """The module that `module_config` described; its weights are new.

    Raises SettingError for a class that is not known, DTypeError for what is no such dict.
    """
    if not isinstance(cfg, Mapping) or set(cfg) != {"class", "config"}:
        raise DTypeError(
            f"build_module: expected a dict with 'class' and 'config', got {cfg!r:.80}"
        )
    name = cfg["class"]
    cls = _classes.get(name) if isinstance(name, str) else None
    if cls is None:
        raise SettingError(
            f"build_module: expected a known module class, got {name!r:.80}; "
            "import the file that defines it"
        )
    return cls.from_config(cfg["config"])


def arguments(module: Module) -> dict[str, Any]:
    """Module.get_config for a class that keeps each argument as an attribute of its name."""
    out = {}
    for parameter, value in _recorded(module):
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if value is _MISSING or variadic:
            raise SettingError(
                f"{type(module).__name__}.get_config: expected each argument of the constructor as "
                f"an attribute, got none for {parameter.name!r}; keep it or override get_config"
            )
        out[parameter.name] = encode(value)
    return out


def describe(module: Module) -> str:
    """The arguments that differ from their defaults, as `name=value, ...`."""
    return ", ".join(
        f"{parameter.name}={value!r}"
        for parameter, value in _recorded(module)
        if isinstance(value, (bool, int, float, str, tuple, list))
        and value != parameter.default
        and not (isinstance(value, tuple) and set(value) == {parameter.default})
    )


def construct(cls: type[M], cfg: Mapping[str, Any]) -> M:
    """Module.from_config: call the constructor."""
    if not isinstance(cfg, Mapping):
        raise DTypeError(f"{cls.__name__}.from_config: expected a dict, got {type(cfg).__name__}")
    values = {name: decode(value) for name, value in cfg.items()}
    try:
        inspect.signature(cls.__init__).bind(None, **values)
    except TypeError as error:
        raise SettingError(
            f"{cls.__name__}.from_config: expected its constructor's arguments, got {error}"
        ) from None
    try:
        return cls(**values)
    except ClnnError:
        raise
    except (TypeError, ValueError, AttributeError, LookupError, OverflowError) as error:
        # a constructor may trust its caller, but a config is data that anyone may have written
        raise SettingError(
            f"{cls.__name__}.from_config: expected arguments that fit, got {error!r:.200}"
        ) from error


def encode(value: Any) -> Any:
    """`value` as JSON can hold it: a module as its class and config, a tensor as nested lists."""
    if hasattr(value, "get_config"):
        return module_config(value)
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    return value


def decode(value: Any) -> Any:
    """The inverse of `encode`, but that a list or a tensor comes back as a tuple."""
    if isinstance(value, Mapping) and set(value) == {"class", "config"}:
        return build_module(value)
    if isinstance(value, list):
        return tuple(decode(v) for v in value)
    return value


def _recorded(module: Module) -> Iterator[tuple[inspect.Parameter, Any]]:
    """(constructor parameter, the attribute of its name or _MISSING)."""
    _, *parameters = inspect.signature(type(module).__init__).parameters.items()
    for name, parameter in parameters:
        if name in module.not_config:
            continue
        value = getattr(module, name, _MISSING)
        if name in module._parameters:  # the flag that asked for it
            value = value is not None
        yield parameter, value
