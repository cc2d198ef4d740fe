"""`clnn bench`: every suite runs, results are checked before they are timed, tables say who loses."""

import json

import numpy as np
import pytest

import clnn
from clnn import bench
from clnn.bench import measure, peers, report
from clnn.bench.case import Case, Job, forward
from clnn.bench.machine import Limits
from clnn.cli import main
from clnn.errors import SettingError


def run(device, **settings):
    return bench.run(bench.Settings(device=clnn.device(device), quick=True, **settings))


@pytest.mark.parametrize("suite", list(bench.SUITES))
def test_every_suite_is_right_on_every_device(suite, opencl_device):
    found = run(opencl_device, suites=(suite,))
    assert found.rows
    assert not found.failed, [(r.case.name, r.errors) for r in found.failed]
    assert all(t > 0 for row in found.rows for t in row.seconds.values())


def test_without_a_peer_the_reference_checks(opencl_device):
    found = run(opencl_device, suites=("gemm",), peers=())
    assert not found.failed
    assert {name for row in found.rows for name in row.errors} == {"reference"}


def test_a_wrong_result_is_a_failure(opencl_device, monkeypatch, capsys):
    job = peers.NumPy.job

    def bad(self, case):
        found = job(self, case)
        return found and Job(found.run, found.wait, lambda y: found.read(y) * 1.005)

    monkeypatch.setattr(peers.NumPy, "job", bad)
    arguments = ["bench", "gemm", "--quick", "--peers", "numpy", "--device", opencl_device]
    assert main(arguments) == 1
    assert "WRONG" in capsys.readouterr().out


def test_files(opencl_device, tmp_path, capsys):
    files = [tmp_path / "new" / name for name in ("b.json", "b.md", "b.png")]
    arguments = ["bench", "gemm", "--quick", "--peers", "numpy", "--device", opencl_device]
    for option, file in zip(("--json", "--markdown", "--plot"), files, strict=True):
        arguments += [option, str(file)]
    assert main(arguments) == 0
    assert "geometric mean" in capsys.readouterr().out
    data = json.loads(files[0].read_text())
    assert data["limits"]["gflops"] > 0
    assert data["rows"][0]["ratios"]["numpy"] > 0
    assert data["geomeans"][0]["peer"] == "numpy"
    assert data["machine"]["device"] == opencl_device
    assert "| geometric mean |" in files[1].read_text()
    assert files[2].read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in files[0].parent.iterdir()) == ["b.json", "b.md", "b.png"]


def test_what_cannot_be_measured_is_refused():
    for settings, words in (({"suites": ("speed",)}, "suites"), ({"peers": ("jax",)}, "peers"),
                            ({"only": "no such case"}, "name")):  # fmt: skip
        with pytest.raises(SettingError, match=words):
            run("cpu", **settings)
    assert main(["bench", "--rounds", "0"]) == 2


def test_the_table_says_where_clnn_loses():
    case = Case("s", "g", "c", (), forward(lambda lib: None), flops=2e9, nbytes=1e9)
    rows = [report.Row(case, {"clnn": [1.0, 2.0, 9.0], "numpy": [seconds]}, {"numpy": error})
            for seconds, error in ((4.0, 0.0), (1.0, 0.1))]  # fmt: skip
    facts = dict.fromkeys(("clnn", "device", "device_name", "platform", "driver", "cores", "cpu", "system",
                           "python", "date"), "x")  # fmt: skip
    found = report.Report(facts, Limits(4e9, 1e9), {"numpy": "2"}, rows)
    assert report.geomean(rows, "numpy") == pytest.approx(1.0)
    assert found.share(rows[0], "flops") == pytest.approx(0.25)
    assert found.share(rows[0], "bandwidth") == pytest.approx(0.5)
    assert found.failed == rows[1:]
    text = found.markdown()
    assert "| 2.00× |" in text
    assert "**0.50× ◂**" in text
    assert "WRONG: 1.0e-01 from numpy" in text
    assert "| s: g | numpy | 1.00× | 2 | 1 |" in text


def test_a_page_keeps_what_is_around_the_tables(tmp_path):
    facts = dict.fromkeys(("clnn", "device", "device_name", "platform", "driver", "cores", "cpu", "system",
                           "python", "date"), "x")  # fmt: skip
    found, page = report.Report(facts, Limits(0.0, 0.0), {}, []), tmp_path / "page.md"
    page.write_text(f"before\n{report.MARKS[0]}\nold\n{report.MARKS[1]}\nafter\n")
    for _ in range(2):
        found.write_markdown(page)
        text = page.read_text()
        assert text.startswith("before\n")
        assert text.endswith("\nafter\n")
        assert "old" not in text
        assert text.count("clnn x on x") == 1


def test_sides_take_turns():
    order = []
    jobs = {n: Job(lambda n=n: order.append(n) or (), lambda: None, np.asarray) for n in "ab"}
    times = measure.compare(jobs, measure.Pace(rounds=2, block=0.0, rest=0.0))
    assert [order[k] for k in range(0, len(order), 2)] == ["a", "b", "b", "a"]
    assert {name: len(found) for name, found in times.items()} == {"a": 2, "b": 2}


def test_durations_have_units():
    found = [report.duration(s) for s in (12.3456, 0.1234, 3.21e-3, 4.5e-5, 3e-7)]
    assert found == ["12.3 s", "123 ms", "3.21 ms", "45 µs", "0.3 µs"]
