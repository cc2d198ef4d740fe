"""torch's function for each of clnn's, where it is not the one of that name in torch.nn.functional or torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import torch
from samples import Sample
from samples.batch_norm import fused_by_parts
from samples.fused import conv_by_parts, linear_by_parts
from samples.indexing import get, put


def _norm(
    x: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    return torch.linalg.vector_norm(x, 2 if p == "fro" else p, dim, keepdim, dtype=kind(dtype))


def _cast(x: Any, to: str) -> Any:
    return x.to(kind(to))


def _method(name: str) -> Callable[..., Any]:
    return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


def kind(name: Any) -> Any:
    """torch's dtype of that name."""
    return getattr(torch, name) if isinstance(name, str) else name


def _typed(f: Callable[..., Any]) -> Callable[..., Any]:
    """f with its dtype given by name."""
    return lambda *args, dtype=None, **kwargs: f(
        *args, **kwargs, **({} if dtype is None else {"dtype": kind(dtype)})
    )


ORACLES: dict[str, Callable[..., Any]] = {
    "cast": _cast, "norm": _norm, "getitem": get, "setitem": put, "fused_conv2d": conv_by_parts,
    "fused_linear": linear_by_parts, "fused_batch_norm": fused_by_parts,
    **{name: _method(name) for name in ("expand", "view", "repeat", "masked_fill")},
}  # fmt: skip


def oracle(sample: Sample) -> Callable[..., Any]:
    """The sample's own oracle, else the table's, else torch's function of that name."""
    if callable(sample.oracle):
        return sample.oracle
    if sample.fn in ORACLES:
        return ORACLES[sample.fn]
    functional = torch.nn.functional
    first = (torch, functional) if sample.fn in IN_TORCH else (functional, torch)
    for space in (*first, torch.Tensor):
        if hasattr(space, sample.fn):
            return _typed(getattr(space, sample.fn))
    raise AttributeError(f"torch has no {sample.fn}: give it an oracle")


IN_TORCH = {"sigmoid", "tanh"}  # those in functional warn that they are deprecated
