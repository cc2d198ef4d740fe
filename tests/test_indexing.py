"""What samples cannot say about movement, indexing and spatial ops: memory, order of sums, compilations."""

import numpy as np
import pytest

import clnn
from clnn import ops
from clnn.backends.opencl.algorithms import algorithm


def test_reshape_shares_memory_and_permute_does_not(opencl_device):
    x = clnn.tensor(np.ones((2, 3), "float32"), device=opencl_device)
    assert ops.reshape(x, 6).array.mem is x.array.mem
    assert ops.unsqueeze(x, 0).array.mem is x.array.mem
    assert ops.permute(x, (1, 0)).array.mem is not x.array.mem


@pytest.mark.parametrize("rows", [1, 7, 300, 5000])
def test_sums_over_equal_indices_repeat_bit_for_bit(opencl_device, rows):
    rng = np.random.default_rng(0)
    index = rng.integers(0, rows, 3001) ** 2 % (rows + 1)  # some rows are long, some stay empty
    g = rng.standard_normal((3001, 5)).astype("float32")
    want = np.zeros((rows + 1, 5))
    np.add.at(want, index, g)
    first = None
    for name in ("sort", "sort", "scan"):
        table = np.zeros((rows + 1, 5), "float32")
        weight = clnn.tensor(table, device=opencl_device, requires_grad=True)
        with algorithm("take_grad", name, strict=False):
            out = ops.embedding(clnn.tensor(index, device=opencl_device), weight)
            out.backward(clnn.tensor(g, device=opencl_device))
        got = weight.grad.numpy()
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
        if name == "sort":
            first = got if first is None else first
            np.testing.assert_array_equal(got, first)


def test_the_last_write_wins_every_time(opencl_device):
    rng = np.random.default_rng(0)
    index = rng.integers(0, 50, 20_000)
    src = np.arange(20_000, dtype="float32")
    want = np.zeros(50, "float32")
    want[index] = src  # NumPy assigns in order
    args = [clnn.tensor(a, device=opencl_device) for a in (np.zeros(50, "float32"), index, src)]
    for _ in range(3):
        np.testing.assert_array_equal(ops.scatter(args[0], 0, args[1], args[2]).numpy(), want)


def test_an_index_out_of_range_reads_nan_and_writes_nothing(device):
    x = clnn.tensor(np.ones((3, 2), "float32"), device=device, requires_grad=True)
    index = clnn.tensor(np.array([2, 3, -1, 2**40, -(2**40), 0]), device=device)
    y = ops.index_select(x, 0, index)
    assert np.isnan(y.numpy()).any(1).tolist() == [False, True, True, True, True, False]
    y.backward(clnn.tensor(np.ones((6, 2), "float32"), device=device))
    assert x.grad.numpy()[:, 0].tolist() == [1, 0, 1]
    wrapped = ops.getitem(x, index).numpy()
    assert np.isnan(wrapped).any(1).tolist() == [False, True, False, True, True, False]
    src = clnn.tensor(np.full((6, 2), 5, "float32"), device=device)
    wide = ops.broadcast_to(ops.reshape(index, (6, 1)), (6, 2))
    assert ops.scatter(x, 0, wide, src).numpy()[:, 0].tolist() == [5, 1, 5]
    assert ops.scatter_add(x, 0, wide, src).numpy()[:, 0].tolist() == [6, 1, 6]


def test_new_sizes_compile_nothing(opencl_device):
    rt = clnn.Device(opencl_device).backend.rt

    def work(n, m):
        x = clnn.tensor(np.ones((n, 2, m, m), "float32"), device=opencl_device, requires_grad=True)
        i = clnn.tensor(np.arange(n) % 2, device=opencl_device)
        y = ops.flip(ops.permute(ops.pad(x, (1, 2)), (1, 3, 0, 2)), (0, 2))
        y = ops.cat([ops.tril(y), ops.roll(y, 2, 1)], 1)
        z = ops.getitem(x, (slice(None, None, 2), 1))
        w = ops.interpolate(ops.unfold(x, 3), size=m, mode="linear")
        v = ops.interpolate(x, scale_factor=2, mode="bilinear")
        for out in (y, z, w, v, ops.index_select(x, 0, i), ops.getitem(x, (i, 1, i))):
            out.backward(clnn.tensor(np.ones(out.shape, "float32"), device=opencl_device))

    work(20, 9)
    before = rt.compilations
    work(33, 14)
    assert rt.compilations == before
