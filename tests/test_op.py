"""Op.specs: what the shape rule says, asked once for the same call."""

import pytest

from clnn.dtypes import float32, int64
from clnn.op import OPS, Op
from clnn.shapes import Spec, number_spec


@pytest.fixture
def op():
    asked = []

    def infer(x, *, dim=0):
        asked.append(dim)
        if type(dim) is not int:
            raise TypeError(f"expected an int, got {dim!r}")
        return x if dim == 0 else (x, x)

    made = Op("asked", infer)
    yield made, asked
    del OPS["asked"]


def test_asked_once_and_always_a_tuple(op):
    op, asked = op
    x = Spec((2, 3))
    for _ in range(3):
        assert op.specs((x,), {"dim": 0}) == ((x,), False)
        assert op.specs((x,), {"dim": 1}) == ((x, x), True)
    assert asked == [0, 1]


@pytest.mark.parametrize("bad", [True, 1.0, [1]])
def test_what_equals_a_good_setting_is_still_refused(op, bad):
    op, _ = op
    op.specs((Spec(()),), {"dim": 1})
    with pytest.raises(TypeError, match="expected an int"):
        op.specs((Spec(()),), {"dim": bad})


def test_a_number_is_no_tensor_without_axes():
    for value, dtype in ((1.0, float32), (1, int64)):
        assert number_spec(value) == number_spec(value)
        assert number_spec(value) != Spec((), dtype)
        assert Spec((), dtype) != number_spec(value)
        assert {number_spec(value): 0}.get(Spec((), dtype)) is None
    assert number_spec(1) != number_spec(True)


def test_few_are_remembered(op):
    op, asked = op
    for n in range(3000):
        op.specs((Spec((n,)),), {})
    assert len(op.inferred) < 2000
    assert len(asked) == 3000
