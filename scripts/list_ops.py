"""Write docs/ops.md: every op and layer clnn has, from the code itself. `python scripts/list_ops.py`"""

from __future__ import annotations

import inspect
from pathlib import Path

from clnn import nn, ops, optim

PAGE = Path(__file__).resolve().parents[1] / "docs/ops.md"
HEAD = """# Ops and layers

Names, arguments and defaults are torch's. Every op runs on the reference and on OpenCL devices,
with its gradient where it has one.
This page is written by `scripts/list_ops.py`.
"""


def page() -> str:
    families: dict[str, list[str]] = {}
    for name, fn in sorted(vars(ops).items()):
        if inspect.isfunction(fn) and not name.startswith("_"):
            families.setdefault(fn.__module__.rpartition(".")[2], []).append(name)
    layers = [n for n, c in vars(nn).items() if inspect.isclass(c) and issubclass(c, nn.Module)]
    optimizers = [n for n, c in vars(optim).items() if inspect.isclass(c) or n.startswith("clip")]
    out = [HEAD, "## Ops: `clnn.*`, and those of torch.nn.functional in `clnn.nn.functional`", ""]
    out += ["| family | ops |", "|---|---|"]
    out += [
        f"| {family} | {' '.join(f'`{n}`' for n in names)} |"
        for family, names in sorted(families.items())
    ]
    out += [
        "",
        "## Layers: `clnn.nn.*`",
        "",
        " ".join(f"`{n}`" for n in sorted(layers, key=str.lower)),
        "",
    ]
    out += ["## Optimizers and schedules: `clnn.optim.*`", ""]
    out += [" ".join(f"`{n}`" for n in sorted(optimizers, key=str.lower)), ""]
    return "\n".join(out)


if __name__ == "__main__":
    PAGE.write_text(page())
