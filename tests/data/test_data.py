"""Data sets and the loader: order, batches, the thread, and mistakes."""

import gc
import threading
import time
from collections import namedtuple

import numpy as np
import pytest

import clnn
from clnn import data
from clnn.data import DataLoader, Subset, TensorDataset, random_split
from clnn.errors import DTypeError, IndexOutOfRangeError, SettingError, ShapeError

X = np.arange(23 * 4, dtype="float32").reshape(23, 4)
Y = np.arange(23)


def seen(loader):
    return [y.numpy().tolist() for _, y in loader]


def flat(batches):
    return [k for b in batches for k in b]


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("clnn-data")]


class Squares:
    """A data set that knows single items only."""

    def __init__(self, n=10):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, k):
        if k >= 7:
            raise KeyError("seven")
        return {"x": np.full((2,), k, "float32"), "y": k * k, "w": 0.5 * k, "name": f"item {k}"}


@pytest.mark.parametrize("prefetch", [0, 1, 5])
def test_batches_in_order(device, prefetch):
    loader = DataLoader(TensorDataset(X, Y), batch_size=5, device=device, prefetch=prefetch)
    assert len(loader) == 5
    batches = list(loader)
    assert [b[0].shape for b in batches] == [(5, 4)] * 4 + [(3, 4)]
    assert all(t.device == clnn.device(device) for b in batches for t in b)
    np.testing.assert_array_equal(np.concatenate([x.numpy() for x, _ in batches]), X)
    assert flat(seen(loader)) == Y.tolist()
    assert batches[0][1].dtype == "int64"


def test_drop_last():
    loader = DataLoader(TensorDataset(X, Y), batch_size=5, drop_last=True, device="cpu")
    assert len(loader) == len(list(loader)) == 4
    assert list(DataLoader(TensorDataset(X[:3]), batch_size=5, drop_last=True, device="cpu")) == []


def test_nothing_is_no_batches():
    assert list(DataLoader(TensorDataset(X[:0]), batch_size=5)) == []


def test_shuffling_depends_on_seed_and_epoch_alone():
    def loader(seed):
        return DataLoader(TensorDataset(X, Y), 5, shuffle=True, seed=seed, device="cpu")

    a, b = loader(1), loader(1)
    first, second = seen(a), seen(a)
    np.random.seed(0)  # noqa: NPY002 (the global state must not matter)
    assert [seen(b), seen(b)] == [first, second]
    assert first != second
    assert sorted(flat(first)) == sorted(flat(second)) == Y.tolist()
    assert flat(first) != Y.tolist()
    assert seen(loader(2)) != first
    resumed = loader(1)
    resumed.epoch = 1
    assert seen(resumed) == second
    drawn = DataLoader(TensorDataset(X, Y), 5, shuffle=True, device="cpu")
    order = seen(drawn)
    assert seen(loader(drawn.seed)) == order


def test_rows_stay_together():
    for x, y in DataLoader(TensorDataset(X, Y), 4, shuffle=True, seed=3, device="cpu"):
        np.testing.assert_array_equal(x.numpy()[:, 0], y.numpy() * 4)


def test_two_loops_at_once():
    loader = DataLoader(TensorDataset(X, Y), 5, shuffle=True, seed=1, device="cpu")
    both = list(zip(loader, loader, strict=True))
    assert sorted(flat(y.numpy() for (_, y), _ in both)) == Y.tolist()
    assert sorted(flat(y.numpy() for _, (_, y) in both)) == Y.tolist()


def test_tensors_are_gathered_where_they_are(device):
    x = clnn.tensor(X, device=device)
    dataset = TensorDataset(x, clnn.tensor(Y, device=device))
    batches = list(DataLoader(dataset, 5, shuffle=True, seed=1))
    assert all(t.device == clnn.device(device) for b in batches for t in b)
    for a, b in batches:
        np.testing.assert_array_equal(a.numpy(), X[b.numpy()])
    np.testing.assert_array_equal(dataset[-1][0].numpy(), X[-1])
    moved = next(iter(DataLoader(dataset, 5, device="cpu")))
    assert moved[0].device == clnn.device("cpu")


def test_single_items_and_nested_batches(device):
    batch = next(iter(DataLoader(Squares(7), 7, device=device)))
    assert batch["x"].shape == (7, 2)
    assert (batch["y"].dtype, batch["w"].dtype) == ("int64", "float32")
    assert batch["y"].numpy().tolist() == [k * k for k in range(7)]
    assert batch["name"][3] == "item 3"


def test_collate_fn():
    def pad(items):
        width = max(map(len, items))
        return np.array([i + [0] * (width - len(i)) for i in items])

    batches = list(DataLoader([[1], [2, 3], [4]], 2, collate_fn=pad, device="cpu"))
    assert [b.numpy().tolist() for b in batches] == [[[1, 0], [2, 3]], [[4]]]


def test_named_tuples_stay():
    Pair = namedtuple("Pair", "x y")
    batch = next(iter(DataLoader([Pair(1.0, 2), Pair(3.0, 4)], 2, device="cpu")))
    assert type(batch) is Pair
    assert batch.x.numpy().tolist() == [1, 3]


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_error_in_the_data_set_reaches_the_loop(prefetch):
    loop = iter(DataLoader(Squares(10), 2, device="cpu", prefetch=prefetch))
    done = [next(loop)["y"].numpy().tolist() for _ in range(3)]
    assert done == [[0, 1], [4, 9], [16, 25]]
    with pytest.raises(KeyError, match="seven"):
        next(loop)
    assert threads() == []


def test_leaving_early_leaves_no_thread():
    for _ in DataLoader(TensorDataset(X, Y), 2, device="cpu"):
        assert len(threads()) == 1
        break
    gc.collect()
    assert threads() == []
    list(DataLoader(TensorDataset(X, Y), 2, device="cpu"))
    assert threads() == []


def test_the_thread_works_ahead_but_not_far():
    asked = []

    class Watched(Squares):
        def __getitem__(self, k):
            asked.append(k)
            return k

    loop = iter(DataLoader(Watched(100), 1, device="cpu", prefetch=3))
    assert asked == []
    next(loop)
    deadline = time.monotonic() + 5
    while len(asked) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert asked == [0, 1, 2, 3]
    loop.close()


def test_every_item_is_read_once():
    asked = []

    class Counted(TensorDataset):
        def gather(self, indices):
            asked.extend(indices.tolist())
            return super().gather(indices)

    list(DataLoader(Counted(X), 4, shuffle=True, seed=0, device="cpu"))
    assert sorted(asked) == list(range(23))


def test_subset_and_random_split():
    dataset = TensorDataset(X, Y)
    part = Subset(dataset, [5, -1, 0])
    assert [int(y) for _, y in (part[k] for k in range(3))] == [5, 22, 0]
    assert flat(seen(DataLoader(part, 2, device="cpu"))) == [5, 22, 0]
    assert flat(seen(DataLoader(Subset(part, [2, 0]), 2, device="cpu"))) == [0, 5]
    items = DataLoader(Subset(Squares(), [3, 1]), 2, device="cpu")
    assert next(iter(items))["y"].numpy().tolist() == [9, 1]

    a, b = random_split(dataset, [20, 3], seed=1)
    assert sorted([*a.indices, *b.indices]) == list(range(23))
    again, _ = random_split(dataset, [20, 3], seed=1)
    np.testing.assert_array_equal(a.indices, again.indices)
    assert [len(p) for p in random_split(dataset, [0.5, 0.25, 0.25], seed=0)] == [12, 6, 5]


def test_a_list_is_a_data_set():
    assert isinstance([1], data.Dataset)
    assert [b.numpy().tolist() for b in DataLoader([1.5, 2.5, 3.5], 2, device="cpu")] == [
        [1.5, 2.5],
        [3.5],
    ]


@pytest.mark.parametrize(("make", "error", "match"), [
    (lambda: TensorDataset(), SettingError, "TensorDataset: expected at least one"),
    (lambda: TensorDataset([1, 2]), DTypeError, "expected Tensors or NumPy arrays, got list"),
    (lambda: TensorDataset(X, Y[:3]), ShapeError, r"same first size, got \(23, 4\), \(3,\)"),
    (lambda: TensorDataset(np.float32(1) + np.zeros(())), DTypeError, "got float"),
    (lambda: TensorDataset(np.zeros(())), ShapeError, "same first size"),
    (lambda: TensorDataset(X)[23], IndexOutOfRangeError, r"index in \[-23, 22\], got 23"),
    (lambda: Subset(TensorDataset(X), [0, 23]), IndexOutOfRangeError, "Subset: expected an index"),
    (lambda: Subset(TensorDataset(X), [0.5]), DTypeError, "Subset: expected a sequence of ints"),
    (lambda: Subset(3, [0]), DTypeError, "Subset: expected a data set"),
    (lambda: random_split(TensorDataset(X), [20, 4]), SettingError, r"add up to 23, got \[20, 4\]"),
    (lambda: random_split(TensorDataset(X), [0.5, 0.4]), SettingError, "fractions that add up to 1"),
    (lambda: random_split(TensorDataset(X), [24, -1]), SettingError, "lengths >= 0"),
    (lambda: DataLoader(5), DTypeError, "DataLoader: expected a data set with __len__ and __getitem__, got int"),
    (lambda: DataLoader({1: 2}), DTypeError, "got dict"),
    (lambda: DataLoader([1], 0), SettingError, "batch_size to be an int >= 1, got 0"),
    (lambda: DataLoader([1], 2.0), SettingError, "batch_size to be an int >= 1, got 2.0"),
    (lambda: DataLoader([1], prefetch=-1), SettingError, "prefetch to be an int >= 0"),
    (lambda: DataLoader([1], seed=-1), SettingError, "seed to be an int >= 0"),
    (lambda: DataLoader([1], collate_fn=3), DTypeError, "collate_fn to be callable"),
    (lambda: list(DataLoader([object()])), DTypeError, "got object; pass collate_fn"),
    (lambda: list(DataLoader([X[:1], X[:2]], 2)), ShapeError, "arrays of one shape"),
    (lambda: list(DataLoader([(1, 2), (3,)], 2)), ShapeError, "items of one length"),
])  # fmt: skip
def test_mistakes(make, error, match):
    with pytest.raises(error, match=match):
        make()
