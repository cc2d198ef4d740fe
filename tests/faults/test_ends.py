"""How a process ends: by Ctrl-C, by an error, by its last line, with work queued and tensors alive."""

import os
import signal
import time

import pytest
from child import finish, start

LOOP = """
import sys
import numpy as np
import clnn
from clnn import nn, ops, optim

device = sys.argv[1]
model = nn.Linear(64, 64).to(device)
optimizer = optim.SGD(model.parameters(), lr=1e-3)
x = clnn.ones(256, 64, device=device)

def step():
    optimizer.zero_grad()
    loss = ops.mean(ops.mul(y := model(x), y))
    loss.backward()
    optimizer.step()
    return loss

step().numpy()
"""
INTERRUPTED = (
    LOOP
    + """
print("ready", flush=True)
try:
    while True:
        loss = step()
        if sys.argv[2] == "waits":
            loss.numpy()
except KeyboardInterrupt:
    assert all(np.isfinite(p.numpy()).all() for p in model.parameters())
    assert np.isfinite(step().numpy())
    print("readable", flush=True)
    raise
"""
)
ENDS = {
    "tensors are alive": "held = [step() for _ in range(3)]",
    "work is queued": "for _ in range(300): last = step()",
    "in a cycle": "held = [step()]; held.append(held)",
    "as uploads go on": "held = [clnn.tensor(np.ones(1 << 20, np.float32), device=device) for _ in range(20)]",
    "by sys.exit": "last = step(); sys.exit(0)",
    "a thread is at work": (
        "import threading\n"
        "def forever():\n"
        "    while True: step().numpy()\n"
        "threading.Thread(target=forever, daemon=True).start()\n"
        "import time; time.sleep(0.3)"
    ),
    "a module holds a tensor": "import types; sys.modules['odd'] = types.SimpleNamespace(last=step())",
    "a handler uses the device": "held = step(); import atexit; atexit.register(held.numpy)",
}  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="interrupts by signals")
@pytest.mark.parametrize("way", ["waits", "queues"])
def test_ctrl_c_in_training(opencl_device, way):
    process = start(INTERRUPTED, opencl_device, way)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    rc, out, err = finish(process)
    assert out == "readable\n", err
    assert err.rstrip().endswith("KeyboardInterrupt"), err
    assert rc in (1, 130, -signal.SIGINT)


@pytest.mark.parametrize("how", list(ENDS))
def test_the_end_is_quiet(opencl_device, how):
    rc, out, err = finish(start(LOOP + ENDS[how] + "\n", opencl_device))
    assert (rc, out, err) == (0, "", "")


def test_an_error_ends_it_as_an_error(opencl_device):
    rc, _, err = finish(start(LOOP + "held = step()\nraise SystemError('mine')\n", opencl_device))
    assert rc == 1
    assert err.rstrip().endswith("SystemError: mine")
