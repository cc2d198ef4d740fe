"""What every rendered source must keep to; compilers for CPUs accept much that a GPU's does not."""

import re
from typing import Any

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_LITERAL_MACRO = re.compile(r"\bC\([^()]*\)")  # appends the f itself
_DOUBLE_LITERAL = re.compile(
    r"(?<![\w.])(?:0x[\da-f]*\.?[\da-f]*p[+-]?\d+|(?:\d+\.\d*|\.\d+)(?:e[+-]?\d+)?|\d+e[+-]?\d+)(?![\w.])",
    re.I,
)
_FLOAT64_PRELUDE = re.compile(r"^(?:typedef double f64_t;|#define \w+_f64\(.*)$", re.M)


def problems(source: str, defines: dict[str, Any]) -> list[str]:
    """What is wrong with a source rendered for `defines`, one sentence each."""
    text = _COMMENT.sub(" ", source)
    found = [
        f"{kernel.split('(')[0].split()[-1]} returns before a barrier"
        for kernel in re.split(r"__kernel\s+(?:__attribute__\s*\(\(.*?\)\)\s*)*", text)[1:]
        if "return;" in kernel[: max(kernel.rfind("barrier("), 0)]
    ]
    if "f64" not in repr(defines):
        text = _FLOAT64_PRELUDE.sub("", text)
        literals = _DOUBLE_LITERAL.findall(_LITERAL_MACRO.sub(" ", text))
        found += [f"{literal} is a double: expected {literal}f" for literal in literals]
        found += ["double where nothing is float64"] * bool(re.search(r"\bdouble\d*\b", text))
    return found


def refuse(rt: Any) -> None:
    """Let `rt` refuse every source that has problems, from now on."""
    compiled = rt._compile

    def compile_checked(family: str, name: str, defines: dict[str, Any]) -> tuple[Any, str]:
        program, source = compiled(family, name, defines)
        found = problems(source, defines)
        assert not found, f"{family}.cl.mako with {defines}: {'; '.join(found)}"
        return program, source

    rt._compile = compile_checked
