"""Compile what is not known yet, remember the answers, and judge them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .compilers import FLAGS, REVISION, Built, build
from .targets import Target, Use, occupancy
from .tools import HOME, Tools
from .variants import Variant

_DRIVERS_CHOICE = 64  # work-items in a group, where a launch leaves that to the driver
TILED = ("TM", "TN", "TK", "RM", "RN")


@dataclass(frozen=True)
class Row:
    """One kernel of one program on one GPU."""

    family: str
    kernel: str
    variant: str
    defines: dict[str, str]
    target: str
    group: int
    use: Use | None
    occupancy: float
    wrong: str


class Answers:
    """What compilers said, by a hash of all that it depends on; one small file each."""

    def __init__(self, tools: Tools, folder: Path = HOME / "answers") -> None:
        self.tools, self.folder = tools, folder
        self.versions = f"{REVISION} {FLAGS} {tools.versions()}"
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, target: Target, source: str) -> Path:
        """Where the answer is, or is to be."""
        text = "\0".join((self.versions, target.name, source))
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"

    def known(self, target: Target, source: str) -> Built | None:
        """The answer, if there is one that can be read."""
        try:
            said = json.loads(self.path(target, source).read_text())
            return Built(said["error"], {k: Use(**u) for k, u in said["kernels"].items()})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def ask(self, targets: Iterable[Target], source: str) -> Iterator[tuple[Target, Built]]:
        """Compile one source for several targets."""
        with tempfile.TemporaryDirectory(prefix="clnn-matrix-") as folder:
            file = Path(folder, "kernel.cl")
            file.write_text(source)
            for target in targets:
                answer = build(target, file, Path(folder), self.tools)
                said = {
                    "error": answer.error,
                    "kernels": {k: asdict(u) for k, u in (answer.kernels or {}).items()},
                }
                path = self.path(target, source)
                part = path.with_suffix(f".{os.getpid()}.part")
                part.write_text(json.dumps(said))
                part.replace(path)
                yield target, answer


def compile_all(
    answers: Answers,
    wanted: dict[str, tuple[str, list[Target]]],
    jobs: int,
    done: Callable[[int], None],
) -> dict[tuple[str, str], Built]:
    """Answers by (key of the source, name of the target) for {key: (source, targets)}."""
    found: dict[tuple[str, str], Built] = {}

    def one(key: str) -> None:
        source, targets = wanted[key]
        unknown = []
        for target in targets:
            answer = answers.known(target, source)
            if answer is None:
                unknown.append(target)
            else:
                found[key, target.name] = answer
        done(len(targets) - len(unknown))
        for target, answer in answers.ask(unknown, source) if unknown else ():
            found[key, target.name] = answer
            done(1)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, wanted))
    return found


def judge(target: Target, variant: Variant, answer: Built) -> list[Row]:
    """A row for every kernel that was launched."""
    rows = []
    for kernel, groups in variant.kernels.items():
        group = max(groups, default=0) or _DRIVERS_CHOICE
        use = (answer.kernels or {}).get(kernel)
        fill = occupancy(target.limits, use, group) if use else 0.0
        form = describe(variant, kernel)
        rows.append(Row(
            variant.family, kernel, form, {k: str(v) for k, v in variant.defines.items()}, target.name, group, use,
            fill, _wrong(target, answer, use, group, fill),
        ))  # fmt: skip
    return rows


def _wrong(target: Target, answer: Built, use: Use | None, group: int, fill: float) -> str:
    if answer.error:
        return next(
            (line for line in answer.error.splitlines() if "error" in line.lower()), answer.error
        )
    if use is None:
        return "no such kernel in what the compiler made"
    if use.spills:
        return f"spills {use.spills}"
    if use.local > target.facts["local_mem"]:
        return f"{use.local} bytes of local memory, of {target.facts['local_mem']}"
    if not fill:
        return f"{group} work-items of {use.registers} registers do not fit"
    return ""


def describe(variant: Variant, kernel: str) -> str:
    """A kernel and its form: the engine, and the tile where there is one."""
    d = variant.defines
    parts = [f"{variant.family}.{kernel}"]
    if d.get("engine") and d["engine"] != kernel:
        parts.append(str(d["engine"]))
    if all(name in d for name in TILED):
        tm, tn, tk, rm, rn = (d[name] for name in TILED)
        parts.append(f"{tm}×{tn}×{tk} by {rm}×{rn}")
    return " ".join(parts)


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows for a program to read."""
    return [asdict(row) for row in rows]
