"""Callbacks: what they are told, when, and what they do about it."""

import csv

import numpy as np
import pytest
from training_problem import X, Y, model, network, same, weights

import clnn
from clnn import nn, optim
from clnn.errors import DTypeError, SettingError
from clnn.training import (
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    TerminateOnNaN,
)


class Diary(Callback):
    def __init__(self):
        self.pages = []

    def set_model(self, model):
        super().set_model(model)
        self.pages.append("model")

    def __getattribute__(self, name):
        if not name.startswith("on_"):
            return super().__getattribute__(name)
        return lambda *args: self.pages.append((name, *(a for a in args if isinstance(a, int))))


def test_hooks_are_called_in_order(device):
    diary = Diary()
    m = model(device)
    m.fit(X[:4], Y[:4], batch_size=2, validation_data=(X[:2], Y[:2]), callbacks=[diary], verbose=0)
    assert diary.pages == [
        "model", ("on_train_begin",), ("on_epoch_begin", 0),
        ("on_batch_begin", 0), ("on_batch_end", 0), ("on_batch_begin", 1), ("on_batch_end", 1),
        ("on_test_begin",), ("on_test_batch_begin", 0), ("on_test_batch_end", 0), ("on_test_end",),
        ("on_epoch_end", 0), ("on_train_end",),
    ]  # fmt: skip
    del diary.pages[:]
    m.evaluate(X[:2], Y[:2], callbacks=[diary])
    assert [p[0] for p in diary.pages[1:]] == [
        "on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end",
    ]  # fmt: skip


class Batches(Callback):
    def __init__(self, kept):
        self.kept = kept

    def on_batch_end(self, batch, logs=None):
        self.kept.append(logs)


def test_logs_of_a_batch_are_means_so_far_and_stay_true(device):
    kept, read = [], []

    class Now(Callback):
        def on_batch_end(self, batch, logs=None):
            read.append(dict(logs))

    m = model(device)
    m.fit(X, Y, batch_size=5, callbacks=[Batches(kept), Now()], verbose=0)
    assert [dict(logs) for logs in kept] == read
    assert read[-1] == m.history.last()
    losses = np.array([logs.loss.item() for logs in kept])
    sizes = np.array([5, 5, 5, 5, 3])
    means = np.cumsum(losses * sizes) / np.cumsum(sizes)
    np.testing.assert_allclose([r["loss"] for r in read], means, rtol=1e-6)
    with pytest.raises(KeyError):
        kept[0]["nothing"]


def test_nothing_is_read_but_at_the_end_of_an_epoch(device, monkeypatch):
    backend = clnn.device(device).backend
    reads = []
    download = backend.download
    monkeypatch.setattr(backend, "download", lambda array: reads.append(1) or download(array))
    model(device).fit(X, Y, batch_size=1, epochs=2, callbacks=[Batches([])], verbose=0)
    assert len(reads) == 2 * 2  # a loss and an accuracy per epoch


def test_what_a_callback_logs_is_kept():
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["mine"] = 2.0 * epoch

    m = model("cpu")
    assert m.fit(X, Y, epochs=3, callbacks=[Adds()], verbose=0).history["mine"] == [0, 2, 4]


class Fixed(Callback):
    """Makes up the numbers of epochs."""

    def __init__(self, **numbers):
        self.numbers = numbers

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: values[epoch] for name, values in self.numbers.items()})


class Kept(Callback):
    def __init__(self):
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(weights(self.model.network))


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


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (lambda epoch: 0.1 / (epoch + 1), [0.1, 0.05, 0.1 / 3]),
        (lambda epoch, lr: lr / 2, [0.05, 0.025, 0.0125]),
    ],
)
def test_rates_by_a_function(device, schedule, rates):
    m = model(device)
    history = m.fit(X, Y, epochs=3, callbacks=[LearningRateScheduler(schedule)], verbose=0)
    assert history.history["lr"] == pytest.approx(rates)


def test_rates_by_a_function_of_steps():
    seen = []
    m = model("cpu")
    rate = LearningRateScheduler(lambda step: seen.append(step) or 0.1 / (step + 1), per="batch")
    m.fit(X, Y, batch_size=8, epochs=4, initial_epoch=2, callbacks=[rate], verbose=0)
    assert seen == [6, 7, 8, 9, 10, 11]
    assert m.optimizer.param_groups[0]["lr"] == 0.1 / 12


def test_rates_by_schedulers():
    net = network("cpu")
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    m = clnn.Model(net, "cross_entropy", optimizer)
    step = LearningRateScheduler(optim.StepLR(optimizer, 2, gamma=0.5))
    assert m.fit(X, Y, epochs=5, callbacks=[step], verbose=0).history["lr"] == [
        1,
        1,
        0.5,
        0.5,
        0.25,
    ]
    cycle = optim.OneCycleLR(optimizer, 0.1, epochs=2, steps_per_epoch=3)
    m.fit(
        X,
        Y,
        batch_size=8,
        epochs=2,
        callbacks=[LearningRateScheduler(cycle, per="batch")],
        verbose=0,
    )
    assert cycle.last_epoch == 6
    plateau = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    optimizer.param_groups[0]["lr"] = 1.0
    watch = LearningRateScheduler(plateau, monitor="val_x")
    history = m.fit(X, Y, epochs=4, callbacks=[Fixed(val_x=[1, 2, 0, 3]), watch], verbose=0)
    assert history.history["lr"] == [1, 1, 0.5, 0.5]
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_csv(device, tmp_path):
    path = tmp_path / "runs" / "log.csv"
    m = model(device)
    first = m.fit(X, Y, epochs=2, callbacks=[CSVLogger(path)], verbose=0)
    second = m.fit(
        X, Y, epochs=4, initial_epoch=2, callbacks=[CSVLogger(path, append=True)], verbose=0
    )
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3]
    for name in ("loss", "accuracy"):
        assert [float(row[name]) for row in rows] == first.history[name] + second.history[name]
    m.fit(X, Y, callbacks=[CSVLogger(path, separator=";")], verbose=0)
    assert path.read_text().splitlines()[0] == "epoch;loss;accuracy"
    assert len(path.read_text().splitlines()) == 2


def test_csv_refuses_another_table(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("name,age\nx,3\n")
    with pytest.raises(SettingError, match="columns epoch, loss"):
        model("cpu").fit(X, Y, callbacks=[CSVLogger(path, append=True)], verbose=0)
    assert path.read_text() == "name,age\nx,3\n"


def test_terminate_on_nan(device):
    x = X.copy()
    x[7] = NAN
    m = model(device)
    with pytest.warns(RuntimeWarning, match="nan in epoch 0"):
        history = m.fit(
            x,
            Y,
            batch_size=1,
            epochs=3,
            shuffle=False,
            callbacks=[TerminateOnNaN(every=5)],
            verbose=0,
        )
    assert history.epoch == [0]
    steps = []

    class Count(Callback):
        def on_batch_end(self, batch, logs=None):
            steps.append(batch)

    with pytest.warns(RuntimeWarning):
        model(device).fit(
            x, Y, batch_size=1, shuffle=False, callbacks=[TerminateOnNaN(5), Count()], verbose=0
        )
    assert steps[-1] == 9


def test_nan_is_warned_about_once_and_training_goes_on():
    x = X.copy()
    x[7] = NAN
    with pytest.warns(RuntimeWarning, match="expected a finite loss") as found:
        history = model("cpu").fit(x, Y, epochs=3, verbose=0)
    assert len(found) == 1
    assert history.epoch == [0, 1, 2]


class Interrupts(Callback):
    def __init__(self, hook):
        self.ended = False
        setattr(self, hook, self.interrupt)
        self.left = 2

    def interrupt(self, *_):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    def on_train_end(self, logs=None):
        self.ended = True


@pytest.mark.parametrize(
    "hook", ["on_batch_end", "on_epoch_begin", "on_epoch_end", "on_test_begin"]
)
def test_an_interrupt_leaves_what_was_trained(device, hook):
    m = model(device)
    m.network.eval()
    stop = Interrupts(hook)
    with pytest.raises(KeyboardInterrupt):
        m.fit(X, Y, epochs=4, validation_data=(X, Y), callbacks=[stop], verbose=0)
    assert len(m.history.history.get("loss", [])) == len(m.history.epoch)
    assert m.history.epoch == {"on_batch_end": [0], "on_epoch_end": [0, 1]}.get(hook, [0])
    assert stop.ended
    assert not m.network.training
    m.fit(X, Y, verbose=0)


def test_every_callback_is_ended_even_if_one_fails():
    class Fails(Callback):
        def on_train_end(self, logs=None):
            raise OSError("closed")

    last = Interrupts("on_test_begin")
    with pytest.raises(OSError, match="closed"):
        model("cpu").fit(X, Y, callbacks=[Fails(), last], verbose=0)
    assert last.ended


def test_a_callback_can_stop_and_ask(device):
    class Stops(Callback):
        def on_batch_end(self, batch, logs=None):
            self.asked = self.model.evaluate(X, Y)
            self.model.stop_training = batch == 1

    stops = Stops()
    m = model(device)
    history = m.fit(X, Y, batch_size=5, epochs=3, callbacks=[stops], verbose=0)
    assert history.epoch == [0]
    assert stops.asked == m.evaluate(X, Y)


def test_a_list_of_callbacks_is_a_callback():
    diary = Diary()
    both = CallbackList([CallbackList([diary])])
    both.on_epoch_end(3, {})
    assert diary.pages == [("on_epoch_end", 3)]
    assert both.listens("on_batch_end")
    assert not CallbackList([Callback()]).listens("on_batch_end")


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: EarlyStopping(mode="up"), SettingError, "mode 'auto', 'min' or 'max'"),
        (lambda: EarlyStopping(patience=-1), SettingError, "patience"),
        (lambda: EarlyStopping(patience=1.5), SettingError, "patience"),
        (lambda: EarlyStopping(min_delta="x"), DTypeError, "min_delta"),
        (lambda: EarlyStopping(baseline=NAN), SettingError, "NaN"),
        (lambda: EarlyStopping(3), DTypeError, "monitor"),
        (lambda: LearningRateScheduler(0.1), DTypeError, "function or a scheduler"),
        (
            lambda: LearningRateScheduler(lambda e: 0.1, per="year"),
            SettingError,
            "'epoch' or 'batch'",
        ),
        (lambda: TerminateOnNaN(0), SettingError, "every"),
        (lambda: CSVLogger("x.csv", separator="--"), SettingError, "separator"),
        (lambda: CallbackList([3]), DTypeError, "expected Callbacks, got 3"),
        (lambda: CallbackList([Callback]), DTypeError, "make an object of the class"),
        (lambda: CallbackList(3), DTypeError, "expected Callbacks"),
    ],
)
def test_bad_settings(make, error, match):
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize(
    ("callback", "match"),
    [
        (EarlyStopping(), "pass validation_data"),
        (EarlyStopping("nonsense", "min"), "monitor in loss, accuracy, got 'nonsense'"),
        (EarlyStopping("nonsense"), "whose name does not tell"),
        (
            ModelCheckpoint("{nothing}.safetensors"),
            "names in the filepath from epoch, loss, accuracy",
        ),
        (ModelCheckpoint("{epoch:q}.safetensors"), "str.format"),
        (LearningRateScheduler(lambda epoch: -1.0), "rate >= 0"),
        (
            LearningRateScheduler(optim.StepLR(optim.SGD(network("cpu").parameters()), 2)),
            "model's optimizer",
        ),
    ],
)
def test_what_cannot_work_says_so(callback, match):
    with pytest.raises(SettingError, match=match):
        model("cpu").fit(X, Y, epochs=2, callbacks=[callback], verbose=0)
