"""Calls of clnn.ops.matmul and clnn.ops.einsum."""

from fuzz.draw import FLOATS, INTS, calls, few, kwargs, sample, sizes, st, tensor

KINDS = (*FLOATS, *INTS[:2])
UNIT = {"low": -1.0, "high": 1.0}


@st.composite
def matrix(draw, shape, dtype):
    """Numbers whose products do not cancel too much."""
    return draw(tensor(shape, dtype, **(UNIT if dtype in FLOATS else {"low": -5, "high": 5})))


def three(draw):
    return draw(sizes()), draw(sizes()), draw(sizes())


@calls("matmul")
def matmul(draw, name):
    m, k, n = three(draw)
    dtype = draw(few(name, KINDS))
    full = draw(st.lists(st.integers(0, 3), max_size=2))
    batches = [
        [1 if draw(st.integers(0, 3)) == 0 else b for b in full][draw(st.integers(0, len(full))) :]
        for _ in "ab"
    ]
    a, b = [*batches[0], m, k], [*batches[1], k, n]
    how = draw(st.integers(0, 7))
    return sample(name, draw(matrix([k] if how == 0 else a, dtype)), draw(matrix([k] if how == 1 else b, dtype)))  # fmt: skip


@calls("mm")
def mm(draw, name):
    m, k, n = three(draw)
    dtype = draw(few(name, KINDS))
    return sample(name, draw(matrix((m, k), dtype)), draw(matrix((k, n), dtype)))


@calls("bmm")
def bmm(draw, name):
    m, k, n = three(draw)
    dtype, b = draw(few(name, KINDS)), draw(st.integers(0, 4))
    return sample(name, draw(matrix((b, m, k), dtype)), draw(matrix((b, k, n), dtype)))


@calls("addmm")
def addmm(draw, name):
    m, k, n = three(draw)
    dtype = draw(few(name, KINDS))
    plus = draw(st.sampled_from([(m, n), (n,), (1, n), (m, 1), (1,), ()]))
    factor = st.sampled_from([0, 1, 2, 0.5] if dtype in FLOATS else [0, 1, 2])
    return sample(name, draw(matrix(plus, dtype)), draw(matrix((m, k), dtype)), draw(matrix((k, n), dtype)),
                  **kwargs(draw, alpha=factor, beta=factor))  # fmt: skip


@calls("linear")
def linear(draw, name):
    _, k, n = three(draw)
    dtype = draw(few(name, FLOATS))
    lead = draw(st.lists(sizes(), max_size=2))
    bias = [draw(matrix((n,), dtype))] if draw(st.booleans()) else []
    lead = lead if len(lead) < 2 or lead[0] * lead[1] < 300 else lead[:1]
    return sample(name, draw(matrix((*lead, k), dtype)), draw(matrix((n, k), dtype)), *bias)


@calls("dot")
def dot(draw, name):
    n, dtype = draw(sizes()), draw(few(name, KINDS))
    return sample(name, draw(matrix((n,), dtype)), draw(matrix((n,), dtype)))


@calls("outer")
def outer(draw, name):
    m, n, _ = three(draw)
    dtype = draw(few(name, KINDS))
    return sample(name, draw(matrix((m,), dtype)), draw(matrix((n,), dtype)))


@calls("einsum")
def einsum(draw, name):
    letters = {c: draw(st.integers(0, 4)) for c in "ijkl"}
    terms = [
        draw(st.lists(st.sampled_from("ijkl"), max_size=3, unique=draw(st.integers(0, 3)) > 0))
        for _ in range(draw(st.integers(1, 3)))
    ]
    used = sorted({c for t in terms for c in t})
    right = draw(st.lists(st.sampled_from(used), unique=True)) if used else []
    dots = draw(st.integers(0, 3)) == 0
    equation = ",".join(("..." if dots else "") + "".join(t) for t in terms)
    equation += "->" + ("..." if dots else "") + "".join(right) if draw(st.booleans()) else ""
    dtype, lead = (
        draw(few(name, FLOATS)),
        [draw(st.integers(0, 3)) for _ in range(draw(st.integers(0, 2)))] if dots else [],
    )
    return sample(
        name, equation, *[draw(matrix((*lead, *[letters[c] for c in t]), dtype)) for t in terms]
    )
