"""docs/add-an-op.md is true: a copy of the tree with its steps applied passes its own tests."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r'```python title="([^"]+)"\n(.*?)```', re.S)


@pytest.fixture
def tree(tmp_path):
    skip = shutil.ignore_patterns("__pycache__", ".*")
    for name in ("src", "kernels", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def apply_steps(tree, keep=lambda path: True):
    blocks = BLOCK.findall((ROOT / "docs/add-an-op.md").read_text())
    assert len(blocks) == 5
    for path, text in blocks:
        if keep(path):
            with (tree / path).open("a") as file:
                file.write("\n\n" + text)


def run_tests(tree, *files):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *files,
    ]
    return subprocess.run([*command, "-k", "squareplus or public_op_has"], cwd=tree, capture_output=True, text=True,
                          check=False)  # fmt: skip


def test_following_the_page_works(tree):
    apply_steps(tree)
    done = run_tests(tree, "tests/test_conformance.py", "tests/test_completeness.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b\d\d? passed|\[100%\]", done.stdout), done.stdout


def test_a_forgotten_kernel_is_named(tree):
    apply_steps(tree, keep=lambda path: "opencl" not in path)
    done = run_tests(tree, "tests/test_conformance.py")
    assert done.returncode == 1
    assert "squareplus: no OpenCL kernel yet" in done.stdout


def test_forgotten_samples_are_named(tree):
    apply_steps(tree, keep=lambda path: "samples" not in path)
    done = run_tests(tree, "tests/test_completeness.py")
    assert done.returncode == 1
    assert "squareplus" in done.stdout
