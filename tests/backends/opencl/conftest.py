"""A home of its own for what self-tests find."""

import pytest

from clnn.backends.opencl import algorithms, tuning_store


@pytest.fixture
def first_use(tmp_path, monkeypatch):
    """Nothing has proved itself yet, and no other test learns of what does."""
    monkeypatch.setattr(tuning_store, "folder", lambda: tmp_path)
    monkeypatch.setenv("CLNN_SELFTEST", "first-use")
    monkeypatch.setattr(algorithms, "_judges", {})
