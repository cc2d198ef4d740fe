"""Calls of clnn.ops.activation."""

from fuzz.draw import FLOATS, INTS, calls, few, kwargs, sample, shapes, st, tensor

SETTINGS = {
    "leaky_relu": {"negative_slope": [0.01, 0.2, 0.0, 1.5, -0.5]},
    "elu": {"alpha": [1.0, 0.5, 2.0]},
    "celu": {"alpha": [1.0, 0.5, 2.0]},
    "gelu": {"approximate": ["none", "tanh"]},
    "softplus": {"beta": [1.0, 0.5, 3.0], "threshold": [20.0, 1.0]},
    "hardshrink": {"lambd": [0.5, 0.0, 1.5]},
    "softshrink": {"lambd": [0.5, 0.0, 1.5]},
}


@calls("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "logsigmoid", "softsign",
       "tanhshrink", "sigmoid", "tanh", "hardswish", "hardsigmoid", "hardshrink", "softshrink")  # fmt: skip
def activation(draw, name):
    kinds = (*FLOATS, *INTS) if name in ("relu", "sigmoid", "tanh") else FLOATS
    x = draw(tensor(draw(shapes()), draw(few(name, kinds, 3)), special=True))
    options = {k: st.sampled_from(v) for k, v in SETTINGS.get(name, {}).items()}
    return sample(name, x, **kwargs(draw, **options))


@calls("threshold", "hardtanh")
def two_numbers(draw, name):
    x = draw(tensor(draw(shapes()), draw(few(name, FLOATS, 2)), special=True))
    a, b = sorted(draw(st.sampled_from([(-1.0, 1.0), (0.0, 6.0), (0.5, 0.5), (-2, 3), (1, 0)])))
    return sample(name, x, a, b)


@calls("prelu")
def prelu(draw, name):
    dtype = draw(few(name, FLOATS, 2))
    shape = draw(shapes((1, 4)))
    channels = shape[1] if len(shape) > 1 else 1
    weight = draw(st.sampled_from([(1,), (channels,)])) if channels else (1,)
    return sample(name, draw(tensor(shape, dtype)), draw(tensor(weight, dtype)))


@calls("glu")
def glu(draw, name):
    shape = list(draw(shapes((1, 4))))
    at = draw(st.integers(0, len(shape) - 1))
    shape[at] = shape[at] // 2 * 2
    dim = at - draw(st.sampled_from([0, len(shape)]))
    return sample(name, draw(tensor(shape, draw(few(name, FLOATS, 2)))), dim)
