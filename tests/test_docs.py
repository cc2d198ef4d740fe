"""README and guides are true: their Python runs as written, in order, in an empty folder."""

import re
import runpy
from pathlib import Path

import pytest

import clnn

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n(.*?)```", re.S)


PAGES = [
    "quickstart",
    "training",
    "data",
    "from-pytorch",
    "from-keydnn",
    "from-mpneuralnetwork",
    "from-keras",
]


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in PAGES)])
def test_examples_run(page, tmp_path, monkeypatch):
    if page == "docs/training.md":
        pytest.importorskip("matplotlib")  # it draws a history
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall((ROOT / page).read_text())
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)  # executing the page is the point


@pytest.mark.parametrize("page", sorted(p.name for p in (ROOT / "docs").glob("*.md")))
def test_links_lead_somewhere(page):
    text = (ROOT / "docs" / page).read_text()
    targets = [t for t in re.findall(r"\]\(([^)#]+)", text) if not t.startswith("http")]
    assert [t for t in targets if not (ROOT / "docs" / t).exists()] == []


def test_what_is_said_to_be_missing_is():
    page = (ROOT / "docs/from-pytorch.md").read_text().split("## What is missing")[1]
    names = re.findall(r"`(nn|F|Tensor|optim)\.(\w+)`", page)
    there = {"F.scaled_dot_product_attention", "nn.Dense", "nn.LazyLinear"}
    places = {"nn": clnn.nn, "F": clnn.nn.functional, "Tensor": clnn.Tensor, "optim": clnn.optim}
    assert len(names) > 30
    for place, name in names:
        assert hasattr(places[place], name) == (f"{place}.{name}" in there), f"{place}.{name}"


@pytest.mark.peers
def test_what_is_said_to_be_missing_is_torchs():
    torch = pytest.importorskip("torch")
    page = (ROOT / "docs/from-pytorch.md").read_text().split("## What is missing")[1]
    places = {"nn": [torch.nn], "F": [torch.nn.functional], "Tensor": [torch.Tensor],
              "optim": [torch.optim, torch.optim.lr_scheduler]}  # fmt: skip
    for place, name in re.findall(r"`(nn|F|Tensor|optim)\.(\w+)`", page):
        assert name == "Dense" or any(hasattr(p, name) for p in places[place]), f"{place}.{name}"


def test_the_list_of_ops_is_current():
    scripts = runpy.run_path(str(ROOT / "scripts/list_ops.py"))
    assert (ROOT / "docs/ops.md").read_text() == scripts["page"](), "run python scripts/list_ops.py"
