"""Matrix products: matmul and linear are ops, the rest is said with them."""

from __future__ import annotations

from math import inf
from typing import Any

from ..autograd import T, Variable, apply
from ..dtypes import Number
from ..errors import DTypeError, ShapeError
from ..op import Op
from ..shapes import Spec, broadcast
from .elementwise import add, cast, lt, mul, where
from .movement import reshape
from .reduce import sum as reduce_sum
from .rules import before_activation, check_ending, factor, unbroadcast


def matmul(input: T, other: T) -> T:
    """The product of the last two axes; leading axes broadcast, and a 1-d operand is a row or a column.

    input (..., M, K), other (..., K, N) -> (..., M, N). Raises ShapeError, or DTypeError for operands of two
    dtypes or of bool.
    """
    if not (isinstance(input, Variable) and isinstance(other, Variable)):
        return _product(input, other)
    if len(input.spec.shape) == len(other.spec.shape) == 2:  # the rest is for the shape rule
        return _product(input, other)
    if input.ndim == 1 and other.ndim == 1:
        return _dot("matmul", input, other)
    _check("matmul", input.spec, other.spec)
    if input.ndim == 1:
        y = _product(reshape(input, (1, *input.shape)), other)
        return reshape(y, (*y.shape[:-2], y.shape[-1]))
    if other.ndim == 1:
        y = matmul(input, reshape(other, (*other.shape, 1)))
        return reshape(y, y.shape[:-1])
    if (
        other.ndim == 2 and input.ndim > 2
    ):  # one matrix for all: rows of one product, also in the gradient
        y = _product(_rows(input), other)
        return reshape(y, (*input.shape[:-1], other.shape[1]))
    return _product(input, other)


def mm(input: T, mat2: T) -> T:
    """The product of two matrices: (M, K), (K, N) -> (M, N). Raises ShapeError or DTypeError."""
    if _tensors(input, mat2):
        _check("mm", input.spec, mat2.spec, rank=2)
    return _product(input, mat2)


def bmm(input: T, mat2: T) -> T:
    """The products of two batches of matrices: (B, M, K), (B, K, N) -> (B, M, N). Raises ShapeError or DTypeError."""
    if _tensors(input, mat2):
        _check("bmm", input.spec, mat2.spec, rank=3)
        if input.shape[0] != mat2.shape[0]:
            raise ShapeError(
                f"bmm: expected batches of one size, got {input.shape} and {mat2.shape}"
            )
    return _product(input, mat2)


def addmm(input: T, mat1: T, mat2: T, *, beta: Number = 1, alpha: Number = 1) -> T:
    """beta * input + alpha * (mat1 @ mat2); with beta 0 input is ignored, and its gradient is 0.

    input broadcasts to (M, N), mat1 (M, K), mat2 (K, N) -> (M, N). Raises ShapeError or DTypeError.
    """
    if not _tensors(input, mat1, mat2):
        return apply(MATMUL, mat1, mat2, input, transpose_a=False, transpose_b=False)
    _check("addmm", mat1.spec, mat2.spec, rank=2)
    out = (mat1.shape[0], mat2.shape[1])
    if len(input.shape) > 2 or broadcast("addmm", input.shape, out) != out:
        raise ShapeError(f"addmm: expected input that broadcasts to {out}, got {input.shape}")
    if input.dtype is not mat1.dtype:
        raise DTypeError(
            f"addmm: expected operands of one dtype, got {input.dtype}, {mat1.dtype}; convert with .to()"
        )
    if beta == 1 and alpha == 1 and input.shape == out[1:] and input.dtype.is_floating_point:
        return apply(MATMUL, mat1, mat2, input, transpose_a=False, transpose_b=False)
    alpha, beta = factor("addmm", alpha, input.dtype), factor("addmm", beta, input.dtype)
    y = _product(mat1, mat2)
    y = y if alpha == 1 else mul(y, alpha)
    if beta == 0:
        if not input.requires_grad:
            return y
        return add(y, where(lt(input, -inf), input, 0))  # nothing is below: NaN must not pass
    return add(y, input if beta == 1 else mul(input, beta))


def linear(input: T, weight: T, bias: T | None = None) -> T:
    """input @ weight.T + bias over the last axis.

    input (..., I), weight (O, I), bias (O,) -> (..., O). Raises ShapeError or DTypeError.
    """
    return apply(LINEAR, input, weight, *(() if bias is None else (bias,)))


def dot(input: T, tensor: T) -> T:
    """The inner product of two vectors of one length: (N,), (N,) -> (). Raises ShapeError or DTypeError."""
    return _dot("dot", input, tensor) if _tensors(input, tensor) else mul(input, tensor)


def outer(input: T, vec2: T) -> T:
    """All products of the elements of two vectors: (M,), (N,) -> (M, N). Raises ShapeError."""
    if not _tensors(input, vec2):
        return mul(input, vec2)
    if input.ndim != 1 or vec2.ndim != 1:
        raise ShapeError(f"outer: expected two vectors, got {input.shape} and {vec2.shape}")
    return mul(reshape(input, (*input.shape, 1)), vec2)


# --- shape rules --------------------------------------------------------------------------------


def _tensors(*operands: Any) -> bool:
    """Whether all are Tensors; if not, the dispatcher is left to say so."""
    return all(isinstance(x, Variable) for x in operands)


def _product(a: Any, b: Any) -> Any:
    return apply(MATMUL, a, b, transpose_a=False, transpose_b=False)


def _rows(x: Any) -> Any:
    """x as a matrix: all axes but the last are rows."""
    if x.ndim == 2:
        return x
    rows = 1
    for n in x.shape[:-1]:
        rows *= n
    return reshape(x, (rows, x.shape[-1]))


def _dot(op: str, a: Any, b: Any) -> Any:
    if a.ndim != 1 or a.shape != b.shape:
        raise ShapeError(f"{op}: expected two vectors of one length, got {a.shape} and {b.shape}")
    _check_dtypes(op, a.spec, b.spec)
    return cast(reduce_sum(mul(a, b)), a.dtype)


def _check_dtypes(op: str, *specs: Spec) -> None:
    first = specs[0].dtype
    if any(s.dtype is not first for s in specs) or first == "bool":
        kinds = ", ".join(s.dtype for s in specs)
        raise DTypeError(
            f"{op}: expected operands of one numeric dtype, got {kinds}; convert with .to()"
        )


def _check(op: str, a: Spec, b: Spec, transpose_a: bool = False, transpose_b: bool = False,
           rank: int | None = None) -> None:  # fmt: skip
    """A matrix product of a and b makes sense; 1-d operands count as a row and a column."""
    if rank is not None and not len(a.shape) == len(b.shape) == rank:
        what = "matrices" if rank == 2 else "batches of matrices"
        raise ShapeError(f"{op}: expected two {what} ({rank}-d), got {a.shape} and {b.shape}")
    if not a.shape or not b.shape:
        raise ShapeError(
            f"{op}: expected operands of at least one axis, got {a.shape} and {b.shape}"
        )
    _check_dtypes(op, a, b)
    left = a.shape[-2 if transpose_a else -1]
    right = b.shape[-1 if transpose_b or len(b.shape) == 1 else -2]
    if left != right:
        raise ShapeError(
            f"{op}: expected inner sizes that agree, got {left} in {a.shape} and {right} in {b.shape}"
        )
    broadcast(op, a.shape[:-2], b.shape[:-2])


def _infer(
    a: Spec, b: Spec, *rest: Spec, transpose_a: bool, transpose_b: bool,
    activation: str | None = None, residual: bool = False,
) -> Spec:  # fmt: skip
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise ShapeError(
            f"matmul: expected operands of at least two axes, got {a.shape} and {b.shape}"
        )
    _check("matmul", a, b, transpose_a, transpose_b)
    m, n = a.shape[-1 if transpose_a else -2], b.shape[-2 if transpose_b else -1]
    out = Spec((*broadcast("matmul", a.shape[:-2], b.shape[:-2]), m, n), a.dtype)
    _check_ending("matmul", rest, n, out, activation, residual)
    return out


def _infer_linear(
    x: Spec, w: Spec, *rest: Spec, activation: str | None = None, residual: bool = False
) -> Spec:
    if not x.shape or len(w.shape) != 2:
        raise ShapeError(
            f"linear: expected input (..., I) and weight (O, I), got {x.shape} and {w.shape}"
        )
    _check_dtypes("linear", x, w)
    if x.shape[-1] != w.shape[1]:
        raise ShapeError(f"linear: expected input with {w.shape[1]} features to match weight {w.shape}, "
                         f"got {x.shape[-1]} in input {x.shape}")  # fmt: skip
    out = Spec((*x.shape[:-1], w.shape[0]), x.dtype)
    _check_ending("linear", rest, w.shape[0], out, activation, residual)
    return out


def _check_ending(op: str, rest: tuple[Spec, ...], n: int, out: Spec, activation: str | None,
                  residual: bool) -> None:  # fmt: skip
    _check_dtypes(op, out, *rest)
    bias = rest[: len(rest) - residual]
    if bias and bias[0].shape != (n,):
        raise ShapeError(f"{op}: expected bias of shape {(n,)}, got {bias[0].shape}")
    check_ending(op, out, rest[-1] if residual else None, activation)


# --- gradient rules -----------------------------------------------------------------------------


def _ending_grads(g: Any, needs: Any, residual: bool) -> tuple[Any, ...]:
    """Gradients of the bias and the residual, where there are such."""
    last = len(needs) - residual
    bias = [reduce_sum(_rows(g), 0) if needed else None for needed in needs[2:last]]
    return (*bias, *([g] * residual))


def _vjp(
    g: Any, outs: Any, a: Any, b: Any, *rest: Any, needs: Any, transpose_a: bool, transpose_b: bool,
    activation: str | None = None, residual: bool = False,
) -> Any:  # fmt: skip
    g = before_activation(g, outs[0], activation)
    ta, tb = transpose_a, transpose_b
    da = db = None
    if needs[0]:
        da = (apply(MATMUL, b, g, transpose_a=tb, transpose_b=True) if ta else
              apply(MATMUL, g, b, transpose_a=False, transpose_b=not tb))  # fmt: skip
    if needs[1]:
        db = (apply(MATMUL, g, a, transpose_a=True, transpose_b=ta) if tb else
              apply(MATMUL, a, g, transpose_a=not ta, transpose_b=False))  # fmt: skip
    return (da if da is None else unbroadcast(da, a), db if db is None else unbroadcast(db, b),
            *_ending_grads(g, needs, residual))  # fmt: skip


def _linear_vjp(
    g: Any, outs: Any, x: Any, w: Any, *rest: Any, needs: Any, activation: str | None = None,
    residual: bool = False,
) -> Any:  # fmt: skip
    g = before_activation(g, outs[0], activation)
    rows = _rows(g)
    dx = dw = None
    if needs[0]:
        dx = _product(rows, w)
        dx = dx if x.ndim == 2 else reshape(dx, x.shape)
    if needs[1]:
        dw = apply(MATMUL, rows, _rows(x), transpose_a=True, transpose_b=False)
    return (dx, dw, *_ending_grads(g, needs, residual))


MATMUL = Op("matmul", _infer, _vjp)
LINEAR = Op("linear", _infer_linear, _linear_vjp)
