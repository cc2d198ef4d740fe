"""What would run on a GPU, on devices that only claim to be one: a spread of samples of every family."""

import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import clnn
from clnn import optim
from clnn.backends.opencl.pretend import PROFILES
from harness import check_against_reference, check_algorithm, lacks
from kernel_lint import problems
from pretend import pretend
from samples import T, gather, sample
from test_training import train

PER_FAMILY = {"gpu": 20, "small": 8, "tiny": 3, "low": 3, "least": 4, "lone": 2}


def spread(variant):
    """Samples of every family, of as many ops as possible before a second one of any; always the same."""
    ranked, seen, taken = [], Counter(), Counter()
    for s in sorted(gather("SAMPLES"), key=lambda s: zlib.crc32(f"{variant} {s}".encode())):
        ranked.append((seen[s.family, s.fn], s))
        seen[s.family, s.fn] += 1
    chosen = []
    for _, s in sorted(ranked, key=lambda r: r[0]):
        doubles = "float64" in f"{s.args}{s.kwargs}"
        if taken[s.family] < PER_FAMILY[variant] and PROFILES[variant].get("fp64", True) >= doubles:
            taken[s.family] += 1
            chosen.append((variant, s))
    return chosen


@pytest.mark.parametrize(("variant", "sample"), [c for v in PER_FAMILY for c in spread(v)], ids=str)
def test_gpu_paths_match_the_reference(variant, sample, opencl_device):
    if lacks(sample, opencl_device):
        pytest.skip("this device has no float64")
    check_against_reference(sample, pretend(opencl_device, variant))


@pytest.mark.parametrize("variant", ["gpu", "small"])
@pytest.mark.parametrize("name", ["winograd_4x4", "winograd_2x2"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_winograd_matches_the_reference(dtype, name, variant, opencl_device):
    x, w, b = (T(*n, dtype=dtype) for n in ((2, 65, 5, 9), (67, 65, 3, 3), (67,)))
    ended = {"activation": "relu", "residual": T(2, 67, 5, 9, dtype=dtype)}
    for product in (
        sample("conv2d", x, w, padding=(0, 2)),
        sample("fused_conv2d", x, w, b, padding=1, **ended),
    ):
        assert check_algorithm(
            replace(product, family="conv"), pretend(opencl_device, variant), name
        )


def test_a_network_learns_alike(opencl_device):
    got = train(pretend(opencl_device, "gpu"), 6)
    np.testing.assert_allclose(got, train("cpu", 6), rtol=1e-3)


@pytest.mark.parametrize("variant", PER_FAMILY)
@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_steps_match_the_reference(name, variant, opencl_device):
    results = []
    for device in ("cpu", pretend(opencl_device, variant)):
        rng = np.random.default_rng(0)
        params = [
            clnn.tensor(rng.standard_normal(n, dtype="float32"), device=device, requires_grad=True)
            for n in (1, 7, 0, 5000, 300)
        ]
        optimizer = getattr(optim, name)(params, lr=0.1, weight_decay=0.1)
        for _ in range(3):
            for p in params:
                p.grad = clnn.tensor(rng.standard_normal(p.shape, dtype="float32"), device=device)
            norm = optim.clip_grad_norm_(params, 3.0)
            optim.clip_grad_value_(params, 0.05)
            optimizer.step()
        results.append([norm.numpy(), *[p.numpy() for p in params]])
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("source", "defines", "word"),
    [
        ("x = 0.5 * y;", {"dtype": "f32"}, "0.5 is a double"),
        ("x = 1e-6 + .5f;", {"dtype": "f32"}, "1e-6 is a double"),
        ("x = 0x1p-24 * y;", {"dtype": "f32"}, "0x1p-24 is a double"),
        ("const double x = y;", {"dtype": "f32"}, "nothing is float64"),
        ("__kernel void k(int n) { if (n) return; barrier(f); }", {}, "k returns before"),
        ("x = 0.5f + C(1.25) + a.s0 + 0x7fffu + 0x1p-24f; /* 0.5 */", {"dtype": "f32"}, None),
        ("const double x = 0.5;", {"dtype": "f64"}, None),
        ("__kernel void k(int n) { barrier(f); if (n) return; }", {}, None),
    ],
)
def test_the_lint_sees_what_it_should(source, defines, word):
    found = problems(source, defines)
    assert (not found) if word is None else (len(found) == 1 and word in found[0])
