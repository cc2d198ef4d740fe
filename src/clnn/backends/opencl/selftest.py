"""One algorithm against the reference, on small operands of the kind that a call has: edges, large and cancelling
values, NaN and infinity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import copysign
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ClnnError, DeviceError, KernelBuildError, OutOfMemoryError
from ...op import OPS
from ...shapes import Shape, Spec
from .. import Backend
from .algorithms import algorithm
from .failure import TooLargeError

if TYPE_CHECKING:
    from . import OpenCL

Way = tuple[str, str]  # the op whose algorithms were chosen from, and which
Call = tuple[list[Spec], dict[str, Any]]
# What two right results may differ by, relative to the largest element: far above rounding, far below a wrong index.
TOLERANCE = {"float64": 1e-9, "float32": 2e-4, "float16": 1e-2, "bfloat16": 8e-2}
_LARGEST = (
    2**18
)  # elements of what is compared as it is, where there is no smaller call of its kind
_SPREADS = ("winograd",)  # algorithms that may turn more of a tile into NaN than the reference does


class SelfTest:
    """Compares one device with the reference."""

    def __init__(self, backend: OpenCL, reference: Backend) -> None:
        self.backend, self.reference = backend, reference

    def wrong(
        self, op: str, way: Way, specs: Sequence[Spec], settings: dict[str, Any]
    ) -> str | None:
        """Why `way` computes the wrong thing in calls like this one of `op`; "" if it does not.

        None where that cannot be said: no small call of this kind runs by it.
        """
        said: str | None = None
        for call in calls(op, list(specs), settings):
            for hostile in (False, True):
                found = self._compared(op, way, *call, hostile=hostile)
                if found:
                    return found
                said = said if found is None else found
            if said is not None:
                return said
        return said

    def _compared(self, op: str, way: Way, specs: list[Spec], settings: dict[str, Any], *,
                  hostile: bool) -> str | None:  # fmt: skip
        # of a weight gradient the image: infinity times the zeros around an image is NaN, or never computed
        odd = 1 if op == "conv2d_weight_grad" else 0
        host = [
            _operand(spec, k, hostile=hostile and k == odd, gentle=op in _RECURRENT)
            for k, spec in enumerate(specs)
        ]
        outs = OPS[op].specs(tuple(specs), settings)[0]
        with algorithm(*way, strict=False) as used:
            try:
                arrays = self.backend.run(
                    op, [self.backend.upload(a) for a in host], outs, settings
                )
                results = [self.backend.download(a) for a in arrays]
            except TooLargeError:
                return None
            except (OutOfMemoryError, DeviceError):
                raise  # which says nothing of the algorithm: it is compared when it is chosen again
            except KernelBuildError as error:
                return str(error).splitlines()[-1]
            except ClnnError as error:
                return str(error).splitlines()[0]
        if way[0] not in used:
            return None
        wanted = self.reference.run(op, host, outs, settings)
        for got, want in zip(results, wanted, strict=True):
            why = _difference(got, want, spreads=way[1].startswith(_SPREADS))
            if why:
                shapes = ", ".join(str(s.shape) for s in specs)
                return f"{why} on operands of shape {shapes}" + " with NaN and infinity" * hostile
        return ""


def calls(op: str, specs: list[Spec], settings: dict[str, Any]) -> Iterator[Call]:
    """Small calls of this kind, and the call itself where it is small."""
    if (
        op in _RECURRENT and settings["lengths"]
    ):  # integers that say where rows end: here all are of one length
        specs = [s for s in specs if s.dtype.is_floating_point]
        settings = {**settings, "lengths": False}
    if op == "norm" and settings["p"] not in (0, 1, 2):
        # ops.norm brings what it gives to these orders to 1 at most; made-up operands would leave the range
        settings = {**settings, "p": copysign(3.0, settings["p"])}
    if op in _BOUND or not all(s.size and s.dtype.is_floating_point for s in specs):
        return  # no numbers to compare, or operands that cannot be made up: random indices would be none
    shrink = _SHRINK.get(op, _by_size if op in _BY_SIZE else None)
    if shrink is not None:
        yield shrink(op, specs, settings)
    if sum(s.size for s in specs) <= _LARGEST:
        yield specs, settings


def _fewer(n: int) -> int:
    """A smaller size with the same remainder by 16, and so of the same class of alignment."""
    return n if n <= 48 else 32 + n % 16


def _by_size(op: str, specs: list[Spec], settings: dict[str, Any]) -> Call:
    """Equal sizes stay equal: for ops that ask no more of their operands' shapes."""
    at = {k: _shape(v) if k in ("shape", "size") else v for k, v in settings.items()}
    return [Spec(_shape(s.shape), s.dtype) for s in specs], at


def _shape(shape: Shape) -> Shape:
    return tuple([_fewer(n) for n in shape])


def _convolution(op: str, specs: list[Spec], settings: dict[str, Any]) -> Call:
    """Fewer channels of each group, fewer groups, images of a few windows."""
    at, kind = dict(settings), specs[0].dtype
    first, second = specs[0].shape, specs[1].shape
    forward = op in ("conv2d", "conv_transpose2d")
    w = (first[1], second[1] // at["groups"], *at["kernel"]) if "kernel" in at else second
    if op == "conv2d":
        x = first
    elif op == "conv2d_input_grad":
        x = first[0], w[1] * at["groups"], *at["size"]
    else:
        x = second if op == "conv2d_weight_grad" else first
    groups = at["groups"]
    few = _fewer(groups)
    # of a transposed convolution w's first axis is that of x: each belongs to a group
    w = few * _fewer(w[0] // groups), _fewer(w[1]), *w[2:]
    channels = w[0] if op == "conv_transpose2d" else few * w[1]
    steps = zip(x[2:], w[2:], at["dilation"], at["stride"], strict=True)
    size = [min(n, (k - 1) * d + 4 * s + 8) for n, k, d, s in steps]
    x = min(x[0], 2), channels, *size
    at["groups"] = few
    plain = {k: v for k, v in at.items() if k not in ("activation", "residual", "kernel", "size")}
    made = OPS[op if forward else "conv2d"].specs((Spec(x, kind), Spec(w, kind)), plain)[0][0].shape
    if forward:
        rest = [made if len(s.shape) == 4 else (made[1],) for s in specs[2:]]
        return [Spec(s, kind) for s in (x, w, *rest)], at
    if op == "conv2d_input_grad":
        return [Spec(made, kind), Spec(w, kind)], {**at, "size": tuple(size)}
    return [Spec(made, kind), Spec(x, kind)], at


def _planes(op: str, specs: list[Spec], settings: dict[str, Any]) -> Call:
    """Two images of three channels: each plane is pooled by itself."""
    return [
        Spec((min(s.shape[0], 2), min(s.shape[1], 3), *s.shape[2:]), s.dtype) for s in specs
    ], settings


def _recurrent(op: str, specs: list[Spec], settings: dict[str, Any]) -> Call:
    """Fewer rows and units; three steps, or two back, so that every buffer is used in turn."""
    lasts, back = 2 if op.startswith("lstm") else 1, op.endswith("_grad")
    steps, rows = specs[0].shape[0] - lasts * back, specs[0].shape[1]
    at = len(specs) - 1 - settings.get("bias", False)
    units = specs[at].shape[1]
    few, height = _fewer(units), min(rows, 17)

    def shape(k: int, s: Spec) -> Shape:
        width = s.shape[-1] // units * few
        if len(s.shape) == 3:
            return s.shape[0] - steps + min(steps, 3 - back), height, width
        if len(s.shape) == 1:
            return (width,)
        return (s.shape[0] // units * few if k == at else height), width

    return [Spec(shape(k, s), s.dtype) for k, s in enumerate(specs)], settings


_RECURRENT = [f"{kind}_sequence{way}" for kind in ("rnn", "lstm", "gru") for way in ("", "_grad")]
_POOLS = [
    f"{kind}_pool{rank}d"
    for kind in ("max", "avg", "adaptive_max", "adaptive_avg")
    for rank in (1, 2)
]
_SHRINK: dict[str, Callable[[str, list[Spec], dict[str, Any]], Call]] = {
    **dict.fromkeys(
        ("conv2d", "conv2d_input_grad", "conv2d_weight_grad", "conv_transpose2d"), _convolution
    ),
    **dict.fromkeys(_POOLS, _planes),
    **dict.fromkeys(_RECURRENT, _recurrent),
}
_BOUND = frozenset(
    ("row_norm_grad",)
)  # its moments belong to its rows: with others, sums cancel to nothing
_BY_SIZE = frozenset((
    "matmul", "linear", "permute", "cumsum", "softmax", "log_softmax", "softmax_grad",
    "log_softmax_grad", "sum", "mean", "amax", "amin", "norm", "var", "std", "logsumexp", "max", "min",
    "argmax", "argmin", "batch_norm", "batch_norm_grad",
))  # fmt: skip


def _difference(got: Any, want: Any, *, spreads: bool) -> str:
    """What is wrong with `got`, or nothing."""
    if want.dtype.name not in TOLERANCE:
        return "" if np.array_equal(got, want) else "other integers than the reference's"
    allowed = TOLERANCE[want.dtype.name]
    got, want = got.astype(np.float64), want.astype(np.float64)
    # past an overflow it is a matter of order whether infinity or NaN comes out
    finite, there = np.isfinite(want), np.isfinite(got)
    if not spreads and (finite & ~there).any():
        return "NaN or infinity where the reference has none"
    if (there & ~finite).any():
        return "finite values where the reference has none"
    compared = finite & there
    if not compared.any():
        return ""
    scale = float(np.abs(want[compared]).max()) or 1.0
    off = float(np.abs(got[compared] - want[compared]).max()) / scale
    return "" if off <= allowed else f"off by {off:.2g} of the largest result"


def _operand(spec: Spec, seed: int, *, hostile: bool, gentle: bool = False) -> Any:
    """Normal numbers, some of them a thousand times larger and of both signs, so that sums cancel.

    `gentle`: small ones, where each step would make an error larger.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(spec.size)
    if gentle:
        x /= 4
    else:
        x[::7] *= 64.0
        x[3::14] = -x[::14][: x[3::14].size]
    if hostile and spec.size:
        x[spec.size // 3], x[-1] = np.nan, np.inf
    return x.reshape(spec.shape).astype(spec.dtype)
