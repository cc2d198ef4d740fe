"""Every layer as real Keras computes it: of live models and of saved ones."""

import pytest
from keras_models import IMAGE, MARKS, ODD, ROW, SIGNAL, L, agree, filled, keras, of

import clnn
from clnn import nn
from clnn.errors import UnsupportedOpError

pytestmark = MARKS


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
