"""Host side of kernels/rnn.cl.mako: whether one launch does all steps or each has its own, and who does what in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...dtypes import DType, accumulator
from ...shapes import Spec
from .. import implements
from .algorithms import Algorithm, always, choose, not_on_cpus
from .discovery import DeviceInfo
from .gemm import ceil_div, lanes, simd_fits
from .plan import planned
from .runtime import MOST_GROUPS, Buffer, Runtime

# Rows that fit the registers, by the lanes of a vector and the vectors that each row has there.
_ROWS = {16: {4: 6, 3: 8, 2: 8, 1: 12}, 8: {4: 3, 3: 4, 2: 6, 1: 12}, 4: {4: 6, 3: 8, 2: 8, 1: 12}}
_FLOPS, _BYTES = 8e10, 4e10  # what a core does in a second, and reads of weights from its caches
_LAUNCH = 1e-5  # seconds that a launch takes
_ITEM_FLOPS = 1_000_000  # the least a work-item of a step should have to do: some ten microseconds
_CHUNK = 4096  # elements that a work-item copies
_TU, _TR, _TK = 16, 8, 16  # units, rows of work-items and depth of a tile in local memory


class Problem(NamedTuple):
    """The steps of a layer in one direction."""

    steps: int
    rows: int
    units: int
    gates: int
    kind: DType


class Call(NamedTuple):
    """What a kernel takes: `before` the weight and `after` it, then numbers."""

    stage: str
    mode: str
    problem: Problem
    before: tuple[Buffer, ...]
    weight: Buffer
    after: tuple[Buffer, ...]
    reverse: bool
    defines: dict[str, Any]

    @property
    def parts(self) -> int:
        """Products of a step that need each other."""
        return 2 if self.mode == "gru_before" else 1

    @property
    def launches(self) -> int:
        """Products of all steps, and one more for the gradient of the initial state."""
        return self.parts * self.problem.steps + (self.stage == "backward")

    def scratch(self, rt: Runtime, pitch: int) -> list[Buffer]:
        """Memory for what is carried from step to step."""
        _, rows, units, gates, kind = self.problem
        wide, forward = accumulator(kind), self.stage == "forward"
        out = [rt.empty(Spec((1 + forward, rows, pitch), wide))]
        if self.mode == "lstm":
            out.append(rt.empty(Spec((rows, pitch), wide)))
        if self.mode == "gru_before" and forward:
            out.append(rt.empty(Spec((2, rows, pitch), wide)))
        if not forward:
            out.append(rt.empty(Spec((2, rows, gates * units), wide)))
        return out

    def launch(self, rt: Runtime, grid: tuple[int, ...], weight: Buffer, scratch: Sequence[Buffer], pitch: int,
               *numbers: int, group: tuple[int, ...] | None, **defines: Any) -> None:  # fmt: skip
        """One launch of the kernel."""
        p = self.problem
        rt.launch("rnn", self.stage, grid, *self.before, weight, *self.after, *scratch, p.steps, p.rows, p.units,
                  pitch, int(self.reverse), *numbers, group=group, dtype=p.kind.code, mode=self.mode,
                  stage=self.stage, **self.defines, **defines)  # fmt: skip


# --- on CPUs: rows of a work-item in registers --------------------------------------------------


def _is_cpu(p: Problem, info: DeviceInfo) -> bool:
    return simd_fits(info, p.kind)


def _whole(p: Problem, info: DeviceInfo) -> bool:
    """Whether rows alone feed the cores: each reads all weights in every step, where a launch per step costs time."""
    cores = info.compute_units
    flops, nbytes = 2 * p.gates * p.units**2, p.gates * p.units**2 * accumulator(p.kind).itemsize
    alone = max(ceil_div(p.rows, cores) * flops / _FLOPS, nbytes / _BYTES)
    shared = max(p.rows * flops / _FLOPS, nbytes / _BYTES) / cores
    return alone <= shared + _LAUNCH


def _tile(call: Call, info: DeviceInfo) -> dict[str, int]:
    """Vectors and units of a block, and rows in registers: gates side by side, else units at the least padding."""
    p = call.problem
    v = lanes(info, p.kind)
    if call.stage == "forward" and p.gates > 1:
        nv, units = p.gates, 1
    else:
        nv = units = min((4, 2, 1), key=lambda n: ceil_div(p.units, n * v) * n * (1 + 0.1 / n))
    width = v * 2 if accumulator(p.kind) == "float64" else v
    return {"V": v, "NV": nv, "NB": units * v, "VP": units * v, "MR": _ROWS[width][nv]}


def _simd(rt: Runtime, call: Call, whole: bool) -> None:
    p, at = call.problem, _tile(call, rt.info)
    blocks = ceil_div(p.units, at["NB"])
    pitch = blocks * at["NB"]
    weight = _panels(rt, call, at, blocks)
    scratch = call.scratch(rt, pitch)
    if whole:
        rows = ceil_div(p.rows, rt.info.compute_units)
        grid, each, steps = (ceil_div(p.rows, rows), 1), blocks, [(0, call.launches)]
    else:
        items = 2 * p.rows * p.gates * p.units**2 // _ITEM_FLOPS
        items = max(1, min(items, 4 * rt.info.compute_units))
        each = ceil_div(blocks, min(blocks, items))
        spans = ceil_div(blocks, each)
        rows = ceil_div(p.rows, min(ceil_div(p.rows, at["MR"]), ceil_div(items, spans)))
        grid, steps = (
            (ceil_div(p.rows, rows), spans),
            [(s, s + 1) for s in range(call.launches)],
        )
    for first, last in steps:
        call.launch(rt, grid, weight, scratch, pitch, rows, each, first, last, group=(1, 1),
                    engine="simd", **at)  # fmt: skip


def _panels(rt: Runtime, call: Call, at: dict[str, int], blocks: int) -> Buffer:
    """The weight in the panels that a block reads, kept until it changes."""
    p, backwards = call.problem, call.stage == "backward"
    depth = p.gates * p.units if backwards else p.units
    weight = call.weight

    def fill(rt: Runtime, out: Buffer) -> None:
        rt.launch("rnn", "pack", (blocks, 1), weight, out, p.units, group=(1, 1), dtype=p.kind.code,
                  mode=call.mode, stage="pack", engine="simd", backwards=backwards, **at)  # fmt: skip

    spec = Spec((blocks, depth, at["NV"] * at["V"]), accumulator(p.kind))
    return rt.derived(weight, ("rnn panels", backwards, at["NV"] * at["V"]), spec, fill)


def _sequence(rt: Runtime, call: Call) -> None:
    _simd(rt, call, whole=True)


def _step(rt: Runtime, call: Call) -> None:
    _simd(rt, call, whole=False)


# --- elsewhere: a launch per step ---------------------------------------------------------------


def _fits(p: Problem, info: DeviceInfo) -> bool:
    nbytes = (_TR * 4 + 1 + p.gates * (_TU + 1)) * _TK * accumulator(p.kind).itemsize
    return (
        min(info.max_group, info.max_items[0]) >= _TU * _TR
        and nbytes <= info.local_mem
        and p.rows <= MOST_GROUPS * _TR
    )


def _tiles(rt: Runtime, call: Call) -> None:
    p = call.problem
    rm = 4 if p.rows > _TR else 1
    grid = (ceil_div(p.units, _TU) * _TU * _TR, ceil_div(p.rows, _TR * rm))
    _each(rt, call, grid, group=(_TU * _TR, 1), TU=_TU, TR=_TR, RM=rm, TK=_TK)


def _plain(rt: Runtime, call: Call) -> None:
    p = call.problem
    _each(rt, call, (p.units, p.rows), group=None, TU=1, TR=1, RM=0, TK=1)


def _each(rt: Runtime, call: Call, grid: tuple[int, ...], **how: Any) -> None:
    pitch = call.problem.units
    scratch = call.scratch(rt, pitch)
    for n in range(call.launches):
        s, part = divmod(n, call.parts)
        call.launch(rt, grid, call.weight, scratch, pitch, s, engine="tile", part=part, V=1, NB=1, VP=1,
                    **how)  # fmt: skip


ENGINES = [
    Algorithm("sequence", _is_cpu, _sequence, default=_whole),
    Algorithm("step", _is_cpu, _step),
    Algorithm("tile", _fits, _tiles, worth=not_on_cpus),
    Algorithm("plain", always, _plain),
]
_OPS = ("rnn_sequence", "lstm_sequence", "gru_sequence")
ALGORITHMS = {f"{op}{way}": ENGINES for op in _OPS for way in ("", "_grad")}


def _run(rt: Runtime, op: str, call: Call) -> None:
    p = call.problem
    if p.rows:
        choose(op, ENGINES, p, rt.info).launch(rt, call)


def _mode(op: str, nonlinearity: str, reset_after: bool) -> str:
    if not reset_after:
        return "gru_before"
    return nonlinearity if op == "rnn_sequence" else op[: op.index("_")]


def _forward(op: str) -> Callable[..., None]:
    own = 3 if op == "lstm_sequence" else 2  # operands before the weight

    @planned
    def launch(rt: Runtime, *arrays: Buffer, reverse: bool, keep: bool, lengths: bool, bias: bool = False,
               nonlinearity: str = "", reset_after: bool = True) -> None:  # fmt: skip
        gates, h0, *more = arrays[:own]
        weight, after = arrays[own], arrays[own + 1 :]
        steps, rows, _ = gates.shape
        width, units = weight.shape
        p = Problem(steps, rows, units, width // units, gates.dtype)
        defines = {"keep": keep, "bias": bias, "lengths": after[bias].dtype.code if lengths else None}  # fmt: skip
        before = (gates, _widened(rt, h0), *more)
        mode = _mode(op, nonlinearity, reset_after)
        _run(rt, op, Call("forward", mode, p, before, weight, after, reverse, defines))

    return launch


def _backward(op: str) -> Callable[..., None]:
    own = 2 if op == "rnn_sequence" else 4

    @planned
    def launch(rt: Runtime, *arrays: Buffer, reverse: bool, lengths: bool, nonlinearity: str = "",
               reset_after: bool = True) -> None:  # fmt: skip
        before, weight, after = arrays[:own], arrays[own], arrays[own + 1 :]
        dx = after[lengths]
        steps, rows, _ = dx.shape
        width, units = weight.shape
        p = Problem(steps, rows, units, width // units, dx.dtype)
        defines = {"keep": True, "bias": False, "lengths": after[0].dtype.code if lengths else None}  # fmt: skip
        mode = _mode(op, nonlinearity, reset_after)
        call = Call("backward", mode, p, before, weight, after, reverse, defines)
        _run(rt, f"{op}_grad", call)

    return launch


def _widened(rt: Runtime, x: Buffer) -> Buffer:
    """x in the accumulator's type."""
    wide = accumulator(x.dtype)
    if x.dtype == wide or not x.size:
        return x
    out = rt.empty(Spec(x.shape, wide))
    chunk = _chunk(rt, 1)
    rt.launch(
        "rnn",
        "widen",
        (ceil_div(x.size, chunk),),
        x,
        out,
        x.size,
        chunk,
        dtype=x.dtype.code,
        stage="widen",
        lengths=None,
        engine="copy",
    )
    return out


def _chunk(rt: Runtime, width: int) -> int:
    return max(1, _CHUNK // width) if rt.info.kind == "cpu" else 1


@implements("rnn_previous")
@planned
def rnn_previous(
    rt: Runtime, states: Buffer, h0: Buffer, *rest: Buffer, steps: int, reverse: bool
) -> None:
    """The state that each step started from."""
    rows, units = h0.shape
    ends, count, chunk = rest[:-1], steps * rows, _chunk(rt, units)
    rt.launch("rnn", "previous", (ceil_div(count, chunk),), states, h0, *rest, count, steps, rows, units,
              int(reverse), chunk, dtype=h0.dtype.code, stage="previous", engine="copy",
              lengths=ends[0].dtype.code if ends else None)  # fmt: skip


@implements("leading", aliases=True)
def leading(rt: Runtime, x: Buffer, out: Spec, *, length: int) -> Buffer:
    """The first rows, on the same memory."""
    return Buffer(x.mem, out)


IMPLEMENTATIONS = {
    **{op: _forward(op) for op in _OPS},
    **{f"{op}_grad": _backward(op) for op in _OPS},
}
