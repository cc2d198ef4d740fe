"""Samples of clnn.ops.norm."""

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample

HALVES = ("float16", "bfloat16", "float64")
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
FAR = {
    "values": [
        [[100.0 + 0.125 * ((7 * i + 3 * j) % 5) for j in range(40)] for i in range(3)]
        for _ in range(2)
    ]
}
STILL = {"values": [[3.0] * 6] * 4}


def running(channels, dtype="float32"):
    """running_mean and running_var, which get no gradient."""
    return T(channels, dtype=dtype, grad=False), T(
        channels, dtype=dtype, low=0.5, high=2.0, grad=False
    )


def functional(name):
    """torch.nn.functional's function; torch's own of that name takes other arguments."""
    return lambda *args, **kwargs: getattr(__import__("torch").nn.functional, name)(*args, **kwargs)


def call(name, *args, **kwargs):
    return sample(name, *args, oracle=functional(name), **kwargs)


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
    *[call("instance_norm", T(*x), weight=T(x[1]), bias=T(x[1])) for x in [(2, 3, 5, 7), (1, 1, 2), (3, 4, 33), (2, 2, 70, 71)]],
    call("instance_norm", T(2, 3, 5), *running(3), T(3), T(3)),
    call("instance_norm", T(2, 3, 5), *running(3), T(3), T(3), use_input_stats=False),
    call("instance_norm", T(2, 3, 5)),
    *[call("layer_norm", T(*x), n, T(*n), T(*n)) for x, n in [((4, 5), (5,)), ((2, 3, 37), (3, 37)), ((3, 100), (100,)), ((7,), (7,)),
                                                              ((300, 33), (33,)), ((5, 1030), (1030,))]],
    call("layer_norm", T(2, 3, 1), (1,), T(1), T(1), atol=1e-4),  # torch leaves some of g / sqrt(eps)
    call("layer_norm", T(4, 5), (5,)),
    call("layer_norm", T(4, 5), (5,), weight=T(5), eps=0.1),
    call("layer_norm", T(4, 5), (5,), bias=T(5)),
    call("layer_norm", T(0, 5), (5,), T(5), T(5)),
    call("layer_norm", T(3, 0), (0,), T(0), T(0)),
    call("layer_norm", T(4, 5, grad=False), (5,), T(5), T(5)),
    *[call("layer_norm", T(6, 35, dtype=d), (35,), T(35, dtype=d), T(35, dtype=d)) for d in HALVES],
    call("layer_norm", T(6, 35, dtype="bfloat16"), (35,), T(35), T(35), rtol=1e-2, atol=1e-2, numeric_grad=False),
    call("layer_norm", T(**FAR), (3, 40), T(3, 40), T(3, 40), atol=2e-4, numeric_grad=False),
    call("layer_norm", T(**STILL), (6,), T(6), T(6), numeric_grad=False),
    *[call("group_norm", T(*x), g, T(x[1]), T(x[1])) for x, g in [((2, 6, 5, 7), 3), ((3, 4, 33), 1), ((2, 5, 3), 5), ((4, 6), 2), ((1, 8, 2, 2), 4)]],
    call("group_norm", T(2, 6, 5), 2),
    call("group_norm", T(2, 6, 5), 2, weight=T(6)),
    call("group_norm", T(0, 6, 5), 2, T(6), T(6)),
    # of nothing: sums of gradients are 0, where torch has NaN
    *[sample("group_norm", T(2, 4, 0), g, T(4), T(4), oracle=lambda x, g, w, b: x * w[:, None] + b[:, None]) for g in (1, 2)],
    *[call("group_norm", T(2, 6, 20, dtype=d), 2, T(6, dtype=d), T(6, dtype=d)) for d in HALVES],
    *[call("rms_norm", T(*x), n, T(*n)) for x, n in [((4, 5), (5,)), ((2, 3, 37), (3, 37)), ((300, 33), (33,))]],
    call("rms_norm", T(4, 5), (5,), eps=0.01),
    call("rms_norm", T(0, 5), (5,), T(5)),
    *[call("rms_norm", T(4, 35, dtype=d), (35,), T(35, dtype=d)) for d in HALVES],
    call("rms_norm", T(values=[[1e-4] * 8, [0.0] * 8]), (8,), numeric_grad=False),
    call("rms_norm", T(values=[[1e-3] * 8, [2e-4] * 8], dtype="float16"), (8,), numeric_grad=False),
    *[call("local_response_norm", T(*x), s) for x, s in [((2, 7, 5), 3), ((1, 6, 3, 4), 2), ((2, 3, 4), 5), ((2, 3, 2, 2, 3), 1)]],
    call("local_response_norm", T(2, 7, 5), 3, alpha=0.5, beta=1.25, k=2.0),
    call("local_response_norm", T(0, 3, 4), 3),
]  # fmt: skip

NAN_FREE = "expected more than 1 value per"
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
    bad("instance_norm", T(2, 6, 1), error=ShapeError, match=f"instance_norm: {NAN_FREE} channel"),
    bad("instance_norm", T(2, 6), error=ShapeError, match=f"instance_norm: {NAN_FREE} channel"),
    bad("instance_norm", T(2, 6, 3), use_input_stats=False, error=SettingError, match="instance_norm: expected running_mean and running_var"),
    bad("layer_norm", T(2, 3, 4), (3,), error=ShapeError, match=r"layer_norm: expected input of \(\*, 3\), got \(2, 3, 4\)"),
    bad("layer_norm", T(2, 3), (), error=ShapeError, match="layer_norm: expected"),
    bad("layer_norm", T(2, 3), (3,), T(2), error=ShapeError, match=r"layer_norm: expected weight of shape \(3,\), got \(2,\)"),
    bad("layer_norm", T(2, 3, dtype="int32"), (3,), error=DTypeError, match="layer_norm: expected a floating dtype"),
    bad("rms_norm", T(2, 3), (3,), T(3, 3), error=ShapeError, match="rms_norm: expected weight of shape"),
    bad("group_norm", T(2, 6, 3), 4, error=ShapeError, match="group_norm: expected num_groups to divide 6 channels, got 4"),
    bad("group_norm", T(2, 6, 3), 0, error=ShapeError, match="group_norm: expected num_groups to divide 6 channels, got 0"),
    bad("group_norm", T(1, 3), 3, error=ShapeError, match=f"group_norm: {NAN_FREE} group, got input size"),
    bad("group_norm", T(3), 1, error=ShapeError, match="group_norm: expected input of"),
    bad("local_response_norm", T(2, 3), 2, error=ShapeError, match="local_response_norm: expected input of"),
    bad("local_response_norm", T(2, 3, 4), 0, error=ShapeError, match="local_response_norm: .* size of at least 1"),
    bad("batch_norm", T(2, 3), None, None, None, None, True, eps=-1, error=SettingError, match="batch_norm: expected eps >= 0, got -1"),
    bad("batch_norm", T(2, 3), None, None, None, None, True, momentum=None, error=DTypeError, match="batch_norm: expected a number as momentum, got NoneType"),
    bad("instance_norm", T(1, 3, 4), T(3), T(3, dtype="float16"), error=DTypeError, match="instance_norm: expected running_mean and running_var of float32, got float16"),
]  # fmt: skip
