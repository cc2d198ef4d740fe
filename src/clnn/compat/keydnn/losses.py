"""Losses on probabilities and numbers; operands have one shape, and a mean is a sum over N where KeyDNN has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ... import ops
from ...autograd import enable_grad, grad, no_grad
from .context import Context
from .module import Layer
from .tensor import _checked

_EPS = 1e-7  # probabilities are at least this far from 0 and 1


def _clamped(p: Any) -> Any:
    """p inside of (0, 1); the gradient passes where p had to be moved, too."""
    with no_grad():
        shift = ops.sub(ops.clamp(p, _EPS, 1 - _EPS), p)
    return ops.add(p, shift)


class _LossFn:
    """A loss as a function with a gradient; `apply(pred, target)` is it, the rest is for LossFromFn."""

    @classmethod
    def apply(cls, pred: Any, target: Any) -> Any:
        """(*), (*) -> ()."""
        _checked(cls.__name__, pred, target)
        return cls.loss(pred, target)

    @staticmethod
    def loss(pred: Any, target: Any) -> Any:
        """The formula."""
        raise NotImplementedError

    @classmethod
    def forward(cls, ctx: Context, pred: Any, target: Any) -> Any:
        """(*), (*) -> (), keeping for `backward` what it needs."""
        ctx.save_for_backward(pred, target)
        return cls.apply(pred, target)

    @classmethod
    def backward(cls, ctx: Context, grad_out: Any) -> tuple[Any, Any]:
        """The gradients of prediction and target."""
        leaves = [x.detach().requires_grad_() for x in ctx.saved_tensors]
        with enable_grad():
            out = cls.loss(*leaves)
        found = grad(out, leaves, grad_out, allow_unused=True)
        return found[0], found[1]

    @classmethod
    def as_loss(cls) -> Callable[[Any, Any], Any]:
        """`apply` as a plain function."""
        return lambda y_pred, y_true: cls.apply(y_pred, y_true)


class SSEFn(_LossFn):
    """The sum of squared errors."""

    @staticmethod
    def loss(pred: Any, target: Any) -> Any:
        """sum (p - t)^2."""
        return ops.mse_loss(pred, target, reduction="sum")


class MSEFn(_LossFn):
    """The mean of squared errors."""

    @staticmethod
    def loss(pred: Any, target: Any) -> Any:
        """mean (p - t)^2."""
        return ops.mse_loss(pred, target)


class BinaryCrossEntropyFn(_LossFn):
    """The mean cross entropy of probabilities of two classes."""

    @staticmethod
    def loss(pred: Any, target: Any) -> Any:
        """-mean (t log p + (1 - t) log (1 - p)); the target is a constant."""
        return ops.binary_cross_entropy(_clamped(pred), target.detach())


class CategoricalCrossEntropyFn(_LossFn):
    """The cross entropy of probabilities and one-hot targets, per row.  (N, C), (N, C) -> ()."""

    @staticmethod
    def loss(pred: Any, target: Any) -> Any:
        """-sum t log p / N; the target is a constant."""
        total = ops.sum(ops.mul(target.detach(), ops.log(_clamped(pred))))
        return ops.div(total, -pred.shape[0])


BCEFn, CCEFn = BinaryCrossEntropyFn, CategoricalCrossEntropyFn


class _Loss(Layer):
    _fn: type[_LossFn]

    def forward(self, pred: Any, target: Any) -> Any:
        """(*), (*) -> ()."""
        return self._fn.apply(pred, target)


class SSE(_Loss):
    """The sum of squared errors.  (*), (*) -> ()."""

    _fn = SSEFn


class MSE(_Loss):
    """The mean of squared errors.  (*), (*) -> ()."""

    _fn = MSEFn


class BinaryCrossEntropy(_Loss):
    """The mean cross entropy of probabilities of two classes.  (*), (*) -> ()."""

    _fn = BinaryCrossEntropyFn


class CategoricalCrossEntropy(_Loss):
    """The cross entropy of probabilities and one-hot targets, per row.  (N, C), (N, C) -> ()."""

    _fn = CategoricalCrossEntropyFn


BCE, CCE = BinaryCrossEntropy, CategoricalCrossEntropy


@dataclass(frozen=True)
class LossFromFn:
    """A loss of a class with `forward(ctx, pred, target)` and `backward(ctx, grad_out)`, a script's own too."""

    fn_cls: Any

    def __call__(self, pred: Any, target: Any) -> Any:
        """(*), (*) -> ()."""
        if isinstance(self.fn_cls, type) and issubclass(self.fn_cls, _LossFn):
            return self.fn_cls.apply(pred, target)
        ctx = Context((pred, target), lambda grad_out: self.fn_cls.backward(ctx, grad_out))
        with no_grad():
            out = self.fn_cls.forward(ctx, pred, target)
        if pred.requires_grad or target.requires_grad:
            out.requires_grad = True
            out._set_ctx(ctx)
        return out


def sse_loss() -> LossFromFn:
    """The sum of squared errors, as a function."""
    return LossFromFn(SSEFn)


def mse_loss() -> LossFromFn:
    """The mean of squared errors, as a function."""
    return LossFromFn(MSEFn)


def bce_loss() -> LossFromFn:
    """The binary cross entropy of probabilities, as a function."""
    return LossFromFn(BinaryCrossEntropyFn)


def cce_loss() -> LossFromFn:
    """The categorical cross entropy of probabilities, as a function."""
    return LossFromFn(CategoricalCrossEntropyFn)


NAMED = {
    "mse": MSEFn, "sse": SSEFn, "bce": BinaryCrossEntropyFn, "binarycrossentropy": BinaryCrossEntropyFn,
    "cce": CategoricalCrossEntropyFn, "categoricalcrossentropy": CategoricalCrossEntropyFn,
}  # fmt: skip

__all__ = [
    "BCE", "CCE", "MSE", "SSE", "BCEFn", "BinaryCrossEntropy", "BinaryCrossEntropyFn", "CCEFn",
    "CategoricalCrossEntropy", "CategoricalCrossEntropyFn", "LossFromFn", "MSEFn", "SSEFn",
    "bce_loss", "cce_loss", "mse_loss", "sse_loss",
]  # fmt: skip
