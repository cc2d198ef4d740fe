"""The demo's job: a convolutional network learns scikit-learn's 1797 handwritten digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .. import nn, optim
from ..autograd import no_grad
from ..data import DataLoader, TensorDataset
from ..device import Device
from ..errors import SettingError
from ..ops import manual_seed
from ..tensor import Tensor, tensor

BATCH = 64
TEST = 360  # images held out; the split is fixed, so that runs with other seeds compare
LR = 6e-3
EPOCHS = 12  # of a full run: the learning rate's cycle is at least that long, so short runs begin like long ones


class Digits(NamedTuple):
    """Images (N, 1, 8, 8) float32 in [-1, 1] and labels (N,) int64, split in two."""

    train: tuple[Any, Any]
    test: tuple[Any, Any]


@dataclass
class History:
    """What a run leaves: a loss per step, an accuracy on the test digits per epoch, and the model."""

    losses: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    predictions: Any = None
    model: nn.Module | None = None


def load() -> Digits:
    """The digits from scikit-learn; raises SettingError with the remedy when it is not installed."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as exc:
        raise SettingError(
            "demo: expected scikit-learn, which holds the digits, got none; pip install 'clnn[demo]'"
        ) from exc
    found = load_digits()
    images = (found.images[:, None] / 8 - 1).astype(np.float32)
    labels = found.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(labels))
    test, train = order[:TEST], order[TEST:]
    return Digits((images[train], labels[train]), (images[test], labels[test]))


def build(device: Device, seed: int) -> nn.Sequential:
    """The network; the same seed draws the same weights on every device."""
    manual_seed(seed)
    at: dict[str, Any] = {"device": device}
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1, **at), nn.BatchNorm2d(32, **at), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1, **at), nn.BatchNorm2d(64, **at), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1, **at), nn.BatchNorm2d(64, **at), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(256, 128, **at), nn.ReLU(),
        nn.Dropout(0.3), nn.Linear(128, 10, **at),
    )  # fmt: skip


def steps_per_epoch(digits: Digits) -> int:
    """Batches in one pass over the training digits."""
    return -(-len(digits.train[1]) // BATCH)


def train(
    digits: Digits,
    device: Device,
    *,
    epochs: int,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
    on_epoch: Callable[[History], None] = lambda history: None,
) -> History:
    """Train for `epochs`; the learning rate rises and falls once in max(epochs, EPOCHS)."""
    history = History(model=build(device, seed))
    model = history.model
    assert model is not None
    loader = DataLoader(
        TensorDataset(*digits.train), batch_size=BATCH, shuffle=True, seed=seed, device=device
    )
    optimizer = optim.AdamW(model.parameters(), lr=LR)
    total = steps_per_epoch(digits) * max(epochs, EPOCHS)
    scheduler = optim.OneCycleLR(optimizer, max_lr=LR, total_steps=total)
    criterion = nn.CrossEntropyLoss()
    for _ in range(epochs):
        model.train()
        losses: list[Tensor] = []
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.detach())
            on_step()
        history.losses += [loss.item() for loss in losses]  # read once an epoch: a read waits
        history.predictions = predict(model, digits.test[0], device)
        history.accuracy.append(float((history.predictions == digits.test[1]).mean()))
        on_epoch(history)
    return history


def predict(model: nn.Module, images: Any, device: Device) -> Any:
    """Most likely digit per image, as a NumPy array."""
    model.eval()
    with no_grad():
        return model(tensor(images, device=device)).numpy().argmax(axis=1)
