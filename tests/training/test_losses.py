"""Losses by name, and weights of classes."""

import numpy as np
import pytest
from training_problem import X, Y, model, network, same, weights

import clnn
import clnn.nn.functional as F
from clnn import nn, optim
from clnn.errors import SettingError, ShapeError
from clnn.training import LOSSES

RNG = np.random.default_rng(1)
P = RNG.random((6, 3), dtype="float32") * 0.8 + 0.1
T = (RNG.random((6, 3)) > 0.5).astype("float32")
C = np.array([0, 2, 1, 1, 0, 2])

BY_HAND = {
    "mse": np.mean((P - T) ** 2),
    "l1": np.mean(np.abs(P - T)),
    "mae": np.mean(np.abs(P - T)),
    "bce": -np.mean(T * np.log(P) + (1 - T) * np.log1p(-P)),
    "bce_with_logits": np.mean(np.log1p(np.exp(P)) - T * P),
    "smooth_l1": np.mean(0.5 * (P - T) ** 2),  # all differences are below 1
    "huber": np.mean(0.5 * (P - T) ** 2),
    "kl_div": np.mean(-T * P),  # T log T is 0
    "cross_entropy": np.mean(np.log(np.exp(P).sum(1)) - P[np.arange(6), C]),
    "nll": -np.mean(P[np.arange(6), C]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_names(device, name):
    p, t = (
        clnn.tensor(v, device=device) for v in (P, C if name in ("cross_entropy", "nll") else T)
    )
    loss = LOSSES[name]()
    assert loss.mean(p, t).item() == pytest.approx(BY_HAND[name], rel=1e-5)
    assert loss.each(p, t).mean().item() == pytest.approx(BY_HAND[name], rel=1e-5)


@pytest.mark.parametrize("kind", ["float64", "int64", "uint8", "bool"])
def test_targets_take_the_form_of_predictions(device, kind):
    p = clnn.tensor(P[:, :1], device=device)
    expected = F.binary_cross_entropy(p, clnn.tensor(T[:, :1], device=device)).item()
    bce = LOSSES["bce"]().mean
    for shape in ((6, 1), (6,)):
        t = clnn.tensor(T[:, 0].reshape(shape).astype(kind), device="cpu")
        t = (
            t.to(device)
            if kind != "float64"
            else clnn.tensor(T[:, 0].reshape(shape), device=device)
        )
        assert bce(p, t).item() == expected
    assert bce(p.reshape(6), clnn.tensor(T[:, :1], device=device)).item() == pytest.approx(expected)
    with pytest.raises(ShapeError, match=r"shape \(6, 1\), got \(1, 6\)"):
        bce(p, clnn.tensor(T[:, 0].reshape(1, 6), device=device))


def test_classes_as_a_column_and_one_hot(device):
    p, c = clnn.tensor(P, device=device), clnn.tensor(C, device=device)
    loss = LOSSES["cross_entropy"]().mean
    expected = loss(p, c).item()
    assert loss(p, c.reshape(6, 1)).item() == expected
    assert loss(p, clnn.tensor(np.eye(3, dtype="int64")[C], device=device)).item() == pytest.approx(
        expected, rel=1e-6
    )


ONE = {0: 2.0, 2: 0.5}


def by_hand(loss, pred):
    w = np.array([2.0, 1.0, 0.5])[C]
    if loss == "cross_entropy":
        each = np.log(np.exp(pred).sum(1)) - pred[np.arange(6), C]
    else:
        each = ((pred - np.eye(3)[C]) ** 2).mean(1)
    return np.mean(each * w)


@pytest.mark.parametrize("given", [ONE, [2, 1, 0.5], np.array([2.0, 1.0, 0.5])])
@pytest.mark.parametrize(
    "loss",
    ["cross_entropy", F.cross_entropy, nn.CrossEntropyLoss(), "mse", F.mse_loss, nn.MSELoss()],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_class_weight(device, loss, given):
    mse = loss == "mse" or "mse" in str(loss).lower()
    x = X[:6]
    y = np.eye(3, dtype="float32")[C] if mse else C
    m = model(device, loss=loss, metrics=())
    pred = m.predict(x).numpy().astype("float64")
    history = m.fit(x, y, batch_size=6, class_weight=given, verbose=0)
    assert history.last("loss") == pytest.approx(
        by_hand("mse" if mse else "cross_entropy", pred), rel=1e-5
    )
    even = model(device, loss=loss, metrics=())
    even.fit(x, y, batch_size=6, verbose=0)
    assert not np.array_equal(weights(even.network)["0.weight"], weights(m.network)["0.weight"])
    unweighted = model(device, loss=loss, metrics=())
    unweighted.fit(x, y, batch_size=6, class_weight={}, verbose=0)
    for name, value in weights(even.network).items():
        np.testing.assert_allclose(weights(unweighted.network)[name], value, rtol=2e-5, atol=1e-7)


def test_class_weight_of_two_classes(device):
    y = (C > 0).astype("float32")
    net = nn.Linear(4, 1, device=device)
    m = clnn.Model(net, "bce_with_logits", "sgd")
    z = m.predict(X[:6]).numpy()[:, 0].astype("float64")
    history = m.fit(X[:6], y, batch_size=6, class_weight={1: 3.0}, verbose=0)
    each = np.log1p(np.exp(z)) - y * z
    assert history.last("loss") == pytest.approx(np.mean(each * (1 + 2 * y)), rel=1e-5)


def test_class_weight_needs_a_loss_per_sample():
    m = model("cpu", loss=lambda pred, y: F.cross_entropy(pred, y))
    with pytest.raises(SettingError, match="expected a loss with a reduction for class_weight"):
        m.fit(X, Y, class_weight=ONE, verbose=0)


def test_class_weight_is_not_for_labels():
    m = model("cpu", loss="bce_with_logits", metrics=())
    with pytest.raises(
        SettingError, match=r"one score per sample .* got 3; weigh labels by pos_weight"
    ):
        m.fit(X, np.eye(3)[Y], class_weight=ONE, verbose=0)


def test_class_weight_leaves_validation_alone():
    m = model("cpu")
    history = m.fit(X, Y, class_weight=ONE, validation_data=(X, Y), verbose=0)
    assert history.last("val_loss") == m.evaluate(X, Y)["loss"]


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
def test_class_weight_is_that_of_keras():
    keras = pytest.importorskip("keras")
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    theirs.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    w, b = theirs.get_weights()
    net = nn.Linear(4, 3, device="cpu")
    net.load_state_dict({"weight": w.T.copy(), "bias": b})
    m = clnn.Model(net, "cross_entropy", lambda p: optim.SGD(p, lr=0.1))
    options = {"batch_size": 5, "epochs": 2, "shuffle": False, "class_weight": ONE, "verbose": 0}
    expected = theirs.fit(X, Y, **options).history["loss"]
    np.testing.assert_allclose(m.fit(X, Y, **options).history["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(net.weight.numpy(), theirs.get_weights()[0].T, rtol=1e-4, atol=1e-6)


def test_optimizers_by_name_have_their_defaults(device):
    for name, cls in (
        ("sgd", optim.SGD),
        ("adam", optim.Adam),
        ("adamw", optim.AdamW),
        ("rmsprop", optim.RMSprop),
    ):
        named, made = model(device, optimizer=name), model(device, optimizer=cls)
        given = model(device)
        given = clnn.Model(given.network, "cross_entropy", cls(given.network.parameters()))
        for m in (named, made, given):
            m.fit(X, Y, shuffle=False, verbose=0)
            assert type(m.optimizer) is cls
        same(weights(named.network), weights(made.network))
        same(weights(named.network), weights(given.network))


def test_accuracy_knows_what_the_loss_takes_for_true(device):
    net = nn.Linear(4, 1, device=device)
    y = (X @ np.ones(4) > 0).astype("int64")
    right = ((net(clnn.tensor(X, device=device)).numpy()[:, 0] > 0) == y).mean()
    for loss in ("bce_with_logits", nn.BCEWithLogitsLoss(), F.binary_cross_entropy_with_logits):
        fed = y if isinstance(loss, str) else y[:, None].astype("float32")
        assert clnn.Model(net, loss, metrics="accuracy").evaluate(X, fed)[
            "accuracy"
        ] == pytest.approx(right)
    probable = clnn.Model(nn.Sequential(net, nn.Sigmoid()), "bce", metrics=["acc"])
    assert probable.evaluate(X, y)["acc"] == pytest.approx(right)
    assert network(device) is not net
