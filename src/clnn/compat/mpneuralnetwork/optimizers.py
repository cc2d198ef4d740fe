"""Optimizers: clnn's own, on the device, with the original's rules of regularization."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from ... import ops, optim
from ...autograd import no_grad
from ...errors import SettingError, UnsupportedOpError
from ...optim.optimizer import Group
from .backend import ArrayType, upload
from .foreign import is_native
from .held import Held
from .layers.layer import Layer

T: TypeAlias = dict[int, ArrayType]
Lit_R: TypeAlias = Literal["L1", "L2"]
Named: TypeAlias = tuple[str, Held]


class _SGD(optim.SGD):
    """v = momentum * v - lr * gradient; w = w + v: the rate of a step is part of v for good."""

    def settings(self, group: Group, step: int) -> dict[str, Any]:
        lr, decay = group["lr"], group["weight_decay"]
        return super().settings(group, step) | {
            "sign": -lr, "weight_decay": -lr * decay, "lr": -1.0,
        }  # fmt: skip


class _Adam(optim.AdamW):
    """Counts steps for all parameters together, and shrinks them after the step instead of before it."""

    def settings(self, group: Group, step: int) -> dict[str, Any]:
        found = super().settings(group, max(1, group["t"]))
        return found | {"step_size": found["step_size"] * found["shrink"]}


class Optimizer:
    """Updates the parameters of layers by their gradients.

    Parameters whose names contain "bias", "beta", "gamma" or "alpha" are not regularised. Raises SettingError
    for another regularization than "L1" or "L2". A user's subclass defines `step`.
    """

    method: ClassVar[type[optim.Optimizer] | None] = None
    states: ClassVar[dict[str, str]] = {}  # the original's name of a state, and clnn's

    def __init__(self, learning_rate: float, regularization: Lit_R, weight_decay: float) -> None:
        if regularization not in ("L1", "L2"):
            raise SettingError(
                f"{type(self).__name__}: expected regularization 'L1' or 'L2', got {regularization!r}"
            )
        self.learning_rate, self.regularization = learning_rate, regularization
        self.weight_decay = weight_decay
        self._engine: optim.Optimizer | None = None
        self._known: dict[Held, str] = {}
        self._theirs: dict[int, Held] = {}  # by id of the array of a layer that somebody else wrote

    def options(self) -> Group:
        """The options of clnn's optimizer, as they are now."""
        return {"lr": self.learning_rate}

    def step(self, layers: list[Layer]) -> None:
        """Update every parameter of `layers`, also the arrays that users have seen."""
        for _, held in self.update(layers):
            held.refresh()

    def update(self, layers: Iterable[Any]) -> list[Named]:
        """Update every parameter of `layers`, the arrays only of layers that have nothing else."""
        found = self._adopt(layers)
        wanted = {held for _, held in found}
        idle = [held for held in self._known if held not in wanted]
        kept = [(held, held.tensor.grad) for held in idle]
        for held in idle:
            held.tensor.grad = None  # clnn's optimizer updates whatever has a gradient
        for name, held in found:
            held.settle()
            held.settle_gradient()
            if self.regularization == "L1" and held.tensor.grad is not None and _decays(name):
                held.tensor.grad = self._sloped(held)
            held.changed()
        self._start()
        if self._engine is not None:
            self._engine.step()
        for held, gradient in kept:
            held.tensor.grad = gradient
        for held in self._theirs.values():
            held.refresh()
        return found

    def get_config(self) -> dict[str, Any]:
        """The class's name as "type", and the constructor's arguments."""
        return {
            "type": type(self).__name__, "learning_rate": self.learning_rate,
            "regularization": self.regularization, "weight_decay": self.weight_decay,
        }  # fmt: skip

    def apply_regularization(self, param_name: str, param: ArrayType) -> ArrayType | int:
        """What regularization adds to the gradient of `param`; 0 for names that are never regularised."""
        if not _decays(param_name):
            return 0
        x = upload(param)
        return ops.mul(x if self.regularization == "L2" else ops.sign(x), self.weight_decay).numpy()

    @property
    def params(self) -> dict[str, Any]:
        """{name of a state: {id(array of the parameter): array}}, copies; `load` puts others in their place."""
        saved = {} if self._engine is None else self._engine.state_dict()["state"]
        held = self._positions()
        return {
            mine: {id(held[k].host): own[clnns].reshape(held[k].shape) for k, own in saved.items() if clnns in own}
            for mine, clnns in self.states.items()
        }  # fmt: skip

    def load(self, states: dict[str, dict[int, ArrayType]], layers: Iterable[Any]) -> None:
        """Take over states as `params` gives them, keyed by the arrays of the parameters of `layers`.

        Raises ShapeError or SettingError, and takes nothing, where one does not fit.
        """
        if self.method is None:  # a user's, which keeps them itself
            for name, own in states.items():
                self.params[name].update({key: np.array(array) for key, array in own.items()})
            return
        self._adopt(layers)
        self._start()
        if self._engine is None:
            return
        saved = self._engine.state_dict()
        for position, held in enumerate(self._positions()):
            given = {
                clnns: states[mine][id(held.host)].reshape(held.tensor.shape)
                for mine, clnns in self.states.items() if id(held.host) in states.get(mine, {})
            }  # fmt: skip
            if given:
                saved["state"][position] = {"step": max(1, getattr(self, "t", 1)), **given}
        self._engine.load_state_dict(saved)

    # --- clnn's optimizer -------------------------------------------------------------------

    def _adopt(self, layers: Iterable[Any]) -> list[Named]:
        """Parameters of layers, by name; clnn's optimizer hears of new ones."""
        found: list[Named] = []
        for layer in layers:
            if is_native(layer):
                found += [(name, h) for name, h in layer.held.items() if h.trained]
                continue
            for name, (array, gradient) in getattr(layer, "params", {}).items():
                known = self._theirs.get(id(array))
                held = known if known is not None and known.host is array else Held.around(array)
                self._theirs[id(array)] = held
                held.gradient = gradient
                found.append((name, held))
        fresh = [(name, held) for name, held in found if held not in self._known]
        for regularised in (True, False):
            group = [held.tensor for name, held in fresh if _decays(name) is regularised]
            if not group:
                continue
            if self.method is None:
                raise UnsupportedOpError(f"{type(self).__name__}: expected a step method, got none")
            options = {"params": group, "regularised": regularised, **self.options()}
            if self._engine is None:
                self._engine = self.method([options])  # type: ignore[call-arg]
            else:
                self._engine.add_param_group(options)
        self._known |= {held: name for name, held in fresh}
        return found

    def _start(self) -> None:
        """Tell clnn's optimizer what the options are now; users may have changed them."""
        for group in () if self._engine is None else self._engine.param_groups:
            decays = group["regularised"] and self.regularization == "L2"
            group.update(self.options(), weight_decay=self.weight_decay if decays else 0.0)

    def _positions(self) -> list[Held]:
        """In the order of clnn's optimizer."""
        groups = () if self._engine is None else self._engine.param_groups
        known = {id(held.tensor): held for held in self._known}
        return [known[id(p)] for group in groups for p in group["params"]]

    def _sloped(self, held: Held) -> Any:
        with no_grad():
            return ops.add(held.tensor.grad, ops.sign(held.tensor), alpha=self.weight_decay)


def _decays(name: str) -> bool:
    return not any(part in name for part in ("bias", "beta", "gamma", "alpha"))


class SGD(Optimizer):
    """v = momentum * v - learning_rate * gradient; w = w + v."""

    method, states = _SGD, {"velocities": "momentum_buffer"}

    def __init__(self, learning_rate: float = 0.01, regularization: Lit_R = "L2", weight_decay: float = 0.001,
                 momentum: float = 0.1) -> None:  # fmt: skip
        super().__init__(learning_rate, regularization, weight_decay)
        self.momentum = momentum

    def options(self) -> Group:
        """Learning rate and momentum."""
        return super().options() | {"momentum": self.momentum}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"momentum": self.momentum}

    @property
    def velocities(self) -> T:
        """Copies, by id of the parameter's array."""
        return self.params["velocities"]


class RMSprop(Optimizer):
    """cache = decay_rate * cache + (1 - decay_rate) * g^2; w -= learning_rate * g / (sqrt(cache) + epsilon)."""

    method, states = optim.RMSprop, {"cache": "square_avg"}

    def __init__(self, learning_rate: float = 0.001, regularization: Lit_R = "L2", weight_decay: float = 0.001,
                 decay_rate: float = 0.9, epsilon: float = 1e-8) -> None:  # fmt: skip
        super().__init__(learning_rate, regularization, weight_decay)
        self.decay_rate, self.epsilon = decay_rate, epsilon

    def options(self) -> Group:
        """Learning rate, decay rate and epsilon."""
        return super().options() | {"alpha": self.decay_rate, "eps": self.epsilon}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"decay_rate": self.decay_rate, "epsilon": self.epsilon}

    @property
    def cache(self) -> T:
        """Copies, by id of the parameter's array."""
        return self.params["cache"]


class Adam(Optimizer):
    """Adam; "L2" shrinks the weights themselves after the step (AdamW), "L1" adds to the gradient."""

    method = _Adam
    states: ClassVar[dict[str, str]] = {"momentums": "exp_avg", "velocities": "exp_avg_sq"}

    def __init__(self, learning_rate: float = 0.001, regularization: Lit_R = "L2", weight_decay: float = 0.001,
                 beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:  # fmt: skip
        super().__init__(learning_rate, regularization, weight_decay)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.t = 0

    def options(self) -> Group:
        """Learning rate, betas, epsilon and the number of the step."""
        betas = self.beta1, self.beta2
        return super().options() | {"betas": betas, "eps": self.epsilon, "t": self.t}

    def update(self, layers: Iterable[Any]) -> list[Named]:
        """Count the step, then update."""
        self.t += 1
        return super().update(layers)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        betas = {"beta1": self.beta1, "beta2": self.beta2}
        return super().get_config() | betas | {"epsilon": self.epsilon}

    @property
    def params(self) -> dict[str, Any]:
        """The number of steps, and the states."""
        return {"t": self.t, **super().params}

    @property
    def momentums(self) -> T:
        """Copies, by id of the parameter's array."""
        return self.params["momentums"]

    @property
    def velocities(self) -> T:
        """Copies, by id of the parameter's array."""
        return self.params["velocities"]
