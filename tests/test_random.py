"""Philox: its published test vectors, the same bits everywhere, and numbers that look random."""

import copy
import dataclasses
import threading

import numpy as np
import pytest

import clnn
import clnn.ops as F
from clnn.backends.reference.random import philox
from clnn.errors import DTypeError, SettingError, ShapeError

# counter, key -> output, of philox4x32-10 in the known-answer tests of Random123 1.14
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]  # fmt: skip
SIZES = [(), (0,), (1,), (3,), (4,), (5, 7), (257,), (100_003,)]
FLOATS = ["float32", "float64", "float16", "bfloat16"]


@pytest.fixture(autouse=True)
def _seed():
    clnn.manual_seed(0x123456789ABCDEF)


def both(fn, device):
    """What fn(device) draws there and on the reference, from the same state."""
    state = clnn.default_generator.get_state()
    here = fn(device).numpy()
    after = clnn.default_generator.get_state()
    clnn.default_generator.set_state(state)
    there = fn("cpu").numpy()
    assert clnn.default_generator.get_state() == after
    assert (here.shape, here.dtype) == (there.shape, there.dtype)
    return here, there


# --- Philox -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("counter", "key", "want"), VECTORS)
def test_known_answers_on_the_reference(counter, key, want):
    block, seed = counter[1] << 32 | counter[0], key[1] << 32 | key[0]
    assert tuple(philox(block, *counter[2:], seed).tolist()) == want


@pytest.mark.parametrize(("counter", "key", "want"), VECTORS)
def test_known_answers_in_opencl(counter, key, want, opencl_device):
    import pyopencl as cl

    from clnn.backends.opencl.program import render

    rt = clnn.device(opencl_device).backend.rt
    source = render(
        "random", {"draw": "uniform", "dtype": "f32", "WG": 1, "wide": False, "device": rt.info}
    )
    probe = "kernel void probe(global uint4 *y, ulong block, uint c2, uint c3, ulong seed)"
    source += probe + "{ *y = philox(block, c2, c3, seed); }"
    kernel = cl.Kernel(cl.Program(rt.context, source).build(), "probe")
    got, y = np.empty(4, np.uint32), cl.Buffer(rt.context, cl.mem_flags.READ_WRITE, 16)
    block, seed = counter[1] << 32 | counter[0], key[1] << 32 | key[0]
    scalars = np.uint64(block), np.uint32(counter[2]), np.uint32(counter[3]), np.uint64(seed)
    kernel(rt.queue, (1,), None, y, *scalars)
    cl.enqueue_copy(rt.queue, got, y)
    assert tuple(got.tolist()) == want


def test_first_uniform_numbers_are_the_top_bits_of_the_vector(device):
    clnn.manual_seed(0)
    want = [(w >> 8) * 2.0**-24 for w in VECTORS[0][2]]
    assert clnn.rand(4, device=device).tolist() == want


# --- the same on every device -------------------------------------------------------------------


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_has_the_same_bits(dtype, shape, opencl_device):
    here, there = both(lambda d: clnn.rand(shape, dtype=dtype, device=d), opencl_device)
    np.testing.assert_array_equal(
        here.view(np.uint8) if shape else here, there.view(np.uint8) if shape else there
    )
    here, there = both(
        lambda d: clnn.empty(shape, dtype=dtype, device=d).uniform_(-0.3, 1.7), opencl_device
    )
    np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_is_close(dtype, shape, opencl_device):
    here, there = both(lambda d: clnn.randn(shape, dtype=dtype, device=d), opencl_device)
    here, there = here.astype(np.float64), there.astype(np.float64)
    tolerance = {"float16": 2e-3, "bfloat16": 1e-2, "float64": 1e-13}.get(dtype, 2e-6)
    np.testing.assert_allclose(here, there, rtol=tolerance, atol=tolerance / 10)


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 10, "int64"),
        (-7, 5, "int32"),
        (0, 256, "uint8"),
        (-(2**63), 2**63 - 1, "int64"),
        (0, 2, "bool"),
        (0, 100, "float32"),
    ],
)
def test_integers_are_the_same(low, high, dtype, shape, opencl_device):
    here, there = both(
        lambda d: clnn.randint(low, high, shape, dtype=dtype, device=d), opencl_device
    )
    np.testing.assert_array_equal(here, there)
    assert not here.size or (low <= int(here.min()) and int(here.max()) < high)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 16, 17, 1000, 70_001])
def test_permutation_is_one_and_the_same(n, opencl_device):
    here, there = both(lambda d: clnn.randperm(n, device=d), opencl_device)
    np.testing.assert_array_equal(here, there)
    np.testing.assert_array_equal(np.sort(here), np.arange(n))


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9999])
def test_dropout_has_the_same_bits(p, dtype, shape, opencl_device):
    x = clnn.randn(shape, dtype=dtype, device="cpu")
    here, there = both(lambda d: F.dropout(x.to(d), p), opencl_device)
    np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("n", [1, 5, 255, 4099])
def test_the_size_of_work_groups_changes_nothing(n, opencl_device, monkeypatch):
    rt = clnn.device(opencl_device).backend.rt
    x = clnn.ones(n, device=opencl_device)

    def draw():
        clnn.manual_seed(5)
        numbers = clnn.rand(n, device=opencl_device), clnn.randint(9, (n,), device=opencl_device)
        return [
            v.tolist() for v in (*numbers, clnn.randperm(n, device=opencl_device), F.dropout(x))
        ]

    want = draw()
    monkeypatch.setattr(rt, "info", dataclasses.replace(rt.info, kind="gpu"))
    for size in (1, 32, 64):
        monkeypatch.setattr(rt, "wg", size)
        assert draw() == want


# --- dropout ------------------------------------------------------------------------------------


def test_dropout_gradient_uses_the_same_mask(device):
    x = clnn.ones(1000, device=device, requires_grad=True)
    y = F.dropout(x, 0.25)
    F.dropout(x, 0.25)  # draws in between must not matter
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())
    assert set(np.unique(y.numpy())) == {0, np.float32(1 / 0.75)}
    assert abs((y.numpy() == 0).mean() - 0.25) < 0.05


def test_dropout_keeps_no_mask(opencl_device):
    x = clnn.ones(1_000_000, device=opencl_device, requires_grad=True)
    before = clnn.memory_stats(opencl_device)["allocated"]
    y = F.dropout(x)
    grown = clnn.memory_stats(opencl_device)["allocated"] - before
    assert y.nbytes <= grown < 1.5 * y.nbytes


def test_dropout_that_drops_nothing_returns_its_input(device):
    x = clnn.ones(3, device=device)
    state = clnn.default_generator.get_state()
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 1.0).tolist() == [0, 0, 0]
    assert clnn.default_generator.get_state() == state


@pytest.mark.parametrize(
    ("fn", "shape"), [(F.dropout1d, (40, 25, 3)), (F.dropout2d, (40, 25, 2, 3))]
)
def test_dropout_of_channels(fn, shape, device):
    x = clnn.ones(shape, device=device, requires_grad=True)
    y = fn(x, 0.4)
    y.sum().backward()
    flat = y.numpy().reshape(1000, -1)
    assert (flat == flat[:, :1]).all()
    assert set(np.unique(flat)) == {0, np.float32(1 / (1 - 0.4))}
    assert abs((flat[:, 0] == 0).mean() - 0.4) < 0.07
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())


# --- generators ---------------------------------------------------------------------------------


def test_seed_repeats_the_stream():
    first = [clnn.rand(3).tolist(), clnn.randn(5).tolist()]
    clnn.manual_seed(clnn.initial_seed())
    assert [clnn.rand(3).tolist(), clnn.randn(5).tolist()] == first
    assert clnn.rand(3).tolist() != first[0]


def test_each_call_advances_by_whole_blocks(device):
    for n, blocks in [(0, 0), (1, 1), (4, 1), (5, 2), (1001, 251)]:
        before = clnn.default_generator.get_state()[1]
        clnn.rand(n, device=device)
        assert clnn.default_generator.get_state()[1] - before == blocks


def test_a_generator_of_ones_own(device):
    own = clnn.Generator(7)
    state = clnn.default_generator.get_state()
    x = clnn.rand(5, generator=own, device=device)
    F.dropout(clnn.randn(9, generator=own, device=device), generator=own)
    clnn.randint(9, (3,), generator=own, device=device)
    clnn.randperm(9, generator=own, device=device)
    assert clnn.default_generator.get_state() == state
    assert own.initial_seed() == 7
    assert clnn.rand(5, generator=own.manual_seed(7), device=device).tolist() == x.tolist()


def test_state_can_be_put_back():
    own = clnn.Generator(3)
    clnn.rand(10, generator=own)
    state = own.get_state()
    x = clnn.rand(3, generator=own).tolist()
    own.set_state(state)
    assert clnn.rand(3, generator=own).tolist() == x


def test_threads_never_get_the_same_numbers():
    own, taken = clnn.Generator(), []

    def work():
        taken.extend(own.reserve(4)["offset"] for _ in range(1000))

    threads = [threading.Thread(target=work) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sorted(taken) == list(range(4000))


@pytest.mark.parametrize("seed", [-1, 2**64 - 1, -(2**63), np.int64(5)])
def test_seeds_of_64_bits(seed, opencl_device):
    clnn.manual_seed(seed)
    assert clnn.initial_seed() == int(seed) % 2**64
    here, there = both(lambda d: clnn.rand(9, device=d), opencl_device)
    np.testing.assert_array_equal(here, there)


def test_offsets_of_64_bits(opencl_device):
    clnn.default_generator.set_state((1, 2**40 - 2))
    here, there = both(lambda d: clnn.rand(99, device=d), opencl_device)
    np.testing.assert_array_equal(here, there)


def test_errors():
    with pytest.raises(SettingError, match="manual_seed: expected a seed of 64 bits"):
        clnn.manual_seed(2**64)
    with pytest.raises(DTypeError, match="manual_seed: expected an int, got float"):
        clnn.manual_seed(1.5)
    with pytest.raises(DTypeError, match="rand: expected a floating dtype, got int64"):
        clnn.rand(2, dtype="int64")
    with pytest.raises(DTypeError, match=r"expected a clnn.Generator, got int"):
        clnn.rand(2, generator=0)
    with pytest.raises(SettingError, match="randint: expected low < high, got 3 and 3"):
        clnn.randint(3, 3, (2,))
    with pytest.raises(SettingError, match="randint: expected a number that uint8 holds, got 299"):
        clnn.randint(0, 300, (2,), dtype="uint8")
    with pytest.raises(SettingError, match="randint: expected a size"):
        clnn.randint(3)
    with pytest.raises(SettingError, match="randperm: expected a number that uint8 holds, got 299"):
        clnn.randperm(300, dtype="uint8")
    with pytest.raises(ShapeError, match="randperm: expected sizes >= 0"):
        clnn.randperm(-1)
    with pytest.raises(DTypeError, match=r"set_state: expected \(seed, offset\)"):
        clnn.Generator().set_state(5)
    with pytest.raises(SettingError, match="rand: expected finite numbers"):
        clnn.zeros(3).uniform_(0, float("inf"))


def test_randint_as_torch_spells_it(device):
    for x in (
        clnn.randint(5, (2, 3), device=device),
        clnn.randint(0, 5, (2, 3), device=device),
        clnn.randint(high=5, size=(2, 3), device=device),
        clnn.randint(5, size=(2, 3), device=device),
        clnn.randint_like(clnn.zeros(2, 3, device=device), 5, dtype="int64"),
    ):
        assert (x.shape, x.dtype) == ((2, 3), "int64")


def test_randint_like_keeps_the_dtype(device):
    x = clnn.randint_like(clnn.zeros(50, device=device), 3, 5)
    assert x.dtype == "float32"
    assert str(x.device) == str(clnn.device(device))
    assert set(x.tolist()) == {3.0, 4.0}


# --- numbers that look random -------------------------------------------------------------------


def test_moments(device):
    u = clnn.rand(200_000, device=device).numpy().astype(float)
    z = clnn.randn(200_000, device=device).numpy().astype(float)
    assert abs(u.mean() - 0.5) < 0.004
    assert abs(u.var() - 1 / 12) < 0.002
    assert abs(z.mean()) < 0.01
    assert abs(z.var() - 1) < 0.02
    assert abs((z**3).mean()) < 0.05
    assert abs((z**4).mean() - 3) < 0.15
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 0.01
    assert u.min() >= 0
    assert u.max() < 1


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_never_rounds_to_one(dtype, device):
    u = clnn.rand(300_000, dtype=dtype, device=device).numpy().astype(float)
    assert 0 <= u.min() < 0.01
    assert 0.99 < u.max() < 1


def test_float64_and_float32_draw_the_same_number(device):
    generator = clnn.Generator(1)
    single = clnn.rand(99, generator=generator, device=device).numpy()
    double = clnn.rand(
        99, generator=generator.manual_seed(1), dtype="float64", device=device
    ).numpy()
    np.testing.assert_allclose(single, double, rtol=0, atol=2**-24)
    assert (double != single).any()


def test_integers_are_even(device):
    x = clnn.randint(0, 7, (70_000,), device=device).numpy()
    assert np.abs(np.bincount(x) / 10_000 - 1).max() < 0.05


def test_permutations_are_even():
    seen = [tuple(clnn.randperm(4, device="cpu").tolist()) for _ in range(2400)]
    counts = np.array([seen.count(p) for p in set(seen)])
    assert len(counts) == 24
    assert ((counts - 100) ** 2 / 100).sum() < 60  # chi-squared, 23 degrees of freedom: p = 4e-5


def test_deepcopied_generator_continues_on_its_own():
    own = clnn.Generator(5)
    twin = copy.deepcopy(own)
    clnn.rand(8, generator=own)
    assert twin.get_state() == (5, 0)
