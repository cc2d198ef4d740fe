"""Variables of the environment: each is known, checked and documented."""

import re
from pathlib import Path

import pytest

from clnn import doctor
from clnn.doctor import advice, switches
from clnn.doctor.report import Report
from clnn.switches import ALL

SRC = Path(doctor.__file__).parents[1]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("CLNN_DEVCE", "cpu", "did you mean CLNN_DEVICE"),
        ("CLNN_ZZZZ", "1", "clnn knows CLNN_DEVICE"),
        ("CLNN_DEVICE", "cpux", "expected 'cpu'"),
        ("CLNN_TUNE", "sometimes", "expected one of off, cache, auto"),
        ("CLNN_SELFTEST", "sometimes", "expected one of off"),
        ("CLNN_DISABLE", "conv2d.nonsense, matmul.simd", "got conv2d.nonsense"),
        ("CLNN_DISABLE", "matmul.simd", ""),
        ("CLNN_DEVICE", "cpu", ""),
        ("OCL_ICD_VENDORS", "/etc/OpenCL/vendors", ""),
        ("POCL_DEVICES", "pthread", ""),
    ],
)
def test_switches(monkeypatch, name, value, why):
    monkeypatch.setenv(name, value)
    (found,) = [s for s in switches.look() if s.name == name]
    assert why in found.why
    assert bool(found.why) == bool(why)
    texts = [f.text for f in advice.findings(Report({}, switches=[found])) if f.level == "warning"]
    assert bool(texts) == bool(why)


def test_every_switch_is_known():
    used = {
        n for p in SRC.rglob("*.py") for n in re.findall(r"CLNN_[A-Z][A-Z_]*[A-Z]", p.read_text())
    }
    assert sorted(used - switches.KNOWN.keys()) == []


def test_the_docs_tell_of_every_switch():
    rows = (SRC.parents[1] / "docs" / "devices.md").read_text().splitlines()
    for switch in ALL[:-1]:  # the last is for those who test clnn
        (row,) = [r for r in rows if r.startswith(f"| `{switch.name}` |")]
        assert all(f"`{v}`" in row for v in switch.values)
        assert not switch.default or f"`{switch.default}` (default)" in row
