"""What the tests of other systems' names share."""

import pytest

import clnn


@pytest.fixture
def default_device(request):
    """Tests that have a device run on it without naming it."""
    if "device" in request.fixturenames:
        clnn.set_default_device(request.getfixturevalue("device"))
    yield
    clnn.set_default_device(None)
