"""A built wheel, installed in an empty environment away from the checkout, finds its kernels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]

TRAIN = """
import json
from pathlib import Path

import numpy as np

import clnn
import clnn.nn as nn
import clnn.nn.functional as F

rng = np.random.default_rng(0)
labels = np.arange(32) % 2
images = rng.normal(0.0, 0.3, (32, 1, 8, 8)).astype(np.float32)
images[labels == 1, :, 2:6, 2:6] += 1.0


def losses(device):
    clnn.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 2),
    ).to(device)
    optimizer = clnn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = clnn.tensor(images, device=device), clnn.tensor(labels, device=device)
    for _ in range(8):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        yield float(loss.item())


names = dict.fromkeys(["cpu", *(str(device) for device in clnn.devices())])
print(json.dumps({
    "package": str(Path(clnn.__file__).parent),
    "losses": {name: list(losses(clnn.device(name))) for name in names},
}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, as somebody who has never seen the checkout would."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(command), cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the source distribution, so that both are complete."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", out, CHECKOUT)
    run(*build, cwd=out)
    (found,) = out.glob("clnn-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a new environment that has this wheel, and of this environment only the rest."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=True)
    bin_dir = home / ("Scripts" if os.name == "nt" else "bin")
    python = bin_dir / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=home)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", ask, cwd=home).strip())
    # Dependencies come from here; a .pth below this path (an editable clnn) is not followed.
    here = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (site / "dependencies.pth").write_text("\n".join(here))
    return bin_dir


@pytest.fixture(scope="module")
def report(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a training script said that ran from an empty directory."""
    script = tmp_path_factory.mktemp("away") / "train.py"
    script.write_text(TRAIN)
    result: dict[str, Any] = json.loads(run(installed / "python", script, cwd=script.parent))
    return result


def test_wheel_has_every_kernel(wheel: Path) -> None:
    kernels = [path for path in (CHECKOUT / "kernels").rglob("*") if path.is_file()]
    expected = {path.relative_to(CHECKOUT).as_posix() for path in kernels}
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    prefix = "clnn/kernels/"
    assert expected
    assert {name.removeprefix("clnn/") for name in names if name.startswith(prefix)} == expected


def test_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"clnn"}
    assert "clnn/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_imported_from_the_new_environment(report: dict[str, Any], installed: Path) -> None:
    package = Path(report["package"])
    assert package.is_relative_to(installed.parent)
    assert not package.is_relative_to(CHECKOUT)


def test_trains_on_every_device(report: dict[str, Any]) -> None:
    assert "cpu" in report["losses"]
    for name, losses in report["losses"].items():
        assert losses[-1] < 0.5 * losses[0], f"{name}: {losses}"


def test_command_line(installed: Path, tmp_path: Path) -> None:
    assert "cpu" in run(installed / "clnn", "devices", cwd=tmp_path)
