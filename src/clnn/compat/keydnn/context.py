"""Context: gradients that a script computes itself, as a node of clnn's graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...autograd import Node, Variable
from ...errors import AutogradError


@dataclass
class Context:
    """How a result came to be: its parents, and a function from its gradient to one (or None) for each of them."""

    parents: Sequence[Any]
    backward_fn: Callable[[Any], Any]
    saved_tensors: list[Any] = field(default_factory=list)
    saved_meta: dict[str, Any] = field(default_factory=dict)

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for backward_fn."""
        self.saved_tensors.extend(tensors)


def node_of(context: Context) -> Node:
    """The node that asks `context` for its gradients."""
    settings = {"context": context}
    return Node("context", _vjp, tuple(context.parents), (), (), ((), ()), settings)


def _vjp(g: Any, outs: Any, *, needs: Any, context: Context) -> Sequence[Any]:
    found = context.backward_fn(g)
    grads = (found,) if isinstance(found, Variable) else tuple(found)
    if len(grads) != len(context.parents):
        raise AutogradError(
            f"backward: expected {len(context.parents)} gradients from backward_fn, got {len(grads)}"
        )
    return grads
