"""Optimizers with KeyDNN's arguments; `lr` and its like can be set between steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ... import optim
from ...errors import SettingError


class _Options:
    """The options of the only group of parameters, as attributes."""

    param_groups: list[dict[str, Any]]
    _names: tuple[str, ...]

    @property
    def params(self) -> list[Any]:
        """What is trained."""
        return self.param_groups[0]["params"]

    def __getattr__(self, name: str) -> Any:
        if name in type(self)._names and "param_groups" in self.__dict__:
            return self.param_groups[0][name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self)._names:
            self.param_groups[0][name] = value
        else:
            super().__setattr__(name, value)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.params:
            p.grad = None


def _positive(name: str, option: str, value: float) -> float:
    if not value > 0:
        raise SettingError(f"{name}: expected {option} > 0, got {value}")
    return value


class SGD(_Options, optim.SGD):  # type: ignore[misc]
    """p -= lr * (gradient + weight_decay * p)."""

    _names = ("lr", "weight_decay")

    def __init__(
        self, params: Iterable[Any], *, lr: float = 1e-3, weight_decay: float = 0.0
    ) -> None:
        optim.SGD.__init__(self, params, _positive("SGD", "lr", lr), weight_decay=weight_decay)


class Adam(_Options, optim.Adam):  # type: ignore[misc]
    """Adam, with weight decay as part of the gradient.  Kingma and Ba 2015."""

    _names = ("lr", "betas", "eps", "weight_decay")

    def __init__(
        self, params: Iterable[Any], *, lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        _positive("Adam", "eps", eps)
        optim.Adam.__init__(self, params, _positive("Adam", "lr", lr), betas, eps, weight_decay)


__all__ = ["SGD", "Adam"]
