"""Devices that have compiled nothing yet, few checks, and faults planted in kernels."""

import pytest

import clnn
from clnn.backends.opencl import OpenCL, runtime, tuning_store
from clnn.doctor import cases, families


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv("POCL_CACHE_DIR", raising=False)
    monkeypatch.setattr(tuning_store, "folder", lambda: tmp_path / "caches" / "clnn")


@pytest.fixture
def few(monkeypatch):
    """Examine a handful of calls only."""
    names = ("(33, 50) @ (50, 70)", "softmax", "5 x 5 in groups, stride 2")
    chosen = tuple(c for c in cases.CASES if c.call in names)
    assert len(chosen) == len(names)
    monkeypatch.setattr(families, "CASES", chosen)


@pytest.fixture
def planted(monkeypatch):
    """Change the source of kernels whose defines hold what is given, in fresh devices."""
    render = runtime.render

    def plant(change, **wanted):
        def changed(family, defines):
            source = render(family, defines)
            return change(source) if all(defines.get(k) == v for k, v in wanted.items()) else source

        monkeypatch.setattr(runtime, "render", changed)

    return plant


@pytest.fixture
def fresh(opencl_device, monkeypatch):
    """A device that has compiled nothing yet."""
    device = clnn.device(opencl_device)
    backend = OpenCL(device.info)
    monkeypatch.setitem(device.__dict__, "backend", backend)
    return device


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(families, "CASES", tuple(c for c in cases.CASES if c.family == "scan"))
