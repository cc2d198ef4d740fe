"""KeyDNN's models."""

import numpy as np
import pytest
from keydnn_problem import made, network, problem

from clnn.compat import keydnn
from clnn.compat.keydnn import (
    SGD,
    Adam,
    BatchNorm1d,
    Dense,
    Dropout,
    History,
    Linear,
    ReLU,
    Sequential,
    Tensor,
    losses,
)
from clnn.compat.keydnn.infrastructure import Model
from clnn.errors import DTypeError, SettingError, ShapeError

pytestmark = pytest.mark.usefixtures("home")


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
