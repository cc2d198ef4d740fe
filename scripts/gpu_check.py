"""Check clnn on a graphics card, and write what happened: one JSON and one Markdown report.

    python scripts/gpu_check.py --out report [--device cuda:0] [--quick]

Needs Python and clnn's own dependencies. The demo needs scikit-learn and matplotlib and is skipped
without them; the speed table has a torch column where torch has the same kind of device. Exit code 0 if all is well.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT / "tests", ROOT / "src"):
    sys.path.insert(0, str(folder))

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402

import clnn  # noqa: E402
import clnn.nn.functional as F  # noqa: E402
import harness  # noqa: E402
from clnn.errors import ClnnError  # noqa: E402
from samples import gather  # noqa: E402

console = Console(stderr=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=Path("gpu-check"), help="folder for the reports"
    )
    parser.add_argument("--device", help="default: cuda:0 where there is one, else the best device")
    parser.add_argument("--quick", action="store_true", help="every tenth sample, no demo")
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
        ("speed", lambda: speed(name)),
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
    bad = report["conformance"].get("failed", 1) or any("error" in report[t] for t, _ in steps)
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


def cases() -> Iterator[tuple[str, list[tuple[int, ...]], Callable[..., Any], float, float]]:
    """(name, operand shapes, call on a functional namespace and operands, flops, bytes)."""
    for n in (512, 1024, 2048, 4096):
        yield (
            f"matmul {n}",
            [(n, n), (n, n)],
            lambda f, m, a, b: m.matmul(a, b),
            2.0 * n**3,
            12.0 * n * n,
        )
    for n, c, h, o, k, s, p in [(32, 3, 224, 64, 7, 2, 3), (32, 64, 56, 64, 3, 1, 1), (32, 256, 14, 256, 3, 1, 1),
                                (32, 256, 56, 64, 1, 1, 0), (32, 512, 7, 512, 3, 1, 1)]:  # fmt: skip
        out = (h + 2 * p - k) // s + 1
        yield (f"conv2d {k}x{k} {c}->{o} {h}²", [(n, c, h, h), (o, c, k, k)],
               lambda f, m, x, w, s=s, p=p: f.conv2d(x, w, stride=s, padding=p),
               2.0 * n * o * c * k * k * out * out, 4.0 * n * (c * h * h + o * out * out))  # fmt: skip
    big = 1 << 25
    yield "add 2^25", [(big,), (big,)], lambda f, m, a, b: m.add(a, b), big, 12.0 * big
    yield "relu 2^25", [(big,)], lambda f, m, a: f.relu(a), big, 8.0 * big
    yield "sum 8192²", [(8192, 8192)], lambda f, m, a: m.sum(a), 8192.0**2, 4 * 8192.0**2
    yield (
        "softmax 8192x4096",
        [(8192, 4096)],
        lambda f, m, a: f.softmax(a, dim=-1),
        5 * 2.0**25,
        8 * 2.0**25,
    )
    yield (
        "layer_norm 8192x4096",
        [(8192, 4096)],
        lambda f, m, a: f.layer_norm(a, (4096,)),
        8 * 2.0**25,
        8 * 2.0**25,
    )


def median_ms(run: Callable[[], Any], wait: Callable[[], Any], rounds: int = 7) -> float:
    """Median over blocks, each long enough (>= 20 ms) that launch jitter does not count.

    The rest before them lets the threads of whoever ran last stop spinning.
    """
    time.sleep(0.25)
    run(), wait()
    start = time.perf_counter()
    run(), wait()
    repeats = max(1, min(200, int(0.02 / max(time.perf_counter() - start, 1e-6))))
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        wait()
        times.append((time.perf_counter() - start) / repeats * 1e3)
        time.sleep(0.02)
    return statistics.median(times)


def torch_beside(name: str) -> tuple[Any, str]:
    """torch and its device that is the same kind as clnn's; (None, "") where there is none."""
    try:
        import torch
    except ImportError:
        return None, ""
    info = clnn.device(name).info
    if info is None or info.kind == "cpu":
        return torch, "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return (torch, "cuda") if torch.cuda.is_available() else (None, "")


def speed(name: str) -> dict[str, Any]:
    torch, where = torch_beside(name)
    rows = []
    backend = clnn.device(name).backend
    for title, shapes, call, flops, nbytes in cases():
        host = [np.random.default_rng(0).standard_normal(s, dtype=np.float32) for s in shapes]
        row: dict[str, Any] = {"case": title}
        with clnn.no_grad():
            xs = [clnn.tensor(h, device=name) for h in host]
            row["ms"] = median_ms(partial(call, F, clnn, *xs), backend.synchronize)
        del xs
        if torch is not None:
            ts = [torch.tensor(h, device=where) for h in host]
            wait = torch.cuda.synchronize if where == "cuda" else lambda: None
            row["torch_ms"] = median_ms(partial(call, torch.nn.functional, torch, *ts), wait)
            del ts
        row["gflops"], row["gbytes"] = flops / row["ms"] / 1e6, nbytes / row["ms"] / 1e6
        rows.append(row)
        console.print(f"{title}: {row['ms']:.3f} ms", markup=False)
    version = f"{torch.__version__} on {where}" if torch else None
    return {"rows": rows, "torch": version, "overhead_us": overhead(name)}


def overhead(name: str) -> dict[str, float]:
    """Microseconds of Python and driver per call on 16 elements, the queue running behind."""
    x = clnn.tensor(np.ones(16, np.float32), device=name)
    m = clnn.tensor(np.ones((4, 4), np.float32), device=name)
    image = clnn.tensor(np.ones((1, 2, 4, 4), np.float32), device=name)
    calls: dict[str, Callable[[], Any]] = {
        "add": lambda: x + x, "mul by a number": lambda: x * 2.0, "exp": lambda: clnn.exp(x),
        "sum": lambda: clnn.sum(x), "permute": lambda: m.permute(1, 0), "matmul": lambda: m @ m,
        "conv2d": lambda: F.conv2d(image, image, padding=1),
    }  # fmt: skip
    out = {}
    for title, call in calls.items():
        times = []
        for _ in range(9):
            clnn.synchronize(name)
            start = time.perf_counter()
            for _ in range(300):
                call()
            times.append((time.perf_counter() - start) / 300 * 1e6)
        out[title] = statistics.median(times)
    return out


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
    out += [
        "",
        "## Speed (float32, median)",
        "",
        "| case | ms | GFLOP/s | GB/s | torch ms | ratio |",
    ]
    out.append("|---|---|---|---|---|---|")
    for r in report["speed"].get("rows", []):
        peer = r.get("torch_ms")
        tail = f"{peer:.3f} | {peer / r['ms']:.2f}" if peer else "– | –"
        out.append(
            f"| {r['case']} | {r['ms']:.3f} | {r['gflops']:.0f} | {r['gbytes']:.0f} | {tail} |"
        )
    if "overhead_us" in report["speed"]:
        calls = [f"{k} {v:.1f}" for k, v in report["speed"]["overhead_us"].items()]
        out += ["", f"Microseconds per call on 16 elements: {', '.join(calls)}."]
    if "error" in report["speed"]:
        out += ["", "```", report["speed"]["error"], "```"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.exit(main())
