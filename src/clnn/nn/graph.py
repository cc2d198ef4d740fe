"""Graph: modules that take each other's outputs, as data; and Merge, which joins several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from .. import ops
from ..errors import DTypeError, SettingError
from ..tensor import Tensor
from .arguments import choice
from .config import build_module, module_config
from .module import Module

_PAIRWISE = {
    "add": ops.add, "sub": ops.sub, "mul": ops.mul, "maximum": ops.maximum, "minimum": ops.minimum,
}  # fmt: skip


class Merge(Module):
    """Tensors element by element, from the left: add, sub, mul, maximum, minimum or mean; or joined: cat, along dim.

    (*), (*), ... -> (*). Shapes broadcast as in the ops, which raise for those that do not fit.
    """

    def __init__(self, how: str = "add", dim: int = 1) -> None:
        super().__init__()
        self.how = choice("Merge", "how", how, (*_PAIRWISE, "mean", "cat"))
        self.dim = dim

    def forward(self, *inputs: Tensor) -> Tensor:
        """(*), (*), ... -> (*)."""
        if not inputs:
            raise SettingError("Merge: expected at least one tensor, got none")
        if self.how == "cat":
            return ops.cat(inputs, self.dim)
        pairwise = ops.add if self.how == "mean" else _PAIRWISE[self.how]
        out = inputs[0]
        for x in inputs[1:]:
            out = pairwise(out, x)
        return ops.div(out, len(inputs)) if self.how == "mean" else out


class Graph(Module):
    """Modules wired to a graph without cycles: Graph({"a": m, ...}, [("y", "a", ["x"]), ...], ["x"], ["y"]).

    A wire (value, module, operands) names what a module makes of values named before; a module may stand in several.
    Called with a tensor per input, it returns the output, or a tuple of several.
    Raises SettingError for names that are not known or twice there.
    """

    def __init__(
        self, modules: Mapping[str, Module], wires: Sequence[Any], inputs: Sequence[str],
        outputs: Sequence[str],
    ) -> None:  # fmt: skip
        super().__init__()
        for name, module in modules.items():
            if not isinstance(module, Module):
                raise DTypeError(f"Graph: expected Modules, got {type(module).__name__}")
            self.register_module(name, module)
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        self._wires = tuple((value, name, tuple(operands)) for value, name, operands in wires)
        known = set(self._inputs)
        for value, name, operands in self._wires:
            missing = [x for x in operands if x not in known]
            if name not in self._modules or value in known or missing:
                raise SettingError(
                    f"Graph: expected known modules and operands and new values, got {(value, name, operands)}"
                )
            known.add(value)
        if not self._outputs or not known.issuperset(self._outputs):
            raise SettingError(f"Graph: expected outputs among its values, got {self._outputs}")
        last = {x: k for k, (_, _, operands) in enumerate(self._wires) for x in operands}
        # After each wire, the values that nothing needs any more.
        self._done = [
            [x for x in dict.fromkeys(operands) if last[x] == k and x not in self._outputs]
            for k, (_, _, operands) in enumerate(self._wires)
        ]

    def forward(self, *inputs: Any) -> Any:
        """A tensor per input -> the output, or a tuple of several."""
        if len(inputs) != len(self._inputs):
            raise SettingError(
                f"Graph: expected {len(self._inputs)} inputs ({', '.join(self._inputs)}), got {len(inputs)}"
            )
        values = dict(zip(self._inputs, inputs, strict=True))
        for (value, name, operands), done in zip(self._wires, self._done, strict=True):
            values[value] = self[name](*(values[x] for x in operands))
            for x in done:
                del values[x]
        found = tuple(values[x] for x in self._outputs)
        return found[0] if len(found) == 1 else found

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def get_config(self) -> dict[str, Any]:
        """{"modules": {name: {"class", "config"}}, "wires", "inputs", "outputs"}."""
        return {
            "modules": {n: module_config(m) for n, m in self._modules.items() if m is not None},
            "wires": [[value, name, list(operands)] for value, name, operands in self._wires],
            "inputs": list(self._inputs), "outputs": list(self._outputs),
        }  # fmt: skip

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any]) -> Self:
        """Rebuild every module; raises SettingError for a class that is not known, DTypeError for another config."""
        try:
            modules = {n: build_module(c) for n, c in cfg["modules"].items()}
            return cls(modules, cfg["wires"], cfg["inputs"], cfg["outputs"])
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            if isinstance(error, (SettingError, DTypeError)):
                raise
            raise DTypeError(
                f"Graph.from_config: expected modules, wires, inputs and outputs, got {cfg!r:.80}"
            ) from None

    def extra_repr(self) -> str:
        """The wires, one a line."""
        return "\n".join(f"{v} = {n}({', '.join(xs)})" for v, n, xs in self._wires)
