"""KeyDNN's layers: by definitions written in NumPy, and by torch where it means the same."""

import numpy as np
import pytest

import clnn
from clnn.compat.keydnn import Device, Tensor, numpy_to_tensor
from clnn.compat.keydnn import layers as L
from clnn.compat.keydnn.activations import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from clnn.compat.keydnn.infrastructure import GRUCell, LSTMCell, Parameter, RNNCell
from clnn.errors import ClnnError, DTypeError, SettingError, ShapeError

pytestmark = pytest.mark.usefixtures("home")
CLOSE = {"rtol": 2e-5, "atol": 2e-5}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def made(array, **options):
    return numpy_to_tensor(array, Device("cpu"), **options)


class TestFeedForward:
    def test_linear(self):
        layer, x = L.Linear(3, 2), normal(4, 3)
        want = x @ layer.weight.to_numpy().T + layer.bias.to_numpy()
        np.testing.assert_allclose(layer(made(x)).to_numpy(), want, **CLOSE)
        assert (type(layer.weight), layer.is_built, layer.weight.shape) == (Parameter, True, (2, 3))
        assert type(layer(made(x))) is Tensor
        for wrong in (normal(3), normal(2, 4, 3), normal(4, 5)):
            with pytest.raises(ValueError, match="inear: expected"):
                layer(made(wrong))

    def test_dense_is_made_at_its_first_input(self):
        layer = L.Dense(2, initializer="ones")
        assert (layer.is_built, layer.weight, layer.bias, layer.in_features) == (
            False,
            None,
            None,
            None,
        )
        assert list(layer.parameters()) == []
        assert layer.get_config() == {"in_features": None, "out_features": 2, "bias": True, "device": None,
                                      "dtype": "float32", "initializer": "ones"}  # fmt: skip
        with pytest.raises(ShapeError, match="Dense: expected x with 2 axes"):
            layer(made(normal(3)))
        x = normal(4, 3)
        np.testing.assert_allclose(
            layer(made(x)).to_numpy(), np.repeat(x.sum(1)[:, None], 2, 1), **CLOSE
        )
        assert (layer.is_built, layer.in_features, type(layer.weight)) == (True, 3, Parameter)
        assert (
            L.Dense(2, bias=False).from_config({**layer.get_config(), "bias": False}).bias is None
        )
        assert L.LazyLinear is L.Dense

    def test_initial_weights(self):
        conv, turned = L.Conv2d(8, 64, 5), L.Conv2dTranspose(64, 8, 5)
        for layer, fan in ((conv, 8 * 25), (turned, 64 * 25)):
            assert layer.weight.to_numpy().std() == pytest.approx(np.sqrt(2 / fan), rel=0.05)
            assert not layer.bias.to_numpy().any()
        limit = np.sqrt(6 / (30 + 40))
        weight = L.Linear(30, 40).weight.to_numpy()
        assert 0.95 * limit < np.abs(weight).max() <= limit
        for cell in (RNNCell(7, 16), LSTMCell(7, 16), GRUCell(7, 16)):
            for p in cell.parameters():
                assert 0 < np.abs(p.to_numpy()).max() <= 0.25

    def test_flatten_and_pools(self):
        x = normal(2, 3, 4, 4)
        assert L.Flatten()(made(x)).shape == (2, 48)
        np.testing.assert_allclose(
            L.GlobalAvgPool2d()(made(x)).to_numpy(), x.mean((2, 3), keepdims=True), **CLOSE
        )
        windows = x.reshape(2, 3, 2, 2, 2, 2)
        np.testing.assert_allclose(L.MaxPool2d(2)(made(x)).to_numpy(), windows.max((3, 5)), **CLOSE)
        np.testing.assert_allclose(
            L.AvgPool2d(2)(made(x)).to_numpy(), windows.mean((3, 5)), **CLOSE
        )
        padded = L.AvgPool2d(2, stride=4, padding=1)(made(np.ones((1, 1, 4, 4))))
        assert padded.to_numpy()[0, 0, 0, 0] == 0.25  # the padding counts
        assert L.MaxPool2d((2, 1)).stride == (2, 1)
        assert L.MaxPool2d(2, stride=1, padding=1).get_config() == {
            "kernel_size": [2, 2], "stride": [1, 1], "padding": [1, 1]}  # fmt: skip

    def test_dropout(self):
        layer, x = L.Dropout(0.25), made(np.ones((100, 100)))
        y = layer(x).to_numpy()
        assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
        assert (y == 0).mean() == pytest.approx(0.25, abs=0.02)
        assert layer.eval()(x).to_numpy().min() == 1
        for wrong in (1.0, -0.1):
            with pytest.raises(ValueError, match="Dropout: expected p in"):
                L.Dropout(wrong)

    def test_activations(self):
        x = normal(3, 4)
        e = np.exp(x - x.max(1, keepdims=True))
        for layer, want in ((ReLU(), np.maximum(x, 0)), (LeakyReLU(0.2), np.where(x > 0, x, 0.2 * x)),
                            (Sigmoid(), 1 / (1 + np.exp(-x))), (Tanh(), np.tanh(x)),
                            (Softmax(axis=1), e / e.sum(1, keepdims=True))):  # fmt: skip
            np.testing.assert_allclose(layer(made(x)).to_numpy(), want, **CLOSE)
        assert LeakyReLU().alpha == 0.01

    @pytest.mark.peers
    @pytest.mark.parametrize("name", ["Conv2d", "Conv2dTranspose", "LayerNorm", "BatchNorm2d"])
    def test_layers_are_torchs(self, name):
        import torch

        ours, theirs, shape = {
            "Conv2d": (L.Conv2d(3, 4, (3, 2), stride=2, padding=(1, 0)),
                       torch.nn.Conv2d(3, 4, (3, 2), 2, (1, 0)), (2, 3, 7, 8)),
            "Conv2dTranspose": (L.Conv2dTranspose(3, 4, 3, stride=2, padding=1, output_padding=1),
                                torch.nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), (2, 3, 5, 4)),
            "LayerNorm": (L.LayerNorm((4, 5)), torch.nn.LayerNorm((4, 5)), (2, 3, 4, 5)),
            "BatchNorm2d": (L.BatchNorm2d(3), torch.nn.BatchNorm2d(3), (2, 3, 4, 5)),
        }[name]  # fmt: skip
        for p, q, seed in zip(ours.parameters(), theirs.parameters(), (1, 2), strict=True):
            value = normal(*p.shape, seed=seed)
            p.copy_from_numpy(value)
            q.data = torch.tensor(value)
        x = normal(*shape)
        a, b = made(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, want = ours(a), theirs(b)
        np.testing.assert_allclose(y.to_numpy(), want.detach().numpy(), **CLOSE)
        seed = normal(*y.shape, seed=3)
        y.backward(made(seed))
        want.backward(torch.tensor(seed))
        for p, q in zip((a, *ours.parameters()), (b, *theirs.parameters()), strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-4)


class TestNorms:
    @pytest.mark.parametrize(
        ("cls", "shape"),
        [(L.BatchNorm1d, (6, 3)), (L.BatchNorm2d, (2, 3, 4, 5)), (L.BatchNorm1d, (1, 3))],
    )
    def test_batch_norm(self, cls, shape):
        layer, x = cls(3, momentum=0.3, eps=1e-3), normal(*shape) + 2
        axes = tuple(k for k in range(len(shape)) if k != 1)
        view = (1, 3, *(1,) * (len(shape) - 2))
        mean, var = x.mean(axes), x.var(axes)
        gamma, beta = normal(3, seed=1), normal(3, seed=2)
        layer.gamma.copy_from_numpy(gamma)
        layer.beta.copy_from_numpy(beta)

        def want(m, v):
            xhat = (x - m.reshape(view)) / np.sqrt(v.reshape(view) + 1e-3)
            return xhat * gamma.reshape(view) + beta.reshape(view)

        np.testing.assert_allclose(layer(made(x)).to_numpy(), want(mean, var), **CLOSE)
        running = (
            0.3 * mean,
            0.7 + 0.3 * var,
        )  # the biased variance, where torch has the unbiased one
        np.testing.assert_allclose(layer.running_mean.to_numpy(), running[0], **CLOSE)
        np.testing.assert_allclose(layer.running_var.to_numpy(), running[1], **CLOSE)
        np.testing.assert_allclose(layer.eval()(made(x)).to_numpy(), want(*running), **CLOSE)
        assert [n for n, _ in layer.named_parameters()] == ["gamma", "beta"]
        with pytest.raises(ShapeError):
            layer(made(normal(3)))

    def test_without_parameters(self):
        for layer in (L.BatchNorm1d(3, affine=False), L.LayerNorm((3,), affine=False)):
            assert (layer.gamma, layer.beta, list(layer.parameters())) == (None, None, [])
            assert layer.get_config()["device"] == "cpu"
            assert layer(made(normal(4, 3))).shape == (4, 3)

    def test_layer_norm(self):
        x = normal(4, 5)
        want = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(L.LayerNorm([5])(made(x)).to_numpy(), want, **CLOSE)
        assert L.LayerNorm([5]).get_config() == {
            "normalized_shape": [5],
            "device": "cpu",
            "eps": 1e-5,
            "affine": True,
        }


# --- recurrent ----------------------------------------------------------------------------------


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def steps(kind, x, w, h, c=None):
    """KeyDNN's formulae, a step at a time, in float64."""
    w = [v.astype(np.float64) for v in w]
    ih, hh, b_ih, b_hh = w if len(w) == 4 else (*w, 0.0, 0.0)
    found = []
    for now in x.astype(np.float64):
        if kind == "GRU":
            n = hh.shape[0]
            gates = now @ ih + b_ih + b_hh
            z = sigmoid(gates[:, :n] + h @ hh[:, :n])
            r = sigmoid(gates[:, n : 2 * n] + h @ hh[:, n : 2 * n])
            new = np.tanh(gates[:, 2 * n :] + (r * h) @ hh[:, 2 * n :])
            h = (1 - z) * new + z * h
        elif kind == "RNN":
            h = np.tanh(now @ ih + b_ih + h @ hh + b_hh)
        else:
            i, f, g, o = np.split(now @ ih + b_ih + h @ hh + b_hh, 4, 1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        found.append(h)
    return np.stack(found), h, c


KINDS = ["RNN", "LSTM", "GRU"]


def weights(layer):
    return [p.to_numpy() for p in layer.cell.parameters()]


def states(kind, seed=5):
    return [normal(2, 4, seed=seed + k) for k in range(2 if kind == "LSTM" else 1)]


class TestRecurrent:
    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("kind", KINDS)
    def test_by_steps(self, kind, bias):
        layer, x, start = getattr(L, kind)(3, 4, bias), normal(5, 2, 3), states(kind)
        assert [n for n, _ in layer.named_parameters()] == [
            f"cell.{n}" for n in ("W_ih", "W_hh", "b_ih", "b_hh")[: 4 if bias else 2]]  # fmt: skip
        every, h, c = steps(kind, x, weights(layer), *start)
        got, last = (
            layer(made(x), *(made(s) for s in start))
            if kind != "LSTM"
            else layer.forward(made(x), *(made(s) for s in start))
        )
        np.testing.assert_allclose(got.to_numpy(), every, **CLOSE)
        for a, b in zip(last if kind == "LSTM" else (last,), (h, c), strict=False):
            np.testing.assert_allclose(a.to_numpy(), b, **CLOSE)
        zeros = [np.zeros_like(s) for s in start]
        np.testing.assert_allclose(
            layer(made(x))[0].to_numpy(), steps(kind, x, weights(layer), *zeros)[0], **CLOSE
        )

    @pytest.mark.parametrize("kind", KINDS)
    def test_gradients(self, kind):
        layer, x, g = getattr(L, kind)(3, 4), normal(3, 2, 3), normal(3, 2, 4, seed=9)
        t = made(x, requires_grad=True)
        layer(t)[0].backward(made(g))
        held = weights(layer)

        def loss(values, x):
            return (
                steps(kind, x, values, *(np.zeros((2, 4)),) * (2 if kind == "LSTM" else 1))[0] * g
            ).sum()

        def slope(moved):
            return (loss(*moved(1e-5)) - loss(*moved(-1e-5))) / 2e-5

        for k, p in enumerate(layer.cell.parameters()):
            at = tuple(n // 2 for n in p.shape)

            def moved(d, k=k, at=at):
                values = [v.astype(np.float64) for v in held]
                values[k][at] += d
                return values, x

            assert p.grad.to_numpy()[at] == pytest.approx(slope(moved), rel=1e-3, abs=1e-4)
        shifted = lambda d: (held, x.astype(np.float64) + d * np.eye(3)[0])  # noqa: E731
        assert t.grad.to_numpy()[..., 0].sum() == pytest.approx(slope(shifted), rel=1e-3, abs=1e-4)

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_returned(self, kind):
        x, shapes = made(normal(5, 2, 3)), {"all": (5, 2, 4), "last": (2, 4)}
        state = ((2, 4), (2, 4)) if kind == "LSTM" else (2, 4)

        def of(out):
            return tuple(of(o) for o in out) if isinstance(out, tuple) else out.shape

        for keras in (False, True):
            for sequences in (False, True):
                out = shapes["all" if sequences else "last"]
                for also in (False, True):
                    layer = getattr(L, kind)(
                        3, 4, return_sequences=sequences, return_state=also, keras_compat=keras
                    )
                    once = not keras and not sequences and kind != "LSTM"
                    assert of(layer(x)) == ((out, state) if also and not once else out)

    @pytest.mark.parametrize("kind", KINDS)
    def test_cells(self, kind):
        cell, x, start = (
            {"RNN": RNNCell, "LSTM": LSTMCell, "GRU": GRUCell}[kind](3, 4),
            normal(2, 3),
            states(kind),
        )
        found = cell(made(x), *(made(s) for s in start))
        _, h, c = steps(kind, x[None], [p.to_numpy() for p in cell.parameters()], *start)
        np.testing.assert_allclose((found[0] if kind == "LSTM" else found).to_numpy(), h, **CLOSE)
        if kind == "LSTM":
            np.testing.assert_allclose(found[1].to_numpy(), c, **CLOSE)

    def test_wrong_inputs(self):
        for kind in KINDS:
            with pytest.raises(ValueError, match="expected"):
                getattr(L, kind)(3, 4)(made(normal(5, 3)))
            with pytest.raises(ValueError, match="expected"):
                getattr(L, kind)(3, 4)(made(normal(5, 2, 7)))


class TestBidirectional:
    @pytest.mark.parametrize("kind", KINDS)
    def test_both_ways(self, kind):
        layer = L.Bidirectional(getattr(L, kind)(3, 4), return_state=True)
        x, zeros = normal(5, 2, 3), [np.zeros((2, 4))] * (2 if kind == "LSTM" else 1)
        ahead = steps(kind, x, weights(layer.forward_layer), *zeros)
        behind = steps(kind, x[::-1], weights(layer.backward_layer), *zeros)
        out, one, other = layer(made(x))
        np.testing.assert_allclose(
            out.to_numpy(), np.concatenate([ahead[0], behind[0][::-1]], 2), **CLOSE
        )
        for got, want in ((one, ahead), (other, behind)):
            np.testing.assert_allclose(
                (got[0] if kind == "LSTM" else got).to_numpy(), want[1], **CLOSE
            )
        layer.return_sequences, layer.return_state = False, False
        # of the backward direction the state that has seen every step, where KeyDNN gives that of one
        np.testing.assert_allclose(
            layer(made(x)).to_numpy(), np.concatenate([ahead[1], behind[1]], 1), **CLOSE
        )

    @pytest.mark.parametrize("kind", KINDS)
    def test_initial_states(self, kind):
        layer = L.Bidirectional(getattr(L, kind)(3, 4), return_sequences=False)
        x, one, other = normal(5, 2, 3), states(kind), states(kind, seed=8)
        given = [
            tuple(made(s) for s in each) if kind == "LSTM" else made(each[0])
            for each in (one, other)
        ]

        def want(a, b):
            return np.concatenate([steps(kind, x, weights(layer.forward_layer), *a)[1],
                                   steps(kind, x[::-1], weights(layer.backward_layer), *b)[1]], 1)  # fmt: skip

        np.testing.assert_allclose(layer(made(x), given[0]).to_numpy(), want(one, one), **CLOSE)
        np.testing.assert_allclose(
            layer(made(x), tuple(given)).to_numpy(), want(one, other), **CLOSE
        )
        for wrong in ("x", (given[0],), (1, 2)):
            with pytest.raises(DTypeError, match="Bidirectional: expected a Tensor"):
                layer(made(x), wrong)

    @pytest.mark.parametrize("kind", KINDS)
    def test_configs(self, kind):
        layer = L.Bidirectional(getattr(L, kind)(3, 4, False), return_state=True)
        again = L.Bidirectional.from_config(layer.get_config())
        assert type(again.backward_layer).__name__ == kind
        assert again.get_config() == layer.get_config()
        for wrong in ({**layer.get_config(), "layer_type": "Dense"}, {"layer_type": None}):
            with pytest.raises(ClnnError):
                L.Bidirectional.from_config(wrong)

    def test_wrong_arguments(self):
        with pytest.raises(SettingError, match="expected merge_mode 'concat'"):
            L.Bidirectional(L.RNN(3, 4), merge_mode="sum")
        with pytest.raises(DTypeError, match="expected an RNN, LSTM or GRU"):
            L.Bidirectional(L.Linear(3, 4))


def test_modules_move_and_register(home):
    layer = L.Linear(2, 3)
    layer.register_parameter("extra", clnn.nn.Parameter(clnn.zeros(2)))
    assert type(layer.extra) is Parameter
    for device in (clnn.Device("cpu"), Device("cpu"), "cpu"):
        assert layer.to(device) is layer
    assert layer.weight.device == home
    assert type(layer.weight) is Parameter
