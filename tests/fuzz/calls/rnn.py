"""Calls of clnn.ops.rnn."""

from fuzz.draw import FLOATS, calls, few, sample, sizes, st, tensor
from samples.rnn import GATES, oracle_of


@calls(*GATES)
def sequence(draw, name):
    count, dtype = GATES[name], draw(few(name, FLOATS))
    steps, rows, units = (
        draw(st.integers(1, 6)),
        draw(sizes()),
        draw(st.sampled_from([1, 3, 16, 33])),
    )
    scale = 1.5 / units**0.5
    gates = draw(tensor((steps, rows, count * units), dtype, low=-2.0, high=2.0))
    states = [draw(tensor((rows, units), dtype, low=-1.0, high=1.0)) for _ in range(1 + (name == "lstm_sequence"))]  # fmt: skip
    weight = draw(tensor((count * units, units), dtype, low=-scale, high=scale))
    more = {}
    if name == "gru_sequence" and draw(st.booleans()):
        more["bias_hh"] = draw(tensor((count * units,), dtype, low=-1.0, high=1.0))
    if draw(st.booleans()):
        kind = draw(st.sampled_from(["int64", "int32"]))
        more["lengths"] = draw(
            tensor((rows,), kind, values=(0, 1, 2, steps, steps + 3), grad=False)
        )
    if name == "rnn_sequence":
        more["nonlinearity"] = draw(few("nonlinearity", ("tanh", "relu")))
    if draw(st.booleans()):
        more["reverse"] = True
    return sample(name, gates, *states, weight, **more, oracle=oracle_of(name))
