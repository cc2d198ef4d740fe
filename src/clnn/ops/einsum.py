"""Einstein summation, said with the other ops: no kernel of its own."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ..autograd import T, Variable, apply
from ..errors import DTypeError, SettingError, ShapeError
from .elementwise import cast, mul
from .matmul import MATMUL
from .movement import permute, reshape, take_slice
from .reduce import sum as reduce_sum

Label = str  # one letter; an axis under "..." is "." and its distance from the right


def einsum(equation: str, *operands: T) -> T:
    """Multiply operands and sum over the letters that the right side of `equation` leaves out.

    "bij,bjk->bik" is bmm; without "->" the letters that occur once remain, in alphabetical order; a letter twice
    in one operand means its diagonal; "..." stands for axes that broadcast. Products are taken from left to
    right. Raises SettingError for a malformed equation, ShapeError for operands that do not fit it.
    """
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    inputs, output = _parse(equation, operands)
    sizes: dict[Label, int] = {}
    for x, labels in zip(operands, inputs, strict=True):
        for label, n in zip(labels, x.shape, strict=True):
            if sizes.setdefault(label, n) == 1:
                sizes[label] = n
            elif n not in (1, sizes[label]):
                got = f"{sizes[label]} and {n}"
                raise ShapeError(
                    f"einsum: expected axes {label!r} of one size in {equation!r}, got {got}"
                )
    shared = [c for c in sizes if c not in output and sum(c in labels for labels in inputs) > 1]
    kinds = {x.dtype for x in operands}
    if shared and len(kinds) > 1:
        got = ", ".join(sorted(map(str, kinds)))
        raise DTypeError(f"einsum: expected operands of one dtype, got {got}; convert with .to()")
    terms = [_own(x, labels, sizes) for x, labels in zip(operands, inputs, strict=True)]
    x, have = terms[0]
    for at, (y, labels) in enumerate(terms[1:], 1):
        later = {label for _, more in terms[at + 1 :] for label in more}
        x, have = _multiply(x, have, y, labels, later | set(output), sizes)
    x, have = _summed(x, have, set(output))
    x = _ordered(x, have, [label for label in output if label in have])
    return _shaped(x, tuple(sizes[label] for label in output))


def _parse(equation: str, operands: Sequence[Any]) -> tuple[list[list[Label]], list[Label]]:
    """The label of every axis of every operand, and of the result."""
    if not isinstance(equation, str):
        raise SettingError(f"einsum: expected an equation such as 'ij,jk->ik', got {equation!r}")
    if not operands or not all(isinstance(x, Variable) for x in operands):
        kinds = ", ".join(type(x).__name__ for x in operands) or "nothing"
        raise DTypeError(
            f"einsum: expected Tensors after the equation, got {kinds}; "
            "make a Tensor with clnn.tensor(array)"
        )
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise SettingError(
            f"einsum: expected {len(terms)} operands for {equation!r}, got {len(operands)}"
        )
    inputs = [_labels(term, x.ndim, equation) for term, x in zip(terms, operands, strict=True)]
    dots = sorted({label for term in inputs for label in term if label[0] == "."}, reverse=True)
    letters = [label for term in inputs for label in term if label[0] != "."]
    if not arrow:
        return inputs, dots + sorted(label for label in set(letters) if letters.count(label) == 1)
    output = [
        label for part in _split(right, equation) for label in (dots if part == "..." else [part])
    ]
    unknown = [label for label in output if label not in letters and label not in dots]
    if unknown or len(set(output)) != len(output):
        raise SettingError(
            f"einsum: expected the right side to name axes of the left once each, got {equation!r}"
        )
    return inputs, output


def _split(term: str, equation: str) -> list[str]:
    before, dots, after = term.partition("...")
    if not all(c.isascii() and c.isalpha() for c in before + after):
        raise SettingError(f"einsum: expected letters, ',', '...' and '->', got {equation!r}")
    return [*before, *([dots] if dots else []), *after]


def _labels(term: str, rank: int, equation: str) -> list[Label]:
    parts = _split(term, equation)
    extra = rank - len(parts) + ("..." in parts)
    if extra < 0 or (extra and "..." not in parts):
        raise ShapeError(
            f"einsum: expected an operand of {len(parts)} axes for {term!r} in {equation!r}, got {rank}"
        )
    dots = [f".{n:03}" for n in range(extra - 1, -1, -1)]
    return [label for part in parts for label in (dots if part == "..." else [part])]


def _own(x: Any, labels: list[Label], sizes: dict[Label, int]) -> tuple[Any, list[Label]]:
    """Each label once: diagonals taken, and axes that broadcast dropped."""
    for label in [c for k, c in enumerate(labels) if c in labels[:k]]:
        a, b = [k for k, c in enumerate(labels) if c == label][:2]
        rest = [k for k in range(len(labels)) if k not in (a, b)]
        if x.shape[a] != x.shape[b]:
            raise ShapeError(f"einsum: expected a square for the repeated {label!r}, got {x.shape}")
        n = x.shape[a]
        x = _shaped(permute(x, (*rest, a, b)), (*(x.shape[k] for k in rest), n * n))
        x = take_slice(x, {len(rest): (0, n, n + 1)})
        labels = [labels[k] for k in rest] + [label]
    kept = [k for k, c in enumerate(labels) if x.shape[k] == sizes[c]]
    return _shaped(x, tuple(x.shape[k] for k in kept)), [labels[k] for k in kept]


def _multiply(a: Any, la: list[Label], b: Any, lb: list[Label], wanted: set[Label],
              sizes: dict[Label, int]) -> tuple[Any, list[Label]]:  # fmt: skip
    """The product of two terms, summed over what nobody asks for any more."""
    kinds = a.dtype, b.dtype  # a sum of integers would widen them
    a, la = _summed(a, la, wanted | set(lb))
    b, lb = _summed(b, lb, wanted | set(la))
    a, b = cast(a, kinds[0]), cast(b, kinds[1])
    both = [c for c in la if c in lb and c in wanted]
    inner = [c for c in la if c in lb and c not in wanted]
    rows, columns = [c for c in la if c not in lb], [c for c in lb if c not in la]
    a, b = _ordered(a, la, both + rows + inner), _ordered(b, lb, both + inner + columns)
    nb, ni, nr, nc = (tuple(sizes[c] for c in group) for group in (both, inner, rows, columns))
    if inner:
        left, right = (
            _shaped(a, (prod(nb), prod(nr), prod(ni))),
            _shaped(b, (prod(nb), prod(ni), prod(nc))),
        )
        out = apply(MATMUL, left, right, transpose_a=False, transpose_b=False)
    else:
        out = mul(_shaped(a, (prod(nb), prod(nr), 1)), _shaped(b, (prod(nb), 1, prod(nc))))
    return _shaped(out, (*nb, *nr, *nc)), both + rows + columns


def _summed(x: Any, labels: list[Label], keep: set[Label]) -> tuple[Any, list[Label]]:
    gone = tuple(k for k, c in enumerate(labels) if c not in keep)
    return (reduce_sum(x, gone) if gone else x), [c for c in labels if c in keep]


def _ordered(x: Any, labels: list[Label], order: list[Label]) -> Any:
    return x if labels == order else permute(x, [labels.index(c) for c in order])


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else reshape(x, shape)
