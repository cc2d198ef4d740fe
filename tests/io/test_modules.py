"""Models through files: architecture, weights and the training state that goes with them."""

import numpy as np
import pytest

import clnn
from clnn import io, nn, optim
from clnn.errors import SettingError


class Net(nn.Module):
    def __init__(self, hidden=5):
        super().__init__()
        self.hidden = hidden
        self.body = nn.Sequential(nn.Linear(4, hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def forward(self, x):
        return self.body(x)


def train(model, optimizer, steps, device):
    losses = []
    for k in steps:
        x = np.random.default_rng(k).standard_normal((6, 4)).astype("float32")
        optimizer.zero_grad()
        y = model(clnn.tensor(x, device=device))
        loss = (y * y).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("make", [
    lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)),
    lambda: Net(hidden=7),
], ids=["Sequential", "own class"])  # fmt: skip
def test_a_model_is_rebuilt(tmp_path, device, make):
    model = make().to(device)
    path = tmp_path / "model"
    io.save(path, model, metadata={"accuracy": 0.5})
    x = np.ones((3, 4), "float32")
    want = model(clnn.tensor(x, device=device)).numpy()
    for build in (nn.build_module, type(model)):
        back = io.load_model(path, build, device=device)
        assert type(back) is type(model)
        np.testing.assert_array_equal(back(clnn.tensor(x, device=device)).numpy(), want)
    assert sorted(io.load(path, "cpu")) == sorted(model.state_dict())


def test_training_goes_on_from_a_file_bit_for_bit(tmp_path, device):
    model = Net().to(device)
    optimizer = optim.AdamW(model.parameters(), lr=0.05)
    train(model, optimizer, range(3), device)
    io.save(tmp_path / "checkpoint", {"model": model, "optimizer": optimizer, "epoch": 3})
    saved = io.load(tmp_path / "checkpoint", device)
    again = Net().to(device)
    again.load_state_dict(saved["model"])
    other = optim.AdamW(again.parameters())
    other.load_state_dict(saved["optimizer"])
    steps = range(saved["epoch"], 8)
    assert train(again, other, steps, device) == train(model, optimizer, steps, device)


def test_a_class_nobody_knows(tmp_path):
    io.save(tmp_path / "model", Net())
    data = (tmp_path / "model").read_bytes()
    assert b"Net" in data

    def build(architecture):
        return nn.build_module({**architecture, "class": "gone.Net"})

    with pytest.raises(SettingError, match=r"got 'gone\.Net'"):
        io.load_model(tmp_path / "model", build)
