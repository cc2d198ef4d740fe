"""A device that is gone, a kernel it does not take, a compiler that fails: typed errors, or the next algorithm."""

import warnings

import numpy as np
import pyopencl as cl
import pytest

import clnn
from clnn import ops
from clnn.backends.opencl import OpenCL, algorithms, runtime, tuning_store
from clnn.backends.reference import Reference
from clnn.errors import DeviceError, KernelBuildError
from clnn.op import OPS

A = np.random.default_rng(0).standard_normal((33, 50)).astype(np.float32)
B = np.random.default_rng(1).standard_normal((50, 70)).astype(np.float32)
AT = {"transpose_a": False, "transpose_b": False}
GONE = ["DEVICE_NOT_AVAILABLE", "INVALID_COMMAND_QUEUE", "INVALID_CONTEXT", "INVALID_MEM_OBJECT"]


def refusal(name, routine="clEnqueueNDRangeKernel"):
    record = cl._cl._ErrorRecord(routine, getattr(cl.status_code, name), "")
    return (cl.LogicError if name.startswith("INVALID") else cl.RuntimeError)(record)


@pytest.fixture
def x(opencl_device):
    x = clnn.tensor(A, device=opencl_device, requires_grad=True)
    ops.mul(x, x)
    return x


@pytest.mark.parametrize("status", GONE)
def test_a_device_that_is_gone(x, status, monkeypatch):
    expected = rf"expected .* to answer, got .*{status}; .* start again"
    with monkeypatch.context() as patch:

        def refuse(*args, **kwargs):
            raise refusal(status)

        for name in ("enqueue_nd_range_kernel", "enqueue_copy"):
            patch.setattr(cl, name, refuse)
        for use in (
            lambda: ops.mul(x, x),
            lambda: x.numpy(),
            lambda: clnn.tensor(A, device=x.device),
        ):
            with pytest.raises(DeviceError, match=expected) as e:
                use()
            assert isinstance(e.value.__cause__, cl.Error)
    np.testing.assert_array_equal(x.numpy(), A)  # it was not gone


def test_a_queue_that_fails(opencl_device, monkeypatch):
    rt = clnn.device(opencl_device).backend.rt

    class Queue:
        def finish(self):
            raise refusal("OUT_OF_RESOURCES", "clFinish")

        flush = finish

    monkeypatch.setattr(rt, "queue", Queue())
    with pytest.raises((DeviceError, MemoryError), match="clFinish failed"):
        clnn.synchronize(opencl_device)


def test_what_fails_in_backward_leaves_parameters(x, monkeypatch):
    y = ops.sum(ops.mul(x, x))
    with monkeypatch.context() as patch:

        def refuse(*args, **kwargs):
            raise refusal("DEVICE_NOT_AVAILABLE")

        patch.setattr(cl, "enqueue_nd_range_kernel", refuse)
        with pytest.raises(DeviceError):
            y.backward(retain_graph=True)
    x.grad = None
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * A)


# --- one algorithm ------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning_store, "folder", lambda: tmp_path)
    monkeypatch.setattr(algorithms, "_judges", {})


@pytest.fixture(params=["off", "first-use"])
def opened(opencl_device, monkeypatch, request):
    monkeypatch.setenv("CLNN_SELFTEST", request.param)
    return OpenCL(clnn.device(opencl_device).info, reference=Reference)


def product(backend):
    outs = OPS["matmul"].specs(tuple(clnn.tensor(a, device="cpu").spec for a in (A, B)), AT)[0]
    arrays = [backend.upload(a) for a in (A, B)]
    return backend.download(backend.run("matmul", arrays, outs, AT)[0])


def first_engine(backend, monkeypatch):
    """The name of the engine that a product runs by."""
    seen, real = [], runtime.render

    def look(family, defines):
        seen.append(defines.get("engine"))
        return real(family, defines)

    with monkeypatch.context() as patch:
        patch.setattr(runtime, "render", look)
        product(backend)
    return next(e for e in seen if e)


@pytest.fixture
def broken(opened, monkeypatch):
    """The backend, in which the engine that it prefers does not compile."""
    other = OpenCL(opened.rt.info, reference=Reference)
    engine, real = first_engine(other, monkeypatch), runtime.render
    algorithms.judge(opened.rt.info, opened.trust)
    for path in tuning_store.folder().glob("*/*.json"):
        path.unlink()

    def render(family, defines):
        source = real(family, defines)
        return source + "\n#error planted\n" if defines.get("engine") == engine else source

    monkeypatch.setattr(runtime, "render", render)
    return opened


def right(backend, times):
    for _ in range(times):
        np.testing.assert_allclose(product(backend), A @ B, rtol=1e-4, atol=1e-4)


def test_one_that_does_not_compile_gives_way_to_the_next(broken):
    with pytest.warns(RuntimeWarning, match=r"matmul\.\w+\.float32 is not used") as said:
        right(broken, 3)
    assert len(said) == 1


def test_one_that_was_asked_for_by_name_does_not(broken, monkeypatch):
    with pytest.warns(RuntimeWarning, match="is not used"):
        right(broken, 1)
    (failed,) = broken.trust.verdicts.failed
    with algorithms.algorithm("matmul", failed.algorithm), pytest.raises(KernelBuildError):
        product(broken)


def test_one_that_the_driver_does_not_launch_gives_way_too(opened, monkeypatch):
    real, refused = cl.enqueue_nd_range_kernel, []

    def enqueue(queue, kernel, *args, **kwargs):
        if kernel.function_name == "matmul" and not refused:
            refused.append(kernel)
            raise refusal("INVALID_WORK_GROUP_SIZE")
        return real(queue, kernel, *args, **kwargs)

    monkeypatch.setattr(cl, "enqueue_nd_range_kernel", enqueue)
    with pytest.warns(RuntimeWarning, match="the driver refused it: .*INVALID_WORK_GROUP_SIZE"):
        right(opened, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right(opened, 2)


def test_a_lost_device_is_held_against_no_algorithm(opened, monkeypatch):
    def enqueue(*args, **kwargs):
        raise refusal("DEVICE_NOT_AVAILABLE")

    with monkeypatch.context() as patch:
        patch.setattr(cl, "enqueue_nd_range_kernel", enqueue)
        with pytest.raises(DeviceError, match="to answer"):
            product(opened)
    assert not opened.trust.verdicts.failed
    right(opened, 1)
