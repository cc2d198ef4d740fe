"""Results that are stored past the caches, as large ones are on CPUs, on small operands."""

import pytest

import clnn
from clnn.backends.opencl import OpenCL, streaming
from clnn.device import Device
from harness import check_against_reference, lacks
from samples import gather

FAMILIES = {
    "elementwise": 12,
    "activation": 6,
    "softmax": 24,
    "batch_norm": 8,
    "norm": 16,
    "pool": 40,
}


def some_of_each():
    """The first samples of functions that store such results, of each a few."""
    count, found = {}, []
    for sample in gather("SAMPLES"):
        function = sample.family, sample.fn
        count[function] = count.get(function, 0) + 1
        of_family = sum(s.family == sample.family for s in found)
        if count[function] <= 4 and of_family < FAMILIES.get(sample.family, 0):
            found.append(sample)
    return found


@pytest.fixture(scope="module", params=[0, 1])
def streaming_device(request):
    """A CPU device, opened once more, on which every result counts as large."""
    real = [d for d in clnn.devices() if d.info is not None and d.info.kind == "cpu"]
    if len(real) <= request.param:
        pytest.skip("no such CPU device here")
    chosen = real[request.param]
    device = object.__new__(Device)
    device.name, device.type, device.index = f"{chosen.name} streaming", chosen.type, chosen.index
    device.info, device._key = chosen.info, (chosen._key, "streaming")
    device.backend = OpenCL(chosen.info)
    device.backend.rt.poison = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "LEAST", 1)
        yield device


@pytest.mark.parametrize("sample", some_of_each(), ids=lambda s: f"{s.family}.{s.fn}")
def test_streaming(sample, streaming_device):
    if lacks(sample, streaming_device):
        pytest.skip("needs float64")
    check_against_reference(sample, streaming_device)


def test_samples_store_past_the_caches(streaming_device):
    x = clnn.ones(5, 33, device=streaming_device)
    clnn.nn.functional.softmax(x, -1)
    assert any(dict(d).get("streamed") for _, _, *d in streaming_device.backend.rt._kernels)
