"""An op is a name, a shape rule and a gradient rule. Nothing here computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OPS: dict[str, Op] = {}


class Op:
    """A primitive: `infer` validates and returns output Spec(s); `vjp` pulls a cotangent back.

    infer(*input_specs, **settings) -> Spec | tuple[Spec, ...]   raises ClnnError on bad operands
    vjp(g, outs, *inputs, needs, **settings) -> tuple of gradients, one per input (None: no gradient)
    Only the first output is differentiable; any others are residuals for the vjp.
    """

    __slots__ = ("infer", "name", "vjp")

    def __init__(
        self, name: str, infer: Callable[..., Any], vjp: Callable[..., Any] | None = None
    ) -> None:
        """Declare and register the op; a name can be declared once."""
        if name in OPS:
            raise ValueError(f"op {name!r} is declared twice")
        self.name, self.infer, self.vjp = name, infer, vjp
        OPS[name] = self

    def __repr__(self) -> str:
        return f"Op({self.name!r})"
