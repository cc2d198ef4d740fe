"""What samples miss: random shapes, broadcasts, axes and windows, every device against the reference."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clnn
from clnn import ops
from clnn.backends.opencl.elementwise import merge
from clnn.shapes import broadcast

SETTINGS = settings(
    max_examples=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
sizes = st.integers(0, 5)
shapes = st.lists(sizes, max_size=4).map(tuple)


@st.composite
def broadcastable(draw, count=2):
    """Shapes that broadcast together: one full shape with axes dropped or set to 1."""
    full = draw(shapes)
    out = []
    for _ in range(count):
        keep = [1 if draw(st.booleans()) else n for n in full]
        out.append(tuple(keep[draw(st.integers(0, len(full))) if draw(st.booleans()) else 0 :]))
    return out


def array(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def both(fn, device, *hosts):
    """fn's results and gradients on the device equal the reference's."""
    got = []
    for where in (device, "cpu"):
        xs = [clnn.tensor(h, device=where, requires_grad=True) for h in hosts]
        y = fn(*xs)
        y.backward(clnn.tensor(array(y.shape, 1), device=where))
        got.append([y.numpy(), *(x.grad.numpy() for x in xs)])
    for a, b in zip(*got, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@SETTINGS
@given(broadcastable(3))
def test_merged_axes_describe_the_same_broadcast(found):
    """Walking the merged axes with the merged strides visits what NumPy's broadcasting visits."""
    out = broadcast("merge", *found)
    sizes, _, strides = merge(list(found), out)
    for shape, own in zip(found, strides, strict=True):
        flat = np.arange(max(1, int(np.prod(shape))))[: int(np.prod(shape))].reshape(shape)
        want = np.broadcast_to(flat, out).reshape(-1)
        index = (
            np.indices(sizes).reshape(len(sizes), -1)
            if len(want)
            else np.zeros((len(sizes), 0), int)
        )
        np.testing.assert_array_equal((np.array(own) @ index)[: len(want)], want)


@SETTINGS
@given(broadcastable(2))
def test_broadcasting_ops(opencl_device, found):
    a, b = (array(s, k) for k, s in enumerate(found))
    both(lambda x, y: ops.mul(ops.add(x, y), x), opencl_device, a, b)


@SETTINGS
@given(st.data())
def test_sums_over_any_axes(opencl_device, data):
    shape = data.draw(shapes)
    axes = tuple(data.draw(st.sets(st.integers(0, len(shape) - 1)))) if shape else ()
    keepdim = data.draw(st.booleans())
    both(lambda x: ops.sum(x, axes or None, keepdim), opencl_device, array(shape))


@SETTINGS
@given(st.data())
def test_permutations_and_slices(opencl_device, data):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    order = data.draw(st.permutations(range(len(shape))))
    cuts = tuple(
        slice(
            data.draw(st.integers(-n, n)),
            data.draw(st.integers(-n, n)),
            data.draw(st.integers(1, 3)),
        )
        for n in (shape[a] for a in order)
    )
    both(lambda x: ops.getitem(ops.permute(x, order), cuts), opencl_device, array(shape))


@SETTINGS
@given(broadcastable(2), sizes, sizes, sizes)
def test_batched_matmul(opencl_device, batches, m, k, n):
    a, b = array((*batches[0], m, k)), array((*batches[1], k, n), 2)
    both(ops.matmul, opencl_device, a, b)


@SETTINGS
@given(st.data())
def test_convolutions(opencl_device, data):
    draw = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    groups, n = draw(1, 3), draw(1, 2)
    c, o = groups * draw(1, 3), groups * draw(1, 3)
    kernel, dilation = (draw(1, 3), draw(1, 3)), (draw(1, 2), draw(1, 2))
    padding, stride = (draw(0, 2), draw(0, 2)), (draw(1, 3), draw(1, 3))
    least = [d * (k - 1) + 1 - 2 * p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    size = [max(1, low) + draw(0, 4) for low in least]
    both(
        lambda x, w, b: ops.conv2d(x, w, b, stride, padding, dilation, groups),
        opencl_device, array((n, c, *size)), array((o, c // groups, *kernel), 2), array((o,), 3),
    )  # fmt: skip


@SETTINGS
@given(st.data())
def test_pooling_windows(opencl_device, data):
    draw = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    kernel = (draw(1, 4), draw(1, 4))
    stride = (draw(1, 4), draw(1, 4))
    padding = tuple(draw(0, k // 2) for k in kernel)
    size = [k + draw(0, 5) for k in kernel]
    ceil_mode = data.draw(st.booleans())
    x = array((draw(1, 2), draw(1, 3), *size))
    both(
        lambda x: ops.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil_mode), opencl_device, x
    )
    both(lambda x: ops.avg_pool2d(x, kernel, stride, padding, ceil_mode), opencl_device, x)


@pytest.mark.parametrize("dim", [0, 1, -1])
@SETTINGS
@given(st.integers(1, 70), st.integers(1, 70))
def test_softmax_rows_sum_to_one(opencl_device, dim, rows, columns):
    x = clnn.tensor(array((rows, columns)) * 30, device=opencl_device)
    np.testing.assert_allclose(ops.softmax(x, dim).numpy().sum(dim), 1, rtol=1e-5)
