"""Search a space of tiles wider than an algorithm declares, with Kernel Tuner: what is good there may be declared.

    pip install kernel_tuner
    python scripts/tune_offline.py --device cuda:0 --size 4096 4096 4096 [--strategy genetic_algorithm]

For products by the `tile` engine, whose arguments do not depend on the tile. Kernel Tuner times one kernel
on operands of its own, so algorithms of several launches, or with scratch that depends on a tunable, are
out of its reach: `clnn tune` times what a caller waits for. Prints the best tiles and a rule for
kernels/tuning/matmul.toml; add a tile to the engine's table first, for no rule may name what is not declared.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import numpy as np  # noqa: E402

import clnn  # noqa: E402
from clnn.backends.opencl import algorithms, tuning  # noqa: E402
from clnn.backends.opencl.program import render  # noqa: E402
from clnn.op import OPS  # noqa: E402
from clnn.shapes import Shape, Spec  # noqa: E402

SPACE = {"TM": (16, 32, 64, 128, 256), "TN": (16, 32, 64, 128, 256), "TK": (8, 16, 32), "RM": (2, 4, 8),
         "RN": (2, 4, 8)}  # fmt: skip
BLOCKS = ("block_size_x", "block_size_y")


class Launch(NamedTuple):
    """What an algorithm enqueues for one combination of values."""

    family: str
    kernel: str
    grid: Shape
    group: Shape
    args: tuple[Any, ...]
    defines: dict[str, Any]


class Capture:
    """Stands in for a runtime: a launcher's one launch is written down and not run."""

    def __init__(self, info: Any, values: dict[str, int]) -> None:
        self.info, self.wg, self.values = info, min(256, info.max_group), values
        self.tuning = tuning.Tuning(info)
        self.launches: list[Launch] = []

    def tuned(self, op: str, algorithm: str, problem: Any, defaults: dict[str, Any]) -> dict[str, Any]:  # fmt: skip
        return {name: self.values.get(name, value) for name, value in defaults.items()}

    def empty(self, spec: Spec) -> Any:
        sys.exit(
            "tune_offline: this algorithm needs scratch memory, which may depend on its tunables"
        )

    def launch(
        self, family: str, kernel: str, grid: Shape, *args: Any, group: Shape, **defines: Any
    ) -> None:
        self.launches.append(Launch(family, kernel, grid, group, args, defines))


def capture(info: Any, impl: Any, arrays: list[Any], values: dict[str, int]) -> Launch:
    """The launch of a product by tiles of these values."""
    rt = Capture(info, values)
    with algorithms.within(algorithms.trial("matmul", algorithms.Candidate("tile"))):
        impl(rt, *arrays, transpose_a=False, transpose_b=False)
    if len(rt.launches) != 1:
        sys.exit(f"tune_offline: expected an algorithm of one launch, got {len(rt.launches)}")
    return rt.launches[0]


def fits(v: dict[str, int], info: Any) -> bool:
    """Whether the template can make such a tile, and the device hold it."""
    x, y = v["TN"] // v["RN"], v["TM"] // v["RM"]
    lanes = x * y
    return (
        32 <= lanes <= info.max_group
        and lanes % v["TK"] == 0
        and all(v[t] * v["TK"] % lanes == 0 for t in ("TM", "TN"))
        and x <= info.max_items[0]
        and y <= info.max_items[1]
        and (v["TM"] + v["TN"] + 2) * v["TK"] * 4 <= info.local_mem
    )


def main() -> int:
    """Search, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", help="opencl:0, cuda:0, ... (default: the best there is)")
    parser.add_argument("--size", type=int, nargs=3, default=(1024, 1024, 1024), metavar=("M", "N", "K"))  # fmt: skip
    parser.add_argument("--strategy", default="brute_force", help="of Kernel Tuner (default %(default)s)")  # fmt: skip
    parser.add_argument("--limit", type=int, default=0, help="try only so many combinations")
    parser.add_argument("--top", type=int, default=5, help="how many to print (default %(default)s)")  # fmt: skip
    args = parser.parse_args()
    device = clnn.device(args.device)
    if device.info is None:
        parser.error("expected an OpenCL device")
    try:
        import kernel_tuner
        import pyopencl as cl
    except ImportError as error:
        parser.error(f"{error}; pip install kernel_tuner")

    info, backend, (m, n, k) = device.info, device.backend, args.size
    impl = backend.impls["matmul"].__wrapped__  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape, np.float32) for shape in ((m, k), (k, n)))
    out = OPS["matmul"].infer(Spec(a.shape), Spec(b.shape), transpose_a=False, transpose_b=False)
    arrays = [clnn.tensor(x, device=device).array for x in (a, b)] + [backend.rt.empty(out)]  # type: ignore[attr-defined]

    every = [dict(zip(SPACE, at, strict=True)) for at in product(*SPACE.values())]
    launches = {tuple(v.values()): capture(info, impl, arrays, v) for v in every if fits(v, info)}
    if args.limit:
        launches = dict(list(launches.items())[: args.limit])

    def of(params: Any) -> Launch | None:
        return launches.get(tuple(params[name] for name in SPACE))

    def source(params: Any) -> str:
        launch = of(params)
        assert launch is not None  # the restriction below
        return render(launch.family, {"wide": False, **launch.defines, "device": info})

    def possible(params: Any) -> bool:
        launch = of(params)
        return launch is not None and launch.group[:2] == tuple(params[name] for name in BLOCKS)

    first = next(iter(launches.values()))
    hosts = {id(x): h for x, h in zip(arrays, (a, b, np.zeros(out.shape, np.float32)), strict=True)}
    arguments = [hosts[id(x)] if id(x) in hosts else np.int32(x) for x in first.args]
    answer = [(a @ b if x is hosts[id(arrays[-1])] else None) for x in arguments]
    groups = [launch.group for launch in launches.values()]
    space = {name: list(values) for name, values in SPACE.items()}
    space |= {name: sorted({g[d] for g in groups}) for d, name in enumerate(BLOCKS)}
    platforms = [p.get_devices() for p in cl.get_platforms()]
    platform = next(i for i, devices in enumerate(platforms) if info.handle in devices)
    results, _ = kernel_tuner.tune_kernel(
        first.kernel, source, lambda p: of(p).grid, arguments, space, restrictions=possible,  # type: ignore[union-attr]
        answer=answer, atol=1e-4 * k**0.5, lang="OpenCL", compiler_options=["-cl-std=CL1.2"], platform=platform,
        device=info.ordinal, strategy=args.strategy, quiet=True,
    )  # fmt: skip
    right = sorted((r for r in results if isinstance(r["time"], float)), key=lambda r: r["time"])
    for r in right[: args.top]:
        rate = 2 * m * n * k / r["time"] / 1e6
        print(f"{r['time']:9.3f} ms {rate:9.1f} GFLOP/s  {' '.join(f'{t}={r[t]}' for t in SPACE)}")
    if right:
        values = ", ".join(f"{t} = {right[0][t]}" for t in SPACE)
        sizes = " ".join(f"{at}{tuning.bucket(s)}" for at, s in zip("mnk", args.size, strict=True))
        print(f'\n[[rule]]\nop = "matmul"\nalgorithm = "tile"\nvalues = {{ {values} }}\n'
              f'problems = "f32 nn {sizes} b1"\ndevice = "{info.name}"')  # fmt: skip
    return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
