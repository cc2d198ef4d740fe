"""README and quickstart are true: their Python runs as written, in order, in an empty folder."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n(.*?)```", re.S)


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md", "docs/data.md", "docs/from-keras.md"])
def test_examples_run(page, tmp_path, monkeypatch):
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


def test_the_list_of_ops_is_current():
    scripts = runpy.run_path(str(ROOT / "scripts/list_ops.py"))
    assert (ROOT / "docs/ops.md").read_text() == scripts["page"](), "run python scripts/list_ops.py"
