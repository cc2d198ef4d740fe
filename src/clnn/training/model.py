"""Model: a network with a loss, an optimizer and metrics, and the loops that everybody writes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from .. import io, optim
from .. import metrics as metric_names
from ..autograd import no_grad
from ..errors import DTypeError, SettingError
from ..metrics import Metric
from ..nn import Module
from ..optim import Optimizer
from ..tensor import Tensor
from . import batches
from .callback import Callback, CallbackList
from .history import History
from .losses import Loss, LossFn, class_weights, resolve, weighted
from .network import is_lazy, mode, place_of
from .progress import Progress
from .step import Sums, detached, joined, scalar

OPTIMIZERS = {
    "sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop,
}  # fmt: skip

_OPTIMIZER = "optimizer"  # the entry of a file's metadata


class Model:
    """Trains, evaluates and asks `network`, which stays an ordinary module with a life of its own.

    loss: a name (see clnn.training.LOSSES), a loss module, or a function of (pred, target). optimizer: an
    Optimizer, a function from parameters to one, or a name with its defaults; the latter two are called when
    lazy layers know their sizes. metrics: names, clnn.metrics, or functions of (pred, target). Only `predict`
    needs no loss, and only training an optimizer. Raises SettingError or DTypeError for anything else.
    """

    def __init__(
        self, network: Module, loss: Any = None, optimizer: Any = None, metrics: Iterable[Any] = ()
    ) -> None:
        if not isinstance(network, Module):
            raise DTypeError(
                f"Model: expected a network (clnn.nn.Module), got {type(network).__name__}"
            )
        self.network = network
        self.loss: Loss | None = None if loss is None else resolve(loss)
        self.optimizer: Optimizer | None = None
        self._make_optimizer = self._optimizer_of(optimizer)
        self.metrics = self._metrics_of(metrics)
        self.stop_training = False
        self.history = History()

    def _optimizer_of(self, given: Any) -> Callable[[Any], Optimizer] | None:
        if isinstance(given, Optimizer):
            ours = {id(p) for p in self.network.parameters()}
            if ours and not any(id(p) in ours for g in given.param_groups for p in g["params"]):
                raise SettingError(
                    "Model: expected an optimizer of the network's parameters, got one of others"
                )
            self.optimizer = given
            return None
        if isinstance(given, str):
            if given not in OPTIMIZERS:
                raise SettingError(
                    f"Model: expected optimizer in {', '.join(OPTIMIZERS)}, got {given!r}"
                )
            return OPTIMIZERS[given]
        if given is None or callable(given):
            return given
        raise DTypeError(
            f"Model: expected optimizer to be a name, an Optimizer or a function that makes one, got {given!r}"
        )

    def _metrics_of(self, given: Any) -> list[Metric]:
        if isinstance(given, str | Metric) or not isinstance(given, Iterable):
            given = [given]
        found = [metric_names.get(m, self.loss.threshold if self.loss else None) for m in given]
        names = ["loss", *(m.name for m in found)]
        for name in names:
            if names.count(name) > 1:
                raise SettingError(
                    f"Model: expected metrics of different names, got {name!r} twice"
                )
        return found

    # --- whole data sets --------------------------------------------------------------------

    def fit(
        self, x: Any, y: Any = None, *, batch_size: int = 32, epochs: int = 1, initial_epoch: int = 0,
        validation_data: Any = None, validation_split: float = 0.0, shuffle: bool = True,
        seed: int | None = None, class_weight: Mapping[int, float] | Sequence[float] | None = None,
        callbacks: Iterable[Callback] = (), verbose: int = 1,
    ) -> History:  # fmt: skip
        """Train until epoch number `epochs`; returns the History, which is also `self.history`.

        x: arrays or Tensors, with y; a data set of (input, target) samples; or what gives (inputs, targets)
        batches every time it is iterated over, such as a DataLoader, which then decides about batch_size,
        shuffle and seed. Several inputs are a tuple. validation_split holds back that share of the last
        samples. seed: of the order of samples; None takes one from clnn.manual_seed's stream. class_weight:
        {class: weight}, 1 where none is given. verbose: 0 nothing, 1 a bar, 2 a line per epoch.
        Raises SettingError, ShapeError or DTypeError before anything is trained.
        """
        loss = self._needs("fit")
        whole("fit", "epochs", epochs, 1)
        whole("fit", "initial_epoch", initial_epoch, 0)
        place = place_of(self.network)
        data = batches.samples("fit", x, y)
        validation = self._validation(place, data, x, batch_size, validation_data, validation_split)
        if validation_split:
            data, _ = batches.split("fit", data, validation_split)
        for source in (x, validation_data):
            if epochs - initial_epoch > 1 and batches.is_once(source):
                raise SettingError(
                    f"fit: expected data that can be iterated over {epochs - initial_epoch} times, got a "
                    f"{type(source).__name__}, which runs dry; pass a DataLoader, or epochs=1"
                )
        train = batches.feed(
            "fit", data, x, place, batch_size, shuffle=shuffle, seed=seed, epoch=initial_epoch
        )
        step_loss = (
            loss.mean if class_weight is None else weighted(loss, class_weights(class_weight))
        )
        listeners = CallbackList(callbacks)
        if whole("fit", "verbose", verbose, 0) and not any(
            isinstance(c, Progress) for c in listeners.callbacks
        ):
            listeners.append(Progress(bar=verbose == 1))

        self.stop_training, self.history = False, History()
        with mode(self.network, True):
            if not self.is_ready:
                self.build(*train.first()[0])
            listeners.set_model(self)
            names = ["loss", *(m.name for m in self.metrics)]
            listeners.set_params(
                {"epochs": epochs, "initial_epoch": initial_epoch, "steps": train.steps,
                 "validated": validation is not None,
                 "names": names + [f"val_{n}" for n in names if validation is not None]}
            )  # fmt: skip
            try:
                listeners.on_train_begin({})
                for epoch in range(initial_epoch, epochs):
                    if self.stop_training:
                        break
                    listeners.on_epoch_begin(epoch, {})
                    logs = self._train_epoch(train, step_loss, listeners)
                    if validation is not None:
                        results = self._evaluate(validation, loss.mean, listeners)
                        logs |= {f"val_{name}": value for name, value in results.items()}
                    self._warn_once(epoch, logs["loss"])
                    self.history.record(epoch, logs)
                    listeners.on_epoch_end(epoch, logs)
                    self.history.record(epoch, logs)  # with what the callbacks have added
            finally:
                listeners.on_train_end(self.history.last())
        return self.history

    def evaluate(
        self, x: Any, y: Any = None, *, batch_size: int = 32, callbacks: Iterable[Callback] = (),
        verbose: int = 0,
    ) -> dict[str, float]:  # fmt: skip
        """{"loss": mean over samples, metric name: number} of data as `fit` takes it; nothing is trained.

        Raises as `fit`.
        """
        loss = self._needs("evaluate", optimizer=False)
        feed = self._feed("evaluate", x, y, batch_size)
        listeners = CallbackList(callbacks)
        if whole("evaluate", "verbose", verbose, 0):
            listeners.append(Progress(bar=verbose == 1))
        listeners.set_model(self)
        names = ["loss", *(m.name for m in self.metrics)]
        listeners.set_params({"epochs": 0, "steps": feed.steps, "validated": True, "names": names})
        return self._evaluate(feed, loss.mean, listeners)

    def predict(self, x: Any, *, batch_size: int = 32) -> Any:
        """What the network computes of all of x in evaluation mode, as one Tensor (a tuple if it gives several).

        x: as `fit` takes it; targets in batches are left alone. Raises as `fit`.
        """
        feed = self._feed("predict", x, None, batch_size, targets=False)
        with mode(self.network, False), no_grad():
            found = [self.network(*inputs) for inputs, _ in feed]
        return joined(found)

    # --- single batches ---------------------------------------------------------------------

    def train_on_batch(self, x: Any, y: Any) -> dict[str, float]:
        """One step on one batch; its loss and metrics, for which this waits. Raises as `fit`."""
        return self._on_batch("train_on_batch", x, y, train=True)

    def test_on_batch(self, x: Any, y: Any) -> dict[str, float]:
        """The loss and metrics of one batch; nothing is trained. Raises as `fit`."""
        return self._on_batch("test_on_batch", x, y, train=False)

    def _on_batch(self, where: str, x: Any, y: Any, train: bool) -> dict[str, float]:
        loss = self._needs(where, optimizer=train)
        data = batches.samples(where, x, y)
        if data is None:
            raise DTypeError(f"{where}: expected arrays or Tensors, got {type(x).__name__}")
        inputs, target = batches.feed(where, data, x, place_of(self.network), len(data)).first()
        with mode(self.network, train):
            if train and not self.is_ready:
                self.build(*inputs)
            sums = Sums(self.metrics)
            if train:
                sums.add(*self.train_step(inputs, target, loss.mean), target)
            else:
                with no_grad():
                    pred = self.network(*inputs)
                    sums.add(pred, scalar(loss.mean(pred, target)), target)
        return sums.read()

    # --- files ------------------------------------------------------------------------------

    def save(
        self, path: str | os.PathLike[str], *, metadata: Mapping[str, Any] | None = None,
        weights_only: bool = False,
    ) -> None:  # fmt: skip
        """Write network and optimizer to a file that clnn.load_model and `load` read, whole or not at all.

        weights_only: nothing but the network's state dict. Raises SettingError for a network that cannot say
        how it was made, and as clnn.save.
        """
        if weights_only:
            io.save(path, self.network.state_dict(), metadata)
            return
        more = {} if self.optimizer is None else {_OPTIMIZER: self.optimizer.state_dict()}
        io.save(path, self.network, {**(metadata or {}), **more})

    def load(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Go on from what `save` wrote: weights and, where the file has it, the optimizer's state.

        Returns the metadata; a ModelCheckpoint's has "epoch", how many were trained, for initial_epoch.
        Raises as clnn.load and the two load_state_dict.
        """
        self.network.load_state_dict(io.load(path, "cpu"))
        metadata = io.load_metadata(path)
        state = metadata.pop(_OPTIMIZER, None)
        if state is not None and not is_lazy(self.network):
            self.build()
            if self.optimizer is not None:
                self.optimizer.load_state_dict(state)
        return metadata

    # --- the loops --------------------------------------------------------------------------

    def _train_epoch(
        self, feed: batches.Feed, loss: LossFn, listeners: CallbackList
    ) -> dict[str, float]:
        sums = Sums(self.metrics)
        begins, ends = listeners.listens("on_batch_begin"), listeners.listens("on_batch_end")
        for index, (inputs, target) in enumerate(feed):
            if begins:
                listeners.on_batch_begin(index, {})
            pred, value = self.train_step(inputs, target, loss)
            sums.add(pred, value, target)
            if ends:
                listeners.on_batch_end(index, sums.logs(value))
            del pred  # or it would be held while the next one is computed
            if self.stop_training:
                break
        return sums.read()

    def train_step(self, inputs: tuple[Any, ...], target: Any, loss: LossFn) -> tuple[Any, Tensor]:
        """One step: returns the prediction and the loss, outside of the graph.

        A subclass overrides it to do something else with a batch, such as clipping gradients.
        """
        optimizer = self.optimizer
        if optimizer is None:
            raise SettingError("train_step: expected a Model with an optimizer, got one without")
        optimizer.zero_grad()
        pred = self.network(*inputs)
        value = scalar(loss(pred, target))
        value.backward()
        optimizer.step()
        return detached(pred), value.detach()

    def _evaluate(
        self, feed: batches.Feed, loss: LossFn, listeners: CallbackList
    ) -> dict[str, float]:
        sums = Sums(self.metrics)
        begins, ends = (
            listeners.listens("on_test_batch_begin"),
            listeners.listens("on_test_batch_end"),
        )
        listeners.on_test_begin({})
        with mode(self.network, False), no_grad():
            for index, (inputs, target) in enumerate(feed):
                if begins:
                    listeners.on_test_batch_begin(index, {})
                pred = self.network(*inputs)
                value = scalar(loss(pred, target))
                sums.add(pred, value, target)
                if ends:
                    listeners.on_test_batch_end(index, sums.logs(value))
        found = sums.read()
        listeners.on_test_end(found)
        return found

    def _warn_once(self, epoch: int, loss: float) -> None:
        before = self.history.history.get("loss", [])
        if not isfinite(loss) and all(map(isfinite, before)):
            warnings.warn(
                f"fit: expected a finite loss, got a mean of {loss} in epoch {epoch}; the learning rate may be "
                "too high (clnn.training.TerminateOnNaN stops there)",
                RuntimeWarning,
                stacklevel=3,
            )

    # --- what they stand on -----------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether there is an optimizer, and no layer that has yet to learn its sizes."""
        return self.optimizer is not None and not is_lazy(self.network)

    def build(self, *inputs: Any) -> None:
        """Let lazy layers learn their sizes from a batch of inputs, and make the optimizer.

        The network runs once in evaluation mode, so that neither statistics nor masks are drawn; not at all
        if no layer is lazy. Raises SettingError if the optimizer's function returns something else.
        """
        if is_lazy(self.network):
            with mode(self.network, False), no_grad():
                self.network(*place_of(self.network).put(inputs))
        if self.optimizer is None and self._make_optimizer is not None:
            made = self._make_optimizer(self.network.parameters())
            if not isinstance(made, Optimizer):
                raise SettingError(
                    f"Model: expected a function that makes an Optimizer, got {type(made).__name__} from it"
                )
            self.optimizer = made

    def _needs(self, where: str, optimizer: bool = True) -> Loss:
        if self.loss is None:
            raise SettingError(f"{where}: expected a Model with a loss, got one without")
        if optimizer and self.optimizer is None and self._make_optimizer is None:
            raise SettingError(f"{where}: expected a Model with an optimizer, got one without")
        return self.loss

    def _feed(
        self, where: str, x: Any, y: Any, batch_size: int, targets: bool = True
    ) -> batches.Feed:
        data = batches.samples(where, x, y, targets)
        return batches.feed(where, data, x, place_of(self.network), batch_size, targets=targets)

    def _validation(
        self, place: batches.Place, data: Any, x: Any, batch_size: int, given: Any, fraction: float
    ) -> batches.Feed | None:
        real = isinstance(fraction, int | float) and not isinstance(fraction, bool)
        if not real or not 0 <= fraction < 1:
            raise SettingError(f"fit: expected validation_split in [0, 1), got {fraction!r}")
        if given is not None and fraction:
            raise SettingError("fit: expected validation_data or validation_split, got both")
        where = "fit, validation_data"
        if fraction:
            return batches.feed(
                where, batches.split("fit", data, fraction)[1], None, place, batch_size
            )
        if given is None:
            return None
        pair = isinstance(given, tuple) and len(given) == 2
        x, y = given if pair else (given, None)
        return batches.feed(where, batches.samples(where, x, y), x, place, batch_size)


def whole(where: str, name: str, value: Any, least: int) -> int:
    """`value`, an int of at least `least`; raises SettingError."""
    if isinstance(value, bool):
        value = int(value)
    if not isinstance(value, int) or value < least:
        raise SettingError(f"{where}: expected {name} to be an int >= {least}, got {value!r}")
    return value
