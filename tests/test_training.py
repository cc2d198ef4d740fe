"""A small network learns, the same way on every device, and twice the same bits on one."""

import numpy as np
import pytest

import clnn
import clnn.nn.functional as F
from clnn import nn, optim


def train(device, steps=25, build=None):
    """Losses of a small convolutional network on a fixed problem."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 2, 7, 7)).astype("float32")
    y = (x[:, 0].sum((1, 2)) > x[:, 1].sum((1, 2))).astype("int64")
    clnn.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, device=device), nn.BatchNorm2d(6, device=device), nn.ReLU(),
        nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten(), nn.Linear(54, 2, device=device),
    )  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    xs, ys = clnn.tensor(x, device=device), clnn.tensor(y, device=device)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(xs), ys)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return np.array([v.item() for v in losses])


@pytest.fixture(scope="module")
def reference_losses():
    return train("cpu")


def test_it_learns(reference_losses):
    assert reference_losses[-1] < 0.3 * reference_losses[0]


def test_losses_equal_the_reference(opencl_device, reference_losses):
    np.testing.assert_allclose(train(opencl_device), reference_losses, rtol=1e-3)


def test_the_same_bits_twice(device):
    np.testing.assert_array_equal(train(device, 10), train(device, 10))


def test_a_new_batch_size_compiles_nothing(opencl_device):
    rt = clnn.device(opencl_device).backend.rt
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, device=opencl_device), nn.BatchNorm2d(6, device=opencl_device), nn.ReLU(),
        nn.MaxPool2d(2), nn.Dropout(0.2), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 3, device=opencl_device),
    )  # fmt: skip
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(batch, height, width):
        x = clnn.randn(batch, 2, height, width, device=opencl_device)
        y = clnn.tensor(np.arange(batch) % 3, device=opencl_device)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    step(8, 9, 10)
    before = rt.compilations
    for batch, height, width in [(5, 9, 10), (16, 9, 10), (8, 12, 9), (3, 21, 17)]:
        step(batch, height, width)
    assert rt.compilations == before
