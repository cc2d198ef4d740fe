"""Metrics equal scikit-learn's and their formulae, in one batch and in many, on every device."""

import copy
import math
import warnings

import numpy as np
import pytest

import clnn
from clnn import metrics
from clnn.errors import DTypeError, SettingError, ShapeError

RNG = np.random.default_rng(0)
N, C = 37, 5
SCORES = RNG.standard_normal((N, C)).astype("float32")
TRUE = RNG.integers(0, C - 1, N)  # the last class is never true
GUESS = SCORES.argmax(1)
SINGLE = RNG.random(N).astype("float32")
YES = (RNG.random(N) > 0.3).astype("int64")
LABELS = (RNG.random((N, 4)) > 0.6).astype("float32")
CHANCES = RNG.random((N, 4)).astype("float32")


def of(metric, pred, target, device, batch=8):
    """The metric of pred and target, given in batches of which the last is smaller."""
    for k in range(0, len(pred), batch):
        metric.update(
            clnn.tensor(pred[k : k + batch], device=device),
            clnn.tensor(target[k : k + batch], device=device),
        )
    return metric.compute()


def one_hot(target, kind="float32"):
    return np.eye(C, dtype=kind)[target]


# --- accuracy -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        TRUE,
        TRUE.astype("int32"),
        TRUE[:, None],
        one_hot(TRUE),
        one_hot(TRUE, "int64"),
        one_hot(TRUE, "bool"),
    ],
)
def test_accuracy_of_classes(device, target):
    assert of(metrics.Accuracy(), SCORES, target, device) == (GUESS == TRUE).mean()


@pytest.mark.parametrize("shape", [(N,), (N, 1)])
@pytest.mark.parametrize("kind", ["int64", "float32", "bool"])
def test_accuracy_of_one_score(device, shape, kind):
    for threshold, cut in ((None, 0.5), (0.7, 0.7), (0, 0)):
        found = of(metrics.Accuracy(threshold), SINGLE.reshape(shape), YES.astype(kind), device)
        assert found == ((cut < SINGLE) == YES).mean()


def test_accuracy_of_labels(device):
    found = of(metrics.Accuracy(threshold=0.5), CHANCES, LABELS, device)
    assert found == ((CHANCES > 0.5) == (LABELS > 0.5)).mean()


def test_accuracy_of_pixels(device):
    scores = RNG.standard_normal((6, 3, 4, 5)).astype("float32")
    true = RNG.integers(0, 3, (6, 4, 5))
    assert of(metrics.Accuracy(), scores, true, device, 4) == pytest.approx(
        (scores.argmax(1) == true).mean()
    )


# --- top k --------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 4, 5, 9])
def test_top_k(device, k):
    sklearn = pytest.importorskip("sklearn.metrics")
    found = of(metrics.TopKAccuracy(k), SCORES, TRUE, device)
    assert found == of(metrics.TopKAccuracy(k), SCORES, one_hot(TRUE), device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that k is too large to be of use
        assert found == pytest.approx(
            sklearn.top_k_accuracy_score(TRUE, SCORES, k=k, labels=range(C))
        )


def test_top_k_of_equal_and_missing_scores(device):
    nan, inf = float("nan"), float("inf")
    scores = np.array([[3, 3, 1], [nan, 1, 0], [1, nan, 0], [inf, 1, 2], [-inf, 0, 0]], "float32")
    right = {1: [1, 0, 0, 0, 0], 2: [1, 0, 1, 0, 0], 3: [1, 0, 1, 1, 1]}
    true = np.array([1, 0, 0, 1, 0])
    for k, expected in right.items():
        for row in range(5):
            assert (
                of(metrics.TopKAccuracy(k), scores[row : row + 1], true[row : row + 1], device)
                == expected[row]
            )


# --- precision, recall, F1 ----------------------------------------------------------------------

COUNTED = {"precision": metrics.Precision, "recall": metrics.Recall, "f1": metrics.F1Score}


def by_sklearn(name):
    return getattr(pytest.importorskip("sklearn.metrics"), f"{name}_score")


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("guess", [GUESS, np.zeros(N, int), TRUE], ids=["some", "one", "right"])
def test_counts_of_classes(device, name, average, guess):
    score = by_sklearn(name)
    expected = score(TRUE, guess, average=average, zero_division=0)
    assert of(COUNTED[name](average), one_hot(guess), TRUE, device) == pytest.approx(expected)
    assert of(COUNTED[name](average), one_hot(guess), one_hot(TRUE), device) == pytest.approx(
        expected
    )


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "binary"])
@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("cut", [0.5, 0.8, 1.0], ids=str)
def test_counts_of_one_score(device, name, average, cut):
    score = by_sklearn(name)
    expected = score(YES, cut < SINGLE, average=average, zero_division=0)
    assert of(COUNTED[name](average, threshold=cut), SINGLE, YES, device) == pytest.approx(expected)
    assert of(COUNTED[name](average, threshold=cut), SINGLE[:, None], YES, device) == pytest.approx(
        expected
    )


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("cut", [0.5, 1.0], ids=str)
def test_counts_of_labels(device, name, average, cut):
    score = by_sklearn(name)
    labels = LABELS.copy()
    labels[:, 0] = 0
    expected = score(labels, cut < CHANCES, average=average, zero_division=0)
    assert of(COUNTED[name](average, threshold=cut), CHANCES, labels, device) == pytest.approx(
        expected
    )


def test_counts_by_hand(device):
    pred = np.array([[0.9], [0.8], [0.7], [0.2], [0.1]], "float32")
    true = np.array([1, 0, 1, 1, 0])
    assert of(metrics.Precision("binary"), pred, true, device, 2) == pytest.approx(2 / 3)
    assert of(metrics.Recall("binary"), pred, true, device, 2) == pytest.approx(2 / 3)
    assert of(metrics.F1Score("macro"), pred, true, device, 2) == pytest.approx((2 / 3 + 1 / 2) / 2)
    nothing = np.zeros((5, 1), "float32")
    assert of(metrics.Precision("binary"), nothing, true, device) == 0
    assert of(metrics.F1Score("weighted"), np.ones((5, 1), "float32"), true * 0, device) == 0


# --- numbers ------------------------------------------------------------------------------------

GUESSED = RNG.standard_normal((N, 3)).astype("float32")
MEASURED = (GUESSED * [1, -1, 0.1] + RNG.standard_normal((N, 3))).astype("float32")


@pytest.mark.parametrize("shape", [(N,), (N, 1), (N, 3)])
def test_errors(device, shape):
    sklearn = pytest.importorskip("sklearn.metrics")
    p, t = GUESSED[:, : (*shape, 1)[1]].reshape(shape), MEASURED[:, : (*shape, 1)[1]].reshape(shape)
    assert of(metrics.MAE(), p, t, device) == pytest.approx(
        sklearn.mean_absolute_error(t, p), rel=1e-5
    )
    assert of(metrics.MSE(), p, t, device) == pytest.approx(
        sklearn.mean_squared_error(t, p), rel=1e-5
    )
    root = math.sqrt(sklearn.mean_squared_error(t, p))
    assert of(metrics.RMSE(), p, t, device) == pytest.approx(root, rel=1e-5)
    assert of(metrics.R2Score(), p, t, device) == pytest.approx(sklearn.r2_score(t, p), rel=1e-5)


@pytest.mark.parametrize("far", [0.0, 1e3, -1e5])
@pytest.mark.parametrize("batch", [1, 8, N])
def test_r2_far_from_zero(device, far, batch):
    sklearn = pytest.importorskip("sklearn.metrics")
    p, t = (GUESSED[:, 0] + far).astype("float32"), (MEASURED[:, 0] + far).astype("float32")
    expected = sklearn.r2_score(t.astype("float64"), p.astype("float64"))
    assert of(metrics.R2Score(), p, t, device, batch) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("constant", [0.0, 0.1, 12345.6])
def test_r2_of_a_constant_target(device, constant):
    t = np.full(N, constant, "float32")
    assert of(metrics.R2Score(), t, t, device) == 1
    assert of(metrics.R2Score(), t + GUESSED[:, 0], t, device) == 0
    assert math.isnan(of(metrics.R2Score(), t[:1], t[:1], device))


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_errors_of_other_dtypes(device, kind):
    p = clnn.tensor(np.full(4000, 5.0, "float32"), device="cpu").to(dtype=kind)
    info = clnn.device(device).info
    if kind == "float64" and info is not None and not info.fp64:
        pytest.skip("no float64")
    p = p.to(device)
    zeros = clnn.zeros(4000, device=device)
    assert metrics.MSE()(p, zeros) == 25  # the sum does not fit float16
    assert metrics.RMSE()(p, zeros) == 5
    assert metrics.MAE()(p, zeros) == 5
    assert metrics.R2Score()(p, zeros) == 0


# --- what they share ----------------------------------------------------------------------------


def test_no_batches_is_nan():
    for name in metrics.METRICS:
        assert math.isnan(metrics.get(name).compute())
    assert math.isnan(metrics.Mean().compute())


@pytest.mark.parametrize("name", metrics.METRICS)
def test_reset_and_copies(name):
    numbers = name in ("mae", "mse", "rmse", "r2")
    pred = np.random.default_rng(2).standard_normal((N, 1 if numbers else 9)).astype("float32")
    target = YES[:, None] if numbers else TRUE
    metric = metrics.get(name)
    first = of(metric, pred, target, "cpu")
    kept = copy.copy(metric)
    assert (
        metric(clnn.tensor(pred[:8], device="cpu"), clnn.tensor(target[:8], device="cpu")) != first
    )
    assert metric.compute() == first
    of(metric, pred[:5], pred[:5] if numbers else pred[:5].argmax(1), "cpu")  # all of them right
    assert metric.compute() != first
    assert kept.compute() == first
    metric.reset()
    assert of(metric, pred, target, "cpu") == first
    assert metric.name == name
    assert metric.larger_is_better is (name not in ("mae", "mse", "rmse"))


def test_updates_wait_for_nothing_and_record_nothing(device, monkeypatch):
    pred = clnn.tensor(SCORES, device=device, requires_grad=True)
    target = clnn.tensor(TRUE, device=device)
    single = clnn.tensor(SINGLE, device=device)
    monkeypatch.setattr(clnn.device(device).backend, "download", None)
    for name in metrics.METRICS:
        metric = metrics.get(name)
        given = (single, single) if name in ("mae", "mse", "rmse", "r2") else (pred * 1.0, target)
        metric.update(*given)
        assert all(v.node is None for v in vars(metric).values() if isinstance(v, clnn.Tensor))


def test_many_small_numbers_add_up(device):
    mean = metrics.Mean()
    value = clnn.tensor(0.1, device=device)
    for _ in range(10000):
        mean.add(value, 7)
    # Half a unit per addition, of 64 in a block and 157 blocks; one after the other they are 1e-4 off.
    assert mean.compute() == pytest.approx(float(np.float32(0.1)), rel=(64 + 157) * 2**-24)


def test_losses_of_16_bits_are_summed_in_32(device):
    mean = metrics.Mean()
    for _ in range(100):
        mean.add(clnn.tensor(3000.0, dtype="float16", device=device))
    assert mean.compute() == 3000  # 64 of them do not fit float16


def test_a_mean_weighs_by_size(device):
    mean = metrics.Mean(lambda pred, target: (pred - target).mean(), name="bias")
    found = of(mean, GUESSED[:, 0], MEASURED[:, 0], device)
    assert found == pytest.approx((GUESSED[:, 0] - MEASURED[:, 0]).mean(dtype="float64"), rel=1e-5)
    mean.add(2.0, N)
    assert mean.compute() == pytest.approx((found + 2) / 2)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda t: metrics.Accuracy()(t(N, C), t(N - 1)), ShapeError, r"accuracy: expected class indices of shape"),
        (lambda t: metrics.Accuracy()(t(N), t(1, N)), ShapeError, r"expected a target of shape \(37,\)"),
        (lambda t: metrics.MAE()(t(N), t(N, 2)), ShapeError, r"mae: expected a target of shape \(37,\), got"),
        (lambda t: metrics.R2Score()(t(N, 1), t(1, N)), ShapeError, "r2: expected a target"),
        (lambda t: metrics.TopKAccuracy()(t(N), t(N)), ShapeError, r"scores of shape \(N, C, \*\)"),
        (lambda t: metrics.TopKAccuracy(0), SettingError, "k >= 1"),
        (lambda t: metrics.TopKAccuracy(1.5), DTypeError, "k to be an int"),
        (lambda t: metrics.Precision("mean"), SettingError, "average in macro, micro, weighted, binary, got 'mean'"),
        (lambda t: metrics.Precision("binary")(t(N, C), t(N)), SettingError, "for 5 classes, got 'binary'"),
        (lambda t: metrics.Recall("binary", 0.5)(t(N, 2), t(N, 2)), SettingError, "for 2 labels, got 'binary'"),
        (lambda t: metrics.Accuracy("half"), DTypeError, "threshold to be a number or None"),
        (lambda t: metrics.Accuracy(name=3), DTypeError, "name to be a str"),
        (lambda t: metrics.Mean(3), DTypeError, "expected a function"),
        (lambda t: metrics.Mean()(t(3), t(3)), SettingError, "got none; use add"),
        (lambda t: metrics.Mean(lambda p, y: p)(t(3), t(3)), ShapeError, r"one number per batch, got shape \(3,\)"),
        (lambda t: metrics.get("auc"), SettingError, "expected one of accuracy, .*, got 'auc'"),
        (lambda t: metrics.get(metrics.Accuracy), DTypeError, "expected names, Metrics or functions"),
    ],
)  # fmt: skip
def test_mistakes(call, error, match):
    with pytest.raises(error, match=match):
        call(lambda *shape: clnn.zeros(*shape, device="cpu"))


def test_another_number_of_classes_needs_a_reset():
    metric = metrics.F1Score()
    metric.update(clnn.zeros(2, 3, device="cpu"), clnn.zeros(2, dtype="int64", device="cpu"))
    with pytest.raises(ShapeError, match="as many classes as before, got 4"):
        metric.update(clnn.zeros(2, 4, device="cpu"), clnn.zeros(2, dtype="int64", device="cpu"))


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
def test_they_are_those_of_keras():
    keras = pytest.importorskip("keras")
    pairs = [
        (metrics.Accuracy(), keras.metrics.SparseCategoricalAccuracy(), SCORES, TRUE),
        (metrics.Accuracy(), keras.metrics.BinaryAccuracy(), SINGLE[:, None], YES[:, None]),
        (metrics.TopKAccuracy(2), keras.metrics.SparseTopKCategoricalAccuracy(2), SCORES, TRUE),
        (metrics.Precision("binary"), keras.metrics.Precision(), SINGLE, YES),
        (metrics.Recall("binary"), keras.metrics.Recall(), SINGLE, YES),
        (metrics.MAE(), keras.metrics.MeanAbsoluteError(), GUESSED, MEASURED),
        (metrics.MSE(), keras.metrics.MeanSquaredError(), GUESSED, MEASURED),
        (metrics.RMSE(), keras.metrics.RootMeanSquaredError(), GUESSED, MEASURED),
        (metrics.R2Score(), keras.metrics.R2Score(), GUESSED, MEASURED),
    ]
    for ours, theirs, pred, target in pairs:
        for k in range(0, N, 8):
            theirs.update_state(target[k : k + 8], pred[k : k + 8])
        expected = float(keras.ops.convert_to_numpy(theirs.result()))
        assert of(ours, pred, target, "cpu") == pytest.approx(expected, rel=1e-5), type(
            theirs
        ).__name__
