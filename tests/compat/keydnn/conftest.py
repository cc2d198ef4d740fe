"""KeyDNN's "cpu" is the device under test."""

import pytest

import clnn


@pytest.fixture
def home(device):
    """The default device, which Device("cpu") is."""
    clnn.set_default_device(device)
    yield clnn.Device(device)
    clnn.set_default_device(None)
