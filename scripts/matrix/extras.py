"""Calls that no sample makes: optimizers, random numbers, Winograd on GPUs, and what measures and examines devices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

import clnn
import harness
from clnn import ops, optim
from clnn.backends.opencl import matmul, matmul_tile
from clnn.backends.opencl.runtime import Runtime
from clnn.doctor.probes import probe
from clnn.dtypes import float32
from clnn.shapes import Spec
from samples import T, sample


def steps(device: Any) -> None:
    """Steps of every optimizer, with norms clipped and values, are those of the reference."""
    results = []
    for where in ("cpu", device):
        rng, found = np.random.default_rng(0), []
        for method in (optim.SGD, optim.Adam, optim.RMSprop):
            parameters = [
                clnn.tensor(rng.standard_normal(n, dtype="float32"), device=where, requires_grad=True)
                for n in (1, 7, 300)
            ]  # fmt: skip
            optimizer = method(parameters, lr=0.1, weight_decay=0.1)
            for p in parameters:
                p.grad = clnn.tensor(rng.standard_normal(p.shape, dtype="float32"), device=where)
            found.append(optim.clip_grad_norm_(parameters, 3.0))
            optim.clip_grad_value_(parameters, 0.05)
            optimizer.step()
            found += parameters
        results.append([f.numpy() for f in found])
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=2e-6)


def draws(device: Any) -> None:
    """Random numbers are the same bits as the reference's, or a rounding away where they pass through functions."""
    results = []
    for where in ("cpu", device):
        clnn.manual_seed(0)
        x = clnn.ones(5, 7, device=where)
        found = [
            clnn.rand(13, 5, device=where), clnn.randn(13, 5, device=where), clnn.randint(0, 9, (17,), device=where),
            clnn.randperm(19, device=where), ops.dropout(x, 0.5, True),
        ]  # fmt: skip
        results.append([f.numpy() for f in found])
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=2e-6)


def winograd(device: Any) -> None:
    """GPUs have use for it with 64 channels, more than the samples have; its products have calls of their own."""
    if device.info.kind == "cpu" or device.info.local_mem <= 8192:
        return
    x, w, b = T(1, 65, 4, 5), T(66, 65, 3, 3), T(66)
    call = dataclasses.replace(sample("conv2d", x, w, b, padding=1), family="conv")
    with mock.patch.object(matmul_tile, "tile", matmul.ALGORITHMS["matmul"][-1].launch):
        for name in ("winograd_4x4", "winograd_2x2"):
            assert harness.check_algorithm(call, device, name), f"{name} does not apply"


def slices(device: Any) -> None:
    """The weight gradient of an image that has more pixels than those of the samples."""
    if device.info.kind == "cpu":
        return
    call = dataclasses.replace(sample("conv2d", T(1, 1, 34, 34), T(3, 1, 3, 3)), family="conv")
    assert harness.check_algorithm(call, device, "tile"), "tile does not apply"


def limits(device: Any) -> None:
    """The two kernels that speed is measured against, with little to do."""
    rt: Runtime = device.backend.rt
    group = rt.wg
    x = rt.upload(np.arange(64 * group, dtype=np.float32))
    y = rt.empty(Spec(x.shape, float32))
    cpu = rt.info.kind == "cpu"
    rt.launch(
        "probe",
        "fma_peak",
        (group,),
        y,
        0.999,
        0.001,
        2,
        group=(group,),
        job="fma",
        V=16 if cpu else 1,
        WG=group,
    )
    vectors, chunk = x.size // (16 if cpu else 4), 4 * group
    rt.launch("probe", "copy_peak", (-(-vectors // chunk) * group,), x, y, vectors, chunk, group=(group,), job="copy",
              V=16 if cpu else 4, WG=group)  # fmt: skip
    np.testing.assert_array_equal(rt.download(y), rt.download(x))


def capabilities(device: Any) -> None:
    """What the device claims works."""
    wrong = [f"{p.name}: {p.why}" for p in probe(device.backend) if not p.ok]
    assert not wrong, "; ".join(wrong)


EXTRAS: dict[str, Callable[[Any], None]] = {
    f.__name__: f for f in (steps, draws, winograd, slices, limits, capabilities)
}
