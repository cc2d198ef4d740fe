"""Suite `memory`: ops that move more than they compute, on tensors that no cache holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..shapes import Shape
from .case import Case, Lib, Thunk, forward, forward_backward


def cases(quick: bool = False) -> list[Case]:
    """All of the suite, or the same on a few thousand elements."""
    flat = (2**12 if quick else 2**25,)
    rows = (16, 96) if quick else (8192, 4096)
    image = (2, 6, 8, 8) if quick else (32, 256, 28, 28)
    big = (2, 6, 8, 8) if quick else (32, 64, 112, 112)
    channels = image[1:2]
    n = 4.0 * prod(flat)
    found = [
        _case("elementwise", "add", (flat, flat), lambda lib, a, b: lib.m.add(a, b), 3 * n, np.add),
        _case("elementwise", "relu", (flat,), lambda lib, a: lib.f.relu(a), 2 * n,
              lambda a: np.maximum(a, 0)),
        _case("elementwise", "gelu", (flat,), lambda lib, a: lib.f.gelu(a), 2 * n),
        _case("elementwise", "softplus", (flat,), lambda lib, a: lib.f.softplus(a), 2 * n),
        _case("elementwise", "bias over channels", (big, (big[1], 1, 1)),
              lambda lib, a, b: lib.m.add(a, b), 8.0 * prod(big), np.add),
        _case("reductions", "sum of all", (rows,), lambda lib, a: lib.m.sum(a), 4.0 * prod(rows)),
        _case("reductions", "sum over rows", (rows,), lambda lib, a: lib.m.sum(a, 1), 4.0 * prod(rows)),
        _case("reductions", "sum over columns", (rows,), lambda lib, a: lib.m.sum(a, 0),
              4.0 * prod(rows)),
        _case("reductions", "amax over columns", (rows,), lambda lib, a: lib.m.amax(a, 0), 4.0 * prod(rows)),
        _case("reductions", "var_mean over rows", (rows,), lambda lib, a: lib.m.var_mean(a, 1)[0], 4.0 * prod(rows)),
        _case("reductions", "logsumexp over columns", (rows,), lambda lib, a: lib.m.logsumexp(a, 0), 4.0 * prod(rows)),
        _case("reductions", "softmax", (rows,), lambda lib, a: lib.f.softmax(a, dim=-1),
              8.0 * prod(rows)),
        _case("reductions", "log_softmax", (rows,), lambda lib, a: lib.f.log_softmax(a, dim=-1),
              8.0 * prod(rows)),
        _case("reductions", "logsumexp", (rows,), lambda lib, a: lib.m.logsumexp(a, 1), 4.0 * prod(rows)),
        _case("reductions", "softmax over columns", (rows,), lambda lib, a: lib.f.softmax(a, dim=0),
              8.0 * prod(rows)),
        _case("reductions", "softmax over channels", (big,), lambda lib, a: lib.f.softmax(a, dim=1),
              8.0 * prod(big)),
        _case("reductions", "softmax over channels +grad", (big, big),
              lambda lib, a: lib.f.softmax(a, dim=1), 20.0 * prod(big), grad=True),
        Case("memory", "reductions", "cross_entropy", (rows, rows), _cross_entropy, nbytes=4.0 * prod(rows)),
        Case("memory", "reductions", "cross_entropy +grad", (rows, rows), _cross_entropy_grad,
             nbytes=12.0 * prod(rows)),
        _case("norms", "layer_norm", (rows, rows[1:], rows[1:]),
              lambda lib, a, w, b: lib.f.layer_norm(a, rows[1:], w, b), 8.0 * prod(rows)),
        _case("norms", "layer_norm +grad", (rows, rows[1:], rows[1:], rows),
              lambda lib, a, w, b: lib.f.layer_norm(a, rows[1:], w, b), 20.0 * prod(rows), grad=True),
        Case("memory", "norms", "batch_norm eval", (image, *[channels] * 4), _norm_eval,
             nbytes=8.0 * prod(image)),
        # read once for the statistics and once more for the result: what does not fit a cache
        _case("norms", "batch_norm training", (image, channels, channels), _norm, 12.0 * prod(image)),
        _case("norms", "batch_norm +grad", (image, channels, channels, image), _norm,
              32.0 * prod(image), grad=True),
        _case("pooling", "max_pool2d 3 /2", (big,), lambda lib, a: lib.f.max_pool2d(a, 3, 2, 1),
              5.0 * prod(big)),
        # places too, and of the gradient every element: a quarter of the image is pooled
        _case("pooling", "max_pool2d 3 /2 +grad", (big, (*big[:2], big[2] // 2, big[3] // 2)),
              lambda lib, a: lib.f.max_pool2d(a, 3, 2, 1), 12.0 * prod(big), grad=True),
        _case("pooling", "avg_pool2d 2", (big,), lambda lib, a: lib.f.avg_pool2d(a, 2), 5.0 * prod(big)),
        _case("pooling", "mean of images", (image,), lambda lib, a: lib.m.mean(a, (2, 3)),
              4.0 * prod(image)),
    ]  # fmt: skip
    return [*found, *_optimizers(quick)]


def _case(group: str, name: str, shapes: tuple[Shape, ...], call: Callable[..., Any], nbytes: float,
          numpy: Callable[..., Any] | None = None, *, grad: bool = False) -> Case:  # fmt: skip
    build = forward_backward(call) if grad else forward(call)
    # sums of millions in float32: each library adds in an order of its own
    return Case("memory", group, name, shapes, build, nbytes=nbytes, numpy=numpy, tolerance=1e-3)


def _cross_entropy(lib: Lib, x: Any, chosen: Any) -> Thunk:
    target = lib.m.argmax(chosen, 1)
    return lambda: (lib.f.cross_entropy(x, target),)


def _cross_entropy_grad(lib: Lib, x: Any, chosen: Any) -> Thunk:
    target = lib.m.argmax(chosen, 1)
    x.requires_grad_()

    def run() -> Sequence[Any]:
        x.grad = None
        loss = lib.f.cross_entropy(x, target)
        loss.backward()
        return [loss, x.grad]

    return run


def _norm_eval(lib: Lib, x: Any, mean: Any, var: Any, w: Any, b: Any) -> Thunk:
    positive = lib.m.square(var)
    return lambda: (lib.f.batch_norm(x, mean, positive, w, b),)


def _norm(lib: Lib, x: Any, w: Any, b: Any) -> Any:
    return lib.f.batch_norm(x, None, None, w, b, True)


def _optimizers(quick: bool) -> list[Case]:
    """A step on the parameters of something like ResNet-50: many small tensors and a few large ones."""
    scale = 64 if quick else 1
    shapes: list[Shape] = [(2048 // scale, 2000), *[(512 // scale, 512, 3, 3)] * 6, *[(256,)] * 60]
    n = 4.0 * sum(map(prod, shapes))
    made = (("SGD with momentum", "SGD", {"lr": 0.01, "momentum": 0.9}, 5), ("Adam", "Adam", {"lr": 0.01}, 7),
            ("AdamW", "AdamW", {"lr": 0.01}, 7))  # fmt: skip
    return [
        Case("memory", "optimizers", f"{name}, {len(shapes)} tensors", (*shapes, *shapes),
             _stepping(method, settings), nbytes=passes * n, tolerance=1e-3)
        for name, method, settings, passes in made
    ]  # fmt: skip


def _stepping(method: str, settings: dict[str, float]) -> Callable[..., Thunk]:
    def build(lib: Lib, *tensors: Any) -> Thunk:
        values, gradients = tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]
        parameters = [lib.nn.Parameter(v) for v in values]
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = g
        optimizer = getattr(lib.optim, method)(parameters, **settings)

        def run() -> Sequence[Any]:
            optimizer.step()
            return parameters[:1]

        return run

    return build
