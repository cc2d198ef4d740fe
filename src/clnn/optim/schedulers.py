"""Learning-rate schedules with torch's names: each writes "lr" of every group of an optimizer."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import cos, inf, pi
from typing import Any

from ..errors import SettingError
from .optimizer import Optimizer


class Schedule:
    """What every schedule has: an optimizer, its rates, and a state to save."""

    optimizer: Optimizer

    def get_last_lr(self) -> list[float]:
        """The rate of every group now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions, as plain values."""
        return {
            name: list(value) if isinstance(value, list) else value
            for name, value in vars(self).items()
            if name != "optimizer" and not _has_functions(value)
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave; the rates follow at the next step."""
        unknown = set(state_dict) - set(vars(self))
        if unknown:
            raise SettingError(
                f"{type(self).__name__}.load_state_dict: expected keys of this schedule, got {sorted(unknown)}"
            )
        vars(self).update(state_dict)


class LRScheduler(Schedule):
    """Base of the schedules: the rate is a function of the number of steps taken, `last_epoch`.

    A subclass gives `rate(base)`, the rate of a group whose optimizer began with `base`. Because it is a
    closed form, a schedule can be resumed anywhere; a rate set by hand lasts until the next `step`.
    Raises SettingError for settings out of range.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = _optimizer(self, optimizer)
        self.last_epoch = last_epoch
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.step()

    def rate(self, base: float, group: int) -> float:
        """The rate at step `last_epoch` of group number `group`, whose first rate was `base`."""
        raise NotImplementedError

    def step(self) -> None:
        """Count one step and set the rates for the next; call it after optimizer.step()."""
        self.last_epoch += 1
        for k, base in enumerate(self.base_lrs):
            self.optimizer.param_groups[k]["lr"] = self.rate(base, k)


def _has_functions(value: Any) -> bool:
    return isinstance(value, list) and any(callable(v) for v in value)


def _optimizer(schedule: object, optimizer: Any) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise SettingError(
            f"{type(schedule).__name__}: expected an Optimizer, got {type(optimizer).__name__}"
        )
    return optimizer


def _positive(schedule: object, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingError(
            f"{type(schedule).__name__}: expected {name} to be an int > 0, got {value!r}"
        )
    return value


class LambdaLR(LRScheduler):
    """base * lr_lambda(step); one function for all groups, or a list of one per group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        count = len(_optimizer(self, optimizer).param_groups)
        self.lr_lambdas = [lr_lambda] * count if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != count:
            raise SettingError(
                f"LambdaLR: expected one function per group, {count}, got {len(self.lr_lambdas)}"
            )
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        """The base rate times the group's function of the step."""
        return base * self.lr_lambdas[group](self.last_epoch)


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` steps."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size, self.gamma = _positive(self, "step_size", step_size), gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        """base * gamma ** (step // step_size)."""
        return float(base * self.gamma ** (self.last_epoch // self.step_size))


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each of `milestones`."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Sequence[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        """base * gamma ** (milestones reached)."""
        return float(base * self.gamma ** bisect_right(self.milestones, self.last_epoch))


class ExponentialLR(LRScheduler):
    """The rate times `gamma` every step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        """base * gamma ** step."""
        return float(base * self.gamma**self.last_epoch)


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the base rate to `eta_min` over `T_max` steps, and back over the next `T_max`.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017 (no restarts).
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max, self.eta_min = _positive(self, "T_max", T_max), eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, base: float, group: int) -> float:
        """eta_min + (base - eta_min) (1 + cos(pi step / T_max)) / 2."""
        swing = (1 + cos(pi * self.last_epoch / self.T_max)) / 2
        return self.eta_min + (base - self.eta_min) * swing


class OneCycleLR(LRScheduler):
    """One rise to `max_lr` and one fall far below the start; momentum (or beta1) goes the other way.

    The length is `total_steps`, or `epochs` * `steps_per_epoch`; stepping past it raises SettingError.
    `max_lr`, `base_momentum` and `max_momentum` may be lists, one value per group.
    Source: Smith and Topin, "Super-convergence: very fast training of neural networks", 2018.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        groups = _optimizer(self, optimizer).param_groups
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise SettingError(
                    "OneCycleLR: expected total_steps, or epochs and steps_per_epoch, got neither"
                )
            total_steps = _positive(self, "epochs", epochs) * _positive(
                self, "steps_per_epoch", steps_per_epoch
            )
        self.total_steps = _positive(self, "total_steps", total_steps)
        if not 0 <= pct_start <= 1:
            raise SettingError(f"OneCycleLR: expected pct_start in [0, 1], got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise SettingError(
                f"OneCycleLR: expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}"
            )
        if cycle_momentum and not {"momentum", "betas"} & set(groups[0]):
            raise SettingError(
                f"OneCycleLR: expected an optimizer with momentum or betas, got {type(optimizer).__name__}; "
                "pass cycle_momentum=False"
            )
        self.cosine, self.cycle_momentum = anneal_strategy == "cos", cycle_momentum
        peaks = self._per_group("max_lr", max_lr, len(groups))
        low = self._per_group("base_momentum", base_momentum, len(groups))
        high = self._per_group("max_momentum", max_momentum, len(groups))
        # (last step, rate at it, momentum at it) of each phase, per group; the first entry is step 0
        self.phases: list[list[tuple[float, float, float]]] = []
        top = float(pct_start * total_steps) - 1
        for peak, slow, fast in zip(peaks, low, high, strict=True):
            first = peak / div_factor
            path = [(0.0, first, fast), (top, peak, slow)]
            if three_phase:
                path.append((2 * top, first, fast))
            path.append((total_steps - 1.0, first / final_div_factor, fast))
            self.phases.append(path)
        if last_epoch == -1:
            for group, path in zip(groups, self.phases, strict=True):
                group["initial_lr"] = path[0][1]
        super().__init__(optimizer, last_epoch)

    def _per_group(self, name: str, value: Any, count: int) -> list[float]:
        values = list(value) if isinstance(value, Sequence) else [value] * count
        if len(values) != count:
            raise SettingError(
                f"OneCycleLR: expected one {name} per group, {count}, got {len(values)}"
            )
        return [float(v) for v in values]

    def _at(self, group: int) -> tuple[float, float]:
        """(rate, momentum) of a group at this step."""
        path = self.phases[group]
        ends = [end for end, *_ in path[1:]]
        k = min(bisect_left(ends, self.last_epoch), len(ends) - 1)
        (start, *before), (end, *after) = path[k], path[k + 1]
        part = (self.last_epoch - start) / (end - start) if end != start else 1.0
        weight = (1 - cos(pi * part)) / 2 if self.cosine else part
        rate, momentum = (a + (b - a) * weight for a, b in zip(before, after, strict=True))
        return rate, momentum

    def rate(self, base: float, group: int) -> float:
        """Where the group's path is at this step."""
        return self._at(group)[0]

    def step(self) -> None:
        """Count one step, set rates and momenta; raises SettingError past the end of the cycle.

        As in torch the step after the last update is allowed, so that a loop may end with it.
        """
        if self.last_epoch >= self.total_steps:
            raise SettingError(
                f"OneCycleLR: expected at most {self.total_steps} steps, got step {self.last_epoch + 1}"
            )
        super().step()
        if self.cycle_momentum:
            for k, group in enumerate(self.optimizer.param_groups[: len(self.phases)]):
                momentum = self._at(k)[1]
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum


class ReduceLROnPlateau(Schedule):
    """The rate times `factor` when a watched number has not improved for more than `patience` steps.

    mode "min" or "max" says what improving means, `threshold` by how much ("rel" or "abs"). After a cut,
    `cooldown` steps do not count; no rate falls below `min_lr`, and none is changed by less than `eps`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self.optimizer = _optimizer(self, optimizer)
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise SettingError(
                "ReduceLROnPlateau: expected mode 'min' or 'max' and threshold_mode 'rel' or 'abs', "
                f"got {mode!r} and {threshold_mode!r}"
            )
        if not factor < 1:
            raise SettingError(f"ReduceLROnPlateau: expected factor < 1, got {factor!r}")
        count = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, Sequence) else [min_lr] * count
        if len(self.min_lrs) != count:
            raise SettingError(
                f"ReduceLROnPlateau: expected one min_lr per group, {count}, got {len(self.min_lrs)}"
            )
        self.mode, self.factor, self.patience, self.eps = mode, factor, patience, eps
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.last_epoch = 0
        self.best = inf if mode == "min" else -inf
        self.num_bad_epochs = self.cooldown_counter = 0

    def is_better(self, value: float) -> bool:
        """Whether `value` beats the best so far by more than the threshold; NaN never does."""
        up = self.mode == "max"
        if self.threshold_mode == "rel":
            bound = self.best * (1 + self.threshold if up else 1 - self.threshold)
        else:
            bound = self.best + (self.threshold if up else -self.threshold)
        return value > bound if up else value < bound

    def step(self, metrics: Any) -> None:
        """Look at a number, or a Tensor of one element, and cut the rates if it is time to."""
        value = float(metrics.item() if hasattr(metrics, "item") else metrics)
        self.last_epoch += 1
        if self.is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=False):
                rate = max(group["lr"] * self.factor, least)
                if group["lr"] - rate > self.eps:
                    group["lr"] = rate
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
