"""Check clnn on a graphics card, and write what happened: one JSON and one Markdown report.

    python scripts/gpu_check.py --out report [--device cuda:0] [--quick]

Needs Python and clnn's own dependencies. The demo needs scikit-learn and matplotlib and is skipped
without them; `clnn bench` measures beside torch and ONNX Runtime where they are installed. Exit code 0 if all is well.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT / "tests", ROOT / "src"):
    sys.path.insert(0, str(folder))

from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402

import clnn  # noqa: E402
import harness  # noqa: E402
from clnn import bench  # noqa: E402
from clnn.errors import ClnnError  # noqa: E402
from samples import gather  # noqa: E402

console = Console(stderr=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=Path("gpu-check"), help="folder for the reports"
    )
    parser.add_argument("--device", help="default: cuda:0 where there is one, else the best device")
    parser.add_argument(
        "--quick", action="store_true", help="every tenth sample, no demo, products only"
    )
    args = parser.parse_args()
    name = args.device or pick()
    report: dict[str, Any] = {
        "clnn": clnn.__version__,
        "python": platform.python_version(),
        "device": name,
    }
    report["when"] = time.strftime("%Y-%m-%d %H:%M:%S %z")
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("devices", devices),
        ("conformance", lambda: conformance(name, 10 if args.quick else 1)),
        ("speed", lambda: speed(name, args.quick)),
    ]
    if not args.quick:
        steps.insert(2, ("demo", lambda: demo(name, args.out)))
    for title, step in steps:
        console.rule(title)
        try:
            report[title] = step()
        except Exception:  # the report must say what broke, whatever it was, and go on
            report[title] = {"error": traceback.format_exc()}
            console.print(report[title]["error"], markup=False)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "gpu-check.json").write_text(json.dumps(report, indent=1))
    text = markdown(report)
    (args.out / "gpu-check.md").write_text(text)
    print(text)
    bad = report["conformance"].get("failed", 1) or report["speed"].get("wrong")
    bad = bad or any("error" in report[title] for title, _ in steps)
    return 1 if bad else 0


def pick() -> str:
    try:
        return clnn.device("cuda:0").name
    except ClnnError as why:
        console.print(f"no cuda:0: {why}", markup=False)
        return clnn.default_device().name


def devices() -> dict[str, Any]:
    found = []
    for d in clnn.devices():
        row: dict[str, Any] = {"name": d.name}
        if d.info is not None:
            row |= {k: v for k, v in vars(d.info).items() if k != "handle"}
        found.append(row)
    icd = Path("/etc/OpenCL/vendors")
    files = {f.name: f.read_text().strip() for f in icd.glob("*.icd")} if icd.is_dir() else {}
    return {"devices": found, "icd_files": files, "loader": os.environ.get("OCL_ICD_VENDORS")}


def conformance(name: str, stride: int) -> dict[str, Any]:
    """Every sample by every algorithm on the device against the reference; no torch needed."""
    from clnn.backends.opencl.algorithms import algorithm

    counts = {"passed": 0, "failed": 0, "skipped": 0}
    failures = []
    for sample in track(gather("SAMPLES")[::stride], "samples", console=console):
        table = harness.algorithms_of(sample.family)
        names = dict.fromkeys(a.name for found in table.values() for a in found)
        for choice in (None, *names):
            if harness.lacks(sample, name):
                counts["skipped"] += 1
                continue
            try:
                with contextlib.ExitStack() as stack:
                    used = [stack.enter_context(algorithm(op, choice, strict=False))
                            for op, found in table.items() if choice in {a.name for a in found}]  # fmt: skip
                    harness.check_against_reference(sample, name)
                counts["skipped" if choice and not any(used) else "passed"] += 1
            except Exception as exc:  # a crash of one kernel is a row of the report
                counts["failed"] += 1
                failures.append(
                    {
                        "sample": str(sample),
                        "algorithm": choice or "default",
                        "error": str(exc)[:2000],
                    }
                )
    return {**counts, "failures": failures}


def demo(name: str, out: Path) -> dict[str, Any]:
    from clnn.cli import main as cli

    start = time.perf_counter()
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        code = cli(["demo", "digits", "--device", name, "--out", str(out / "demo")])
    if code:
        return {"error": text.getvalue()}
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "output": text.getvalue().splitlines(),
    }


# --- speed ---------------------------------------------------------------------------------------


def speed(name: str, quick: bool) -> dict[str, Any]:
    """What `clnn bench` finds: every suite, or only products."""
    settings = bench.Settings(
        suites=("gemm",) if quick else tuple(bench.SUITES), device=clnn.device(name),
        rounds=1 if quick else 3,
    )  # fmt: skip
    with console.status("limits of the device") as status:
        report = bench.run(settings, lambda text, share: status.update(f"{share:.0%} {text}"))
    wrong = [f"{row.case.name}: {row.errors}" for row in report.failed]
    return {**report.data(), "wrong": wrong, "markdown": report.markdown()}


# --- report --------------------------------------------------------------------------------------


def markdown(report: dict[str, Any]) -> str:
    out = [
        f"# clnn {report['clnn']} on {report['device']}",
        "",
        f"{report['when']}, Python {report['python']}",
        "",
    ]
    for d in report["devices"].get("devices", []):
        line = f"- `{d['name']}`"
        if "driver" in d:
            line += f" {d.get('platform')}: driver {d['driver']}, OpenCL C {d['c_version']}, {d['compute_units']} units"
        out.append(line)
    check = report["conformance"]
    out += ["", "## Conformance", ""]
    out.append(
        check.get("error") or "{passed} passed, {failed} failed, {skipped} skipped".format(**check)
    )
    out += [
        f"- `{f['sample']}` by {f['algorithm']}: {f['error'].splitlines()[0]}"
        for f in check.get("failures", [])
    ]
    if "demo" in report:
        out += [
            "",
            "## Demo",
            "",
            *(report["demo"].get("output") or [report["demo"].get("error", "")]),
        ]
    out += ["", "## Speed (float32)", "", report["speed"].get("markdown", "")]
    if "error" in report["speed"]:
        out += ["", "```", report["speed"]["error"], "```"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.exit(main())
