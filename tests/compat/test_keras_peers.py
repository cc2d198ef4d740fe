"""Every layer, and whole networks, as real Keras computes them: live models and saved ones."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest

import clnn
from clnn import nn
from clnn.errors import UnsupportedOpError

pytestmark = [
    pytest.mark.peers,
    # Keras' own, when it reads a variable with NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
]
keras = pytest.importorskip("keras")
pytest.importorskip("h5py")
L = keras.layers

IMAGE, ODD, SIGNAL, ROW = (8, 6, 4), (7, 5, 4), (9, 4), (6,)


def of(shape, *layers):
    return lambda: keras.Sequential([L.Input(shape), *[make() for make in layers]])


def filled(model, seed=0):
    """The model with weights that are none of the initial ones."""
    rng = np.random.default_rng(seed)
    model.set_weights([
        np.abs(rng.standard_normal(v.shape)) + 0.5 if "variance" in v.path else 0.4 * rng.standard_normal(v.shape)
        for v in model.weights
    ])  # fmt: skip
    return model


def operands(model, seed=1):
    rng = np.random.default_rng(seed)
    whole = any(isinstance(layer, L.Embedding) for layer in model.layers)
    shapes = [(3, *x.shape[1:]) for x in model.inputs]
    if whole:
        return [rng.integers(0, 7, shape).astype("int32") for shape in shapes]
    return [rng.standard_normal(shape).astype("float32") for shape in shapes]


def moved(x, back=False):
    if x.ndim != 4:
        return x
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1) if back else x.transpose(0, 3, 1, 2))


def agree(model, source, device, first=False):
    """clnn's predictions are Keras', in clnn's layout."""
    ours = clnn.from_keras(source, device=device)
    assert not any(module.training for module in ours.modules())
    xs = operands(model)
    want = model.predict(xs if len(xs) > 1 else xs[0], verbose=0)
    want = want if isinstance(want, list) else [want]
    with clnn.no_grad():
        got = ours(*[clnn.tensor(x if first else moved(x), device=device) for x in xs])
    got = got if isinstance(got, tuple) else (got,)
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        a = a.numpy() if first else moved(a.numpy(), back=True)
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)
    return ours


def conv(kind, shape, *args, **named):
    return of(shape, lambda: kind(*args, **named))


CHAINS = {
    "dense": of(ROW, lambda: L.Dense(5)),
    "dense no bias": of(ROW, lambda: L.Dense(5, use_bias=False, activation="tanh")),
    "dense on steps": of(SIGNAL, lambda: L.Dense(5, activation="softmax")),
    "dense on images": of(IMAGE, lambda: L.Dense(5), lambda: L.Conv2D(3, 2)),
    "conv1d": conv(L.Conv1D, SIGNAL, 5, 3, activation="relu"),
    "conv1d causal": conv(L.Conv1D, SIGNAL, 5, 3, padding="causal", dilation_rate=2),
    "conv1d same": conv(L.Conv1D, SIGNAL, 5, 4, padding="same", strides=2),
    "conv1d twice": of(SIGNAL, lambda: L.Conv1D(5, 3), lambda: L.Conv1D(6, 2), lambda: L.Flatten(), lambda: L.Dense(3)),
    "conv2d": conv(L.Conv2D, IMAGE, 5, (3, 2), activation="elu"),
    "conv2d same": conv(L.Conv2D, IMAGE, 5, 3, padding="same", use_bias=False),
    "conv2d same even": conv(L.Conv2D, IMAGE, 5, (2, 4), padding="same"),
    "conv2d same strides": conv(L.Conv2D, IMAGE, 5, 3, padding="same", strides=2),
    "conv2d same strides odd": conv(L.Conv2D, ODD, 5, (3, 4), padding="same", strides=(2, 3)),
    "conv2d same wide strides": conv(L.Conv2D, ODD, 5, 2, padding="same", strides=3),
    "conv2d valid strides": conv(L.Conv2D, ODD, 5, 2, strides=2),
    "conv2d dilated": conv(L.Conv2D, IMAGE, 5, 3, padding="same", dilation_rate=2),
    "conv2d groups": conv(L.Conv2D, IMAGE, 6, 3, groups=2),
    "transpose": conv(L.Conv2DTranspose, IMAGE, 5, 3),
    "transpose strides": conv(L.Conv2DTranspose, IMAGE, 5, (3, 2), strides=2, activation="relu"),
    "transpose small": conv(L.Conv2DTranspose, IMAGE, 5, 2, strides=3),
    "transpose same even": conv(L.Conv2DTranspose, IMAGE, 5, 4, strides=2, padding="same"),
    "transpose same": conv(L.Conv2DTranspose, ODD, 5, 3, strides=1, padding="same", use_bias=False),
    "transpose same wide": conv(L.Conv2DTranspose, ODD, 5, 2, strides=3, padding="same"),
    "transpose 1d": conv(L.Conv1DTranspose, SIGNAL, 5, 4, strides=2, padding="same"),
    "depthwise": conv(L.DepthwiseConv2D, IMAGE, 3, depth_multiplier=2, padding="same", strides=2),
    "depthwise 1d": conv(L.DepthwiseConv1D, SIGNAL, 3, depth_multiplier=2, use_bias=False),
    "separable": conv(L.SeparableConv2D, IMAGE, 5, 3, depth_multiplier=2, activation="relu"),
    "separable same": conv(L.SeparableConv2D, IMAGE, 5, 3, padding="same", strides=2, use_bias=False),
    "separable 1d": conv(L.SeparableConv1D, SIGNAL, 5, 3, padding="same"),
    "max pool": conv(L.MaxPooling2D, ODD, 2),
    "max pool same": conv(L.MaxPooling2D, ODD, 3, strides=2, padding="same"),
    "max pool 1d": conv(L.MaxPooling1D, SIGNAL, 2, padding="same"),
    "average pool": conv(L.AveragePooling2D, IMAGE, (2, 3), strides=(1, 2)),
    "average pool same": conv(L.AveragePooling2D, ODD, 2, padding="same"),
    "average pool same wide": conv(L.AveragePooling2D, ODD, 3, strides=2, padding="same"),
    "average pool 1d": conv(L.AveragePooling1D, SIGNAL, 3, strides=2, padding="same"),
    "global average": of(IMAGE, lambda: L.GlobalAveragePooling2D(), lambda: L.Dense(3)),
    "global average kept": of(IMAGE, lambda: L.GlobalAveragePooling2D(keepdims=True)),
    "global max": of(IMAGE, lambda: L.GlobalMaxPooling2D()),
    "global average 1d": of(SIGNAL, lambda: L.GlobalAveragePooling1D()),
    "global max 1d": of(SIGNAL, lambda: L.GlobalMaxPooling1D(keepdims=True)),
    "batch norm rows": of(ROW, lambda: L.BatchNormalization()),
    "batch norm steps": of(SIGNAL, lambda: L.BatchNormalization(scale=False)),
    "batch norm images": of(IMAGE, lambda: L.BatchNormalization(center=False, epsilon=0.1)),
    "batch norm bare": of(IMAGE, lambda: L.BatchNormalization(center=False, scale=False)),
    "layer norm": of(ROW, lambda: L.LayerNormalization()),
    "layer norm images": of(IMAGE, lambda: L.LayerNormalization(epsilon=0.1), lambda: L.Conv2D(3, 2)),
    "layer norm axes": of(IMAGE, lambda: L.LayerNormalization(axis=[2, 3])),
    "layer norm no offset": of(SIGNAL, lambda: L.LayerNormalization(center=False)),
    "layer norm no scale": of(SIGNAL, lambda: L.LayerNormalization(scale=False)),
    "dropout": of(ROW, lambda: L.Dropout(0.5), lambda: L.Dense(3)),
    "spatial dropout": of(IMAGE, lambda: L.SpatialDropout2D(0.5)),
    "flatten": of(IMAGE, lambda: L.Flatten()),
    "flatten dense": of(IMAGE, lambda: L.Flatten(), lambda: L.ReLU(), lambda: L.Dense(3)),
    "flatten norm": of(IMAGE, lambda: L.Flatten(), lambda: L.Dropout(0.1), lambda: L.BatchNormalization()),
    "flatten reshape": of(IMAGE, lambda: L.Flatten(), lambda: L.Reshape((4, 6, 8)), lambda: L.Conv2D(3, 2)),
    "reshape": of(IMAGE, lambda: L.Reshape((-1, 8)), lambda: L.Dense(3)),
    "reshape rows": of(ROW, lambda: L.Reshape((6,)), lambda: L.Reshape((1, 2, 3))),
    "reshape flat": of(IMAGE, lambda: L.Reshape((192,)), lambda: L.Dense(3)),
    "permute": of(IMAGE, lambda: L.Permute((3, 1, 2)), lambda: L.Flatten(), lambda: L.Dense(3)),
    "zero padding": of(IMAGE, lambda: L.ZeroPadding2D(((1, 2), (0, 3)))),
    "zero padding 1d": of(SIGNAL, lambda: L.ZeroPadding1D((1, 2))),
    "cropping": of(IMAGE, lambda: L.Cropping2D(((1, 2), (0, 3)))),
    "up sampling": of(IMAGE, lambda: L.UpSampling2D((2, 3))),
    "up sampling bilinear": of(IMAGE, lambda: L.UpSampling2D(2, interpolation="bilinear")),
    "embedding": of((5,), lambda: L.Embedding(7, 4), lambda: L.Flatten(), lambda: L.Dense(2)),
    "activation": of(IMAGE, lambda: L.Activation("sigmoid"), lambda: L.Activation("softmax")),
    "relu": of(ROW, lambda: L.ReLU()),
    "relu6": of(ROW, lambda: L.ReLU(max_value=6)),
    "relu bounded": of(ROW, lambda: L.ReLU(max_value=0.5)),
    "relu leaky": of(ROW, lambda: L.ReLU(negative_slope=0.1)),
    "leaky relu": of(ROW, lambda: L.LeakyReLU(0.1)),
    "prelu rows": of(ROW, lambda: L.PReLU()),
    "prelu images": of(IMAGE, lambda: L.PReLU(shared_axes=[1, 2])),
    "elu": of(ROW, lambda: L.ELU(0.5)),
    "softmax": of(IMAGE, lambda: L.Softmax(axis=1)),
    "rescaling": of(IMAGE, lambda: L.Rescaling(1 / 255, -0.5)),
    "simple rnn": of(SIGNAL, lambda: L.SimpleRNN(5)),
    "simple rnn relu": of(SIGNAL, lambda: L.SimpleRNN(5, activation="relu", return_sequences=True, use_bias=False)),
    "lstm": of(SIGNAL, lambda: L.LSTM(5)),
    "lstm sequences": of(SIGNAL, lambda: L.LSTM(5, return_sequences=True), lambda: L.LSTM(3)),
    "gru": of(SIGNAL, lambda: L.GRU(5)),
    "gru reset before": of(SIGNAL, lambda: L.GRU(5, reset_after=False)),
    "both ways reset before": of(SIGNAL, lambda: L.Bidirectional(L.GRU(5, reset_after=False, return_sequences=True))),
    "gru sequences": of(SIGNAL, lambda: L.GRU(5, return_sequences=True, use_bias=False)),
    "both ways": of(SIGNAL, lambda: L.Bidirectional(L.LSTM(5))),
    "both ways sequences": of(SIGNAL, lambda: L.Bidirectional(L.GRU(5, return_sequences=True), merge_mode="sum")),
    "both ways mul": of(SIGNAL, lambda: L.Bidirectional(L.SimpleRNN(5), merge_mode="mul")),
    "both ways ave": of(SIGNAL, lambda: L.Bidirectional(L.LSTM(5, return_sequences=True), merge_mode="ave")),
    "conv rnn": of(SIGNAL, lambda: L.Conv1D(5, 3), lambda: L.MaxPooling1D(2), lambda: L.LSTM(4), lambda: L.Dense(2)),
    "time distributed": of(SIGNAL, lambda: L.TimeDistributed(L.Dense(5))),
    "frozen": of(ROW, lambda: L.BatchNormalization(trainable=False), lambda: L.Dense(3)),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_a_layer_computes_what_keras_does(name, device):
    model = filled(CHAINS[name]())
    assert isinstance(agree(model, model, device), nn.Sequential)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("end", ["keras", "h5"])
def test_a_layer_is_read_from_its_file(name, end, tmp_path):
    model = filled(CHAINS[name]())
    model.save(tmp_path / f"model.{end}")
    agree(model, tmp_path / f"model.{end}", "cpu")


NAMES = [
    "linear", "relu", "relu6", "sigmoid", "tanh", "elu", "selu", "celu", "gelu", "softplus", "softsign", "silu",
    "swish", "mish", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "hard_shrink", "soft_shrink",
    "tanh_shrink", "log_sigmoid", "leaky_relu", "softmax", "log_softmax",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_is_keras(name, device):
    model = filled(of(ROW, lambda: L.Dense(40, activation=name))())
    agree(model, model, device)


def test_a_layer_as_an_activation():
    model = filled(of(ROW, lambda: L.Dense(40, activation=L.LeakyReLU(0.3)))())
    agree(model, model, "cpu")


# --- graphs -------------------------------------------------------------------------------------


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


REFUSED = {
    "Lambda": (ROW, lambda: L.Lambda(lambda x: x + 1), "layer .* .Lambda.$"),
    "GaussianNoise": (ROW, lambda: L.GaussianNoise(0.1), "GaussianNoise"),
    "lstm activation": (SIGNAL, lambda: L.LSTM(3, activation="relu"), "activation tanh"),
    "gate activation": (
        SIGNAL,
        lambda: L.LSTM(3, recurrent_activation="hard_sigmoid"),
        "recurrent_activation",
    ),
    "backwards": (SIGNAL, lambda: L.LSTM(3, go_backwards=True), "go_backwards"),
    "mask": ((5,), lambda: L.Embedding(7, 3, mask_zero=True), "mask_zero"),
    "prelu": (IMAGE, lambda: L.PReLU(), "one slope per channel"),
    "exponential": (ROW, lambda: L.Dense(3, activation="exponential"), "'exponential'"),
    "relu threshold": (ROW, lambda: L.ReLU(threshold=1.0), "threshold=0"),
    "interpolation": (
        IMAGE,
        lambda: L.UpSampling2D(2, interpolation="bicubic"),
        "nearest or bilinear",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_named(name):
    shape, make, said = REFUSED[name]
    layer = make()
    with pytest.raises(UnsupportedOpError, match=said) as caught:
        clnn.from_keras(keras.Sequential([L.Input(shape), layer]), device="cpu")
    assert repr(layer.name) in str(caught.value)


def test_a_subclassed_model_is_refused():
    class Mine(keras.Model):
        def call(self, x):
            return x

    model = Mine()
    model.build((None, 3))
    with pytest.raises(UnsupportedOpError, match="Sequential or Functional"):
        clnn.from_keras(model)
