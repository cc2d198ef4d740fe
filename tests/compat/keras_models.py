"""Networks of real Keras for the tests that ask what it computes, and the comparison with ours."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest

import clnn

keras = pytest.importorskip("keras")
pytest.importorskip("h5py")
L = keras.layers

IMAGE, ODD, SIGNAL, ROW = (8, 6, 4), (7, 5, 4), (9, 4), (6,)
# Keras' own, when it reads a variable with NumPy 2.
MARKS = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
]


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
