"""Mistakes are typed, say what was expected, and come before anything is trained."""

import numpy as np
import pytest
from training_problem import X, Y, model, network, same, weights

import clnn
from clnn import nn, optim
from clnn.errors import DTypeError, SettingError, ShapeError

LOADER = clnn.data.DataLoader(clnn.data.TensorDataset(X, Y), batch_size=5, device="cpu")


def batches():
    yield X, Y


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (
            {"loss": "crossentropy"},
            SettingError,
            "expected loss in cross_entropy, nll, .*, got 'crossentropy'",
        ),
        ({"loss": 3}, DTypeError, "expected loss to be a name, a loss module or a function"),
        ({"loss": nn.MSELoss}, DTypeError, "expected loss to be"),
        (
            {"optimizer": "adamm"},
            SettingError,
            "expected optimizer in sgd, adam, adamw, rmsprop, got 'adamm'",
        ),
        ({"optimizer": 0.1}, DTypeError, "expected optimizer to be"),
        (
            {"optimizer": optim.SGD(network("cpu").parameters())},
            SettingError,
            "network's parameters, got one of others",
        ),
        (
            {"metrics": ["accurracy"]},
            SettingError,
            "metrics: expected one of accuracy, .*, got 'accurracy'",
        ),
        ({"metrics": [3]}, DTypeError, "expected names, Metrics or functions"),
        ({"metrics": ["accuracy", "accuracy"]}, SettingError, "'accuracy' twice"),
        ({"metrics": [clnn.metrics.Accuracy(name="loss")]}, SettingError, "'loss' twice"),
    ],
)
def test_models(options, error, match):
    with pytest.raises(error, match=match):
        model("cpu", **options)


def test_a_network_is_a_module():
    with pytest.raises(DTypeError, match="expected a network"):
        clnn.Model(lambda x: x)


@pytest.mark.parametrize(
    ("given", "options", "error", "match"),
    [
        ((X, Y[:5]), {}, ShapeError, r"as many targets as inputs, got lengths \[23, 5\]"),
        (((X, X[:3]), Y), {}, ShapeError, r"got lengths \[23, 3, 23\]"),
        ((X[:0], Y[:0]), {}, SettingError, "length 0"),
        ((X,), {}, SettingError, "expected targets for arrays, got y=None"),
        ((X, Y.tolist()), {}, DTypeError, "expected y to be a NumPy array or a Tensor, got list"),
        ((X.tolist(), Y), {}, DTypeError, "expected x to be NumPy arrays or Tensors, got list"),
        (((X, 3), Y), {}, DTypeError, "got tuple"),
        ((np.float32(1), Y), {}, DTypeError, "got float32"),
        ((np.array(1.0), Y), {}, ShapeError, "first axis of samples"),
        ((X, Y.astype(str)), {}, DTypeError, "expected y of numbers"),
        ((X + 0j, Y), {}, DTypeError, "expected x of numbers"),
        ((LOADER, Y), {}, SettingError, "expected y=None, got targets beside a DataLoader"),
        ((3,), {}, DTypeError, "expected NumPy arrays, Tensors, a data set or batches, got int"),
        (({"x": X},), {}, DTypeError, "got dict"),
        (("digits",), {}, DTypeError, "got str"),
        ((clnn.data.TensorDataset(X[:0]),), {}, SettingError, "empty data set"),
        (([],), {}, SettingError, "expected at least one batch"),
        (
            (batches(),),
            {"epochs": 2},
            SettingError,
            "2 times, got a generator, which runs dry; pass a DataLoader",
        ),
        ((X, Y), {"epochs": 2, "validation_data": batches()}, SettingError, "got a generator"),
        (
            ([(X, Y, Y)],),
            {},
            ShapeError,
            r"batches of \(inputs, targets\), got a tuple of 3; several inputs",
        ),
        (([X],), {}, ShapeError, r"got a ndarray"),
        (([(X, "y")],), {}, DTypeError, "expected NumPy arrays or Tensors, got str"),
        ((X, Y), {"epochs": 0}, SettingError, "epochs to be an int >= 1, got 0"),
        ((X, Y), {"epochs": 1.5}, SettingError, "epochs"),
        ((X, Y), {"initial_epoch": -1}, SettingError, "initial_epoch"),
        ((X, Y), {"batch_size": 0}, SettingError, "batch_size"),
        ((X, Y), {"batch_size": 2.0}, SettingError, "batch_size"),
        ((X, Y), {"seed": -1}, SettingError, "seed"),
        ((X, Y), {"verbose": -1}, SettingError, "verbose"),
        ((X, Y), {"validation_split": 1.0}, SettingError, r"validation_split in \[0, 1\), got 1.0"),
        ((X, Y), {"validation_split": -0.1}, SettingError, "validation_split"),
        ((X, Y), {"validation_split": "x"}, SettingError, "validation_split"),
        ((X, Y), {"validation_split": 0.99}, SettingError, "samples on both sides, got 0.99 of 23"),
        ((X[:1], Y[:1]), {"validation_split": 0.01}, SettingError, "samples on both sides"),
        (
            (LOADER,),
            {"validation_split": 0.1},
            SettingError,
            "to split, got batches; pass validation_data",
        ),
        ((X, Y), {"validation_split": 0.1, "validation_data": (X, Y)}, SettingError, "got both"),
        (
            (X, Y),
            {"validation_data": (X, Y[:3])},
            ShapeError,
            "fit, validation_data: expected as many",
        ),
        ((X, Y), {"validation_data": X}, SettingError, "validation_data: expected targets"),
        ((X, Y), {"callbacks": [print]}, DTypeError, "expected Callbacks"),
        ((X, Y), {"class_weight": {0.5: 1}}, SettingError, "class index"),
        ((X, Y), {"class_weight": {0: -1}}, SettingError, "number >= 0"),
        ((X, Y), {"class_weight": {0: float("nan")}}, SettingError, "number >= 0"),
        ((X, Y), {"class_weight": {3: 2.0}}, SettingError, "classes below 3, got 3"),
        ((X, Y), {"class_weight": "balanced"}, DTypeError, "sequence, got 'balanced'"),
    ],
)
def test_fit(given, options, error, match):
    m = model("cpu")
    before = weights(m.network)
    with pytest.raises(error, match=match):
        m.fit(*given, **{"verbose": 0} | options)
    same(weights(m.network), before)
    assert m.history.epoch == []


def test_what_is_needed_is_asked_for():
    net = network("cpu")
    with pytest.raises(SettingError, match="fit: expected a Model with a loss"):
        clnn.Model(net).fit(X, Y)
    with pytest.raises(SettingError, match="fit: expected a Model with an optimizer"):
        clnn.Model(net, "cross_entropy").fit(X, Y)
    with pytest.raises(SettingError, match="evaluate: expected a Model with a loss"):
        clnn.Model(net).evaluate(X, Y)
    with pytest.raises(SettingError, match="train_on_batch: expected a Model with an optimizer"):
        clnn.Model(net, "cross_entropy").train_on_batch(X, Y)
    with pytest.raises(DTypeError, match="train_on_batch: expected arrays or Tensors"):
        model("cpu").train_on_batch(LOADER, None)
    assert clnn.Model(net, "cross_entropy").evaluate(X, Y).keys() == {"loss"}


def test_an_optimizer_is_what_the_function_makes():
    with pytest.raises(SettingError, match="a function that makes an Optimizer, got list from it"):
        model("cpu", optimizer=list).fit(X, Y, verbose=0)


class Dry:
    """Looks as if it could be iterated over again, and cannot."""

    def __init__(self):
        self.batches = batches()

    def __iter__(self):
        return self.batches


def test_what_runs_dry_all_the_same():
    m = model("cpu")
    with pytest.raises(
        SettingError, match="expected at least one batch, got none; a generator runs dry"
    ):
        m.fit(Dry(), epochs=2, verbose=0)
    assert m.history.epoch == [0]


def test_a_generator_will_do_for_one_epoch(device):
    m = model(device)
    assert m.fit(batches(), verbose=0).epoch == [0]
    assert m.predict(batches()).shape == (23, 3)
    assert m.evaluate(batches()) == m.evaluate(X, Y)


@pytest.mark.parametrize(
    ("loss", "error", "match"),
    [
        (lambda pred, y: pred, ShapeError, "one number, got shape"),
        (lambda pred, y: 0.0, DTypeError, "expected the loss to be a Tensor, got float"),
        ("mse", ShapeError, r"mse_loss: expected a target of shape \(23, 3\), got \(23,\)"),
    ],
)
def test_losses_that_are_none(loss, error, match):
    with pytest.raises(error, match=match):
        model("cpu", loss=loss, metrics=()).train_on_batch(X, Y)


def test_the_last_epoch_has_names():
    history = model("cpu").fit(X, Y, verbose=0)
    assert history.last().keys() == {"loss", "accuracy"}
    with pytest.raises(SettingError, match=r"one of \['accuracy', 'loss'\], got 'auc'"):
        history.last("auc")
