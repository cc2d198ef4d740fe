"""Samples of clnn.ops.matmul."""

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample

EINSUMS = [
    ("ij,jk->ik", (3, 4), (4, 5)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("bij,bkj->bik", (2, 3, 4), (2, 5, 4)),
    ("ij,kj", (3, 4), (5, 4)), ("i,j->ij", (3,), (4,)), ("i,i->", (5,), (5,)), ("ij->ji", (3, 4)), ("ij->", (3, 4)),
    ("ij->j", (3, 4)), ("ii->i", (4, 4)), ("ii", (4, 4)), ("bii->b", (2, 3, 3)), ("iii->i", (3, 3, 3)), ("ij,ij->ij", (3, 4), (3, 4)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)), ("...i,i->...", (2, 3, 4), (4,)), ("b...,b...->b", (2, 3), (2, 3)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)), ("bhqk,bkhd->bqhd", (2, 3, 4, 5), (2, 5, 3, 6)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)), ("ij,k->i", (2, 3), (4,)), ("ij,jk->k", (2, 3), (3, 4)),
    ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)), ("ij,jk->ik", (1, 4), (4, 1)), ("ij,jk->ik", (0, 4), (4, 2)),
    ("iB,Bk->ki", (3, 4), (4, 5)), ("ij,ij->i", (1, 3), (2, 3)),
]  # fmt: skip
HALVES = ("float16", "bfloat16")
MATRICES = [
    ((1, 1), (1, 1)), ((3, 5), (5, 2)), ((7, 1), (1, 9)), ((1, 33), (33, 1)), ((0, 3), (3, 2)), ((2, 0), (0, 3)),
    ((3, 2), (2, 0)), ((17, 31), (31, 13)), ((64, 64), (64, 64)), ((67, 129), (129, 35)), ((2, 600), (600, 40)),
]  # fmt: skip
BATCHES = [
    ((4,), (4,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 3, 4), (4,)), ((4,), (2, 4, 3)), ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 3)), ((2, 1, 3, 2, 3), (4, 1, 3, 2)),
    ((0, 3, 4), (0, 4, 2)), ((3, 1, 4), (1, 4, 2)), ((2, 1, 2, 1, 3, 2), (1, 3, 1, 2, 2, 3)), ((70, 5, 3), (70, 3, 4)),
]  # fmt: skip

SAMPLES = [
    *[sample(f, T(*a), T(*b)) for f in ("mm", "matmul") for a, b in MATRICES],
    *[sample("matmul", T(*a), T(*b)) for a, b in BATCHES],
    sample("matmul", T(150, 140), T(140, 260), numeric_grad=False, atol=2e-4),
    sample("matmul", T(33, 1100), T(1100, 70), numeric_grad=False, atol=1e-3),
    *[
        sample("matmul", T(*a), T(*b), numeric_grad=False, atol=1e-3)
        for a, b in [
            ((1, 600), (600, 300)),
            ((3, 1100), (1100, 70)),
            ((300, 600), (600, 1)),
            ((270, 300), (300, 3)),
            ((70, 2100), (2100, 33)),
            ((2, 300, 19), (2, 19, 40)),
            ((2, 41, 300), (300, 18)),
        ]
    ],
    *[sample("matmul", T(2, 9, 21, dtype=d), T(21, 35, dtype=d)) for d in (*HALVES, "float64")],
    *[sample("matmul", T(3, 9, 21, dtype=d), T(3, 21, 35, dtype=d)) for d in (*HALVES, "float64")],
    *[sample("matmul", T(5, 7, dtype=d), T(7, 6, dtype=d)) for d in ("int32", "int64", "uint8")],
    sample("matmul", T(2, 5, 7, dtype="int32"), T(7, 6, dtype="int32")),
    *[
        sample("bmm", T(*a), T(*b))
        for a, b in [((2, 3, 4), (2, 4, 5)), ((1, 1, 1), (1, 1, 1)), ((3, 2, 0), (3, 0, 2))]
    ],
    *[sample("addmm", T(*c), T(3, 5), T(5, 4)) for c in [(4,), (3, 4), (3, 1), (1, 4), (1,), ()]],
    sample(
        "addmm", T(3000), T(2, 200), T(200, 3000)
    ),  # few rows, and more columns than a work-item takes
    sample("addmm", T(3, 4), T(3, 5), T(5, 4), beta=0.5, alpha=2.0),
    sample("addmm", T(4), T(3, 5), T(5, 4), beta=0, alpha=-1),
    sample(
        "addmm",
        T(values=[float("nan"), 1.0, float("inf"), -float("inf")]),
        T(3, 5),
        T(5, 4),
        beta=0,
        numeric_grad=False,
    ),
    sample("addmm", T(4, dtype="int32"), T(3, 5, dtype="int32"), T(5, 4, dtype="int32")),
    *[sample("linear", T(*x), T(6, 5)) for x in [(3, 5), (5,), (2, 3, 5), (0, 5), (2, 0, 5)]],
    *[sample("linear", T(*x), T(6, 5), T(6)) for x in [(3, 5), (5,), (2, 3, 5), (0, 5), (1, 5)]],
    sample("linear", T(37, 100), T(70, 100), T(70)),
    sample("linear", T(2, 0), T(3, 0), T(3)),
    sample("linear", T(1, 2100), T(50, 2100), T(50), numeric_grad=False, atol=1e-3),
    sample("linear", T(6, 300), T(9, 300), T(9), numeric_grad=False, atol=2e-4),
    *[
        sample("linear", T(9, 33, dtype=d), T(40, 33, dtype=d), T(40, dtype=d))
        for d in (*HALVES, "float64")
    ],
    *[
        sample(
            "linear", T(m, 900, dtype=d), T(80, 900, dtype=d), T(80, dtype=d), numeric_grad=False
        )
        for d in (*HALVES, "float64")
        for m in (1, 3)
    ],
    *[sample("dot", T(n), T(n)) for n in (0, 1, 7, 1000)],
    sample("dot", T(5, dtype="int32"), T(5, dtype="int32")),
    *[sample("outer", T(m), T(n)) for m, n in [(3, 4), (1, 1), (0, 3), (5, 1)]],
    sample("outer", T(3, dtype="int32"), T(4)),
    sample("einsum", "ij->j", T(2, 3, dtype="int32", low=0, high=9)),
    *[sample("einsum", equation, *[T(*x) for x in shapes]) for equation, *shapes in EINSUMS],
]

ERRORS = [
    bad("matmul", T(2, 3), T(4, 5), error=ShapeError,
        match=r"matmul: expected inner sizes that agree, got 3 in \(2, 3\) and 4 in \(4, 5\)"),
    bad("matmul", T(3), T(4), error=ShapeError, match="matmul: expected two vectors of one length"),
    bad("matmul", T(), T(3, 3), error=ShapeError, match="matmul: expected operands of at least one axis"),
    bad("matmul", T(2, 3, 4), T(3, 4, 5), error=ShapeError, match="matmul: expected broadcastable shapes"),
    bad("matmul", T(2, 3), T(3, 2, dtype="float64"), error=DTypeError,
        match="matmul: expected operands of one numeric dtype, got float32, float64"),
    bad("matmul", T(2, 3, dtype="bool"), T(3, 2, dtype="bool"), error=DTypeError, match="numeric dtype, got bool, bool"),
    bad("matmul", T(2, 3), [[1.0]], error=DTypeError, match="matmul: expected Tensors or Python numbers, got list"),
    bad("mm", T(2, 3, 4), T(4, 5), error=ShapeError, match="mm: expected two matrices"),
    bad("bmm", T(2, 3), T(3, 5), error=ShapeError, match="bmm: expected two batches of matrices"),
    bad("bmm", T(2, 3, 4), T(1, 4, 5), error=ShapeError, match="bmm: expected batches of one size"),
    bad("addmm", T(4, dtype="int64"), T(2, 3, dtype="int64"), T(3, 4, dtype="int64"), beta=10**30, error=SettingError, match="addmm: expected a number that int64 holds"),
    bad("addmm", T(5), T(2, 3), T(3, 4), error=ShapeError, match="addmm: expected broadcastable"),
    bad("addmm", T(1, 2, 4), T(2, 3), T(3, 4), error=ShapeError, match="addmm: expected input that broadcasts to"),
    bad("linear", T(2, 3), T(4, 5), error=ShapeError, match="linear: expected input with 5 features .* got 3"),
    bad("linear", T(2, 3), T(4, 3), T(3), error=ShapeError, match=r"linear: expected bias of shape \(4,\), got \(3,\)"),
    bad("linear", T(2, 3), T(3), error=ShapeError, match=r"linear: expected input \(..., I\) and weight \(O, I\)"),
    bad("linear", T(2, 3, dtype="float16"), T(4, 3), error=DTypeError, match="linear: .* float16, float32"),
    bad("dot", T(2, 3), T(3), error=ShapeError, match="dot: expected two vectors"),
    bad("einsum", "ij,jk->ik", T(2, 3), T(4, 5), error=ShapeError, match="einsum: expected axes 'j' of one size .* 3 and 4"),
    bad("einsum", "ij,jk->ik", T(2, 3), T(3, 5, dtype="float16"), error=DTypeError, match="einsum: expected operands of one dtype"),
    bad("einsum", "ij,jk->il", T(2, 3), T(3, 5), error=SettingError, match="einsum: expected the right side to name axes"),
    bad("einsum", "ij->ii", T(2, 3), error=SettingError, match="einsum: expected the right side"),
    bad("einsum", "ij,jk", T(2, 3), error=SettingError, match="einsum: expected 2 operands for 'ij,jk', got 1"),
    bad("einsum", "i1", T(2, 3), error=SettingError, match="einsum: expected letters"),
    bad("einsum", "ijk", T(2, 3), error=ShapeError, match="einsum: expected an operand of 3 axes"),
    bad("einsum", "ii", T(2, 3), error=ShapeError, match="einsum: expected"),
    bad("einsum", "ij", [[1.0]], error=DTypeError, match="einsum: expected Tensors after the equation"),
    bad("einsum", T(2), T(2), error=SettingError, match="einsum: expected an equation"),
    bad("outer", T(2, 3), T(3), error=ShapeError, match="outer: expected two vectors"),
]  # fmt: skip
