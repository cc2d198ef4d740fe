"""What every rendered source must keep to; compilers for CPUs accept much that a GPU's does not."""

import math
import re
from typing import Any

import pyopencl as cl

_LOCAL_MEM_SIZE = cl.kernel_work_group_info.LOCAL_MEM_SIZE
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
    """Let `rt` refuse every source that has problems and what its device could not launch, from now on."""
    compiled, built, enqueue, repeat = rt._compile, rt._build, rt.enqueue, rt.repeat
    info = rt.info

    def compile_checked(family: str, name: str, defines: dict[str, Any]) -> tuple[Any, str]:
        program, source = compiled(family, name, defines)
        found = problems(source, defines)
        assert not found, f"{family}.cl.mako with {defines}: {'; '.join(found)}"
        return program, source

    def build_checked(family: str, name: str, defines: dict[str, Any]) -> Any:
        kernel = built(family, name, defines)
        local = kernel.get_work_group_info(_LOCAL_MEM_SIZE, info.handle)
        assert local <= info.local_mem, (
            f"{name} with {defines}: {local} bytes of local memory of {info.local_mem}"
        )
        return kernel

    def fits(group: tuple[int, ...] | None) -> None:
        if group is not None:
            assert math.prod(group) <= info.max_group, f"group {group} of {info.max_group}"
            for n, most in zip(group, info.max_items, strict=False):
                assert n <= most, f"group {group} of {info.max_items}"

    def enqueue_checked(kernel: Any, grid: Any, group: Any, flat: Any) -> None:
        fits(group)
        enqueue(kernel, grid, group, flat)

    def repeat_checked(launch: Any, mems: Any, given: Any = ()) -> None:
        fits(launch.group)
        repeat(launch, mems, given)

    rt._compile, rt._build = compile_checked, build_checked
    rt.enqueue, rt.repeat = enqueue_checked, repeat_checked
