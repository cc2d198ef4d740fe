"""Embedding: a table of vectors looked up by index."""

from __future__ import annotations

from .. import ops
from ..autograd import no_grad
from ..errors import SettingError
from ..tensor import Tensor, arange
from .arguments import DeviceLike, DTypeLike, count, kind_of
from .init import get_initializer
from .module import Module
from .parameter import Parameter, new_parameter, replace


class Embedding(Module):
    """Rows of a table.  (*) of int -> (*, embedding_dim); weight (num_embeddings, embedding_dim).

    The row at padding_idx starts as zeros and gets no gradient. Weights start from `initializer`,
    "normal" (N(0, 1), torch's default) unless told otherwise. Raises SettingError for a padding_idx
    outside of the table.
    """

    weight: Parameter

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *,
        device: DeviceLike = None, dtype: DTypeLike = None, initializer: str = "normal",
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_embeddings = count("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = count("Embedding", "embedding_dim", embedding_dim)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise SettingError(
                f"Embedding: expected padding_idx in [{-num_embeddings}, {num_embeddings - 1}], "
                f"got {padding_idx}"
            )
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.dtype, self.initializer = kind_of(dtype), initializer
        self.weight = new_parameter((num_embeddings, embedding_dim), device, self.dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        get_initializer(self.initializer)(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                row = arange(self.num_embeddings, device=self.weight.device).reshape(-1, 1)
                replace(self.weight, self.weight.masked_fill(row == self.padding_idx, 0.0))

    def forward(self, x: Tensor) -> Tensor:
        """(*) of int -> (*, embedding_dim)."""
        return ops.embedding(x, self.weight, self.padding_idx)
