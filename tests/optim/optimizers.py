"""What the optimizer tests share: cases, parameters, and gradients everybody is given."""

import numpy as np

import clnn

SHAPES = [(3, 5), (7,), (), (0, 4), (129,), (1,), (40, 61)]
CASES = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.05, "betas": (0.3, 0.5)}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.2, "amsgrad": True}),
    ("AdamW", {"lr": 0.05, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.02, "centered": True}),
    ("RMSprop", {"lr": 0.02, "centered": True, "momentum": 0.5, "maximize": True}),
]  # fmt: skip


def parameters(device, shapes=SHAPES, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    return [
        clnn.tensor(
            rng.standard_normal(s).astype("float32").astype(dtype),
            device=device,
            requires_grad=True,
        )
        for s in shapes
    ]


def gradients(step, shapes=SHAPES, dtype="float32"):
    """The same gradients for everybody; every third step some parameters get none."""
    rng = np.random.default_rng(100 + step)
    arrays = [rng.standard_normal(s).astype("float32").astype(dtype) for s in shapes]
    return [None if step % 3 == 1 and k in (1, 4) else a for k, a in enumerate(arrays)]


def run(optimizer, params, steps, shapes=SHAPES, dtype="float32"):
    for step in steps:
        for p, g in zip(params, gradients(step, shapes, dtype), strict=True):
            p.grad = None if g is None else clnn.tensor(g, device=p.device)
        optimizer.step()
