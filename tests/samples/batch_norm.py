"""Samples of clnn.ops.batch_norm."""

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample
from samples.norm import FAR, HALVES, NAN_FREE, STILL, call, running

# one sample per slice of the channel kernels, several slices, one channel, one row, runs shorter and longer than a vector
CHANNELS = [
    (2, 3, 5, 7),
    (5, 1, 3),
    (7, 4),
    (1, 2, 17),
    (33, 37),
    (3, 2, 1, 1),
    (70, 3, 70),
    (2, 3, 101, 90),
    (200, 21),
    (4, 20, 2, 2),
    (3, 9, 33),
    (2, 8, 101, 90),
]


def fused_by_parts(x, *args, activation=None, residual=None, **kwargs):
    torch = __import__("torch")
    y = torch.nn.functional.batch_norm(x, *args, **kwargs)
    y = y if residual is None else y + residual
    if activation is None:
        return y
    return getattr(torch if activation in ("sigmoid", "tanh") else torch.nn.functional, activation)(
        y
    )


def fused(shape, *args, residual=False, dtype="float32", **kwargs):
    """With weight and bias; the residual is like the input."""
    c = T(shape[1], dtype=dtype)
    if residual:
        kwargs["residual"] = T(*shape, dtype=dtype)
    args = args or (None, None)
    kinks = kwargs["activation"] not in (None, "sigmoid", "tanh")
    return sample("fused_batch_norm", T(*shape, dtype=dtype), *args, c, c, kwargs.pop("training", True),
                  oracle=fused_by_parts, numeric_grad=not kinks, **kwargs)  # fmt: skip


SAMPLES = [
    *[fused(x, activation="relu", residual=r) for r in (True, False) for x in [(2, 3, 5, 7), (7, 4), (3, 9, 5, 7), (4, 20, 2, 2), (2, 70, 9, 8)]],
    fused((2, 9, 4, 70), activation="relu6", residual=True),
    fused((2, 9, 5, 2), activation="tanh", residual=True),
    fused((2, 3, 9), activation="sigmoid"),
    fused((2, 9, 7), activation=None, residual=True),
    fused((2, 9, 7), activation="silu", residual=True),
    fused((2, 4, 7), *running(4), activation="relu", residual=True),
    fused((2, 4, 7), *running(4), activation="relu", residual=True, training=False),
    fused((2, 9, 7), *running(9), activation="relu6", training=False),
    fused((2, 9, 7), *running(9, "float16"), activation="relu", residual=True, dtype="float16"),
    fused((2, 9, 17), activation="tanh", dtype="bfloat16"),
    fused((3, 10, 50), activation="relu", residual=True, dtype="float64"),
    sample("fused_batch_norm", T(2, 9, 70, grad=False), None, None, T(9), T(9), True, activation="relu", oracle=fused_by_parts, numeric_grad=False),
    sample("fused_batch_norm", T(2, 9, 70), None, None, None, None, True, activation="relu", residual=T(2, 9, 70, grad=False), oracle=fused_by_parts, numeric_grad=False),
    *[call("batch_norm", T(*x), None, None, T(x[1]), T(x[1]), True) for x in CHANNELS],
    *[call("batch_norm", T(*x), *running(x[1]), T(x[1]), T(x[1])) for x in CHANNELS[:5]],
    call("batch_norm", T(4, 3, 5), *running(3), training=True, momentum=0.3),
    call("batch_norm", T(4, 3, 5), *running(3)),
    call("batch_norm", T(4, 3, 5), *running(3), weight=T(3), eps=0.1),
    call("batch_norm", T(4, 3, 5), None, None, bias=T(3), training=True, eps=1e-3),
    call("batch_norm", T(4, 3, 5, grad=False), None, None, T(3), T(3), training=True),
    call("batch_norm", T(1, 3, 5), *running(3), T(3), T(3)),
    *[call("batch_norm", T(6, 3, 5, dtype=d), *running(3, d), T(3, dtype=d), T(3, dtype=d), t) for d in HALVES for t in (True, False)],
    *[call("batch_norm", T(6, 3, 5, dtype=d), *running(3), T(3), T(3), True, numeric_grad=False) for d in ("float16", "bfloat16")],
    call("batch_norm", T(**FAR), None, None, T(3), T(3), True, atol=2e-4, numeric_grad=False),
    call("batch_norm", T(**STILL), None, None, T(6), T(6), True, numeric_grad=False),
]  # fmt: skip

ERRORS = [
    bad("fused_batch_norm", T(2, 6), T(6), T(6), activation="swish", error=SettingError, match="one of relu"),
    bad("fused_batch_norm", T(2, 6), T(6), T(6), residual=T(6), error=ShapeError, match="batch_norm: expected residual of the result's shape"),
    bad("fused_batch_norm", T(2, 6), None, None, training=True, residual=T(2, 6, dtype="float64"), error=DTypeError, match="batch_norm: expected residual of dtype"),
    bad("batch_norm", T(1, 6, 1), None, None, training=True, error=ShapeError, match=f"batch_norm: {NAN_FREE} channel when training, got input size"),
    bad("batch_norm", T(6), None, None, training=True, error=ShapeError, match=r"batch_norm: expected input of \(N, C, \*\)"),
    bad("batch_norm", T(2, 6), None, None, error=SettingError, match="batch_norm: expected running_mean and running_var unless training"),
    bad("batch_norm", T(2, 6), T(6), None, error=SettingError, match="batch_norm: expected both running_mean and running_var or neither"),
    bad("batch_norm", T(2, 6), T(5), T(6), error=ShapeError, match=r"batch_norm: expected running_mean of shape \(6,\), got \(5,\)"),
    bad("batch_norm", T(2, 6), T(6), T(6), T(3), error=ShapeError, match=r"batch_norm: expected weight of shape \(6,\), got \(3,\)"),
    bad("batch_norm", T(2, 6), T(6), T(6), None, T(3), True, error=ShapeError, match="batch_norm: expected bias of shape"),
    bad("batch_norm", T(2, 6), T(6), T(6), T(6, dtype="float64"), error=DTypeError, match="batch_norm: expected weight of float32, got float64"),
    bad("batch_norm", T(2, 6, dtype="int64"), T(6), T(6), error=DTypeError, match="batch_norm: expected a floating dtype, got int64"),
    bad("batch_norm", [1.0], None, None, error=DTypeError, match="batch_norm: expected"),
    bad("batch_norm", T(2, 3), None, None, None, None, True, eps=-1, error=SettingError, match="batch_norm: expected eps >= 0, got -1"),
    bad("batch_norm", T(2, 3), None, None, None, None, True, momentum=None, error=DTypeError, match="batch_norm: expected a number as momentum, got NoneType"),
]  # fmt: skip
