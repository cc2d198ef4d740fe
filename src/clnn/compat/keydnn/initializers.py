"""Initializers by name: clnn.nn.init's registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import DTypeError
from ...nn import init

F = TypeVar("F", bound=Callable[..., Any])


class WeightInitializer:
    """A way to fill a tensor, by the name layers know it by; raises SettingError for a name that is not known."""

    def __init__(self, initializer_name: str) -> None:
        self._fill = init.get_initializer(initializer_name)

    @classmethod
    def register_initializer(cls, name: str, *, overwrite: bool = False) -> Callable[[F], F]:
        """Decorate a function that fills a tensor; raises SettingError for a name in use."""
        if not isinstance(name, str) or not name:
            raise DTypeError(f"register_initializer: expected a name, got {name!r}")

        def remember(fn: F) -> F:
            init.register_initializer(name, fn, overwrite)
            return fn

        return remember

    @classmethod
    def available(cls) -> tuple[str, ...]:
        """The names; <x> stands for any number."""
        return tuple(init.initializers())

    @classmethod
    def get(cls, name: str) -> Callable[..., Any]:
        """The function of a name."""
        return init.get_initializer(name)

    def __call__(self, tensor: Any, *args: Any, **kwargs: Any) -> Any:
        """Fill `tensor` and return it."""
        return self._fill(tensor, *args, **kwargs)
