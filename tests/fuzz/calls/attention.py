"""Calls of clnn.ops.attention."""

from fuzz.draw import FLOATS, calls, few, sample, sizes, st, tensor
from samples.attention import math

UNIT = {"low": -1.0, "high": 1.0}


@calls("scaled_dot_product_attention")
def attention(draw, name):
    batch, heads = draw(st.sampled_from([(), (1,), (2,)])), draw(st.sampled_from([1, 2, 4]))
    rows, keys = draw(sizes(1)), draw(sizes(1))
    width, out = draw(st.sampled_from([1, 3, 8, 17])), draw(st.sampled_from([1, 4, 16]))
    gqa = draw(st.integers(0, 3)) == 0
    own = draw(st.sampled_from([n for n in (1, 2, 4) if heads % n == 0])) if gqa else heads
    dtype = draw(few(name, FLOATS))
    q, k, v = (draw(tensor((*batch, *s), dtype, **UNIT)) for s in ((heads, rows, width), (own, keys, width), (own, keys, out)))  # fmt: skip
    more = {"enable_gqa": True} if gqa else {}
    how = draw(st.integers(0, 3))
    if how == 0:
        more["is_causal"] = True
    elif how == 1:
        mask = draw(st.sampled_from([(rows, keys), (1, keys), (*batch, heads, rows, keys)]))
        more["attn_mask"] = draw(tensor(mask, draw(st.sampled_from(["bool", dtype]))))
    if draw(st.booleans()):
        more["scale"] = draw(st.sampled_from([0.5, 1.0, 0.0]))
    return sample(name, q, k, v, **more, oracle=math)
