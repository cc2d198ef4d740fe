"""Threads that share a device, the garbage collector in the middle of things, and forks."""

import gc
import os
import threading

import numpy as np
import pytest
from child import STEPS, finish, start

import clnn
from clnn import nn, ops, optim
from clnn.errors import OutOfMemoryError

THREADS, TIMEOUT = 8, 60


def work(device, k):
    """Ops, training, uploads and downloads; what comes out follows from k."""
    rng = np.random.default_rng(k)
    x = clnn.tensor(rng.standard_normal((17 + k, 32)).astype("float32"), device=device)
    w = clnn.tensor(
        rng.standard_normal((32, 8)).astype("float32"), device=device, requires_grad=True
    )
    optimizer = optim.SGD([w], lr=0.01, momentum=0.9)
    out = []
    for _ in range(8):
        optimizer.zero_grad()
        y = ops.matmul(x, w)
        loss = ops.mean(ops.mul(y, y))
        loss.backward()
        optimizer.step()
        host = rng.standard_normal((1000 + k,)).astype("float32")
        up = clnn.tensor(host, device=device)
        out += [loss.numpy(), ops.exp(ops.mul(up, 0.5)).numpy(), ops.softmax(y, dim=1).numpy()]
        np.testing.assert_array_equal(up.numpy(), host)
    return [*out, w.numpy()]


def at_once(jobs):
    """Run them on a thread each; nothing may hang, and the first error is raised."""
    errors = []

    def guarded(job):
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,), daemon=True) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join(TIMEOUT)
        assert not t.is_alive(), "hangs"
    if errors:
        raise errors[0]


def test_eight_threads_get_what_one_gets(opencl_device):
    wanted = [work(opencl_device, k) for k in range(THREADS)]
    found = [None] * THREADS

    def job(k):
        found[k] = work(opencl_device, k)

    at_once([lambda k=k: job(k) for k in range(THREADS)])
    for got, want in zip(found, wanted, strict=True):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b)


def test_threads_that_compile_the_same_at_once(opencl_device):
    """Each finds the kernels of the others half made, or not at all."""
    from clnn.backends.opencl import OpenCL
    from clnn.op import OPS

    backend = OpenCL(clnn.device(opencl_device).info)
    host = np.arange(12, dtype=np.float32).reshape(3, 4)
    spec = clnn.tensor(host, device="cpu").spec
    found = [None] * THREADS

    def job(k):
        op = ("exp", "neg", "abs", "sqrt")[k % 4]
        outs = OPS[op].specs((spec,), {})[0]
        found[k] = backend.download(backend.run(op, [backend.upload(host)], outs, {})[0])

    at_once([lambda k=k: job(k) for k in range(THREADS)])
    for k, fn in enumerate((np.exp, np.negative, np.abs, np.sqrt) * 2):
        np.testing.assert_allclose(found[k], fn(host), rtol=1e-5)
    assert backend.rt.compilations == 4


class Knot:
    """A tensor in a reference cycle, which only the garbage collector frees."""

    def __init__(self, device, n):
        self.tensor, self.me = clnn.tensor(np.ones(n, np.float32), device=device), self


def test_garbage_is_collected_while_memory_is_allocated(opencl_device):
    rt = clnn.device(opencl_device).backend.rt
    gc.collect()
    before, thresholds = rt.memory_stats()["allocated"], gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for n in range(1, 200):
            Knot(opencl_device, 100 * n)
            x = clnn.tensor(np.full(n, 2, np.float32), device=opencl_device)
            assert ops.sum(ops.mul(x, x)).numpy() == 4 * n
        at_once([lambda k=k: work(opencl_device, k) for k in range(3)])
    finally:
        gc.set_threshold(*thresholds)
    del x
    gc.collect()
    assert rt.memory_stats()["allocated"] <= before


def test_a_finalizer_may_use_the_device(opencl_device):
    """Python runs it wherever it likes: inside of the allocator, or with the lock held."""
    done = []

    class Last:
        def __init__(self):
            self.me = self

        def __del__(self):
            done.append(float(ops.add(clnn.tensor([1.0], device=opencl_device), 1.0).numpy()[0]))

    thresholds = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for n in range(30):
            Last()
            clnn.tensor(np.ones(n + 1, np.float32), device=opencl_device).numpy()
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert done == [2.0] * 30


def test_too_much_for_the_device_is_refused_before_it_is_granted(opencl_device, monkeypatch):
    import dataclasses

    rt = clnn.device(opencl_device).backend.rt
    gc.collect()
    rt.empty_cache()
    small = rt.pool.active_bytes + (1 << 20)
    monkeypatch.setattr(rt, "_peak", 0)
    monkeypatch.setattr(rt, "info", dataclasses.replace(rt.info, global_mem=small))
    held = [clnn.tensor(np.ones(1 << 16, np.float32), device=opencl_device) for _ in range(3)]
    for _ in range(2):
        with pytest.raises(OutOfMemoryError, match="memory that is free"):
            clnn.tensor(np.ones(1 << 18, np.float32), device=opencl_device)
    del held[0]
    assert clnn.tensor(np.ones(1 << 16, np.float32), device=opencl_device).numpy().sum() == 1 << 16


# --- forks --------------------------------------------------------------------------------------

FORK = (
    STEPS
    + """
import os, warnings
from clnn.errors import DeviceError
warnings.simplefilter("ignore", DeprecationWarning)
queued = [w * 2.0 for _ in range(50)]
child = os.fork()
if child == 0:
    refused = 0
    for use in (lambda: w * 2.0, lambda: w.numpy(), lambda: clnn.tensor([1.0], device=device),
                lambda: clnn.synchronize(device), lambda: clnn.empty_cache(device)):
        try:
            use()
        except DeviceError as error:
            refused += "spawn" in str(error)
    print("child", refused, float(clnn.tensor([2.0], device="cpu").numpy()[0]), flush=True)
    if sys.argv[2] == "at once":
        os._exit(refused)
    sys.exit(refused)
_, status = os.waitpid(child, 0)
print("parent", os.waitstatus_to_exitcode(status), np.array_equal(queued[-1].numpy(), w.numpy() * 2))
"""
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("end", ["at once", "as usual"])
def test_a_fork_is_refused_and_its_parent_unharmed(opencl_device, end):
    rc, out, err = finish(start(FORK, opencl_device, end))
    assert rc == 0, err
    assert out.splitlines()[1:] == ["child 5 2.0", "parent 5 True"], err


def test_models_move_between_threads(opencl_device):
    model = nn.Linear(4, 4).to(opencl_device)
    x = clnn.tensor(np.ones((2, 4), np.float32), device=opencl_device)
    want, got = model(x).numpy(), []
    at_once([lambda: got.append(model(x).numpy())])
    np.testing.assert_array_equal(got[0], want)
