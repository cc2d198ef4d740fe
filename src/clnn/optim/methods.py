"""SGD, Adam, AdamW and RMSprop with torch's mathematics; the arithmetic itself is in the optim ops."""

from __future__ import annotations

from math import sqrt
from typing import Any

from ..errors import DTypeError, SettingError
from ..ops.optim import ADAM_STEP, RMSPROP_STEP, SGD_STEP
from .optimizer import Group, Optimizer, check_range


def _sign(group: Group) -> float:
    return -1.0 if group["maximize"] else 1.0


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (also Nesterov's) and L2 weight decay on request.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013,
    in torch's form: the momentum buffer starts as the first gradient.
    """

    op = SGD_STEP

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def check(self, group: Group) -> None:
        """Raise SettingError for options out of range."""
        for name in ("lr", "momentum", "weight_decay"):
            check_range(self.name, group, name, 0)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise SettingError(
                f"{self.name}: expected momentum > 0 and dampening 0 with nesterov, "
                f"got {group['momentum']!r} and {group['dampening']!r}"
            )

    def state_names(self, group: Group) -> tuple[str, ...]:
        """The momentum buffer, if there is momentum."""
        return ("momentum_buffer",) if group["momentum"] else ()

    def settings(self, group: Group, step: int) -> dict[str, Any]:
        """Settings of sgd_step; the first gradient is never dampened."""
        return {
            "sign": _sign(group),
            "weight_decay": group["weight_decay"],
            "lr": group["lr"],
            "momentum": group["momentum"],
            "dampening": 0.0 if step == 1 else group["dampening"],
            "nesterov": bool(group["nesterov"] and group["momentum"]),
        }


class Adam(Optimizer):
    """Adam, with L2 weight decay as part of the gradient, and AMSGrad on request.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015; Reddi, Kale and Kumar,
    "On the convergence of Adam and beyond", 2018.
    """

    op = ADAM_STEP

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def check(self, group: Group) -> None:
        """Raise SettingError for options out of range."""
        for name in ("lr", "eps", "weight_decay"):
            check_range(self.name, group, name, 0)
        betas = group["betas"]
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise DTypeError(f"{self.name}: expected betas to be two numbers, got {betas!r}")
        for k, beta in enumerate(betas):
            check_range(self.name, {f"betas[{k}]": beta}, f"betas[{k}]", 0, 1)

    def state_names(self, group: Group) -> tuple[str, ...]:
        """Running means of the gradient and its square; the largest of the latter for AMSGrad."""
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        return names if group["amsgrad"] else names[:2]

    def decay(self, group: Group) -> tuple[float, float]:
        """(weight added to the gradient, factor of the parameter) that make the weight decay."""
        return group["weight_decay"], 1.0

    def settings(self, group: Group, step: int) -> dict[str, Any]:
        """Settings of adam_step: the bias corrections of this step are folded into two numbers."""
        beta1, beta2 = group["betas"]
        weight_decay, shrink = self.decay(group)
        return {
            "sign": _sign(group),
            "weight_decay": weight_decay,
            "shrink": shrink,
            "beta1": beta1,
            "beta2": beta2,
            "step_size": group["lr"] / (1 - beta1**step),
            "root_correction": sqrt(1 - beta2**step),
            "eps": group["eps"],
        }


class AdamW(Adam):
    """Adam with weight decay that shrinks the parameters themselves, apart from the gradient.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def decay(self, group: Group) -> tuple[float, float]:
        """(0, 1 - lr * weight_decay)."""
        return 0.0, 1 - group["lr"] * group["weight_decay"]


class RMSprop(Optimizer):
    """RMSprop: steps divided by a running root mean square, centered or with momentum on request.

    Source: Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5, 2012; centered:
    Graves, "Generating sequences with recurrent neural networks", 2013.
    """

    op = RMSPROP_STEP

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
                "maximize": maximize,
            },
        )

    def check(self, group: Group) -> None:
        """Raise SettingError for options out of range."""
        for name in ("lr", "alpha", "eps", "weight_decay", "momentum"):
            check_range(self.name, group, name, 0)

    def state_names(self, group: Group) -> tuple[str, ...]:
        """The mean square; the mean if centered; the buffer if there is momentum."""
        names = ["square_avg"]
        if group["centered"]:
            names.append("grad_avg")
        if group["momentum"]:
            names.append("momentum_buffer")
        return tuple(names)

    def settings(self, group: Group, step: int) -> dict[str, Any]:
        """Settings of rmsprop_step, the same at every step."""
        return {
            "sign": _sign(group),
            "weight_decay": group["weight_decay"],
            "lr": group["lr"],
            "alpha": group["alpha"],
            "eps": group["eps"],
            "momentum": group["momentum"],
            "centered": bool(group["centered"]),
        }
