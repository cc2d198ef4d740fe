"""Losses as layers; reduction is "mean", "sum" or "none" throughout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .. import ops
from ..tensor import Tensor, tensor
from .arguments import choice
from .module import Module

Weight = Tensor | Sequence[float] | None


class _Loss(Module):
    reductions: ClassVar[tuple[str, ...]] = ("none", "mean", "sum")

    # By keyword only, because torch's deprecated size_average and reduce would come before it.
    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = choice(type(self).__name__, "reduction", reduction, self.reductions)

    def _weigh(self, name: str, values: Weight) -> None:
        """Keep per-class weights as a buffer, which moves with the module; None stays None."""
        known = values is None or isinstance(values, Tensor)
        self.register_buffer(name, values if known else tensor(values))  # type: ignore[arg-type]


class MSELoss(_Loss):
    """(input - target)^2, reduced.  (*), (*) -> ()."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(*), (*) -> ()."""
        return ops.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|input - target|, reduced.  (*), (*) -> ()."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(*), (*) -> ()."""
        return ops.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Squared below beta, absolute above, reduced.  (*), (*) -> ()."""

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(*), (*) -> ()."""
        return ops.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """delta times SmoothL1Loss with beta = delta.  (*), (*) -> ()."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(*), (*) -> ()."""
        return ops.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class CrossEntropyLoss(_Loss):
    """-log softmax(input) at the target.  (N, C, *), (N, *) of class indices -> ().

    The target may be probabilities, of input's shape, instead. weight: one number per class.
    """

    weight: Tensor | None

    def __init__(
        self, weight: Weight = None, *, ignore_index: int = -100, reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(reduction=reduction)
        self._weigh("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(N, C, *), (N, *) -> ()."""
        return ops.cross_entropy(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )  # fmt: skip


class NLLLoss(_Loss):
    """-input at the target, for input of log probabilities.  (N, C, *), (N, *) of indices -> ()."""

    weight: Tensor | None

    def __init__(
        self, weight: Weight = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self._weigh("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(N, C, *), (N, *) -> ()."""
        return ops.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class BCELoss(_Loss):
    """Binary cross entropy of probabilities.  (*), (*) -> ()."""

    weight: Tensor | None

    def __init__(self, weight: Weight = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self._weigh("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(*), (*) -> ()."""
        return ops.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy of sigmoid(input), without overflow.  (*), (*) -> ()."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self, weight: Weight = None, *, reduction: str = "mean", pos_weight: Weight = None
    ) -> None:
        super().__init__(reduction=reduction)
        self._weigh("weight", weight)
        self._weigh("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(*), (*) -> ()."""
        return ops.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(_Loss):
    """target (log target - input), for input of log probabilities.  (*), (*) -> ().

    reduction may be "batchmean": the sum divided by the batch size, the mathematical definition.
    """

    reductions = ("none", "mean", "sum", "batchmean")

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(*), (*) -> ()."""
        return ops.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class CosineEmbeddingLoss(_Loss):
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1.  (N, D), (N, D), (N,) -> ()."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """(N, D), (N, D), (N,) -> ()."""
        return ops.cosine_embedding_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class MarginRankingLoss(_Loss):
    """max(0, -target (input1 - input2) + margin), reduced.  (N,), (N,), (N,) -> ()."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """(N,), (N,), (N,) -> ()."""
        return ops.margin_ranking_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class TripletMarginLoss(_Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin).  (N, D) three times -> ()."""

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, *,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(reduction=reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """(N, D) three times -> ()."""
        return ops.triplet_margin_loss(
            anchor, positive, negative, margin=self.margin, p=self.p, eps=self.eps, swap=self.swap,
            reduction=self.reduction,
        )  # fmt: skip
