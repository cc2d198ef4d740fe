"""What users wrote on arrays, as parts of clnn's graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...autograd import Node, is_grad_enabled
from ...tensor import Tensor
from .backend import upload
from .layers.layer import Layer
from .losses import Loss
from .metrics import Metric

Pull = Callable[[Tensor], Tensor]


def passed(layer: Any, x: Tensor, training: bool) -> Tensor:
    """What `layer` makes of x: by its `compute`, or by the forward and backward that it has instead."""
    if is_native(layer):
        layer.settle()
        return layer.compute(x, training)
    y = upload(layer.forward(x.numpy(), training=training), x.device)
    return _joined(y, x, lambda g: upload(layer.backward(g.numpy()), g.device))


def is_native(layer: Any) -> bool:
    """Whether a layer's passes are its `compute`, so that nothing need leave the device."""
    kind = type(layer)
    return (
        isinstance(layer, Layer)
        and kind.forward is Layer.forward
        and kind.backward is Layer.backward
        and kind.params is Layer.params
    )


def lost(loss: Any, output: Tensor, expected: Tensor) -> Tensor:
    """The value of `loss`: by its `compute`, or by the direct and prime that it has instead."""
    kind = type(loss)
    if isinstance(loss, Loss) and kind.direct is Loss.direct and kind.prime is Loss.prime:
        return loss.compute(output, expected)
    arrays = output.numpy(), expected.numpy()
    value = upload(loss.direct(*arrays), output.device)
    return _joined(value, output, lambda g: upload(loss.prime(*arrays), g.device) * g)


def measured(metric: Any, expected: Tensor, output: Tensor) -> float:
    """The number of `metric`: by its `measure`, or by the __call__ that it has instead."""
    own = [c.__call__ for c in type(metric).__mro__ if "__call__" in vars(c)]
    if isinstance(metric, Metric) and own[0].__module__ == Metric.__module__:
        return metric.measure(expected, output)
    return float(metric(expected.numpy(), output.numpy()))


def _joined(y: Tensor, x: Tensor, pull: Pull) -> Tensor:
    if not is_grad_enabled():
        return y
    node = Node("foreign", _vjp, (x,), (), (), ((), ()), {"pull": pull})
    return Tensor(y.array, y.spec, y.device, node, True)


def _vjp(g: Tensor, outs: Any, *, needs: Any, pull: Pull) -> tuple[Tensor]:
    return (pull(g),)
