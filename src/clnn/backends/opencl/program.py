"""From template to source text: find `<family>.cl.mako`, render it, check nothing was undefined."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from mako.exceptions import MakoException, text_error_template
from mako.lookup import TemplateLookup

from ...errors import KernelBuildError

_PACKAGE = Path(__file__).resolve().parents[2]
KERNELS = next(p for p in (_PACKAGE / "kernels", _PACKAGE.parents[1] / "kernels") if p.is_dir())

_KERNEL = re.compile(
    r"__kernel\s+(?:__attribute__\s*\(\(.*?\)\)\s*)*void\s+(\w+)\s*\(([^)]*)\)", re.S
)
_TYPEDEF = re.compile(r"\btypedef\s+([\w ]+?)\s+(\w+)\s*;")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


@cache
def _lookup() -> TemplateLookup:
    return TemplateLookup(directories=[str(KERNELS)], strict_undefined=True)


def render(family: str, defines: dict[str, Any]) -> str:
    """OpenCL C source of one family behind the prelude, specialised for `defines`."""
    floating = "f64" if defines.get("dtype") == "f64" else "f32"
    defines = {"dtype": None, "compute": floating, **defines}
    try:
        parts = [
            _lookup().get_template(f"{stem}.cl.mako").render(**defines)
            for stem in ("_prelude", family)
        ]
    except (
        MakoException,
        NameError,
        TypeError,
        ValueError,
        KeyError,
        AttributeError,
        ArithmeticError,
    ) as exc:
        raise KernelBuildError(
            f"{family}.cl.mako: did not render with {defines}: {exc}",
            log=text_error_template().render(),
        ) from exc
    return "\n".join(parts)


def scalar_types(source: str, name: str) -> list[str | None]:
    """C types of kernel `name`'s arguments, typedefs resolved; None for pointers."""
    text = _COMMENT.sub(" ", source)
    typedefs = {alias: kind for kind, alias in _TYPEDEF.findall(text)}
    args = next(args for found, args in _KERNEL.findall(text) if found == name)
    out: list[str | None] = []
    for arg in args.split(","):
        if "*" in arg:
            out.append(None)
            continue
        kind = " ".join(w for w in arg.split()[:-1] if w != "const")
        while kind in typedefs:
            kind = typedefs[kind]
        out.append(kind)
    return out


def numbered(source: str) -> str:
    """Source with line numbers, so a compiler's 'line 41' can be looked up."""
    return "\n".join(f"{i:4d}  {line}" for i, line in enumerate(source.splitlines(), 1))
