"""KeyDNN's tensors: made from shapes, strict about them, masks of floats, gradients of every result, devices."""

import copy
import pickle

import numpy as np
import pytest

import clnn
from clnn.compat.keydnn import Device, Tensor, cuda_available, numpy_to_tensor
from clnn.compat.keydnn.infrastructure import Context, Parameter
from clnn.errors import AutogradError, DeviceError, DTypeError, SettingError, ShapeError

pytestmark = pytest.mark.usefixtures("home")
CPU = "cpu"


def made(values, **options):
    return numpy_to_tensor(np.asarray(values, np.float32), Device(CPU), **options)


class TestDevice:
    def test_cpu_is_the_default_device(self, home):
        d = Device("cpu")
        assert (str(d), repr(d), d.index, d.is_cpu(), d.is_cuda()) == (
            "cpu",
            "Device('cpu')",
            None,
            True,
            False,
        )
        assert d == home
        assert d is Device("cpu")
        assert hash(d) == hash(Device("cpu"))
        assert d.type.value == "cpu"
        assert Tensor((2,)).device == home
        assert pickle.loads(pickle.dumps(d)) is d
        clnn.set_default_device("cpu")
        assert Device("cpu") == clnn.Device("cpu")

    def test_a_card_is_looked_for_when_it_is_used(self):
        d = Device("cuda:7")
        assert (str(d), d.index, d.is_cpu(), d.is_cuda()) == ("cuda:7", 7, False, True)
        assert d == Device("cuda:7")
        assert d != Device("cuda:8")
        assert {d: 1}[Device("cuda:7")] == 1
        if not cuda_available():
            with pytest.raises(DeviceError):
                Tensor((2,), d)

    @pytest.mark.parametrize("name", ["cuda", "gpu", "cuda:", "cuda:x", "", "CPU", 3, None])
    def test_other_names_are_errors(self, name):
        with pytest.raises(SettingError, match="Device: expected 'cpu' or 'cuda:<index>'"):
            Device(name)

    def test_clnns_devices_pass_through(self, home):
        assert Device(home) is home
        assert Tensor((2,), home).device is home


class TestMaking:
    def test_from_a_shape(self):
        x = Tensor(shape=(2, 3))
        assert (x.shape, str(x.dtype), x.requires_grad, len(x), x.numel(), x.nbytes) == (
            (2, 3),
            "float32",
            False,
            2,
            6,
            24,
        )
        assert x.to_numpy().tolist() == [[0.0] * 3] * 2
        assert Tensor((2,), "cpu", init_zeros=False, dtype=np.float64).dtype == np.dtype(np.float64)
        assert Tensor(()).item() == 0.0
        assert isinstance(x, clnn.Tensor)
        assert repr(x) == "Tensor(shape=(2, 3), device=cpu, dtype=float32)"

    def test_by_name(self):
        d = Device("cpu")
        assert Tensor.zeros(shape=(2,), device=d).to_numpy().tolist() == [0, 0]
        assert Tensor.ones(shape=(2,), device=d, requires_grad=True).requires_grad
        assert Tensor.full((2,), 7, device=d).to_numpy().tolist() == [7, 7]
        r = Tensor.rand((50,), device=d, requires_grad=True)
        assert r.requires_grad
        assert 0 <= r.to_numpy().min() < r.to_numpy().max() < 1
        parts = [made([1, 2]), made([3, 4])]
        assert Tensor.stack(parts).to_numpy().tolist() == [[1, 2], [3, 4]]
        assert Tensor.stack(parts, axis=1).to_numpy().tolist() == [[1, 3], [2, 4]]
        assert Tensor.concat(parts, axis=-1).to_numpy().tolist() == [1, 2, 3, 4]
        for fn in (Tensor.stack, Tensor.concat):
            with pytest.raises(ShapeError):
                fn([])
        with pytest.raises(ShapeError):
            Tensor.stack([made([1]), made([1, 2])])

    def test_numpy_to_tensor_warns_without_a_device(self):
        with pytest.warns(UserWarning, match="expected a device"):
            x = numpy_to_tensor(np.arange(3))
        assert (str(x.dtype), type(x)) == ("float32", Tensor)

    def test_parameters(self):
        p = Parameter((3, 4), Device("cpu"), initializer="ones")
        assert p.requires_grad
        assert p.to_numpy().min() == 1
        p.accumulate_grad(made(np.ones((3, 4))))
        p.accumulate_grad(made(np.ones((3, 4))))
        assert p.grad.to_numpy().max() == 2
        p.set_grad(None)
        assert p.grad is None
        twin = copy.deepcopy(p)
        assert (type(twin), twin.requires_grad) == (Parameter, True)
        with pytest.raises(SettingError):
            Parameter((3, 4), Device("cpu"), initializer="no such name")


class TestOperators:
    a, b = [[1.0, -2.0], [3.0, 0.5]], [[2.0, 4.0], [-1.0, 0.5]]

    @pytest.mark.parametrize("name", ["__add__", "__sub__", "__mul__", "__truediv__"])
    def test_arithmetic(self, name):
        a, b = np.array(self.a, np.float32), np.array(self.b, np.float32)
        np.testing.assert_allclose(
            getattr(made(a), name)(made(b)).to_numpy(), getattr(a, name)(b), rtol=1e-6
        )
        np.testing.assert_allclose(
            getattr(made(a), name)(3.0).to_numpy(), getattr(a, name)(np.float32(3)), rtol=1e-6
        )

    def test_numbers_come_first_too(self):
        x = made([1.0, 4.0])
        found = [(2 + x), (2 - x), (2 * x), (2 / x), -x]
        assert [f.to_numpy().tolist() for f in found] == [
            [3, 6],
            [1, -2],
            [2, 8],
            [2, 0.5],
            [-1, -4],
        ]
        assert {type(f) for f in found} == {Tensor}

    @pytest.mark.parametrize(
        "name",
        [
            "__add__",
            "__sub__",
            "__mul__",
            "__truediv__",
            "__iadd__",
            "__imul__",
            "__gt__",
            "__eq__",
        ],
    )
    def test_nothing_is_broadcast(self, name):
        x, y = made(np.ones((2, 3))), made(np.ones(3))
        with pytest.raises(
            ValueError, match=r"expected operands of one shape, got \(2, 3\) and \(3,\)"
        ):
            getattr(x, name)(y)
        assert getattr(x, name)(y.broadcast_to((2, 3))).shape == (2, 3)

    @pytest.mark.parametrize(
        "shapes", [((2, 3), (3,)), ((3,), (3,)), ((2, 2, 3), (2, 3, 2)), ((2, 3), (2, 3))]
    )
    def test_products_are_of_two_matrices(self, shapes):
        x, y = (made(np.ones(s)) for s in shapes)
        with pytest.raises(ValueError, match="matmul"):
            x @ y

    def test_product(self):
        a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
        np.testing.assert_allclose((made(a) @ made(b)).to_numpy(), a @ b)

    def test_comparisons_are_masks(self):
        x, y = made([1, 2, 3]), made([3, 2, 1])
        found = [x > y, x >= y, x < y, x <= y, x == y, x != y, x > 1.5]
        assert [f.to_numpy().tolist() for f in found] == [
            [0, 0, 1], [0, 1, 1], [1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1]]  # fmt: skip
        assert {str(f.dtype) for f in found} == {"float32"}
        assert not (made([1], requires_grad=True) > 0.5).requires_grad
        assert (x == "x") is False
        with pytest.raises(TypeError):
            _ = x < "x"

    def test_in_place_on_a_parameter_is_not_recorded(self):
        p = Parameter((2,), Device("cpu"), initializer="ones")
        p -= 0.5 * made([1.0, 2.0])
        p *= 2
        p /= made([1.0, 2.0])
        p += 1
        assert p.to_numpy().tolist() == [2.0, 1.0]
        assert p.requires_grad
        assert p.is_leaf

    def test_in_place_on_a_result_is_recorded(self):
        x = made([1.0, 2.0], requires_grad=True)
        y = x * 3.0
        y *= 2.0
        y.sum().backward()
        assert x.grad.to_numpy().tolist() == [6, 6]
        assert y.grad.to_numpy().tolist() == [1, 1]


class TestMaths:
    def test_elementwise(self):
        x = np.array([0.5, 1.0, 2.0], np.float32)
        for name, want in {"exp": np.exp(x), "log": np.log(x), "sqrt": np.sqrt(x), "tanh": np.tanh(x),
                           "sigmoid": 1 / (1 + np.exp(-x))}.items():  # fmt: skip
            np.testing.assert_allclose(getattr(made(x), name)().to_numpy(), want, rtol=1e-5)
        assert made([-1, 0.5, 3]).clamp(min=0, max=1).to_numpy().tolist() == [0, 0.5, 1]

    def test_reductions(self):
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        t = made(x)
        assert t.sum().item() == 66
        assert t.mean().item() == 5.5
        assert t.sum(axis=0).to_numpy().tolist() == x.sum(0).tolist()
        assert t.sum(1, True).shape == (3, 1)
        assert t.max().to_numpy().tolist() == [3, 7, 11]
        assert t.max(axis=0, keepdims=True).to_numpy().tolist() == [[8, 9, 10, 11]]

    def test_the_first_of_several_maxima_gets_the_gradient(self):
        x = made([[2.0, 5.0, 5.0]], requires_grad=True)
        x.max().backward(made([1.0]))
        assert x.grad.to_numpy().tolist() == [[0, 1, 0]]

    def test_shapes(self):
        x = made(np.arange(6.0).reshape(2, 3))
        assert x.T.shape == x.transpose().shape == (3, 2)
        assert x.reshape((3, -1)).shape == (3, 2)
        with pytest.raises(ValueError, match="transpose: expected 2 axes"):
            made([1.0]).transpose()
        with pytest.raises(ValueError, match="reshape"):
            x.reshape((4, 2))
        assert x.sum_to_shape((1, 3)).to_numpy().tolist() == [[3, 5, 7]]
        assert x.sum_to_shape((3,)).to_numpy().tolist() == [3, 5, 7]
        assert x.sum_to_shape(()).item() == 15
        assert x.sum_to_shape((2, 3)).shape == (2, 3)
        for wrong in ((2,), (1, 2, 3), (2, 2)):
            with pytest.raises(ValueError, match="sum_to_shape"):
                x.sum_to_shape(wrong)

    def test_sum_to_shape_has_a_gradient(self):
        x = made(np.ones((2, 3)), requires_grad=True)
        (x.sum_to_shape((3,)) * made([1.0, 2.0, 3.0])).sum().backward()
        assert x.grad.to_numpy().tolist() == [[1, 2, 3]] * 2

    def test_parts(self):
        host = np.arange(12, dtype=np.float32).reshape(3, 4)
        x = made(host, requires_grad=True)
        for key in (0, slice(1, 3), [2, 0], (slice(None), 1), (1, 2)):
            np.testing.assert_array_equal(x[key].to_numpy(), host[key])
        x[[0, 0, 2]].sum().backward()
        assert x.grad.to_numpy()[:, 0].tolist() == [2, 0, 1]
        with pytest.raises(ShapeError):
            len(made(1.0))


class TestMemory:
    def test_contents(self):
        x = Tensor((2, 2))
        x.fill(3)
        assert x.to_numpy().tolist() == [[3, 3], [3, 3]]
        x.copy_from_numpy(np.eye(2))
        y = Tensor((2, 2))
        y.copy_from(x)
        x.fill(0)
        assert y.to_numpy().tolist() == [[1, 0], [0, 1]]
        y.to_numpy()[:] = 9  # a copy
        assert y.to_numpy().max() == 1
        with pytest.raises(ValueError, match="read-only"):
            y.data[0, 0] = 5.0
        for wrong in (np.ones(3), np.ones((1, 2))):
            with pytest.raises(ValueError, match="copy_from_numpy: expected shape"):
                x.copy_from_numpy(wrong)
        with pytest.raises(ShapeError):
            x.copy_from(Tensor((3,)))
        with pytest.raises(DTypeError):
            x.copy_from(Tensor((2, 2), dtype=np.float64))
        with pytest.raises(DTypeError):
            x.copy_from(np.ones((2, 2)))
        x.free_()
        assert "float32" in x.debug_storage_repr()
        assert x.device_type == "cpu"

    def test_clone_and_to_leave_the_graph(self, home):
        x = made([1.0, 2.0], requires_grad=True)
        assert x.to(Device("cpu")) is x
        assert not x.clone().requires_grad
        assert x.to("cpu", copy=True) is not x
        there = x.to(clnn.Device("cpu"))
        if home != clnn.Device("cpu"):
            assert not there.requires_grad
            with pytest.raises(DeviceError):
                there + x
            with pytest.raises(DeviceError, match="allow_cross_device"):
                there.copy_from(x)
            there.copy_from(x, allow_cross_device=True)
            x.grad = x.clone()
            assert x.to_(clnn.Device("cpu")) is x
            assert x.grad.device == x.device == clnn.Device("cpu")
            assert x.requires_grad


class TestGradients:
    def test_every_result_has_one(self):
        x = made([1.0, 2.0], requires_grad=True)
        y = x * 2.0
        z = y.exp()
        loss = z.sum()
        loss.backward()
        assert loss.grad.item() == 1
        assert z.grad.to_numpy().tolist() == [1, 1]
        np.testing.assert_allclose(y.grad.to_numpy(), z.to_numpy())
        np.testing.assert_allclose(x.grad.to_numpy(), 2 * z.to_numpy())

    def test_graphs_stay(self):
        x = made([1.0, 2.0], requires_grad=True)
        shared = x * 3.0
        one, two = shared.sum(), (shared * shared).sum()
        one.backward()
        two.backward()
        assert x.grad.to_numpy().tolist() == [3 + 18, 3 + 36]
        x.zero_grad()
        assert x.grad is None

    def test_what_backward_wants(self):
        x = made([[1.0]], requires_grad=True)
        with pytest.raises(ValueError, match=r"expected grad_out for a tensor of shape \(1, 1\)"):
            (x * 2.0).backward()
        with pytest.raises(ValueError, match="expected a gradient of shape"):
            (x * 2.0).backward(made([1.0, 2.0]))
        with pytest.raises(TypeError):
            (x * 2.0).backward(np.ones((1, 1)))
        with pytest.raises(AutogradError):
            made(1.0).backward()

    def test_long_graphs(self):
        x = made(1.0, requires_grad=True)
        y = x
        for _ in range(3000):  # KeyDNN walks graphs recursively
            y = y + 1.0
        y.backward()
        assert x.grad.item() == 1

    def test_profile_prints_what_ran(self, capsys):
        x = made([1.0, 2.0], requires_grad=True)
        x.exp().sum().backward(profile=True, profile_topk=1)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3
        assert "ms" in lines[0]

    def test_a_script_may_bring_its_own(self):
        x, y = made([1.0, 2.0], requires_grad=True), made([3.0, 4.0])
        ctx = Context(parents=(x, y), backward_fn=lambda g: (g * 10.0, None))
        out = Tensor((2,), Device("cpu"), requires_grad=True, ctx=ctx)
        out.copy_from_numpy(np.array([5.0, 6.0]))
        (out * 2.0).sum().backward()
        assert x.grad.to_numpy().tolist() == [20, 20]
        wrong = Tensor((2,), requires_grad=True, ctx=Context((x, y), lambda g: (g,)))
        with pytest.raises(AutogradError, match="expected 2 gradients from backward_fn, got 1"):
            wrong.sum().backward()
