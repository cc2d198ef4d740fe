"""Python in a process of its own: killed, interrupted, or left to its end, and never waited for in vain."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 60


def environment(**changes):
    """The variables of this process, with some changed or, where None, removed."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests"), str(Path(__file__).parent)])
    wanted = {**os.environ, "PYTHONPATH": path, **changes}
    return {k: v for k, v in wanted.items() if v is not None}


def start(code, *args, **changes):
    """A process that runs `code` with `args`."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)], env=environment(**changes),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process, timeout=TIMEOUT):
    """(exit code, stdout, stderr); a process that hangs is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hangs after {timeout} s\n{out}\n{err}") from None
    return process.returncode, out, err


def run(code, *args, **changes):
    """stdout of `code`, which must end well."""
    rc, out, err = finish(start(code, *args, **changes))
    assert rc == 0, f"exit code {rc}\n{out}\n{err}"
    return out


# Trains two steps of a small network on the device in argv[1] and prints what became of it.
STEPS = """
import sys
import numpy as np
import clnn
from clnn import ops

device = sys.argv[1]
rng = np.random.default_rng(0)
x = clnn.tensor(rng.standard_normal((33, 50)).astype("float32"), device=device)
w = clnn.tensor(rng.standard_normal((50, 21)).astype("float32"), device=device, requires_grad=True)
for _ in range(2):
    ops.sum(ops.relu(ops.matmul(x, w))).backward()
    w = clnn.tensor((w - w.grad * 1e-2).numpy(), device=device, requires_grad=True)
print(round(float(np.abs(w.numpy()).sum()), 1))
"""
