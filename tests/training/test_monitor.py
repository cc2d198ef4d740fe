"""Callbacks that watch a number: early stopping by Keras' rule, and checkpoints to go on from."""

import pytest
from training_problem import Fixed, Kept, X, Y, model, network, same, weights

import clnn
from clnn import nn
from clnn.errors import SettingError
from clnn.training import EarlyStopping, ModelCheckpoint

NAN = float("nan")


# (values, options, index of the last epoch, of the best one); the first rows are what Keras does.
STOPS = [
    ([3, 2, 1, 0], {"patience": 0}, 3, 3),
    ([3, 2, 2, 1], {"patience": 0}, 2, 1),
    ([3, 2, 2, 1], {"patience": 1}, 2, 1),
    ([3, 2, 2, 2.5, 1], {"patience": 2}, 3, 1),
    ([3, 2, 2, 1, 1, 1, 0], {"patience": 2}, 5, 3),
    ([3, 2.9, 2.8, 2.7], {"patience": 2, "min_delta": 0.15}, 3, 2),
    ([3, 2.9, 2.95, 2.97, 1], {"patience": 2, "min_delta": 0.2}, 2, 0),
    ([1, 2, 2, 1, 1], {"patience": 2, "mode": "max"}, 3, 1),
    ([5, 4, 3, 3, 0], {"patience": 2, "baseline": 1.0}, 3, 2),
    ([5, 0.5, 0.6, 0.7, 0], {"patience": 2, "baseline": 1.0}, 3, 1),
    ([NAN, NAN, 1], {"patience": 2}, 1, None),
    ([NAN, 1, NAN, NAN, 0], {"patience": 2}, 3, 1),
]


@pytest.mark.parametrize(("values", "options", "last", "best"), STOPS)
def test_early_stopping(values, options, last, best):
    stop, kept = (
        EarlyStopping("val_x", **{"mode": "min"} | options, restore_best_weights=True),
        Kept(),
    )
    m = model("cpu")
    numbers = Fixed(val_x=values)
    history = m.fit(X, Y, epochs=len(values), callbacks=[numbers, stop, kept], verbose=0)
    assert history.epoch[-1] == last
    assert stop.best_epoch == best
    assert stop.stopped_epoch == (
        None if last == len(values) - 1 and stop.wait < max(stop.patience, 1) else last
    )
    same(weights(m.network), kept.weights[last if best is None else best])


@pytest.mark.peers
@pytest.mark.parametrize(("values", "options"), [row[:2] for row in STOPS if NAN not in row[0]])
def test_early_stopping_is_that_of_keras(values, options):
    keras = pytest.importorskip("keras")
    theirs = keras.callbacks.EarlyStopping("val_x", **{"mode": "min"} | options)

    class Trained:
        stop_training = False

    theirs.set_model(Trained())
    theirs.on_train_begin()
    for epoch, value in enumerate(values):
        theirs.on_epoch_end(epoch, {"val_x": value})
        if theirs.model.stop_training:
            break
    ours = EarlyStopping("val_x", **{"mode": "min"} | options)
    history = model("cpu").fit(
        X, Y, epochs=len(values), callbacks=[Fixed(val_x=values), ours], verbose=0
    )
    assert history.epoch[-1] == epoch
    assert ours.best_epoch == theirs.best_epoch


def test_early_stopping_restores_on_the_device_and_can_be_used_again(device):
    stop, kept = EarlyStopping("val_x", "min", restore_best_weights=True), Kept()
    net = nn.Sequential(network(device), nn.BatchNorm1d(3, device=device))
    m = clnn.Model(net, "cross_entropy", "adam")
    for _ in range(2):
        m.fit(X, Y, epochs=3, callbacks=[Fixed(val_x=[2, 1, 3]), stop, kept], verbose=0)
        same(weights(net), kept.weights[-2])
        assert stop.stopped_epoch == 2


@pytest.mark.parametrize(
    ("monitor", "up"),
    [
        ("loss", False),
        ("accuracy", True),
        ("val_mae", False),
        ("val_f1_mine", True),
        ("right", True),
    ],
)
def test_mode_auto(monitor, up):
    values = [1, 2, 3] if up else [3, 2, 1]
    stop = EarlyStopping(monitor)
    m = model("cpu", metrics=[clnn.metrics.Accuracy(name="right")])
    m.fit(X, Y, epochs=3, callbacks=[Fixed(**{monitor: values}), stop], verbose=0)
    assert stop.best_epoch == 2


@pytest.mark.parametrize("save_best_only", [False, True])
def test_checkpoints_can_be_loaded(device, tmp_path, save_best_only):
    m = model(device, optimizer="adam")
    path = tmp_path / "new" / "net-{epoch:02d}-{val_x:.1f}.safetensors"
    keep = ModelCheckpoint(path, monitor="val_x", mode="min", save_best_only=save_best_only)
    kept = Kept()
    m.fit(X, Y, epochs=3, callbacks=[Fixed(val_x=[2, 3, 1]), keep, kept], verbose=0, seed=1)
    found = sorted(p.name for p in (tmp_path / "new").iterdir())
    everything = [f"net-{k}.safetensors" for k in ("01-2.0", "02-3.0", "03-1.0")]
    assert found == ([everything[0], everything[2]] if save_best_only else everything)
    net = clnn.io.load_model(tmp_path / "new" / everything[0], nn.build_module, device)
    same(weights(net), kept.weights[0])
    assert keep.last_path == tmp_path / "new" / everything[2]


def test_training_goes_on_from_a_checkpoint(device, tmp_path):
    path = tmp_path / "net.safetensors"
    whole = model(device, optimizer="adam")
    whole.fit(X, Y, epochs=4, seed=3, verbose=0)
    m = model(device, optimizer="adam")
    m.fit(X, Y, epochs=2, seed=3, verbose=0, callbacks=[ModelCheckpoint(path)])
    again = clnn.Model(
        nn.Sequential(nn.Dense(8, device=device), nn.Tanh(), nn.Dense(3, device=device)),
        "cross_entropy",
        "adam",
    )
    metadata = again.load(path)
    assert metadata["epoch"] == 2
    assert metadata["logs"].keys() == {"loss", "accuracy"}
    again.fit(X, Y, epochs=4, initial_epoch=metadata["epoch"], seed=3, verbose=0)
    same(weights(again.network), weights(whole.network))


def test_weights_only(tmp_path):
    class Odd(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.layer = nn.Linear(4, size, device="cpu")

        def forward(self, x):
            return self.layer(x)

    m = clnn.Model(Odd(3), "cross_entropy", "adam")
    path = tmp_path / "net.safetensors"
    with pytest.raises(SettingError, match="size"):
        m.fit(X, Y, callbacks=[ModelCheckpoint(path)], verbose=0)
    assert m.history.epoch == []
    m.fit(X, Y, callbacks=[ModelCheckpoint(path, save_weights_only=True)], verbose=0)
    same({k: v.numpy() for k, v in clnn.load(path).items()}, weights(m.network))
    other = clnn.Model(Odd(3), "cross_entropy", "adam")
    other.load(path)
    same(weights(other.network), weights(m.network))


def test_a_failed_checkpoint_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "net.safetensors"
    m = model("cpu")
    m.fit(X, Y, callbacks=[ModelCheckpoint(path)], verbose=0)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="no space"):
        m.fit(X, Y, callbacks=[ModelCheckpoint(path)], verbose=0)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]
