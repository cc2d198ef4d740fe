"""Samples of clnn.ops.norm."""

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample

HALVES = ("float16", "bfloat16", "float64")
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


SAMPLES = [
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
    bad("instance_norm", T(1, 3, 4), T(3), T(3, dtype="float16"), error=DTypeError, match="instance_norm: expected running_mean and running_var of float32, got float16"),
]  # fmt: skip
