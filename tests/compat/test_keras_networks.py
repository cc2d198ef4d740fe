"""Whole networks as real Keras computes them: live models and saved ones."""

import numpy as np
import pytest
from keras_models import (
    IMAGE,
    MARKS,
    ODD,
    ROW,
    SIGNAL,
    L,
    agree,
    filled,
    keras,
    moved,
    of,
    operands,
)

import clnn
from clnn import nn

pytestmark = MARKS


def residual():
    x = L.Input(IMAGE, name="inputs")
    y = L.Conv2D(8, 3, padding="same", use_bias=False)(x)
    y = L.ReLU()(L.BatchNormalization()(y))
    z = L.Conv2D(8, 3, padding="same")(y)
    y = L.Activation("relu", name="out")(L.Add()([z, y]))
    y = L.Dense(3, activation="softmax", name="outputs")(L.GlobalAveragePooling2D()(y))
    return keras.Model(x, y)


def inception():
    x = L.Input(ODD)
    parts = [L.Conv2D(3, 1)(x), L.Conv2D(5, 3, padding="same")(x), L.MaxPooling2D(3, 1, "same")(x)]
    y = L.Concatenate()(parts)
    return keras.Model(x, L.Dense(4)(L.Flatten()(y)))


def several():
    a, b = L.Input(ROW, name="first"), L.Input(IMAGE, name="second")
    x = L.Dense(5)(a)
    y = L.Flatten()(L.Conv2D(5, 3)(b))
    z = L.Concatenate()([x, y])
    return keras.Model([a, b], [L.Dense(2, name="forward")(z), L.Conv2D(2, 1)(b), x])


def joints():
    x = L.Input(SIGNAL)
    a, b = L.Dense(5)(x), L.Dense(5)(x)
    kinds = L.Subtract(), L.Multiply(), L.Average(), L.Maximum(), L.Minimum()
    return keras.Model(x, L.Concatenate(axis=1)([kind([a, b]) for kind in kinds]))


def shared():
    a, b = L.Input(IMAGE), L.Input(IMAGE)
    net, head = L.Conv2D(3, 3), L.Dense(4)
    ends = [head(L.Flatten()(net(x))) for x in (a, b)]
    return keras.Model([a, b], L.Subtract()(ends))


def squeeze():
    x = L.Input(IMAGE)
    y = L.Conv2D(6, 3)(x)
    gate = L.Dense(6, activation="sigmoid")(L.GlobalAveragePooling2D()(y))
    return keras.Model(x, L.Multiply()([y, L.Reshape((1, 1, 6))(gate)]))


def nested():
    inner = keras.Sequential(
        [L.Input(IMAGE), L.Conv2D(4, 3, padding="same"), L.BatchNormalization()], name="inner"
    )
    a = L.Input(IMAGE)
    part = keras.Model(a, [L.ReLU()(inner(a)), L.Dense(4)(a)], name="part")
    x = L.Input(IMAGE)
    y, z = part(x)
    return keras.Model(x, L.Dense(2)(L.Flatten()(L.Add()([y, z]))))


def flats():
    x = L.Input(IMAGE)
    a, b = L.Flatten()(L.Conv2D(3, 3)(x)), L.Flatten()(L.Conv2D(3, 3)(x))
    c = L.Flatten()(L.MaxPooling2D(2)(x))
    return keras.Model(
        x, [L.Dense(2)(L.Add()([a, b])), L.Concatenate()([a, c]), L.Add()([a, L.Dense(72)(c)])]
    )


def autoencoder():
    x = L.Input((8, 8, 1))
    y = L.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    y = L.Dense(4 * 4 * 4, activation="relu")(L.Dense(7)(L.Flatten()(y)))
    y = L.Conv2DTranspose(4, 4, strides=2, padding="same", activation="relu")(
        L.Reshape((4, 4, 4))(y)
    )
    return keras.Model(
        x, L.Conv2D(1, 3, padding="same", activation="sigmoid")(L.UpSampling2D(2)(y))
    )


def open_sizes():
    x = L.Input((None, None, 3))
    y = L.Conv2D(4, 3, strides=2, padding="same")(x)
    return keras.Model(x, L.Dense(2)(L.GlobalMaxPooling2D()(y)))


def text():
    x = L.Input((6,), dtype="int32")
    y = L.Embedding(7, 5)(x)
    y = L.Concatenate()([L.Bidirectional(L.GRU(4))(y), L.GlobalMaxPooling1D()(L.Conv1D(4, 3)(y))])
    return keras.Model(x, L.Dense(1, activation="sigmoid")(y))


GRAPHS = [residual, inception, several, joints, shared, squeeze, nested, flats, autoencoder, text]


@pytest.mark.parametrize("make", GRAPHS, ids=lambda f: f.__name__)
def test_a_network_computes_what_keras_does(make, device):
    model = filled(make())
    agree(model, model, device)


@pytest.mark.parametrize("make", GRAPHS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("end", ["keras", "h5"])
def test_a_network_is_read_from_its_file(make, end, tmp_path):
    model = filled(make())
    model.save(tmp_path / f"model.{end}")
    ours = agree(model, str(tmp_path / f"model.{end}"), "cpu")
    clnn.save(tmp_path / "ours", ours)
    again = clnn.io.load_model(tmp_path / "ours", nn.build_module, device="cpu").eval()
    xs = [clnn.tensor(moved(x), device="cpu") for x in operands(model)]
    got, want = again(*xs), ours(*xs)
    for a, b in zip(
        got if isinstance(got, tuple) else [got],
        want if isinstance(want, tuple) else [want],
        strict=True,
    ):
        assert np.array_equal(a.numpy(), b.numpy())


def test_open_sizes_are_padded_as_they_come(device):
    model = filled(open_sizes())
    ours = clnn.from_keras(model, device=device)
    for size in ((5, 8), (6, 7)):
        x = np.random.default_rng(0).standard_normal((2, *size, 3)).astype("float32")
        want = model(x).detach().numpy()
        got = ours(clnn.tensor(moved(x), device=device)).numpy()
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-5)


def test_channels_first_stays_as_it_is(device):
    x = L.Input((4, 8, 6))
    y = L.Conv2D(5, 3, padding="same", strides=2, data_format="channels_first")(x)
    y = L.BatchNormalization(axis=1)(y)
    z = L.MaxPooling2D(2, data_format="channels_first")(y)
    z = L.Dense(3)(L.Flatten(data_format="channels_first")(z))
    model = filled(keras.Model(x, [y, z]))
    agree(model, model, device, first=True)


def test_names_are_keras_and_training_goes_on(device):
    model = filled(residual())
    ours = clnn.from_keras(model, device=device).train()
    names = [name for name, _ in ours.named_parameters()]
    assert "outputs.weight" in names
    assert "conv2d" in names[0]
    optimizer = clnn.optim.SGD(ours.parameters(), lr=0.1)
    x = clnn.randn(4, 4, 8, 6, device=device)
    before = ours["outputs"].weight.numpy()
    ours(x).square().sum().backward()
    optimizer.step()
    assert not np.array_equal(before, ours["outputs"].weight.numpy())


def test_training_updates_running_statistics_at_keras_pace():
    model = filled(of(ROW, lambda: L.BatchNormalization(momentum=0.9))())
    ours = clnn.from_keras(model, device="cpu").train()
    mean = (
        model.layers[-1].moving_mean.numpy().copy()
        if hasattr(model.layers[-1].moving_mean, "numpy")
        else None
    )
    x = operands(model)[0]
    ours(clnn.tensor(x, device="cpu"))
    np.testing.assert_allclose(
        ours[0].running_mean.numpy(), 0.9 * np.asarray(mean) + 0.1 * x.mean(0), rtol=1e-5, atol=1e-6
    )
