"""Random numbers by Philox: what a call draws depends on the generator's (seed, offset) and nothing else."""

from __future__ import annotations

import threading
from math import isfinite
from operator import index
from typing import Any, Self

from ..autograd import T, apply
from ..device import Device
from ..dtypes import DType, bool_
from ..errors import DTypeError, SettingError, ShapeError
from ..op import Op
from ..shapes import Shape, Spec, check_shape
from .creation import filled, like, make
from .elementwise import mul
from .rules import as_number, check_floating, operand, real

_WORDS = 4  # numbers in one Philox block


class Generator:
    """A stream of random numbers: a seed, and how many blocks of it have been used."""

    def __init__(self, seed: int = 0) -> None:
        """Start the stream of `seed`; raises as manual_seed."""
        self._lock = threading.Lock()
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Self:
        """Start the stream of `seed` from its beginning; SettingError unless -2**63 <= seed < 2**64."""
        try:
            value = index(seed)
        except TypeError:
            raise DTypeError(f"manual_seed: expected an int, got {type(seed).__name__}") from None
        if not -(2**63) <= value < 2**64:
            raise SettingError(f"manual_seed: expected a seed of 64 bits, got {value}")
        with self._lock:
            self._seed, self._offset = value % 2**64, 0
        return self

    def initial_seed(self) -> int:
        """The seed the stream was started with."""
        return self._seed

    def get_state(self) -> tuple[int, int]:
        """(seed, offset): all there is to know."""
        return self._seed, self._offset

    def set_state(self, state: tuple[int, int]) -> None:
        """Continue where get_state was called."""
        if not (
            isinstance(state, tuple) and len(state) == 2 and all(type(n) is int for n in state)
        ):
            raise DTypeError(f"set_state: expected (seed, offset) of get_state, got {state!r}")
        self.manual_seed(state[0])
        self._offset = state[1] % 2**64

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, self.get_state()  # a lock can be neither copied nor pickled

    def reserve(self, n: int) -> dict[str, int]:
        """Settings of an op that draws n numbers; the next call gets other numbers."""
        with self._lock:
            at = self._offset
            self._offset = (at + -(-n // _WORDS)) % 2**64
            return {"seed": self._seed, "offset": at}


def _restored(*state: int) -> Generator:
    made = Generator()
    made.set_state((state[0], state[1]))
    return made


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Start the default generator again; raises SettingError unless -2**63 <= seed < 2**64."""
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed of the default generator; 0 until manual_seed."""
    return default_generator.initial_seed()


# --- the primitives -----------------------------------------------------------------------------


def _floating(op: str) -> Any:
    def infer(*, shape: Shape, dtype: DType, seed: int, offset: int, **numbers: float) -> Spec:
        check_floating(op, dtype)
        if not all(map(isfinite, numbers.values())):
            raise SettingError(f"{op}: expected finite numbers, got {numbers}")
        return Spec(check_shape(op, shape), dtype)

    return infer


def _infer_randint(
    *, shape: Shape, dtype: DType, low: int, high: int, seed: int, offset: int
) -> Spec:
    if low >= high:
        raise SettingError(f"randint: expected low < high, got {low} and {high}")
    for bound in (low, high - 1):
        as_number("randint", bound, dtype)
    return Spec(check_shape("randint", shape), dtype)


def _infer_randperm(*, n: int, dtype: DType, seed: int, offset: int) -> Spec:
    if dtype is bool_:
        raise DTypeError("randperm: expected a numeric dtype, got bool")
    shape = check_shape("randperm", (n,))
    as_number("randperm", max(n - 1, 0), dtype)
    return Spec(shape, dtype)


def _infer_dropout(x: Spec, *, p: float, seed: int, offset: int) -> Spec:
    check_floating("dropout", x.dtype)
    return x


def _dropout_vjp(g: Any, outs: Any, x: Any, *, needs: Any, **settings: Any) -> Any:
    return (apply(DROPOUT, g, **settings),)


UNIFORM = Op("uniform", _floating("rand"))
NORMAL = Op("normal", _floating("randn"))
RANDINT = Op("randint", _infer_randint)
RANDPERM = Op("randperm", _infer_randperm)
DROPOUT = Op("dropout", _infer_dropout, _dropout_vjp)


# --- on tensors ---------------------------------------------------------------------------------


def uniform(cls: type[T], shape: Shape, dtype: DType, device: str | Device | None, *,
            low: float = 0.0, high: float = 1.0, generator: Generator | None = None,
            requires_grad: bool = False) -> T:  # fmt: skip
    """Numbers from [low, high); as many random bits as the dtype's mantissa has."""
    return make(UNIFORM, cls, device, requires_grad, shape=shape, dtype=dtype, low=float(low),
                high=float(high), **drawn(shape, generator))  # fmt: skip


def normal(cls: type[T], shape: Shape, dtype: DType, device: str | Device | None, *,
           mean: float = 0.0, std: float = 1.0, generator: Generator | None = None,
           requires_grad: bool = False) -> T:  # fmt: skip
    """Numbers from the normal distribution (Box and Muller 1958)."""
    return make(NORMAL, cls, device, requires_grad, shape=shape, dtype=dtype, mean=float(mean),
                std=float(std), **drawn(shape, generator))  # fmt: skip


def drawn(shape: Shape, generator: Generator | None) -> dict[str, int]:
    """Settings seed and offset for one random number per element of `shape`."""
    if generator is not None and not isinstance(generator, Generator):
        raise DTypeError(f"random: expected a clnn.Generator, got {type(generator).__name__}")
    return (generator or default_generator).reserve(Spec(check_shape("random", shape)).size)


def rand_like(input: T, *, dtype: Any = None, device: str | Device | None = None,
              requires_grad: bool = False, generator: Generator | None = None) -> T:  # fmt: skip
    """Uniform numbers from [0, 1) in input's shape, dtype and device, unless given."""
    kind, where = like("rand_like", input, dtype, device)
    return uniform(
        type(input), input.shape, kind, where, generator=generator, requires_grad=requires_grad
    )


def randn_like(input: T, *, dtype: Any = None, device: str | Device | None = None,
               requires_grad: bool = False, generator: Generator | None = None) -> T:  # fmt: skip
    """Normal numbers, mean 0 and variance 1, in input's shape, dtype and device, unless given."""
    kind, where = like("randn_like", input, dtype, device)
    return normal(
        type(input), input.shape, kind, where, generator=generator, requires_grad=requires_grad
    )


def dropout(input: T, p: float = 0.5, training: bool = True, inplace: bool = False, *,
            generator: Generator | None = None) -> T:  # fmt: skip
    """Zero each element with probability p and scale the rest by 1 / (1 - p); input itself unless training.

    The mask is never stored: the gradient draws it again. `inplace` is accepted and changes nothing.
    Raises SettingError unless 0 <= p <= 1. Srivastava et al. 2014.
    """
    operand("dropout", input)
    if not 0 <= real("dropout", "p", p) <= 1:
        raise SettingError(f"dropout: expected a probability in [0, 1], got {p}")
    if not training or p == 0:
        return input
    if p == 1:
        return mul(input, 0.0)
    return apply(DROPOUT, input, p=float(p), **drawn(input.shape, generator))


def dropout1d(input: T, p: float = 0.5, training: bool = True, inplace: bool = False, *,
              generator: Generator | None = None) -> T:  # fmt: skip
    """Dropout of whole channels of input (N, C, L) or (C, L)."""
    return _drop_channels("dropout1d", input, p, training, generator, 1, (2, 3))


def dropout2d(input: T, p: float = 0.5, training: bool = True, inplace: bool = False, *,
              generator: Generator | None = None) -> T:  # fmt: skip
    """Dropout of whole channels of input (N, C, H, W)."""
    return _drop_channels("dropout2d", input, p, training, generator, 2, (4,))


def _drop_channels(op: str, input: T, p: float, training: bool, generator: Generator | None,
                   spatial: int, ranks: tuple[int, ...]) -> T:  # fmt: skip
    operand(op, input)
    if not 0 <= real(op, "p", p) <= 1:
        raise SettingError(f"{op}: expected a probability in [0, 1], got {p}")
    if training and 0 < p < 1:
        check_floating(op, input.dtype)
    if input.ndim not in ranks:
        raise ShapeError(
            f"{op}: expected a tensor of {' or '.join(map(str, ranks))} axes, got shape {input.shape}"
        )
    if not training or p == 0:
        return dropout(input, p, training)
    shape = input.shape[: input.ndim - spatial] + (1,) * spatial
    ones = filled(op, type(input), shape, 1, input.dtype, input.device)
    return mul(input, dropout(ones, p, generator=generator))
