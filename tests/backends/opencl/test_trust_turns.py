"""What interrupts a comparison, or comes beside it: no result counts of an algorithm that has not proved itself."""

import threading
import warnings

import numpy as np
import pytest
from test_trust import AT, A, B

import clnn
from clnn.backends.opencl import OpenCL, algorithms, runtime, selftest, tuning_store
from clnn.backends.reference import Reference
from clnn.errors import DeviceError, OutOfMemoryError
from clnn.op import OPS

pytestmark = pytest.mark.usefixtures("first_use")


@pytest.fixture
def fresh(opencl_device):
    return OpenCL(clnn.device(opencl_device).info, reference=Reference)


@pytest.fixture
def wrong(fresh, monkeypatch):
    """A backend whose first choice for a product starts its sums one product late."""
    product(other := OpenCL(fresh.rt.info, reference=Reference))
    (first,) = other.trust.verdicts.proven
    for path in tuning_store.folder().glob("*/*.json"):
        path.unlink()
    algorithms.judge(fresh.rt.info, fresh.trust)
    spoil(monkeypatch, first.algorithm)
    return fresh


def spoil(monkeypatch, engine=None):
    """Sums of this engine, or of all, start one product late."""
    real = runtime.render

    def late(family, defines):
        source = real(family, defines)
        if engine in (None, defines.get("engine")):
            source = source.replace("k = 0", "k = 1")
        return source

    monkeypatch.setattr(runtime, "render", late)


def product(backend):
    outs = OPS["matmul"].specs(tuple(clnn.tensor(a, device="cpu").spec for a in (A, B)), AT)[0]
    arrays = [backend.upload(a) for a in (A, B)]
    return backend.download(backend.run("matmul", arrays, outs, AT)[0])


def right(backend):
    np.testing.assert_allclose(product(backend), A @ B, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:matmul.* is not used:RuntimeWarning")
def test_none_left_is_an_error_every_time(fresh, monkeypatch):
    spoil(monkeypatch)
    for _ in range(3):
        with pytest.raises(DeviceError, match="expected an algorithm that computes float32 right"):
            product(fresh)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OutOfMemoryError, DeviceError])
def test_a_comparison_that_is_cut_short_comes_again(wrong, monkeypatch, error):
    with monkeypatch.context() as patch:

        def cut(host, real=wrong.upload):
            asked.append(host)
            if len(asked) > 2:  # the first two are the call's own
                raise error("now")
            return real(host)

        asked = []
        patch.setattr(wrong, "upload", cut)
        with pytest.raises(error, match="now"):
            product(wrong)
    with pytest.warns(RuntimeWarning, match="is not used"):
        right(wrong)


def test_no_thread_gets_ahead_of_a_comparison(wrong, monkeypatch):
    """While one thread compares, others find its plan and must not take it at its word."""
    real, comparing, go, found = selftest._operand, threading.Event(), threading.Event(), []

    def slow(*args, **kwargs):
        if threading.current_thread() is first:
            comparing.set()
            assert go.wait(30)
        return real(*args, **kwargs)

    monkeypatch.setattr(selftest, "_operand", slow)
    first = threading.Thread(target=lambda: found.append(product(wrong)), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        first.start()
        assert comparing.wait(30)
        found.append(product(wrong))
        go.set()
        first.join(30)
    assert len(found) == 2
    for got in found:
        np.testing.assert_allclose(got, A @ B, rtol=1e-4, atol=1e-4)
    right(wrong)
