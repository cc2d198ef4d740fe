"""Callback: what can be done at the turns of a training loop, and several as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import ExitStack
from typing import Any

from ..errors import DTypeError

Numbers = Mapping[str, float]


class Callback:
    """Base of all callbacks: override the hooks you need; `self.model` is the Model, `self.params` a dict.

    params has "epochs", "steps" (batches per epoch, None if unknown), "names" (what epochs log) and
    "validated". logs of a batch are read from the device only if looked at; logs of an epoch are a dict of
    floats, and what a hook adds to it is kept in the History. on_train_end is called however training ends.
    """

    model: Any = None
    params: Mapping[str, Any] = {}

    def set_model(self, model: Any) -> None:
        """Learn which Model is trained."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Learn how it is trained."""
        self.params = params

    def on_train_begin(self, logs: Numbers | None = None) -> None:
        """Before the first epoch; network and optimizer are ready."""

    def on_train_end(self, logs: Numbers | None = None) -> None:
        """After the last epoch, or when training was interrupted; logs are the last epoch's."""

    def on_epoch_begin(self, epoch: int, logs: Numbers | None = None) -> None:
        """Before epoch number `epoch`, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        """After an epoch and its validation."""

    def on_batch_begin(self, batch: int, logs: Numbers | None = None) -> None:
        """Before training on batch number `batch` of the epoch."""

    def on_batch_end(self, batch: int, logs: Numbers | None = None) -> None:
        """After a step of the optimizer; logs are the epoch's means so far."""

    def on_test_begin(self, logs: Numbers | None = None) -> None:
        """Before an evaluation, also the one at the end of an epoch."""

    def on_test_end(self, logs: Numbers | None = None) -> None:
        """After an evaluation; logs are its results."""

    def on_test_batch_begin(self, batch: int, logs: Numbers | None = None) -> None:
        """Before evaluating a batch."""

    def on_test_batch_end(self, batch: int, logs: Numbers | None = None) -> None:
        """After evaluating a batch; logs are the means so far."""


class CallbackList(Callback):
    """Several callbacks as one: every hook calls theirs in order; those that are not overridden cost nothing.

    Raises DTypeError for what is no Callback.
    """

    def __init__(self, callbacks: Iterable[Callback] = ()) -> None:
        if isinstance(callbacks, Callback):
            callbacks = [callbacks]
        if not isinstance(callbacks, Iterable):
            raise DTypeError(f"callbacks: expected Callbacks, got {type(callbacks).__name__}")
        self.callbacks: list[Callback] = []
        for callback in callbacks:
            self.append(callback)

    def append(self, callback: Callback) -> None:
        """Add one at the end."""
        if not isinstance(callback, Callback):
            hint = "; make an object of the class" if isinstance(callback, type) else ""
            raise DTypeError(f"callbacks: expected Callbacks, got {callback!r}{hint}")
        self.callbacks.append(callback)

    def listens(self, hook: str) -> bool:
        """Whether any of them overrides `hook`."""
        return any(
            getattr(getattr(c, hook), "__func__", None) is not getattr(Callback, hook)
            for c in self.callbacks
        )

    def set_model(self, model: Any) -> None:
        """Tell all of them."""
        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Tell all of them."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def on_train_begin(self, logs: Numbers | None = None) -> None:
        """Call all of them."""
        for callback in self.callbacks:
            callback.on_train_begin(logs)

    def on_train_end(self, logs: Numbers | None = None) -> None:
        """Call all of them, whichever raises: some have something to close."""
        with ExitStack() as stack:
            for callback in reversed(self.callbacks):
                stack.callback(callback.on_train_end, logs)

    def on_epoch_begin(self, epoch: int, logs: Numbers | None = None) -> None:
        """Call all of them."""
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        """Call all of them."""
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def on_batch_begin(self, batch: int, logs: Numbers | None = None) -> None:
        """Call all of them."""
        for callback in self.callbacks:
            callback.on_batch_begin(batch, logs)

    def on_batch_end(self, batch: int, logs: Numbers | None = None) -> None:
        """Call all of them."""
        for callback in self.callbacks:
            callback.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Numbers | None = None) -> None:
        """Call all of them."""
        for callback in self.callbacks:
            callback.on_test_begin(logs)

    def on_test_end(self, logs: Numbers | None = None) -> None:
        """Call all of them."""
        for callback in self.callbacks:
            callback.on_test_end(logs)

    def on_test_batch_begin(self, batch: int, logs: Numbers | None = None) -> None:
        """Call all of them."""
        for callback in self.callbacks:
            callback.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Numbers | None = None) -> None:
        """Call all of them."""
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs)
