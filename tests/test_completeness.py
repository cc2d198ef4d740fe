"""Nothing is half-added: ops, implementations, kernels, samples, headers and docs agree."""

import inspect
import re
from pathlib import Path

import pytest

import clnn
from clnn import ops
from clnn.op import OPS
from samples import gather

ROOT = Path(__file__).parents[1]
STEMS = {p.stem for p in (ROOT / "src/clnn/ops").glob("[a-z]*.py")} - {
    "rules"
}  # declares for others
DECLARING = {
    s for s in STEMS if re.search(r"\bOp\(|\bunary\(", (ROOT / f"src/clnn/ops/{s}.py").read_text())
}
TEMPLATES = sorted((ROOT / "kernels").glob("*.cl.mako"))
FIELDS = ("Computes", "Layout", "Defines", "Source")
PUBLIC = {n: f for n, f in vars(ops).items() if inspect.isfunction(f) and not n.startswith("_")}


def test_every_op_runs_on_every_device(device):
    impls = clnn.device(device).backend.impls
    assert sorted(OPS.keys() - impls.keys()) == []
    assert sorted(impls.keys() - OPS.keys()) == []


def test_every_public_op_has_samples():
    assert sorted(PUBLIC.keys() - {s.fn for s in gather("SAMPLES")} - UNSAMPLED.keys()) == []


# name -> the file that tests it instead: these have no torch twin that draws the same numbers
UNSAMPLED = {
    "manual_seed": "test_random.py",
}


def test_what_has_no_samples_is_tested_elsewhere():
    for name, file in UNSAMPLED.items():
        assert name in (ROOT / "tests" / file).read_text(), f"{file} does not mention {name}"


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_op_is_documented(name):
    doc = inspect.getdoc(PUBLIC[name])
    assert doc, name
    assert len(doc.splitlines()[0]) <= 120, name


@pytest.mark.parametrize(
    "folder", ["src/clnn/backends/reference", "src/clnn/backends/opencl", "tests/samples"]
)
def test_families_are_mirrored(folder):
    assert sorted(DECLARING - {p.stem for p in (ROOT / folder).glob("*.py")}) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.name)
def test_kernel_header(path):
    text = path.read_text()
    family = path.name.removesuffix(".cl.mako").lstrip("_")
    assert text.startswith(f"/* {family} — ")
    if path.name.startswith("_"):
        return  # a partial says what it offers in its own words
    header = text[: text.index("*/")]
    assert [f for f in FIELDS if not re.search(rf"^ \* {f}\s", header, re.M)] == []


@pytest.mark.parametrize(
    "path", [*TEMPLATES, *(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")], ids=str
)
def test_no_file_outgrows_its_reader(path):
    assert len(path.read_text().splitlines()) <= 450, (
        f"{path}: split it, a file holds about 400 lines"
    )


@pytest.mark.parametrize("path", sorted((ROOT / "src").rglob("*.py")), ids=lambda p: p.name)
def test_no_kernel_text_in_python(path):
    assert not re.search(r"__(kernel|global|local)\s", path.read_text())
