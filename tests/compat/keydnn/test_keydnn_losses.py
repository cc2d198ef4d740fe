"""KeyDNN's losses and optimizers, by their definitions."""

import numpy as np
import pytest

from clnn.compat import keydnn
from clnn.compat.keydnn import (
    SGD,
    Adam,
    Device,
    losses,
    numpy_to_tensor,
)
from clnn.compat.keydnn.infrastructure import Parameter

pytestmark = pytest.mark.usefixtures("home")
EPS = 1e-7


def made(array, **options):
    return numpy_to_tensor(array, Device("cpu"), **options)


class TestLosses:
    P = np.array([[0.2, 0.7, 0.1], [0.0, 1.0, 0.0]], np.float32)  # with probabilities of 0 and 1
    T = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], np.float32)

    def wanted(self, name):
        """Value and gradient by the prediction, from KeyDNN's definitions."""
        p, t = self.P.astype(np.float64), self.T.astype(np.float64)
        c = np.clip(p, EPS, np.float32(1 - EPS))
        return {
            "sse": (((p - t) ** 2).sum(), 2 * (p - t)),
            "mse": (((p - t) ** 2).mean(), 2 * (p - t) / 6),
            "bce": (-(t * np.log(c) + (1 - t) * np.log(1 - c)).mean(), (c - t) / (c * (1 - c)) / 6),
            "cce": (-(t * np.log(c)).sum() / 2, -t / c / 2),
        }[name]

    @pytest.mark.parametrize("name", ["sse", "mse", "bce", "cce"])
    def test_values_and_gradients(self, name):
        value, grad = self.wanted(name)
        fn = losses.NAMED[name]
        module = {"sse": losses.SSE, "mse": losses.MSE, "bce": losses.BCE, "cce": losses.CCE}[name]
        for loss in (getattr(keydnn, f"{name}_loss")(), fn.apply, fn.as_loss(), module()):
            p = made(self.P, requires_grad=True)
            out = loss(p, made(self.T))
            out.backward()
            assert out.shape == ()
            assert out.item() == pytest.approx(value, rel=1e-4)
            np.testing.assert_allclose(p.grad.to_numpy(), grad, rtol=1e-3, atol=1e-5)

    def test_targets_of_squared_errors_have_gradients(self):
        p, t = made(self.P), made(self.T, requires_grad=True)
        losses.mse_loss()(p, t).backward()
        np.testing.assert_allclose(
            t.grad.to_numpy(), -2 * (self.P - self.T) / 6, rtol=1e-5, atol=1e-7
        )

    @pytest.mark.parametrize("name", ["sse", "mse", "bce", "cce"])
    def test_shapes_are_the_same(self, name):
        with pytest.raises(ValueError, match="expected operands of one shape"):
            losses.NAMED[name].apply(made(self.P), made(self.T[:1]))

    @pytest.mark.parametrize("name", ["sse", "mse", "bce", "cce"])
    def test_forward_and_backward_by_hand(self, name):
        from clnn.compat.keydnn.infrastructure import Context

        fn, ctx = losses.NAMED[name], Context((), lambda g: None)
        value = fn.forward(ctx, made(self.P), made(self.T))
        by_pred, by_target = fn.backward(ctx, made(2.0))
        np.testing.assert_allclose(by_pred.numpy(), 2 * self.wanted(name)[1], rtol=1e-3, atol=1e-5)
        assert value.item() == pytest.approx(self.wanted(name)[0], rel=1e-4)
        assert (by_target is None) == (name in ("bce", "cce"))

    def test_a_scripts_own(self):
        class Absolute:
            @staticmethod
            def forward(ctx, pred, target):
                ctx.save_for_backward(pred > target)
                return (pred - target).sum()

            @staticmethod
            def backward(ctx, grad_out):
                (above,) = ctx.saved_tensors
                return above * grad_out.broadcast_to(above.shape), None

        p = made([1.0, 5.0], requires_grad=True)
        losses.LossFromFn(Absolute)(p * 2.0, made([3.0, 3.0])).backward()
        assert p.grad.to_numpy().tolist() == [0, 2]


class TestOptimizers:
    def run(self, make, count=4):
        """A parameter after steps with fixed gradients, and the gradients."""
        rng = np.random.default_rng(1)
        p = Parameter((5,), Device("cpu"))
        start = rng.standard_normal(5).astype(np.float32)
        p.copy_from_numpy(start)
        optimizer, grads = make([p]), rng.standard_normal((count, 5)).astype(np.float32)
        for g in grads:
            optimizer.zero_grad()
            assert p.grad is None
            p.set_grad(made(g))
            optimizer.step()
        return start.astype(np.float64), grads.astype(np.float64), p.to_numpy()

    def test_sgd(self):
        p, grads, found = self.run(lambda ps: SGD(ps, lr=0.1, weight_decay=0.01))
        for g in grads:
            p = p - 0.1 * (g + 0.01 * p)
        np.testing.assert_allclose(found, p, rtol=1e-5)

    def test_adam(self):
        p, grads, found = self.run(
            lambda ps: Adam(ps, lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01)
        )
        m = v = 0.0
        for t, g in enumerate(grads, 1):
            g = g + 0.01 * p
            m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
            p = p - 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3)
        np.testing.assert_allclose(found, p, rtol=1e-4)

    def test_options(self):
        p = Parameter((2,), Device("cpu"), initializer="ones")
        optimizer = SGD(iter([p]))
        assert (optimizer.lr, optimizer.weight_decay, optimizer.params) == (1e-3, 0.0, [p])
        optimizer.lr = 1.0
        p.set_grad(made([1.0, 2.0]))
        optimizer.step()
        assert p.to_numpy().tolist() == [0, -1]
        assert Adam([p]).betas == (0.9, 0.999)
        for wrong in ({"lr": 0.0}, {"lr": -1.0}, {"weight_decay": -0.1}):
            for cls in (SGD, Adam):
                with pytest.raises(ValueError, match="expected"):
                    cls([p], **wrong)
        with pytest.raises(ValueError, match="eps"):
            Adam([p], eps=0.0)
        with pytest.raises(AttributeError):
            _ = optimizer.momentum
