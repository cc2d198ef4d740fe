"""KeyDNN's losses, optimizers, models and callbacks."""

import numpy as np
import pytest

from clnn.compat import keydnn
from clnn.compat.keydnn import (
    SGD,
    Adam,
    BatchNorm1d,
    Callback,
    CallbackList,
    Dense,
    Device,
    Dropout,
    EarlyStopping,
    History,
    Linear,
    ModelCheckpoint,
    ReLU,
    Sequential,
    Softmax,
    Tensor,
    losses,
    numpy_to_tensor,
    one_hot,
)
from clnn.compat.keydnn.infrastructure import Model, Parameter
from clnn.errors import DTypeError, SettingError, ShapeError

pytestmark = pytest.mark.usefixtures("home")
EPS = 1e-7


def made(array, **options):
    return numpy_to_tensor(array, Device("cpu"), **options)


def problem(n=48, seed=0):
    """Points of three classes that a line separates, as Tensors; labels one-hot."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    x = rng.standard_normal((n, 4)) * 0.3 + np.eye(3, 4)[labels] * 2
    return made(x), made(one_hot(labels, 3))


def network(*middle):
    model = Sequential(Dense(8), *middle, ReLU(), Dense(3), Softmax())
    model.build((1, 4))
    return model


class TestLosses:
    P = np.array([[0.2, 0.7, 0.1], [0.0, 1.0, 0.0]], np.float32)  # with probabilities of 0 and 1
    T = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], np.float32)

    def wanted(self, name):
        """Value and gradient by the prediction, from KeyDNN's definitions."""
        p, t = self.P.astype(np.float64), self.T.astype(np.float64)
        c = np.clip(p, EPS, np.float32(1 - EPS))
        return {
            "sse": (((p - t) ** 2).sum(), 2 * (p - t)),
            "mse": (((p - t) ** 2).mean(), 2 * (p - t) / 6),
            "bce": (-(t * np.log(c) + (1 - t) * np.log(1 - c)).mean(), (c - t) / (c * (1 - c)) / 6),
            "cce": (-(t * np.log(c)).sum() / 2, -t / c / 2),
        }[name]

    @pytest.mark.parametrize("name", ["sse", "mse", "bce", "cce"])
    def test_values_and_gradients(self, name):
        value, grad = self.wanted(name)
        fn = losses.NAMED[name]
        module = {"sse": losses.SSE, "mse": losses.MSE, "bce": losses.BCE, "cce": losses.CCE}[name]
        for loss in (getattr(keydnn, f"{name}_loss")(), fn.apply, fn.as_loss(), module()):
            p = made(self.P, requires_grad=True)
            out = loss(p, made(self.T))
            out.backward()
            assert out.shape == ()
            assert out.item() == pytest.approx(value, rel=1e-4)
            np.testing.assert_allclose(p.grad.to_numpy(), grad, rtol=1e-3, atol=1e-5)

    def test_targets_of_squared_errors_have_gradients(self):
        p, t = made(self.P), made(self.T, requires_grad=True)
        losses.mse_loss()(p, t).backward()
        np.testing.assert_allclose(
            t.grad.to_numpy(), -2 * (self.P - self.T) / 6, rtol=1e-5, atol=1e-7
        )

    @pytest.mark.parametrize("name", ["sse", "mse", "bce", "cce"])
    def test_shapes_are_the_same(self, name):
        with pytest.raises(ValueError, match="expected operands of one shape"):
            losses.NAMED[name].apply(made(self.P), made(self.T[:1]))

    @pytest.mark.parametrize("name", ["sse", "mse", "bce", "cce"])
    def test_forward_and_backward_by_hand(self, name):
        from clnn.compat.keydnn.infrastructure import Context

        fn, ctx = losses.NAMED[name], Context((), lambda g: None)
        value = fn.forward(ctx, made(self.P), made(self.T))
        by_pred, by_target = fn.backward(ctx, made(2.0))
        np.testing.assert_allclose(by_pred.numpy(), 2 * self.wanted(name)[1], rtol=1e-3, atol=1e-5)
        assert value.item() == pytest.approx(self.wanted(name)[0], rel=1e-4)
        assert (by_target is None) == (name in ("bce", "cce"))

    def test_a_scripts_own(self):
        class Absolute:
            @staticmethod
            def forward(ctx, pred, target):
                ctx.save_for_backward(pred > target)
                return (pred - target).sum()

            @staticmethod
            def backward(ctx, grad_out):
                (above,) = ctx.saved_tensors
                return above * grad_out.broadcast_to(above.shape), None

        p = made([1.0, 5.0], requires_grad=True)
        losses.LossFromFn(Absolute)(p * 2.0, made([3.0, 3.0])).backward()
        assert p.grad.to_numpy().tolist() == [0, 2]


class TestOptimizers:
    def run(self, make, count=4):
        """A parameter after steps with fixed gradients, and the gradients."""
        rng = np.random.default_rng(1)
        p = Parameter((5,), Device("cpu"))
        start = rng.standard_normal(5).astype(np.float32)
        p.copy_from_numpy(start)
        optimizer, grads = make([p]), rng.standard_normal((count, 5)).astype(np.float32)
        for g in grads:
            optimizer.zero_grad()
            assert p.grad is None
            p.set_grad(made(g))
            optimizer.step()
        return start.astype(np.float64), grads.astype(np.float64), p.to_numpy()

    def test_sgd(self):
        p, grads, found = self.run(lambda ps: SGD(ps, lr=0.1, weight_decay=0.01))
        for g in grads:
            p = p - 0.1 * (g + 0.01 * p)
        np.testing.assert_allclose(found, p, rtol=1e-5)

    def test_adam(self):
        p, grads, found = self.run(
            lambda ps: Adam(ps, lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01)
        )
        m = v = 0.0
        for t, g in enumerate(grads, 1):
            g = g + 0.01 * p
            m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
            p = p - 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3)
        np.testing.assert_allclose(found, p, rtol=1e-4)

    def test_options(self):
        p = Parameter((2,), Device("cpu"), initializer="ones")
        optimizer = SGD(iter([p]))
        assert (optimizer.lr, optimizer.weight_decay, optimizer.params) == (1e-3, 0.0, [p])
        optimizer.lr = 1.0
        p.set_grad(made([1.0, 2.0]))
        optimizer.step()
        assert p.to_numpy().tolist() == [0, -1]
        assert Adam([p]).betas == (0.9, 0.999)
        for wrong in ({"lr": 0.0}, {"lr": -1.0}, {"weight_decay": -0.1}):
            for cls in (SGD, Adam):
                with pytest.raises(ValueError, match="expected"):
                    cls([p], **wrong)
        with pytest.raises(ValueError, match="eps"):
            Adam([p], eps=0.0)
        with pytest.raises(AttributeError):
            _ = optimizer.momentum


class TestModels:
    def test_a_model_is_built_first(self):
        model = Sequential(Dense(3))
        x, y = problem()
        for use in (lambda: model(x), lambda: model.predict(x), lambda: model.fit(x, y, loss="mse", optimizer="sgd"),
                    lambda: model.train_on_batch(x, y, loss="mse", optimizer="sgd")):  # fmt: skip
            with pytest.raises(RuntimeError, match="expected a built model"):
                use()
        model.build(x)
        assert model.is_built
        assert model(x).shape == (48, 3)
        model.build("anything, as it is built")
        with pytest.raises(TypeError):
            Sequential(Dense(3)).build(np.ones((1, 4)))
        with pytest.raises(ShapeError):
            Sequential(Linear(5, 3)).build((1, 4))

    def test_building_leaves_statistics_alone(self):
        model = Sequential(Dense(4), BatchNorm1d(4), Dropout(0.5))
        model.build([8, 3])
        assert model.training
        assert model[1].running_mean.to_numpy().tolist() == [0] * 4
        assert model[1].running_var.to_numpy().tolist() == [1] * 4

    def test_sequential(self):
        model = Sequential(ReLU())
        model.add(Dense(2), "last")
        assert (len(model), type(model[1]), [type(m) for m in model]) == (2, Dense, [ReLU, Dense])
        assert model.layers() == tuple(model)
        assert model.summary() == "Sequential(\n  (0): ReLU\n  (1): Dense\n)"
        with pytest.raises(ValueError, match="expected a new name"):
            model.add(ReLU(), "last")
        with pytest.raises(TypeError):
            model.add("relu")

    @pytest.mark.parametrize("training", [True, False])
    def test_predict_puts_modes_back(self, training):
        model, (x, _) = network(Dropout(0.5)), problem()
        model.train() if training else model.eval()
        model[1].eval()
        first, second = model.predict(x), model.predict(x)
        np.testing.assert_array_equal(first.to_numpy(), second.to_numpy())
        assert (model.training, model[0].training, model[1].training) == (training, training, False)
        assert (first.requires_grad, model.predict(x, requires_grad=True).requires_grad) == (
            False,
            True,
        )
        with pytest.raises(TypeError):
            model.predict(np.ones((2, 4)))

    def test_fit(self):
        keydnn.seed(3)
        model, (x, y) = network(BatchNorm1d(8)), problem()
        history = model.fit(x, y, loss="cce", optimizer=Adam(model.parameters(), lr=0.05), metrics=["acc"], epochs=8,
                            batch_size=10, validation_data=problem(seed=1), verbose=0)  # fmt: skip
        assert type(history) is History
        assert set(history.history) == {"loss", "acc", "val_loss", "val_acc"}
        assert (history.epoch, {len(v) for v in history.history.values()}) == (list(range(8)), {8})
        assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
        assert history.last()["val_acc"] > 0.9
        assert model.training
        predicted = model.predict(x).to_numpy().argmax(1)
        assert (predicted == y.to_numpy().argmax(1)).mean() > 0.9

    def test_the_same_seed_trains_the_same(self):
        found = []
        for _ in range(2):
            keydnn.seed(11)
            assert keydnn.get_seed() == 11
            model, (x, y) = network(Dropout(0.2)), problem()
            model.fit(x, y, loss="mse", optimizer="adam", epochs=2, verbose=0)
            found.append(model.predict(x).to_numpy())
        np.testing.assert_array_equal(*found)

    def test_names_and_functions(self):
        model, (x, y) = network(), problem(8)
        seen = []

        def close(y_true, y_pred):
            seen.append((type(y_true), type(y_pred)))
            return float(np.abs(y_true.to_numpy() - y_pred.to_numpy()).mean())

        before = [p.to_numpy() for p in model.parameters()]
        logs = model.train_on_batch(x, y, loss=losses.mse_loss(), optimizer="sgd", metrics=["accuracy", close],
                                    metric_names=["right", "near"], optimizer_kwargs={"lr": 0.5})  # fmt: skip
        assert list(logs) == ["loss", "right", "near"]
        assert seen == [(Tensor, Tensor)]
        assert all(
            (a != p.to_numpy()).any() for a, p in zip(before, model.parameters(), strict=True)
        )
        history = model.fit([(x, y), (x, y)], loss=lambda p, t: ((p - t) * (p - t)).mean(), optimizer="sgd",
                            metrics=[close], verbose=0)  # fmt: skip
        assert list(history.history) == ["loss", "close"]

    def test_parts_of_a_step(self):
        model, (x, y) = network(), problem(8)
        optimizer = SGD(model.parameters(), lr=1.0)
        before = model[0].weight.to_numpy()
        model.train_on_batch(x, y, loss="mse", optimizer=optimizer, step=False)
        once = model[0].weight.grad.to_numpy()
        model.train_on_batch(x, y, loss="mse", optimizer=optimizer, step=False, zero_grad=False)
        np.testing.assert_allclose(model[0].weight.grad.to_numpy(), 2 * once, rtol=1e-6)
        np.testing.assert_array_equal(model[0].weight.to_numpy(), before)
        model.train_on_batch(x, y, loss="mse", optimizer=optimizer, backward=False, step=False)
        assert model[0].weight.grad is None

    def test_an_optimizer_by_name_has_its_own_rate(self):
        """KeyDNN gives it 1.0."""
        model, (x, y) = network(), problem(8)
        before, rows = model[0].weight.to_numpy(), (x, y)
        model.train_on_batch(*rows, loss="mse", optimizer="SGD", metrics=None)
        step = before - model[0].weight.to_numpy()
        np.testing.assert_allclose(
            step, 1e-3 * model[0].weight.grad.to_numpy(), rtol=1e-2, atol=1e-6
        )

    def test_a_scripts_own_optimizer(self):
        class Signs:
            steps = 0

            def zero_grad(self):
                pass

            def step(self):
                self.steps += 1

        model, (x, y) = network(), problem(8)
        mine = Signs()
        model.fit(x, y, loss="mse", optimizer=mine, batch_size=4, verbose=0)
        assert mine.steps == 2

    @pytest.mark.parametrize(("wrong", "error"), [
        ({"loss": "hinge"}, SettingError), ({"loss": 3}, DTypeError), ({"optimizer": "lion"}, SettingError),
        ({"metrics": ["f1"]}, SettingError), ({"metrics": [3]}, DTypeError), ({"epochs": 0}, SettingError),
        ({"metrics": ["acc"], "metric_names": []}, SettingError), ({"batch_size": 0}, SettingError),
    ])  # fmt: skip
    def test_wrong_settings(self, wrong, error):
        model, (x, y) = network(), problem(8)
        with pytest.raises(error):
            model.fit(x, y, **{"loss": "mse", "optimizer": "sgd", "verbose": 0, **wrong})

    def test_arrays_are_refused(self):
        model, (x, y) = network(), problem(8)
        for pair in ((x.to_numpy(), y), (x, y.to_numpy())):
            with pytest.raises(TypeError):
                model.fit(*pair, loss="mse", optimizer="sgd", verbose=0)
            with pytest.raises(TypeError):
                model.train_on_batch(*pair, loss="mse", optimizer="sgd")

    def test_a_subclass(self):
        class Net(Model):
            def __init__(self):
                super().__init__()
                self.first, self.last = Linear(4, 5), Dense(3)

            def forward(self, x, *, _skip_norm=False):
                return self.last(self.first(x).tanh())

        model, (x, y) = Net(), problem(8)
        model.build(x[:1])
        assert [n for n, _ in model.named_parameters()] == [
            "first.weight",
            "first.bias",
            "last.weight",
            "last.bias",
        ]
        history = model.fit(x, y, loss="mse", optimizer="adam", epochs=2, verbose=0)
        assert history.last()["loss"] < history.history["loss"][0]

    def test_recurrent_networks_train(self):
        from clnn.compat.keydnn.layers import GRU

        class Last(Model):
            def __init__(self):
                super().__init__()
                self.steps, self.head = (
                    GRU(2, 6, return_state=False, return_sequences=False),
                    Dense(1),
                )

            def forward(self, x):
                return self.head(self.steps(x))

        rng = np.random.default_rng(0)
        x = made(rng.standard_normal((5, 16, 2)))
        y = made(x.to_numpy().sum((0, 2))[:, None] * 0.2)
        model = Last()
        model.build(x)
        optimizer = Adam(model.parameters(), lr=0.05)
        found = [
            model.train_on_batch(x, y, loss="mse", optimizer=optimizer)["loss"] for _ in range(30)
        ]
        assert found[-1] < 0.3 * found[0]


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
