"""Model: fit, evaluate and predict are the loops one would write, whatever they are fed."""

import gc
import threading

import numpy as np
import pytest
from training_problem import RNG, X, Y, model, network, same, weights

import clnn
from clnn import nn, optim
from clnn.training import Callback, History


def by_hand(device, epochs, batch=5):
    """Weights, and the mean of the loss of every epoch, of the loop a user would write."""
    net = network(device)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    means = []
    for _ in range(epochs):
        total = 0.0
        for k in range(0, len(X), batch):
            x, y = (clnn.tensor(v[k : k + batch], device=device) for v in (X, Y))
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        means.append(total / len(X))
    return weights(net), means


def test_fit_is_the_loop_one_would_write(device):
    m = model(device)
    history = m.fit(X, Y, batch_size=5, epochs=3, shuffle=False, verbose=0)
    expected, means = by_hand(device, 3)
    same(weights(m.network), expected)
    np.testing.assert_allclose(history.history["loss"], means, rtol=1e-6)
    assert history.epoch == [0, 1, 2]
    assert history is m.history
    assert isinstance(history, History)


def test_it_learns(device):
    m = model(device, optimizer=lambda p: optim.Adam(p, lr=0.05))
    history = m.fit(X, Y, batch_size=8, epochs=40, verbose=0, seed=1)
    assert history.last("loss") < 0.2 * history.history["loss"][0]
    assert history.last("accuracy") > 0.95
    assert m.evaluate(X, Y)["accuracy"] > 0.95


def test_evaluate_weighs_the_last_batch_rightly(device):
    m = model(device)
    whole = m.evaluate(X, Y, batch_size=23)
    parts = m.evaluate(X, Y, batch_size=5)
    assert whole.keys() == parts.keys() == {"loss", "accuracy"}
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-6)
    assert parts["accuracy"] == whole["accuracy"]
    pred = m.predict(X).numpy()
    assert whole["accuracy"] == pytest.approx((pred.argmax(1) == Y).mean())


def test_predict_puts_batches_together_and_modes_back(device):
    net = nn.Sequential(network(device), nn.Dropout(0.5))
    net[0][1].eval()
    m = clnn.Model(net)
    out = m.predict(X, batch_size=5)
    assert out.shape == (23, 3)
    np.testing.assert_allclose(out.numpy(), m.predict(X, batch_size=23).numpy(), rtol=1e-5)
    assert net.training
    assert not net[0][1].training
    assert not out.requires_grad


@pytest.mark.parametrize("kind", ["tensors", "dataset", "loader", "list", "items"])
def test_all_that_can_be_fed_is_the_same(device, kind):
    expected, _ = by_hand(device, 2)
    x, y = clnn.tensor(X, device=device), clnn.tensor(Y, device=device)
    fed = {
        "tensors": (x, y),
        "dataset": (clnn.data.TensorDataset(X, Y),),
        "loader": (clnn.data.DataLoader(clnn.data.TensorDataset(X, Y), batch_size=5),),
        "list": ([(X[k : k + 5], Y[k : k + 5]) for k in range(0, 23, 5)],),
        "items": (Items(),),
    }[kind]
    m = model(device)
    m.fit(*fed, batch_size=5, epochs=2, shuffle=False, verbose=0)
    same(weights(m.network), expected)


class Items:
    """A data set without `gather`."""

    def __len__(self):
        return len(X)

    def __getitem__(self, k):
        return X[k].astype("float64"), Y[k]


class TwoHeads(nn.Module):
    def __init__(self, device):
        super().__init__()
        self.a, self.b = nn.Linear(4, 3, device=device), nn.Linear(2, 3, device=device)

    def forward(self, x, y):
        return self.a(x) + self.b(y), self.b(y)


def test_several_inputs_and_outputs(device):
    clnn.manual_seed(0)
    extra = RNG.standard_normal((23, 2))
    m = clnn.Model(TwoHeads(device), lambda pred, y: nn.functional.cross_entropy(pred[0], y), "sgd")
    history = m.fit((X, extra), Y, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    one, two = m.predict((X, extra), batch_size=10)
    assert one.shape == two.shape == (23, 3)


def test_lazy_layers_learn_their_sizes_first(device):
    def make():
        clnn.manual_seed(0)
        return nn.Sequential(
            nn.Dense(8, device=device), nn.Dropout(0.3), nn.Dense(3, device=device)
        )

    lazy = clnn.Model(make(), "cross_entropy", "adam")
    assert not lazy.is_ready
    history = lazy.fit(X, Y, epochs=2, seed=3, verbose=0, callbacks=[Ready()])
    known = clnn.Model(make(), "cross_entropy", "adam")
    known.build(X[:1])
    again = known.fit(X, Y, epochs=2, seed=3, verbose=0)
    assert history.history == again.history


class Ready(Callback):
    def on_train_begin(self, logs=None):
        assert self.model.is_ready


def test_validation_is_evaluation(device):
    m = model(device)
    history = m.fit(X[:15], Y[:15], validation_data=(X[15:], Y[15:]), epochs=2, verbose=0)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    found = m.evaluate(X[15:], Y[15:])
    assert history.last("val_loss") == found["loss"]
    assert history.last("val_accuracy") == found["accuracy"]


def test_validation_split_holds_back_the_last_samples(device):
    seeds = {"seed": 5, "epochs": 2, "verbose": 0}
    split = model(device)
    split.fit(X, Y, validation_split=0.35, **seeds)
    told = model(device)
    told.fit(X[:14], Y[:14], validation_data=(X[14:], Y[14:]), **seeds)
    assert split.history == told.history


def test_the_seed_repeats_a_run_bit_for_bit(device):
    def run(**seeds):
        m = clnn.Model(
            nn.Sequential(network(device), nn.Dropout(0.2)), "cross_entropy", "adam", ["accuracy"]
        )
        return m.fit(X, Y, epochs=3, batch_size=4, verbose=0, **seeds).history

    assert run(seed=1) == run(seed=1)
    assert run(seed=1) != run(seed=2)
    assert run() == run()  # network() calls manual_seed, from whose stream the order is drawn


def test_an_interrupted_run_goes_on_with_the_same_order(device):
    whole = model(device)
    whole.fit(X, Y, epochs=4, seed=2, verbose=0)
    parts = model(device)
    parts.fit(X, Y, epochs=2, seed=2, verbose=0)
    history = parts.fit(X, Y, epochs=4, initial_epoch=2, seed=2, verbose=0)
    assert history.epoch == [2, 3]
    same(weights(parts.network), weights(whole.network))


def test_single_batches(device):
    m, other = model(device), model(device)
    before = m.test_on_batch(X[:5], Y[:5])
    logs = m.train_on_batch(X[:5], Y[:5])
    assert before == logs
    assert m.test_on_batch(X[:5], Y[:5])["loss"] < before["loss"]
    other.fit(X[:5], Y[:5], batch_size=5, shuffle=False, verbose=0)
    same(weights(m.network), weights(other.network))


def test_host_floats_take_the_dtype_of_the_network(device):
    m = model(device)
    expected = m.evaluate(X, Y)["loss"]
    assert m.evaluate(X.astype("float64"), Y.astype("int32"))["loss"] == pytest.approx(
        expected, rel=1e-6
    )
    half = clnn.Model(network(device).to(dtype="float16"), "cross_entropy")
    assert half.predict(X).dtype == "float16"


class StopsAt(Callback):
    def __init__(self, error=None):
        self.error = error

    def on_batch_end(self, batch, logs=None):
        if self.error is not None:
            raise self.error
        self.model.stop_training = True


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_no_thread_is_left_behind(device, error):
    m = model(device)
    if error is None:
        m.fit(X, Y, batch_size=1, callbacks=[StopsAt()], verbose=0)
    else:
        with pytest.raises(ValueError, match="no"):
            m.fit(X, Y, batch_size=1, callbacks=[StopsAt(error)], verbose=0)
        error.__traceback__ = None
    gc.collect()
    assert [t.name for t in threading.enumerate() if t.name.startswith("clnn-data")] == []


def test_memory_does_not_grow_from_epoch_to_epoch(opencl_device):
    class Watches(Callback):
        held = ()

        def on_epoch_end(self, epoch, logs=None):
            gc.collect()
            self.held = (*self.held, clnn.memory_stats(opencl_device)["allocated"])

    watch = Watches()
    m = model(opencl_device, optimizer="adam", metrics=["accuracy", "f1", "top_k_accuracy"])
    m.fit(X, Y, batch_size=2, epochs=5, validation_split=0.2, callbacks=[watch], verbose=0)
    assert len(set(watch.held[1:])) == 1


class Clipped(clnn.Model):
    def train_step(self, inputs, target, loss):
        value = loss(self.network(*inputs), target)
        value.backward()
        optim.clip_grad_norm_(self.network.parameters(), 0.0)
        self.optimizer.step()
        return self.network(*inputs), value.detach()


def test_the_step_can_be_another(device):
    m = Clipped(network(device), "cross_entropy", "sgd", ["accuracy"])
    before = weights(m.network)
    m.fit(X, Y, verbose=0)
    m.train_on_batch(X, Y)
    same(weights(m.network), before)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
def test_the_numbers_are_those_of_keras():
    keras = pytest.importorskip("keras")
    theirs = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(3)]
    )
    theirs.compile(
        optimizer=keras.optimizers.SGD(0.1), metrics=["accuracy"],
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )  # fmt: skip
    m = model("cpu")
    w, b, v, c = theirs.get_weights()
    m.network.load_state_dict(
        {"0.weight": w.T.copy(), "0.bias": b, "2.weight": v.T.copy(), "2.bias": c}
    )
    options = {
        "batch_size": 5,
        "epochs": 3,
        "shuffle": False,
        "validation_split": 0.3,
        "verbose": 0,
    }
    expected = theirs.fit(X, Y, **options).history
    found = m.fit(X, Y, **options).history
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)
