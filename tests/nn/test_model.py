"""A small CNN: torch's weights copied over, then the same loss and the same gradients."""

import numpy as np
import pytest
from layers import torch

import clnn
from clnn import nn, optim
from clnn.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, stride=2, groups=2), nn.LeakyReLU(0.1), nn.AvgPool2d(2, 1),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32, 10))

    def forward(self, x):
        return self.head(self.features(x))


def torch_net():
    net = torch.nn.Module()
    t = torch.nn
    net.features = t.Sequential(
        t.Conv2d(1, 6, 3, padding=1, bias=False), t.BatchNorm2d(6), t.ReLU(), t.MaxPool2d(2),
        t.Conv2d(6, 8, 3, stride=2, groups=2), t.LeakyReLU(0.1), t.AvgPool2d(2, 1),
    )  # fmt: skip
    net.head = t.Sequential(t.Flatten(), t.Linear(32, 10))
    net.forward = lambda x: net.head(net.features(x))
    return net


def batch():
    rng = np.random.default_rng(0)
    images = rng.standard_normal((5, 1, 14, 14)).astype(np.float32)
    return images, rng.integers(0, 10, 5)


@pytest.mark.peers
def test_gradients_equal_torchs(device):
    images, labels = batch()
    theirs, ours = torch_net(), Net().to(device)
    ours.load_state_dict(theirs.state_dict())
    want = torch.nn.functional.cross_entropy(
        theirs.forward(torch.tensor(images)), torch.tensor(labels)
    )
    want.backward()
    x = clnn.tensor(images, device=device)
    loss = F.cross_entropy(ours(x), clnn.tensor(labels, device=device))
    loss.backward()
    np.testing.assert_allclose(loss.item(), want.item(), rtol=1e-5)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(
            p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-6, err_msg=name
        )
    for name, b in ours.named_buffers():
        want = dict(theirs.named_buffers())[name].numpy()
        np.testing.assert_allclose(b.numpy(), want, rtol=1e-5, atol=1e-7, err_msg=name)


def test_learns_and_survives_a_round_trip(device):
    images, labels = batch()
    clnn.manual_seed(0)
    net = Net().to(device)
    x, y = clnn.tensor(images, device=device), clnn.tensor(labels, device=device)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    again = nn.build_module(nn.module_config(net)).to(device).eval()
    again.load_state_dict({name: t.numpy() for name, t in net.state_dict().items()})
    np.testing.assert_array_equal(again(x).numpy(), net.eval()(x).numpy())


def test_the_first_layers_see_an_optimizer_made_before_they_were_built(device):
    model = nn.Sequential(nn.Dense(4), nn.Tanh(), nn.Dense(1))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x = clnn.ones(3, 2, device=device)
    model(x).square().sum().backward()
    before = [p.numpy() for p in model.parameters()]
    optimizer.step()
    assert all(
        not np.array_equal(p.numpy(), b) for p, b in zip(model.parameters(), before, strict=True)
    )
