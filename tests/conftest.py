"""The `device` fixture: every device here, or those of --device; and the count of OpenCL implementations."""

import contextlib
import ctypes
import gc
import importlib.util
import os

import pytest

import clnn
from clnn.backends.opencl import lifetime
from clnn.backends.opencl.pretend import profile
from kernel_lint import refuse

PEERS = ["torch", "onnx", "onnxruntime"]
os.environ.setdefault("CLNN_TUNE", "off")  # what was tuned on this machine is no part of a test
os.environ.setdefault("CLNN_SELFTEST", "off")  # the tests compare every algorithm themselves


def pytest_addoption(parser):
    parser.addoption(
        "--device", action="append", help="device to test (repeatable); default: all there are"
    )


def _devices(config):
    return config.getoption("device") or [d.name for d in clnn.devices()]


def pytest_generate_tests(metafunc):
    names = _devices(metafunc.config)
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", names)
    if "opencl_device" in metafunc.fixturenames:
        metafunc.parametrize("opencl_device", [n for n in names if n != "cpu"])


def pytest_configure(config):
    need = int(os.environ.get("CLNN_TEST_MIN_PLATFORMS", "0"))
    seen = sorted({d.info.platform for d in clnn.devices() if d.info is not None})
    if len(seen) < need:
        raise pytest.UsageError(
            f"expected at least {need} OpenCL implementations, got {len(seen)}: {seen}"
        )


def pytest_collection_modifyitems(items):
    missing = [n for n in PEERS if importlib.util.find_spec(n) is None]
    if missing:
        skip = pytest.mark.skip(reason=f"no {', '.join(missing)} here: make test-peers has it")
        for item in items:
            if item.get_closest_marker("peers"):
                item.add_marker(skip)


def pytest_runtest_teardown(item, nextitem):
    """Let go of kernels now and then: a driver takes megabytes for a program, and the tests have thousands."""
    item.session.ended = getattr(item.session, "ended", 0) + 1
    if item.session.ended % 500 == 0:
        for rt in list(lifetime._open):  # not by clnn.devices(), which a test may have replaced
            rt.forget()
        gc.collect()
        with contextlib.suppress(
            OSError, AttributeError, TypeError
        ):  # a C library that has no such call
            ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture
def plant(monkeypatch):
    """Puts another implementation in the place of an op's; what was launched by either is forgotten."""
    planted = []

    def put(device, op, implementation):
        backend = clnn.device(device).backend
        monkeypatch.setitem(backend.impls, op, implementation)
        backend.rt.plans.clear()
        planted.append(backend)

    yield put
    for backend in planted:
        backend.rt.plans.clear()


@pytest.fixture(autouse=True, scope="session")
def _poison():
    """Fresh device memory holds NaN, so that an element no kernel wrote cannot pass; profiles are kept to."""
    for d in clnn.devices():
        if d.info is not None:
            d.backend.rt.poison = True
            if profile() is not None:
                refuse(d.backend.rt)
