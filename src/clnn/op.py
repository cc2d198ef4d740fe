"""An op is a name, a shape rule and a gradient rule. Nothing here computes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from .shapes import Spec

OPS: dict[str, Op] = {}
Specs = tuple[Spec, ...]
_REMEMBERED = 1024  # calls per op whose specs are kept


class Call:
    """An op with operands of these specs and certain settings, and what comes out.

    The same call is the same object for as long as it is remembered, so backends keep by it what they know of it.
    """

    __slots__ = ("inputs", "many", "op", "outs")

    def __init__(self, op: str, inputs: Specs, inferred: Any) -> None:
        """`inferred` is what the op's `infer` returned."""
        self.op, self.inputs = op, inputs
        self.many = not isinstance(
            inferred, Spec
        )  # whether several arrays come out, or one as such
        self.outs: Specs = inferred if self.many else (inferred,)


class Op:
    """A primitive: `infer` validates and returns output Spec(s); `vjp` pulls a cotangent back.

    infer(*input_specs, **settings) -> Spec | tuple[Spec, ...]   raises ClnnError on bad operands
    vjp(g, outs, *inputs, needs, **settings) -> tuple of gradients, one per input (None: no gradient)
    Only the first output is differentiable; any others are residuals for the vjp.
    """

    __slots__ = ("infer", "inferred", "name", "vjp")

    def __init__(
        self, name: str, infer: Callable[..., Any], vjp: Callable[..., Any] | None = None
    ) -> None:
        """Declare and register the op; a name can be declared once."""
        if name in OPS:
            raise ValueError(f"op {name!r} is declared twice")
        self.name, self.infer, self.vjp = name, infer, vjp
        self.inferred: dict[Hashable, Call] = {}
        OPS[name] = self

    def call(self, inputs: Specs, settings: dict[str, Any]) -> Call:
        """The call with these operands, which `infer` has been asked about; remembered, as the same calls repeat."""
        # types too, for 1 == True == 1.0 and infer may refuse some of them
        key = (*inputs, *settings.items(), *map(type, settings.values())) if settings else inputs
        try:
            found = self.inferred.get(key)
        except TypeError:  # infer says what is wrong with a setting that has no hash
            return Call(self.name, inputs, self.infer(*inputs, **settings))
        if found is None:
            found = Call(self.name, inputs, self.infer(*inputs, **settings))
            if len(self.inferred) >= _REMEMBERED:
                self.inferred.clear()
            self.inferred[key] = found
        return found

    def specs(self, inputs: Specs, settings: dict[str, Any]) -> tuple[Specs, bool]:
        """What `infer` returns, as a tuple, and whether it was one."""
        call = self.call(inputs, settings)
        return call.outs, call.many

    def __repr__(self) -> str:
        return f"Op({self.name!r})"
