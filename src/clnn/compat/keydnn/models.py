"""Model and Sequential: built, then trained by clnn.training; saved as JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ... import metrics as clnn_metrics
from ... import nn, training
from ...autograd import no_grad
from ...errors import ClnnError, DTypeError, SettingError
from ...nn.arguments import check_tensor, count
from ...tensor import Tensor as Base
from ...training.network import mode
from . import checkpoint, losses, optimizers
from .callbacks import CallbackList
from .module import Module, register_module
from .tensor import Tensor, adopted


class NotBuiltError(ClnnError, RuntimeError):
    """A model was used before `build` told its layers their sizes."""


@dataclass
class History(training.History):
    """What `fit` returns: `.history` {name: [number per epoch]}, `.epoch`, `.last()`."""

    def append_epoch(self, epoch_idx: int, logs: Mapping[str, Any]) -> None:
        """Keep the numbers of an epoch."""
        self.record(int(epoch_idx), logs)


class Model(Module):
    """Base of networks that are built by a sample, or its shape, before they are used."""

    def __init__(self) -> None:
        super().__init__()
        self._is_built = False

    @property
    def is_built(self) -> bool:
        """Whether it can be used."""
        return self._is_built

    def build(self, x: Any, *, device: Any = None, dtype: Any = np.float32) -> None:
        """Run once on `x`, a Tensor or zeros of that shape, in evaluation mode; lazy layers get their weights."""
        if self._is_built:
            return
        sample = Tensor(x, device, dtype=dtype) if isinstance(x, tuple | list) else x
        check_tensor("Model.build", sample)
        with mode(self, False), no_grad():
            built = False
            try:
                self._mark(True)
                self.forward(sample)
                built = True
            finally:
                self._mark(built)

    def _mark(self, built: bool) -> None:
        """Say of this model, and of those that are its layers, whether they are built."""
        for module in self.modules():
            if isinstance(module, Model):
                module._is_built = built

    def _built(self, where: str) -> None:
        if not self._is_built:
            raise NotBuiltError(
                f"{where}: expected a built model, got one that is not; call model.build(x[:1]) first"
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`forward`; raises NotBuiltError before `build`."""
        self._built(type(self).__name__)
        return super().__call__(*args, **kwargs)

    def predict(self, x: Any, *, requires_grad: bool = False) -> Any:
        """The output in evaluation mode, recorded if requires_grad; every module gets its own mode back."""
        self._built("predict")
        check_tensor("predict", x)
        with mode(self, False):
            if requires_grad:
                return self(x)
            with no_grad():
                return self(x)

    # --- training -----------------------------------------------------------------------------

    def train_on_batch(
        self, x_batch: Any, y_batch: Any, *, loss: Any, optimizer: Any, metrics: Any = None,
        metric_names: Any = None, zero_grad: bool = True, backward: bool = True, step: bool = True,
        optimizer_kwargs: Mapping[str, Any] | None = None,
    ) -> dict[str, float]:  # fmt: skip
        """One step on one batch, or the parts of it that are asked for; its loss and metrics."""
        self._built("train_on_batch")
        check_tensor("train_on_batch", x_batch)
        check_tensor("train_on_batch", y_batch)
        found = _optimizer(self, optimizer, optimizer_kwargs)
        self.train()
        if zero_grad:
            found.zero_grad()
        pred = self(x_batch)
        value = _loss(loss)(pred, y_batch)
        if backward:
            value.backward()
        if step:
            found.step()
        measured = {m.name: m(pred.detach(), y_batch) for m in _metrics(metrics, metric_names)}
        return {"loss": float(value.item()), **measured}

    def fit(
        self, x: Any, y: Any = None, *, loss: Any, optimizer: Any, metrics: Any = None,
        metric_names: Any = None, batch_size: int = 32, epochs: int = 1, shuffle: bool = True,
        verbose: int = 1, validation_data: Any = None, callbacks: Any = None,
        optimizer_kwargs: Mapping[str, Any] | None = None,
    ) -> History:  # fmt: skip
        """Train on Tensors x and y, or on an iterable of (x, y) batches; see clnn.Model.fit.

        Strings name losses (mse, sse, bce, cce), optimizers (sgd, adam, with their own lr unless optimizer_kwargs
        gives one) and metrics (acc). Raises NotBuiltError, SettingError, ShapeError or DTypeError.
        """
        self._built("fit")
        for given in (x, y) if y is not None else ():
            check_tensor("fit", given)
        for name, number in (("epochs", epochs), ("batch_size", batch_size)):
            count("fit", name, number)
        listeners = CallbackList(callbacks)
        step_loss = _loss(loss)
        trainer = training.Model(
            self,
            lambda *batch: _freeing(step_loss(*batch)),
            metrics=_metrics(metrics, metric_names),
        )
        # Not by the constructor: a script's own optimizer has no more than zero_grad and step.
        trainer.optimizer = _optimizer(self, optimizer, optimizer_kwargs)
        self.train()
        found = trainer.fit(
            x, y, batch_size=batch_size, epochs=epochs, shuffle=shuffle, verbose=int(verbose),
            validation_data=validation_data, callbacks=[listeners],
        )  # fmt: skip
        return History(found.history, found.epoch)

    # --- checkpoints --------------------------------------------------------------------------

    def to_json_payload(self) -> dict[str, Any]:
        """Architecture and values as JSON can hold them."""
        return checkpoint.to_payload(self)

    def from_json_payload_(self, payload: Any) -> None:
        """Take over the values of `to_json_payload`; raises FileFormatError, and then changes nothing."""
        payload = checkpoint.check_format(payload)
        checkpoint.load_state_payload_(self, payload.get("state"))
        self._mark(True)

    def save_json(self, path: str | os.PathLike[str]) -> None:
        """Write `to_json_payload` to a file, whole or not at all."""
        checkpoint.write(path, self.to_json_payload())

    @classmethod
    def load_json(cls, path: str | os.PathLike[str]) -> Self:
        """The model in a file of `save_json` or of KeyDNN; raises FileFormatError or DTypeError."""
        model = checkpoint.from_payload(checkpoint.read(path))
        if not isinstance(model, cls):
            raise DTypeError(
                f"load_json: expected a {cls.__name__} in {str(path)!r}, got {type(model).__name__}"
            )
        model._mark(True)
        return model


@register_module()
class Sequential(Model, nn.Sequential):
    """Layers called one after the other."""

    def __init__(self, *layers: nn.Module) -> None:
        Model.__init__(self)
        self.extend(layers)

    def layers(self) -> tuple[nn.Module, ...]:  # type: ignore[override]
        """The layers in order."""
        return tuple(self)

    def summary(self) -> str:  # type: ignore[override]
        """The classes of the layers, as text; clnn.nn.Module.summary has shapes and sizes."""
        lines = [f"  ({k}): {type(layer).__name__}" for k, layer in enumerate(self)]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])

    def get_config(self) -> dict[str, Any]:
        """Nothing: checkpoints keep layers apart."""
        return {}

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any]) -> Self:
        """An empty one."""
        return cls()

    def _post_load(self) -> None:
        # KeyDNN's files sort names as text: "10" before "2".
        if all(name.isdecimal() for name in self._modules):
            ordered = sorted(self._modules.items(), key=lambda item: int(item[0]))
            self._modules.clear()
            self._modules.update(ordered)


def _loss(given: Any) -> Callable[[Any, Any], Any]:
    """The loss a name or a function means, for targets of either library."""
    fn = given
    if isinstance(given, str):
        named = losses.NAMED.get(given.strip().lower().replace("_", ""))
        if named is None:
            raise SettingError(f"fit: expected loss mse, sse, bce or cce, got {given!r}")
        fn = named.apply
    elif not callable(given):
        raise DTypeError(f"fit: expected loss to be a name or a function, got {given!r}")
    return lambda pred, target: fn(pred, adopted(target))


def _freeing(value: Any) -> Any:
    """A loss as clnn's Tensor, whose `backward` frees the graph on its way."""
    if type(value) is Tensor:
        value.__class__ = Base  # type: ignore[assignment]
    return value


def _optimizer(model: Model, given: Any, kwargs: Mapping[str, Any] | None) -> Any:
    if not isinstance(given, str):
        return given
    named = {"sgd": optimizers.SGD, "adam": optimizers.Adam}.get(given.strip().lower())
    if named is None:
        raise SettingError(f"fit: expected optimizer sgd, adam or an object, got {given!r}")
    options = dict(kwargs or {})
    if "learning_rate" in options:
        options["lr"] = options.pop("learning_rate")
    return named(model.parameters(), **options)


def _metrics(given: Sequence[Any] | None, names: Sequence[str] | None) -> list[Any]:
    """Names and functions of (y_true, y_pred) as clnn's metrics."""
    given = list(given or ())
    if names is not None and len(names) != len(given):
        raise SettingError(f"fit: expected {len(given)} metric_names, got {len(names)}")
    found: list[Any] = []
    for k, m in enumerate(given):
        name = str(names[k]) if names is not None else m if isinstance(m, str) else None
        if isinstance(m, str):
            if m.strip().lower() not in ("acc", "accuracy"):
                raise SettingError(f"fit: expected metric acc or a function, got {m!r}")
            found.append(clnn_metrics.Accuracy(name=str(name)))
        elif callable(m):
            name = name or getattr(m, "__name__", None) or f"metric_{k}"
            found.append(clnn_metrics.Mean(_swapped(m), str(name)))
        else:
            raise DTypeError(f"fit: expected metrics to be names or functions, got {m!r}")
    return found


def _swapped(metric: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda pred, target: metric(adopted(target), adopted(pred))


__all__ = ["History", "Sequential"]
