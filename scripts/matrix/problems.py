"""What is asked of a GPU: every sample of every family, and layers and networks of usual sizes with their gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import clnn
import clnn.nn.functional as F
import harness
from clnn import models, nn, optim
from clnn.bench import conv, gemm
from clnn.bench.case import Case, Lib
from clnn.device import Device
from samples import Sample, gather

Problem = Callable[[Device], None]

KINDS = ("float32", "float16", "bfloat16")
# rows, columns, depth: what the choice between tiles, slices and thin products depends on
PRODUCTS = (
    (4096, 4096, 4096), (2048, 2048, 2048), (1024, 1024, 1024), (512, 512, 512), (256, 256, 256), (64, 64, 64),
    (1024, 768, 3072), (64, 1000, 2048), (129, 255, 513), (1, 4096, 4096), (8, 4096, 25088), (64, 64, 8192),
)  # fmt: skip


def problems() -> dict[str, Problem]:
    """By name, what is usual first."""
    found = {
        name: partial(_train, make, kind, size)
        for name, make, kind, size in (
            ("ResNet-18", lambda d: models.resnet18(device=d), "float32", (8, 3, 224, 224)),
            ("ResNet-50", lambda d: models.resnet50(device=d), "float32", (8, 3, 224, 224)),
            ("MobileNetV2", lambda d: models.MobileNetV2(device=d), "float32", (8, 3, 224, 224)),
            ("VGG-16", lambda d: models.VGG(device=d), "float32", (8, 3, 224, 224)),
            *((f"perceptron {kind}", _perceptron, kind, (64, 784)) for kind in KINDS),
        )
    }  # fmt: skip
    for case in (*gemm.cases(), *conv.cases()):
        found[case.name] = partial(_case, case)
    for kind in KINDS:
        for sizes in PRODUCTS:
            found[f"product {sizes} {kind}"] = partial(_product, sizes, kind)
        for causal in (False, True):
            found[f"attention {kind} {causal}"] = partial(_attention, kind, causal)
        for case in conv.cases():
            if "grad" in case.name and ("64→64" in case.name or "256→512" in case.name):
                found[f"{case.name} {kind}"] = partial(_case, case, kind=kind)
    return found | {f"{s.family} {s} {s.args!r}": partial(_sample, s) for s in gather("SAMPLES")}


def _sample(sample: Sample, device: Device) -> None:
    if not harness.lacks(sample, device):
        harness.run_clnn(sample, device)


def _case(case: Case, device: Device, kind: str = "float32") -> None:
    lib = Lib(clnn, F, nn, optim, clnn.tensor, device)
    operands = [clnn.zeros(*shape, dtype=kind, device=device) for shape in case.shapes]
    case.build(lib, *operands)()


def _product(sizes: tuple[int, int, int], kind: str, device: Device) -> None:
    m, n, k = sizes
    a, b = (
        clnn.zeros(*shape, dtype=kind, device=device, requires_grad=True)
        for shape in ((m, k), (k, n))
    )
    clnn.matmul(a, b).sum().backward()


def _attention(kind: str, causal: bool, device: Device) -> None:
    q, k, v = (
        clnn.zeros(2, 12, 128, 64, dtype=kind, device=device, requires_grad=True) for _ in range(3)
    )
    F.scaled_dot_product_attention(q, k, v, is_causal=causal).sum().backward()


def _perceptron(device: Device) -> nn.Module:
    return nn.Sequential(
        nn.Linear(784, 512, device=device), nn.ReLU(), nn.Linear(512, 512, device=device), nn.GELU(), nn.Dropout(0.5),
        nn.LayerNorm(512, device=device), nn.Linear(512, 10, device=device),
    )  # fmt: skip


def _train(make: Callable[[Device], nn.Module], kind: str, shape: Any, device: Device) -> None:
    """A step of training, then inference, plain and fused."""
    model = make(device).to(dtype=kind)
    x = clnn.zeros(*shape, dtype=kind, device=device)
    labels = clnn.zeros(shape[0], dtype="int64", device=device)
    for method in (optim.SGD, optim.AdamW):
        optimizer = method(model.parameters(), lr=0.1)
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()
    model.eval()
    with clnn.no_grad():
        model(x)
        if len(shape) == 4:
            nn.fuse(model)(x)
