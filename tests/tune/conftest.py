"""A cache of its own for each test, and algorithms that are planted."""

import pytest

import clnn
from clnn.backends.opencl import OpenCL, matmul, tuning, tuning_store
from clnn.backends.opencl.algorithms import Algorithm, always


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning_store, "folder", lambda: tmp_path)
    monkeypatch.setattr(tuning, "shipped", lambda: ())
    monkeypatch.setenv("CLNN_TUNE", "cache")
    return tmp_path / "tuning"


@pytest.fixture
def backend(opencl_device):
    """A runtime of its own, so that nothing learnt here reaches other tests."""
    return OpenCL(clnn.device(opencl_device).info)


@pytest.fixture
def plant():
    """Adds an algorithm that is `plain` but for its epilogue and its tunables, behind the engines."""

    def add(name, act="v", tunables=None, launch=None):
        def product(rt, p, a, b, end, y):
            rt.tuned("matmul", name, p, {"size": 1, "more": 0})
            matmul._plain(rt, p, a, b, end._replace(defines={**end.defines, "act": act}), y)

        made = Algorithm(name, always, launch or product, tunables or {})
        matmul._ENGINES.insert(-1, made)
        planted.append(made)

    planted = []
    yield add
    for made in planted:
        matmul._ENGINES.remove(made)
