"""Model: layers, a loss, an optimizer and metrics, trained by clnn's own loop."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, MutableMapping
from typing import Any

from ... import metrics as ours
from ... import nn, optim, training
from ...autograd import no_grad
from ...device import Device
from ...errors import SettingError, ShapeError
from ...tensor import Tensor, tensor
from .activations import Activation, PReLU, ReLU, Sigmoid, Softmax, Swish
from .backend import ArrayType, upload, xp
from .foreign import is_native, lost, measured, passed
from .layers.layer import Layer, Lit_W, Weighted
from .layers.layer1d import Normalization
from .losses import MSE, BinaryCrossEntropy, CategoricalCrossEntropy, Loss
from .metrics import RMSE, Accuracy, F1Score, Metric, R2Score
from .optimizers import SGD, Optimizer
from .serialization import get_model_weights, restore_model_weights


class Model:
    """A network of `layers`, the first of which knows its input shape.

    optimizer: SGD() unless given; metrics: RMSE and R2Score for MSE, else Accuracy and F1Score. Layers with
    "auto" weights get them by the activation that follows ("he" before ReLU, PReLU and Swish, else "xavier")
    and no bias before a batch normalization. A last Sigmoid or Softmax that the loss applies itself is taken
    off, and `predict` applies it. Raises SettingError for no layers, ShapeError for shapes that do not fit.
    """

    def __init__(self, layers: list[Layer], loss: Loss, optimizer: Optimizer | None = None,
                 metrics: list[Metric] | None = None) -> None:  # fmt: skip
        if not layers:
            raise SettingError("Model: expected at least one layer, got none")
        self.layers, self.loss = layers, loss
        self.optimizer = SGD() if optimizer is None else optimizer
        self.metrics = list(metrics or ())
        self.output_activation: Layer | None = None
        self._connect()
        for index, layer in enumerate(layers):
            if isinstance(layer, Weighted) and layer.initialization == "auto":
                method, bare = _weights_before(layers[index + 1 :])
                layer.init_weights(method, layer.no_bias or bare)
        if isinstance(loss, BinaryCrossEntropy):
            self.output_activation = Sigmoid()
        elif isinstance(loss, CategoricalCrossEntropy):
            self.output_activation = Softmax(loss.temperature, loss.epsilon)
        if self.output_activation and isinstance(layers[-1], type(self.output_activation)):
            self.layers = layers[:-1]
        if not self.metrics:
            self.metrics = [RMSE(), R2Score()] if isinstance(loss, MSE) else [Accuracy(), F1Score()]

    def _connect(self) -> None:
        """Tell every layer the shape of its inputs."""
        first = self.layers[0]
        if not hasattr(first, "input_size"):
            raise ShapeError(
                "Model: expected the first layer to know its input size, got "
                f"{type(first).__name__} without one; give Dense an input_size, Convolutional an input_shape"
            )
        if not hasattr(first, "output_shape"):
            first.build(first.input_shape)
        shape = first.output_shape
        for layer in self.layers[1:]:
            layer.build(shape)
            shape = getattr(layer, "output_shape", shape)

    # --- training ---------------------------------------------------------------------------

    def train(
        self, X_train: ArrayType, y_train: ArrayType, epochs: int, batch_size: int,
        evaluation: tuple[ArrayType, ArrayType] | None = None, auto_evaluation: float = 0.2,
        early_stopping: int | None = None, model_checkpoint: bool = True,
        compute_train_metrics: bool = False,
    ) -> None:  # fmt: skip
        """Train, and print a line per epoch.

        Every epoch ends with the evaluation of `evaluation`, or else of that share of the samples
        (`auto_evaluation`, drawn once), which are then not trained on. early_stopping: stop after so many epochs
        without a smaller loss of the evaluation, or of training if there is none. model_checkpoint: keep the
        weights, and the optimizer's state, of the best epoch. Raises SettingError or ShapeError.
        """
        x, y = self._samples(X_train, y_train)
        held_out: tuple[Tensor, Tensor] | None = None
        if evaluation is not None:
            held_out = self._samples(*evaluation)
        elif count := int(x.shape[0] * auto_evaluation):
            order = tensor(xp.random.permutation(x.shape[0]), device=x.device)
            kept, away = order[:-count], order[-count:]
            held_out = x.index_select(0, away), y.index_select(0, away)
            x, y = x.index_select(0, kept), y.index_select(0, kept)
        watch = _Watch(self, epochs, early_stopping, model_checkpoint, held_out)
        training.Model(
            _Network(self.layers), lambda output, target: lost(self.loss, output, target),
            _Stepper(self.optimizer, self.layers),
            [self._averaged(m) for m in self.metrics] if compute_train_metrics else (),
        ).fit(_Batches(x, y, batch_size), epochs=epochs, callbacks=[watch], verbose=0)  # fmt: skip
        for held in (h for layer in self.layers if is_native(layer) for h in layer.held.values()):
            held.refresh()
        watch.restore()

    def evaluate(self, X: ArrayType, y: ArrayType, training: bool = False,
                 compute_metrics: bool = True) -> tuple[ArrayType, dict[str, float]]:  # fmt: skip
        """Predictions, and the loss and metrics of them by name.

        In training the predictions are the network's outputs before the implicit Sigmoid or Softmax, and
        every layer is ready for its `backward`.
        """
        x, target = self._samples(X, y)
        if not training:
            output, found = self._evaluate(x, target, compute_metrics)
            return output.numpy(), found
        for layer in self.layers:  # each with a graph of its own
            x = layer.run(x, True) if is_native(layer) else passed(layer, x, True)
        return x.numpy(), self._judge(x, target, compute_metrics)[1]

    def test(self, X_test: ArrayType, y_test: ArrayType) -> None:
        """Print the loss and metrics."""
        print("Test results:")
        for name, value in self.evaluate(X_test, y_test)[1].items():
            print(f"   {name} = {value:.4f}")

    def predict(self, X: ArrayType) -> ArrayType:
        """What the network computes of X in evaluation, after the implicit Sigmoid or Softmax."""
        with no_grad():
            return self._activated(self._output(upload(X, self._device()))).numpy()

    # --- parts of it ------------------------------------------------------------------------

    def _device(self) -> Device | None:
        """Where the network is: where its first parameters are."""
        known = (layer._device for layer in self.layers if is_native(layer))
        return next((device for device in known if device is not None), None)

    def _samples(self, x: ArrayType, y: ArrayType) -> tuple[Tensor, Tensor]:
        if not len(x) or len(x) != len(y):
            raise ShapeError(
                f"Model: expected as many targets as samples, and some, got {len(x)} samples and {len(y)} targets"
            )
        device = self._device()
        return upload(x, device), upload(y, device)

    def _output(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = passed(layer, x, False)
        return x

    def _activated(self, output: Tensor) -> Tensor:
        return (
            output
            if self.output_activation is None
            else passed(self.output_activation, output, False)
        )

    def _evaluate(
        self, x: Tensor, target: Tensor, compute_metrics: bool = True
    ) -> tuple[Tensor, dict[str, float]]:
        with no_grad():
            return self._judge(self._output(x), target, compute_metrics)

    def _judge(
        self, output: Tensor, target: Tensor, compute_metrics: bool
    ) -> tuple[Tensor, dict[str, float]]:
        """Predictions of these outputs, and their loss and metrics."""
        with no_grad():
            found = {"loss": float(lost(self.loss, output, target).item())}
            predictions = self._activated(output)
            for metric in self.metrics if compute_metrics else ():
                found[_key(metric)] = measured(metric, target, predictions)
        return predictions, found

    def _averaged(self, metric: Metric) -> ours.Mean:
        """`metric` as the mean over batches."""
        return ours.Mean(
            lambda output, target: measured(metric, target, self._activated(output)), _key(metric)
        )

    # --- deprecated -------------------------------------------------------------------------

    def get_weights(self, optimizer_params: dict[str, Any] | None = None) -> dict[str, ArrayType]:
        """Deprecated: `serialization.get_model_weights`."""
        _deprecated("get_weights", "get_model_weights")
        return get_model_weights(self.layers, optimizer_params)

    def restore_weights(
        self, weights_dict: dict[str, ArrayType], optimizer: Optimizer | None = None
    ) -> None:
        """Deprecated: `serialization.restore_model_weights`."""
        _deprecated("restore_weights", "restore_model_weights")
        restore_model_weights(self.layers, weights_dict, optimizer)


def _deprecated(old: str, new: str) -> None:
    warnings.warn(
        f"Model.{old} is deprecated: use serialization.{new}", DeprecationWarning, stacklevel=3
    )


def _key(metric: Any) -> str:
    return type(metric).__name__.lower()


def _weights_before(following: list[Layer]) -> tuple[Lit_W, bool]:
    """How to draw weights that come before these layers, and whether a bias would be taken out again."""
    bare = False
    for layer in following:
        bare = bare or isinstance(layer, Normalization)
        if isinstance(layer, ReLU | PReLU | Swish):
            return "he", bare
        if isinstance(layer, Activation | Weighted):
            break
    return "xavier", bare


# --- what clnn's loop is given ----------------------------------------------------------------------


class _Network(nn.Module):
    def __init__(self, layers: list[Layer]) -> None:
        super().__init__()
        self.layers = layers
        for index, layer in enumerate(layers):
            for name, held in layer.held.items() if is_native(layer) else ():
                register = self.register_parameter if held.trained else self.register_buffer
                register(f"{index}_{name}", held.tensor)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = passed(layer, x, self.training)
        return x


class _Stepper(optim.Optimizer):
    """The model's optimizer under the names of clnn's loop; it keeps parameters and state itself."""

    def __init__(self, own: Optimizer, layers: list[Layer]) -> None:
        self.own, self.layers = own, layers
        held = [layer.held.values() for layer in layers if is_native(layer)]
        self.param_groups = [{"params": [h.tensor for some in held for h in some if h.trained]}]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for layer in self.layers:
            if is_native(layer):
                layer.forget_gradients()

    def step(self, closure: Any = None) -> None:
        if type(self.own).step is Optimizer.step:
            self.own.update(self.layers)
        else:
            self.own.step(self.layers)


class _Batches:
    """Batches in a new random order each time, the last one with what is left."""

    def __init__(self, x: Tensor, y: Tensor, size: int) -> None:
        if not isinstance(size, int) or size < 1:
            raise SettingError(f"Model.train: expected batch_size of at least 1, got {size!r}")
        self.x, self.y, self.size = x, y, size

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = xp.arange(len(self.x))
        xp.random.shuffle(order)
        for start in range(0, len(order), self.size):
            batch = tensor(order[start : start + self.size], device=self.x.device)
            yield self.x.index_select(0, batch), self.y.index_select(0, batch)


class _Watch(training.Callback):
    """Prints epochs, keeps the best weights and stops early, as the original does."""

    def __init__(self, model: Model, epochs: int, patience: int | None, keep: bool,
                 held_out: tuple[Tensor, Tensor] | None) -> None:  # fmt: skip
        self.trained, self.epochs, self.held_out, self.keep = model, epochs, held_out, keep
        self.patience = self.left = patience or epochs + 1
        self.best = float("inf")
        self.weights: dict[str, ArrayType] | None = None
        self.steps: int | None = None

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        found = dict(logs or {})
        line = f"epoch {epoch + 1:>{len(str(self.epochs))}}/{self.epochs}   |   [training]{_listed(found)}"
        if self.held_out is not None:
            _, found = self.trained._evaluate(*self.held_out)
            line += f"   |   [evaluation]{_listed(found)}"
        print(line)
        if found["loss"] < self.best:
            self.best, self.left = found["loss"], self.patience
            if self.keep:
                own = self.trained.optimizer
                self.weights = get_model_weights(self.trained.layers, own.params)
                self.steps = getattr(own, "t", None)
            return
        self.left -= 1
        if not self.left:
            print(f"EARLY STOPPING - Model did not learn since {self.patience} epochs")
            self.model.stop_training = True

    def restore(self) -> None:
        """Put the best weights back, and the optimizer's state of then."""
        if self.weights is None:
            return
        own = self.trained.optimizer
        if self.steps is not None:
            own.t = self.steps  # type: ignore[attr-defined]
        restore_model_weights(self.trained.layers, self.weights, own)
        print(f"MODEL CHECKPOINT: {self.best:.4f}")


def _listed(found: dict[str, float]) -> str:
    return "".join(f"   {name} = {value:.4f}" for name, value in found.items())
