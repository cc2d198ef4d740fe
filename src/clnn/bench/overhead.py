"""Suite `overhead`: what a call costs when there is next to nothing to compute.

Calls follow each other without waiting, as in a program: work is queued, and read once in a while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .case import Case, Lib, Thunk, forward


def cases(quick: bool = False) -> list[Case]:
    """The suite, which is small and therefore the same when `quick`."""
    v, m, image, kernel = (16,), (4, 4), (1, 2, 4, 4), (2, 2, 3, 3)
    mlp = (8, 16), (32, 16), (32, 32), (4, 32)
    return [
        _case("add", (v, v), lambda lib, a, b: lib.m.add(a, b), lambda a, b: a + b),
        _case("multiply by a number", (v,), lambda lib, a: lib.m.mul(a, 2.0), lambda a: a * 2.0),
        _case("relu", (v,), lambda lib, a: lib.f.relu(a)),
        _case("sum", (v,), lambda lib, a: lib.m.sum(a), lambda a: a.sum()),
        _case("matmul 4³", (m, m), lambda lib, a, b: lib.m.matmul(a, b), lambda a, b: a @ b),
        _case("linear 4→4", (m, m, (4,)), lambda lib, x, w, b: lib.f.linear(x, w, b)),
        _case("conv2d 3×3 2→2 4²", (image, kernel), lambda lib, x, w: lib.f.conv2d(x, w, padding=1)),
        _case("add, gradient recorded", (v, v), lambda lib, a, b: lib.m.add(a.requires_grad_(), b)),
        Case("overhead", "training step", "MLP 16→32→32→4, batch 8, SGD", mlp, _mlp, tolerance=1e-3),
    ]  # fmt: skip


def _case(name: str, shapes: Any, call: Callable[..., Any],
          numpy: Callable[..., Any] | None = None) -> Case:  # fmt: skip
    return Case("overhead", "per call", name, shapes, forward(call), numpy=numpy)


def _mlp(lib: Lib, x: Any, *weights: Any) -> Thunk:
    parameters = [lib.nn.Parameter(w) for w in weights]
    optimizer = lib.optim.SGD(parameters, lr=1e-3)
    f = lib.f

    def run() -> Sequence[Any]:
        optimizer.zero_grad()
        y = x
        for w in parameters[:-1]:
            y = f.relu(f.linear(y, w))
        y = f.linear(y, parameters[-1])
        loss = (y * y).mean()
        loss.backward()
        optimizer.step()
        return (loss.detach(),)

    return run
