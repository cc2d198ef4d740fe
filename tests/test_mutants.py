"""The table of `make mutate` fits the kernels as they are; whether tests notice its faults, only a run of it tells."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts" / "mutate"))

from mutants import MUTANTS  # noqa: E402


def test_every_text_stands_once_in_its_kernel():
    kernels = ROOT / "kernels"
    assert [m.name for m in MUTANTS if m.times(kernels) != 1] == []


def test_every_mutant_changes_something_under_a_name_of_its_own():
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)
    assert all(m.old != m.new for m in MUTANTS)
