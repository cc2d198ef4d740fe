"""torch's switches: accepted, and true to what clnn does anyway."""

import numpy as np
import pytest

import clnn
from clnn.errors import DTypeError


def test_the_switches_have_nothing_to_switch():
    for mode in (True, False):
        clnn.use_deterministic_algorithms(mode, warn_only=mode)
        assert clnn.are_deterministic_algorithms_enabled()
    with pytest.raises(DTypeError, match="mode to be a bool, got 'yes'"):
        clnn.use_deterministic_algorithms("yes")


def test_a_seed_and_a_device_decide_every_bit(device):
    def trained():
        clnn.manual_seed(7)
        model = clnn.nn.Sequential(
            clnn.nn.Conv2d(1, 4, 3, device=device), clnn.nn.ReLU(), clnn.nn.Dropout(0.3), clnn.nn.Flatten(),
            clnn.nn.Linear(4 * 36, 5, device=device),
        )  # fmt: skip
        optimizer = clnn.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            loss = model(clnn.randn(33, 1, 8, 8, device=device)).square().mean()
            loss.backward()
            optimizer.step()
        return [p.numpy() for p in model.parameters()]

    assert clnn.initial_seed() is not None
    assert all(np.array_equal(a, b) for a, b in zip(trained(), trained(), strict=True))
