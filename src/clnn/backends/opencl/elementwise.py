"""Host side of kernels/elementwise.cl.mako: one C expression per op, one plan per shapes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from ...dtypes import DType, accumulator, int32, result_type
from ...shapes import Shape, Spec, number_spec
from .plan import Plan
from .remembered import remember
from .runtime import GIVEN, WIDE, Buffer, Runtime
from .streaming import streams


def compute_dtype(kind: DType) -> DType:
    """What a map over `kind` computes in: float32 for the half types, int32 for the small integers."""
    if kind.category == 2:
        return accumulator(kind)
    return kind if kind == "int64" else int32


def merge(shapes: list[Shape], out: Shape) -> tuple[Shape, list[tuple[bool, ...]], list[Shape]]:
    """Fewest axes that describe the broadcast: sizes, and per operand which axes it has and its strides."""
    rank = len(out)
    full = [(1,) * (rank - len(s)) + s for s in shapes]
    sizes: list[int] = []
    has: list[tuple[bool, ...]] = []
    for axis in range(rank):
        if out[axis] == 1:
            continue
        here = tuple(s[axis] != 1 for s in full)
        if has and has[-1] == here:
            sizes[-1] *= out[axis]
        else:
            sizes.append(out[axis])
            has.append(here)
    if not sizes:
        sizes, has = [1], [(True,) * len(shapes)]
    pattern = [tuple(h[k] for h in has) for k in range(len(shapes))]
    strides = []
    for row in pattern:
        step, own = 1, []
        for n, there in zip(reversed(sizes), reversed(row), strict=True):
            own.append(step if there else 0)
            step *= n if there else 1
        strides.append(tuple(reversed(own)))
    return tuple(sizes), pattern, strides


def chunking(rt: Runtime, n: int) -> tuple[int, int]:
    """(work-group size, elements per work-item) to map over n elements."""
    info = rt.info
    if info.kind != "cpu":
        return rt.wg, 1
    per = -(-n // (4 * info.compute_units))
    return rt.wg, min(max(-(-per // 64) * 64, 2048), 16384)


def grouping(rt: Runtime, n: int) -> tuple[int, int]:
    """(work-group size, elements per group) to map over n elements."""
    if rt.info.kind != "cpu":
        return rt.wg, rt.wg * (4 if n > 2**18 else 1)
    return chunking(rt, n)


def elementwise(
    expr: str, integer: str | None = None, *, by_input: bool = False, unread: Sequence[str] = ()
) -> Callable[..., None]:
    """A launcher that maps `expr` over its operands.

    `integer` replaces `expr` when computing in integers. The compute type follows the output's dtype,
    or the operands' if `by_input` or the output is bool. Settings become arguments, never source, but
    for the `unread`, which say no more than what the result is.
    """

    def key_of(arrays: Sequence[Any]) -> Hashable:
        return (launch, *[a.spec if type(a) is Buffer else type(a) for a in arrays])

    def launch(rt: Runtime, *arrays: Any, **settings: Any) -> None:
        y, key = arrays[-1], key_of(arrays)
        for name in unread:
            del settings[name]
        plans = rt.plans
        plan = plans.get(key)
        if plan is None:
            if y.size == 0:
                return
            operands = [a.spec if type(a) is Buffer else a for a in arrays]
            defines, grid, group, tail = _plan(
                rt, expr, integer, by_input, operands, tuple(settings)
            )
            kernel = rt.kernel("elementwise", "map", defines)
            args = [a if type(a) is Buffer else GIVEN for a in arrays] + [GIVEN] * len(settings)
            plan = remember(plans, key, rt.repeated(kernel, grid, group, (*args, *tail)))
        if not plan.given:
            rt.repeat(plan, [a.mem for a in arrays])
            return
        flat = [*arrays, *settings.values()]
        rt.repeat(plan, [flat[k].mem for k in plan.at], flat)

    def plan(rt: Runtime, arrays: Sequence[Any], settings: dict[str, Any]) -> Plan | None:
        found = rt.plans.get(key_of(arrays))
        given = tuple([name for name in settings if name not in unread])
        return None if found is None else Plan((), found, found.at, given)

    launch.plan = plan  # type: ignore[attr-defined]
    return launch


def launch_map(
    rt: Runtime, expr: str, arrays: Sequence[Buffer], shapes: Sequence[Shape], **settings: float
) -> None:
    """Map `expr` over arrays, the last of which is the result, as if they had `shapes`; for `planned` launchers."""
    specs = [Spec(shape, a.dtype) for shape, a in zip(shapes, arrays, strict=True)]
    if specs[-1].size:
        defines, grid, group, tail = _plan(rt, expr, None, False, specs, tuple(settings))
        rt.launch(
            "elementwise", "map", grid, *arrays, *settings.values(), *tail, group=group, **defines
        )


def _plan(rt: Runtime, expr: str, integer: str | None, by_input: bool, operands: Sequence[Any],
          settings: tuple[str, ...]) -> tuple[dict[str, Any], Shape, Shape, Shape]:  # fmt: skip
    """(defines, grid, group, sizes) to map over specs and numbers; the last spec is the result's."""
    *ins, y = operands
    specs = [a if type(a) is Spec else number_spec(a) for a in ins]
    kind = y.dtype
    if specs and (by_input or kind == "bool"):
        kind = result_type((s.dtype, s.rank) for s in specs)
    compute = compute_dtype(kind)
    tensors = [k for k, a in enumerate(ins) if type(a) is Spec]
    # the output takes part in merging: it varies along every axis, so merged axes stay contiguous in it
    sizes, rows, steps = merge([ins[k].shape for k in tensors], y.shape)
    pattern: list[tuple[bool, ...]] = [()] * len(ins)
    tail: list[int] = []
    for k, row in zip(tensors, rows, strict=True):
        pattern[k] = row
    wg, chunk = grouping(rt, y.size)
    tail = [y.size, chunk]
    if len(sizes) > 1:
        tail += sizes
        for row, own in zip(rows, steps, strict=True):
            tail += [s for s, there in zip(own[:-1], row[:-1], strict=True) if there]
    if integer is not None and compute.category == 1:
        expr = integer
    defines = {
        "expr": expr, "compute": compute.code, "out": y.dtype.code,
        "inputs": tuple(s.dtype.code if k in tensors else None for k, s in enumerate(specs)),
        "pattern": tuple(pattern[k] if k in tensors else (True,) * len(sizes) for k in range(len(ins))),
        "settings": settings, "WG": wg, "libs": True, "V": 16 if tensors and rt.info.kind == "cpu" else 1,
        "streamed": bool(tensors) and streams(rt.info, y) and compute.code == y.dtype.code,
        "wide": max(a.size for a in operands if type(a) is Spec) >= WIDE,
    }  # fmt: skip
    return defines, (-(-y.size // chunk) * wg,), (wg,), tuple(tail)


EXPRESSIONS = {
    "add": "a0 + a1",
    "sub": "a0 - a1",
    "mul": "a0 * a1",
    "div": "a0 / a1",
    "floor_divide": "floor_div(a0, a1)",
    "remainder": "floor_mod(a0, a1)",
    "maximum": "isnan(a0) || a0 > a1 ? a0 : a1",
    "minimum": "isnan(a0) || a0 < a1 ? a0 : a1",
    "clamp_min": "isnan(a0) || a0 > a1 ? a0 : a1",
    "clamp_max": "isnan(a0) || a0 < a1 ? a0 : a1",
    "pow": "pow(a0, a1)",
    "neg": "-a0",
    "abs": "fabs(a0)",
    "div_grad": "-a0 * a1 / (a2 * a2)",
    "pow_base_grad": "a2 == 0 ? (T)0 : a0 * a2 * pow(a1, a2 - 1)",
    "pow_exponent_grad": "a1 == 0 && a2 >= 0 ? (T)0 : a0 * pow(a1, a2) * log(a1)",
    "maximum_grad": "a0 * (a1 < a2 ? (T)0 : a1 == a2 ? (T)C(0.5) : (T)1)",
    "abs_grad": "a0 * (a1 > 0 ? (T)1 : a1 < 0 ? (T)-1 : (T)0)",
    "eq": "a0 == a1",
    "ne": "a0 != a1",
    "lt": "a0 < a1",
    "le": "a0 <= a1",
    "gt": "a0 > a1",
    "ge": "a0 >= a1",
    "logical_and": "a0 != 0 && a1 != 0",
    "logical_or": "a0 != 0 || a1 != 0",
    "logical_xor": "(a0 != 0) != (a1 != 0)",
    "logical_not": "a0 == 0",
    "isnan": "isnan(a0)",
    "isinf": "isinf(a0)",
    "isfinite": "isfinite(a0)",
    "where": "a0 != 0 ? a1 : a2",
}
# what the same op is in integers, where C spells it otherwise
INTEGERS = {
    "maximum": "max(a0, a1)",
    "minimum": "min(a0, a1)",
    "clamp_min": "max(a0, a1)",
    "clamp_max": "min(a0, a1)",
    "pow": "pow_int(a0, a1)",
    "abs": "a0 < 0 ? -a0 : a0",
    "isnan": "a0 != a0",
    "isinf": "a0 != a0",
    "isfinite": "a0 == a0",
}
IMPLEMENTATIONS = {
    **{name: elementwise(expr, INTEGERS.get(name)) for name, expr in EXPRESSIONS.items()},
    "cast": elementwise("a0", by_input=True, unread=("dtype",)),  # C's conversions
}
