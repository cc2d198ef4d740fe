"""KeyDNN's callbacks, utilities and initializers."""

import numpy as np
import pytest
from keydnn_problem import network, problem

from clnn.compat import keydnn
from clnn.compat.keydnn import (
    BatchNorm1d,
    Callback,
    CallbackList,
    Device,
    EarlyStopping,
    Linear,
    ModelCheckpoint,
    Sequential,
    one_hot,
)
from clnn.compat.keydnn.infrastructure import Parameter

pytestmark = pytest.mark.usefixtures("home")


class TestCallbacks:
    def test_order_and_logs(self):
        seen = []

        class Watch(Callback):
            def on_train_begin(self, logs=None):
                seen.append(("train", type(self.model)))

            def on_epoch_begin(self, epoch, logs=None):
                seen.append(("begin", epoch))

            def on_batch_end(self, batch, logs=None):
                seen.append(("batch", batch, sorted(logs)))
                assert all(type(v) is float for v in logs.values())

            def on_epoch_end(self, epoch, logs=None):
                seen.append(("end", epoch, sorted(logs)))

        model, (x, y) = network(), problem(8)
        model.fit(
            x,
            y,
            loss="mse",
            optimizer="sgd",
            metrics=["acc"],
            batch_size=4,
            verbose=0,
            callbacks=[Watch()],
        )
        logs = ["acc", "loss"]
        assert seen == [
            ("train", Sequential),
            ("begin", 0),
            ("batch", 0, logs),
            ("batch", 1, logs),
            ("end", 0, logs),
        ]

    def test_any_callback_may_stop(self):
        class Stop(Callback):
            def on_epoch_end(self, epoch, logs=None):
                self.stop_training = epoch == 1

        model, (x, y) = network(), problem(8)
        assert (
            len(
                model.fit(
                    x, y, loss="mse", optimizer="sgd", epochs=9, verbose=0, callbacks=[Stop()]
                ).epoch
            )
            == 2
        )

    def test_early_stopping_counts_as_keydnn(self):
        """It stops after more than `patience` epochs without an improvement; Keras after as many."""
        stop = EarlyStopping(patience=1, min_delta=0.1)
        callbacks = CallbackList([stop])
        callbacks.on_train_begin()
        stopped = []
        for epoch, loss in enumerate([1.0, 0.95, 0.8, 0.75, float("nan"), 0.5]):
            callbacks.on_epoch_end(epoch, {"val_loss": loss})
            stopped.append(callbacks.stop_training)
        assert stopped == [False, False, False, False, True, True]
        assert (stop.best, stop.best_epoch, stop.stopped_epoch) == (0.5, 5, 4)

    def test_modes(self):
        for monitor, mode, up in (
            ("val_acc", "auto", True),
            ("val_loss", "auto", False),
            ("score", "max", True),
        ):
            stop = EarlyStopping(monitor=monitor, mode=mode)
            stop.on_train_begin()
            stop.on_epoch_end(0, {monitor: 1.0})
            stop.on_epoch_end(1, {monitor: 2.0})
            assert stop.stop_training != up
        with pytest.raises(ValueError, match="mode"):
            EarlyStopping(mode="upwards")

    def test_the_best_weights_come_back(self):
        model, (x, y) = network(BatchNorm1d(8)), problem()
        kept = []

        class Spoil(Callback):
            def on_epoch_end(self, epoch, logs=None):
                logs["watched"] = [0.5, 0.9, 0.9][epoch]
                if epoch == 0:
                    kept.append({k: t.numpy() for k, t in self.model.state_dict().items()})

        stop = EarlyStopping(monitor="watched", patience=1, restore_best_weights=True)
        history = model.fit(
            x, y, loss="mse", optimizer="adam", epochs=9, verbose=0, callbacks=[Spoil(), stop]
        )
        assert len(history.epoch) == 3
        for name, tensor in model.state_dict().items():
            np.testing.assert_array_equal(tensor.numpy(), kept[0][name], err_msg=name)

    def test_checkpoints(self, tmp_path, capsys):
        model, (x, y) = network(), problem(8)
        best = ModelCheckpoint(tmp_path / "best.json", monitor="loss", verbose=1)
        every = ModelCheckpoint(
            tmp_path / "in" / "{epoch}-{loss:.1f}.json", monitor="loss", save_best_only=False
        )
        model.fit(x, y, loss="mse", optimizer="adam", epochs=2, verbose=0, callbacks=[best, every])
        assert (tmp_path / "best.json").exists()
        assert [p.name[:2] for p in sorted((tmp_path / "in").iterdir())] == ["1-", "2-"]
        assert "ModelCheckpoint: saved to" in capsys.readouterr().out
        loaded = Sequential.load_json(tmp_path / "best.json")
        np.testing.assert_array_equal(loaded.predict(x).to_numpy(), model.predict(x).to_numpy())


def test_utilities():
    assert one_hot([[2], [0]], 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot(np.array([1]), 2).dtype == np.float32
    with pytest.raises(IndexError):
        one_hot([5], 3)
    for wrong in ("1", 1.0, True):
        with pytest.raises(TypeError):
            keydnn.seed(wrong)
    state = keydnn.set_deterministic(True, cpu_threads=2)
    assert (state.enabled, state.cpu_threads, keydnn.utils.get_deterministic()) == (True, 2, state)
    with pytest.raises(TypeError):
        keydnn.set_deterministic("yes")
    with pytest.raises(ValueError, match="cpu_threads"):
        keydnn.set_deterministic(True, cpu_threads=0)


def test_initializers_by_name(home):
    from clnn.compat.keydnn.infrastructure import WeightInitializer

    @WeightInitializer.register_initializer("sevens", overwrite=True)
    def sevens(tensor):
        tensor.fill(7)
        return tensor

    assert Linear(2, 2, initializer="sevens").weight.to_numpy().min() == 7
    with pytest.raises(ValueError, match="register_initializer"):
        WeightInitializer.register_initializer("sevens")(sevens)
    p = Parameter((2, 2), Device("cpu"))
    assert WeightInitializer("ones")(p).to_numpy().min() == 1
    with pytest.raises(ValueError, match="initializer"):
        WeightInitializer("eights")
