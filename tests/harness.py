"""How an op is checked. Kept apart from the tests so that it can itself be tested (test_harness.py)."""

import contextlib
import functools
import importlib.util
from typing import Any

import numpy as np

import clnn
from clnn import ops
from clnn.backends.opencl.algorithms import algorithm
from clnn.dtypes import dtype
from samples import Sample, T

try:
    import torch
except ImportError:  # optional: without it the reference is checked by finite differences alone
    torch = None

# how far two correct implementations may be apart: (rtol, atol) forward; gradients get the atol doubled
TOLERANCE = {
    "float64": (1e-9, 1e-10),
    "float32": (2e-5, 2e-5),
    "float16": (4e-3, 4e-3),
    "bfloat16": (3e-2, 3e-2),
}
# what an algorithm may add to that, as a part of the largest element of a float32 result (docs/numerics.md)
OF_LARGEST = {"winograd_4x4": 5e-6, "winograd_deep": 5e-6, "winograd_2x2": 1e-6}
COMPOSED = {"fused": ("conv", "matmul")}  # families whose ops are those of others


@functools.cache
def algorithms_of(family: str) -> dict[str, list[Any]]:
    """The OpenCL backend's table {op: [Algorithm, ...]} of a family."""
    if family in COMPOSED:
        return {op: found for f in COMPOSED[family] for op, found in algorithms_of(f).items()}
    if importlib.util.find_spec(f"clnn.backends.opencl.{family}") is None:
        return {}
    return getattr(importlib.import_module(f"clnn.backends.opencl.{family}"), "ALGORITHMS", {})


def map_operands(value: Any, make: Any) -> Any:
    """`value` with every T in it, also inside lists and tuples, replaced by make(T)."""
    if isinstance(value, T):
        return make(value)
    if isinstance(value, (list, tuple)):
        return type(value)(map_operands(v, make) for v in value)
    return value


def host_operands(sample: Sample) -> list[np.ndarray]:
    """NumPy arrays for the sample's operands, in the order in which they appear."""
    rng = np.random.default_rng(0)
    out: list[np.ndarray] = []
    map_operands((sample.args, tuple(sample.kwargs.values())), lambda t: out.append(t.make(rng)))
    return out


def call(sample: Sample, fn: Any, operands: list[Any]) -> Any:
    """fn with the sample's arguments, its T operands replaced by `operands` in order."""
    it = iter(operands)
    args, values = map_operands((sample.args, tuple(sample.kwargs.values())), lambda _: next(it))
    return fn(*args, **dict(zip(sample.kwargs, values, strict=True)))


def wants_grad(sample: Sample) -> list[bool]:
    out: list[bool] = []
    map_operands((sample.args, tuple(sample.kwargs.values())), lambda t: out.append(t.grad))
    return out


def outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def seed_like(array: np.ndarray) -> np.ndarray:
    """The cotangent of an output: numbers of float32, so that in float64 they are the same."""
    drawn = np.random.default_rng(1).standard_normal(array.shape)
    return np.asarray(drawn, np.float32).astype(array.dtype)


def run_clnn(
    sample: Sample, device: Any, fn: Any = None, cast: str | None = None
) -> tuple[list[Any], list[Any]]:
    """(outputs, gradients) as NumPy arrays; gradients are None where there is none."""
    fn = fn or getattr(ops, sample.fn)
    host = host_operands(sample)
    if cast is not None:
        host = [h.astype(cast) if dtype(h.dtype).is_floating_point else h for h in host]
    xs = [
        clnn.tensor(a, device=device, requires_grad=g)
        for a, g in zip(host, wants_grad(sample), strict=True)
    ]
    outs = outputs(call(sample, fn, xs))
    if outs[0].requires_grad:
        outs[0].backward(clnn.tensor(seed_like(outs[0].numpy()), device=device))
    return [o.numpy() for o in outs], [None if x.grad is None else x.grad.numpy() for x in xs]


@functools.cache
def run_reference(sample_key: Any) -> tuple[list[Any], list[Any]]:
    return run_clnn(sample_key.sample, "cpu")


class Key:
    """A hashable handle on a sample, so that the reference runs it once for all devices."""

    def __init__(self, sample: Sample) -> None:
        self.sample, self.text = sample, f"{sample.family}.{sample}{sample.args!r}{sample.kwargs!r}"

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.text == other.text


def run_torch(sample: Sample) -> tuple[list[Any], list[Any]]:
    """The same call by torch: the sample's oracle, else torch's function of that name."""
    xs = [
        to_torch(a).requires_grad_(g)
        for a, g in zip(host_operands(sample), wants_grad(sample), strict=True)
    ]
    outs = outputs(call(sample, torch_function(sample), xs))
    if outs[0].requires_grad:
        outs[0].backward(to_torch(seed_like(from_torch(outs[0]))))
    return [from_torch(o) for o in outs], [
        None if x.grad is None else from_torch(x.grad) for x in xs
    ]


def torch_function(sample: Sample) -> Any:
    if callable(sample.oracle):
        return sample.oracle
    name = sample.oracle or sample.fn
    for space in (torch, torch.nn.functional, torch.Tensor):
        if hasattr(space, name):
            return getattr(space, name)
    raise AttributeError(f"{sample}: torch has no {name}; give the sample an oracle")


def to_torch(array: np.ndarray) -> Any:
    if array.dtype.name == "bfloat16":
        return torch.tensor(array.astype(np.float32)).to(torch.bfloat16)
    return torch.tensor(array)


def from_torch(tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return tensor.float().numpy().astype("bfloat16")
    return tensor.resolve_neg().numpy()


def of_largest(family: str, name: str | None) -> float:
    """What OF_LARGEST grants algorithm `name`; without one the family's choice ran, which may be any."""
    names = [name] if name else [a.name for found in algorithms_of(family).values() for a in found]
    return max((OF_LARGEST.get(n, 0.0) for n in names), default=0.0)


def close(
    got: np.ndarray, want: np.ndarray, sample: Sample, what: str, *, scale: float = 1.0,
    largest: float = 0.0,
) -> None:  # fmt: skip
    """Assert equality of shape, dtype and, within the sample's tolerance, of values; NaN equals NaN."""
    label = f"{sample} {what}"
    assert got.shape == want.shape, f"{label}: expected shape {want.shape}, got {got.shape}"
    assert got.dtype.name == want.dtype.name, (
        f"{label}: expected dtype {want.dtype}, got {got.dtype}"
    )
    rtol, atol = TOLERANCE.get(want.dtype.name, (0.0, 0.0))
    rtol = rtol if sample.rtol is None else sample.rtol
    atol = atol if sample.atol is None else sample.atol
    if want.dtype.name == "float32" and want.size:
        atol += largest * float(np.abs(want[np.isfinite(want)]).max(initial=0.0))
    if want.dtype.name in TOLERANCE:
        got, want = got.astype(np.float64), want.astype(np.float64)
    np.testing.assert_allclose(got, want, rtol=rtol * scale, atol=atol * scale, err_msg=label)


def compare(got: Any, want: Any, sample: Sample, who: str, largest: float = 0.0) -> None:
    """Compare (outputs, gradients) pairs."""
    assert len(got[0]) == len(want[0]), (
        f"{sample}: expected {len(want[0])} outputs, got {len(got[0])}"
    )
    for k, (a, b) in enumerate(zip(got[0], want[0], strict=True)):
        close(a, b, sample, f"forward, output {k}, {who}", largest=largest)
    for k, (a, b) in enumerate(zip(got[1], want[1], strict=True)):
        assert (a is None) == (b is None), f"{sample} grad of operand {k}, {who}: one side has none"
        if a is not None:
            close(a, b, sample, f"grad of operand {k}, {who}", scale=2.0, largest=largest)


def same_bits(again: Any, got: Any, sample: Sample, who: str) -> None:
    """Outputs and gradients of a second run are those of the first, bit for bit."""
    for k, (a, b) in enumerate(zip([*again[0], *again[1]], [*got[0], *got[1]], strict=True)):
        if a is not None:
            assert a.tobytes() == b.tobytes(), f"{sample}, {who}: array {k} has other bits"


def lacks(sample: Sample, device: Any) -> bool:
    """Whether the sample needs float64 and the device has none."""
    info = clnn.device(device).info
    return info is not None and not info.fp64 and "float64" in f"{sample.args}{sample.kwargs}"


def check_against_torch(sample: Sample, fn: Any = None) -> None:
    compare(run_clnn(sample, "cpu", fn), run_torch(sample), sample, "reference against torch")


def check_against_reference(sample: Sample, device: Any, fn: Any = None) -> None:
    want = run_clnn(sample, "cpu", fn) if fn else run_reference(Key(sample))
    who, got = f"{device} against reference", run_clnn(sample, device, fn)
    compare(got, want, sample, who, of_largest(sample.family, None))
    same_bits(run_clnn(sample, device, fn), got, sample, f"{device} again")


def run_by(sample: Sample, device: Any, name: str) -> tuple[list[Any], list[Any]] | None:
    """What algorithm `name` gives; None where it does not apply, and another ran in its place."""
    with contextlib.ExitStack() as stack:
        table = algorithms_of(sample.family)
        ops_with_it = [op for op, found in table.items() if name in {a.name for a in found}]
        used = [stack.enter_context(algorithm(op, name, strict=False)) for op in ops_with_it]
        got = run_clnn(sample, device)
    return got if any(used) else None


def check_algorithm(sample: Sample, device: Any, name: str) -> bool:
    """Compare `name` with the reference; False where it does not apply."""
    got = run_by(sample, device, name)
    if got is not None:
        who = f"{device} by {name} against reference"
        compare(got, run_reference(Key(sample)), sample, who, of_largest(sample.family, name))
        again = run_by(sample, device, name)
        same_bits(again, got, sample, f"{device} by {name} again")
    return got is not None


def check_numeric_grad(
    sample: Sample, fn: Any = None, eps: float = 1e-6, tolerance: float = 1e-4
) -> None:
    """Gradients on the reference in float64 equal central differences along one random direction each."""
    fn = fn or getattr(ops, sample.fn)
    _, grads = run_clnn(sample, "cpu", fn, cast="float64")
    host = [
        h.astype("float64") if dtype(h.dtype).is_floating_point else h
        for h in host_operands(sample)
    ]

    def value(operands: list[np.ndarray]) -> float:
        first = outputs(call(sample, fn, [clnn.tensor(a, device="cpu") for a in operands]))[
            0
        ].numpy()
        return float((first * seed_like(first)).sum())

    for k, (x, g) in enumerate(zip(host, grads, strict=True)):
        if g is None or not x.size:
            continue
        along = np.asarray(np.random.default_rng(k).standard_normal(x.shape))
        up, down = list(host), list(host)
        up[k], down[k] = x + eps * along, x - eps * along
        want = (value(up) - value(down)) / (2 * eps)
        got = float((g * along).sum())
        assert abs(got - want) <= tolerance * (1 + abs(want)), (
            f"{sample} grad of operand {k}: expected {want}, got {got}"
        )
