"""Homes that are missing, read-only or full: slower starts and a warning, and the same results."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from child import STEPS, finish, run, start

import clnn
from clnn.backends.opencl import home, tuning_store
from clnn.backends.opencl.program_store import Programs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="homes as Linux has them")

# what decides where caches lie, but for HOME
UNSET = dict.fromkeys(("XDG_CACHE_HOME", "POCL_CACHE_DIR"))
ON = {**UNSET, "CLNN_SELFTEST": "first-use", "CLNN_TUNE": "cache"}


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """What a process with a good home prints, on the reference."""
    return run(STEPS, "cpu", HOME=str(tmp_path_factory.mktemp("home")), **ON)


@pytest.fixture
def mounted(tmp_path):
    """Mounts a file system of its own, for those who may."""
    made = []

    def mount(*options):
        place = tmp_path / "home"
        place.mkdir(exist_ok=True)
        asked = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(asked, capture_output=True).returncode:
            pytest.skip("no file system may be mounted here")
        made.append(place)
        return place

    yield mount
    for place in made:
        subprocess.run(["umount", "-l", str(place)], check=True, capture_output=True)


def same(device, wanted, where, **changes):
    """The process ends well with the right numbers; gives what it said besides."""
    rc, out, err = finish(start(STEPS, device, HOME=str(where), **{**ON, **changes}))
    assert rc == 0, err
    assert out == wanted
    assert "Traceback" not in err
    return err


def test_a_read_only_home(opencl_device, mounted, wanted):
    err = same(opencl_device, wanted, mounted("ro", "size=1m"))
    assert "trust: verdicts are kept for this process only" in err


def test_a_full_home(opencl_device, mounted, wanted):
    place = mounted("size=16k")
    left = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    (place / "ballast").write_bytes(b"x" * left)
    err = same(opencl_device, wanted, place)
    assert "for this process only" in err
    assert not [p for p in place.rglob("*") if p.is_file() and p.stat().st_size and p.name != "ballast"]  # fmt: skip


UNKNOWN = """
import os, pwd, sys
def unknown(uid): raise KeyError(uid)
pwd.getpwuid = unknown
os.chdir(sys.argv[2])
"""


def test_a_user_that_the_system_does_not_know(wanted, tmp_path):
    rc, out, err = finish(start(UNKNOWN + STEPS, "opencl", tmp_path, HOME=None, **ON))
    assert (rc, out) == (0, wanted), err
    assert not list(tmp_path.iterdir()), "wrote into the folder it was started in"


def test_no_home(wanted, tmp_path):
    """Where PoCL is, it is the one that needs a folder in its place; that goes with the process."""
    same(clnn.devices()[-2].name, wanted, "/dev/null", TMPDIR=str(tmp_path))
    assert not list(tmp_path.glob("clnn-*"))


def test_room(tmp_path):
    assert home.has_room(tmp_path / "not" / "yet" / "there") is home.has_room(
        Path(tempfile.gettempdir())
    )
    (tmp_path / "file").write_text("")
    assert not home.has_room(tmp_path / "file" / "below")
    assert not home.has_room(Path("/proc"))


def test_a_disk_that_fills_up_later(opencl_device, monkeypatch, tmp_path):
    """No file is left half written, and what could not be kept is said once."""
    info = clnn.device(opencl_device).info
    store = Programs(info)
    if store.folder is None:
        pytest.skip("this driver keeps its binaries itself")
    store.folder = tmp_path / "kernels"
    context = clnn.device(opencl_device).backend.rt.context

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tuning_store.os, "fsync", full)
        with pytest.warns(RuntimeWarning, match="kernels: .* this process only: .*No space left"):
            store.build(context, "__kernel void one(__global int *x) { x[0] = 1; }")
    store.build(context, "__kernel void two(__global int *x) { x[0] = 2; }")
    assert not list((tmp_path / "kernels").iterdir())


def test_other_users_of_pyopencl_keep_its_cache(opencl_device):
    out = run("""
        import sys
        import numpy as np, pyopencl as cl
        import clnn
        from clnn import ops

        x = clnn.tensor([1.0, -2.0], device=sys.argv[1])
        ops.mul(x, 2.0).numpy()
        rt = clnn.device(sys.argv[1]).backend.rt
        program = cl.Program(rt.context, "__kernel void set(__global float *y, float v) { y[get_global_id(0)] = v; }")
        kernel = cl.Kernel(program.build(), "set")
        kernel.set_arg_types([None, np.float32])
        kernel(rt.queue, (2,), None, x.array.mem, 3)
        print(x.tolist(), bool(cl._PYOPENCL_NO_CACHE))
    """, opencl_device, PYOPENCL_NO_CACHE=None, PYTHONWARNINGS="ignore")  # fmt: skip
    assert out.split("]") == ["[3.0, 3.0", " False\n"]
