"""Calls of clnn.ops.loss, clnn.ops.cross_entropy and clnn.ops.distance."""

from math import inf, prod

from fuzz.draw import FLOATS, broadcastable, calls, few, kwargs, sample, shapes, st, tensor
from samples import T

REDUCTIONS = st.sampled_from(["mean", "sum", "none"])
WEIGHTS = {"low": 0.2, "high": 2.0, "grad": False}


def how(draw):
    return {"reduction": draw(REDUCTIONS)} if draw(st.integers(0, 3)) else {}


@calls("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
def regression(draw, name):
    shape, dtype = draw(shapes()), draw(few(name, FLOATS))
    x, y = (draw(tensor(shape, dtype)) for _ in "xy")
    more = how(draw)
    if name == "smooth_l1_loss":
        more |= kwargs(draw, beta=st.sampled_from([1.0, 0.3, 0.0]))
    elif name == "huber_loss":
        more |= kwargs(draw, delta=st.sampled_from([1.0, 0.3]))
    if name != "smooth_l1_loss" and draw(st.integers(0, 3)) == 0 and dtype == "float32":
        more["weight"] = draw(tensor(shape, dtype, **WEIGHTS))
    return sample(name, x, y, **more)


@calls("binary_cross_entropy", "binary_cross_entropy_with_logits")
def binary(draw, name):
    shape, dtype = draw(shapes()), draw(few(name, FLOATS))
    logits = name.endswith("logits")
    x = draw(tensor(shape, dtype, low=-3.0 if logits else 0.02, high=3.0 if logits else 0.98))
    target = draw(tensor(shape, dtype, low=0.0, high=1.0, grad=logits))
    more, own = how(draw), shape[draw(st.integers(0, len(shape))) :]
    if draw(st.integers(0, 3)) == 0:
        more["weight"] = draw(tensor(own, dtype, **WEIGHTS))
    if logits and draw(st.integers(0, 3)) == 0:
        more["pos_weight"] = draw(tensor(own, dtype, **WEIGHTS))
    return sample(name, x, target, **more)


@calls("kl_div")
def kl_div(draw, name):
    shape, dtype = draw(shapes()), draw(few(name, FLOATS))
    log = draw(st.booleans())
    target = draw(tensor(shape, dtype, low=-2.0 if log else 0.01, high=0.0 if log else 1.0))
    reduction = draw(st.sampled_from(["batchmean", "sum", "none"]))
    return sample(name, draw(tensor(shape, dtype)), target, reduction=reduction, log_target=log)


@calls("margin_ranking_loss")
def margin_ranking_loss(draw, name):
    shape, dtype = draw(shapes()), draw(few(name, FLOATS))
    xs = [draw(tensor(shape, dtype)) for _ in "ab"]
    sign = draw(tensor(shape, dtype, values=(-1.0, 1.0), grad=False)) if 0 < prod(shape) <= 24 else T(*shape, dtype=dtype, low=1.0, high=1.0, grad=False)  # fmt: skip
    return sample(name, *xs, sign, **kwargs(draw, margin=st.sampled_from([0.0, 0.5])), **how(draw))


@calls("cosine_embedding_loss")
def cosine_embedding_loss(draw, name):
    n, d = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    lead = draw(st.sampled_from([(n,), ()]))
    dtype = draw(few(name, ("float32", "float64")))
    xs = [T(*lead, d, dtype=dtype) for _ in "ab"]
    sign = draw(tensor(lead, "int64", values=(-1, 1)))
    return sample(name, *xs, sign, **kwargs(draw, margin=st.sampled_from([0.0, 0.5])), **how(draw))


@calls("triplet_margin_loss")
def triplet_margin_loss(draw, name):
    n, d = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    lead = draw(st.sampled_from([(n,), ()]))
    dtype = draw(few(name, ("float32", "float64")))
    bounds = [(-3.0, 1.0), (-1.0, 2.0), (0.0, 3.0)]
    xs = [T(*lead, d, dtype=dtype, low=low, high=high) for low, high in bounds]
    more = kwargs(
        draw,
        margin=st.sampled_from([1.0, 0.5]),
        p=st.sampled_from([2.0, 1.0, 3.0]),
        swap=st.booleans(),
    )
    return sample(name, *xs, **more, **how(draw))


@calls("cross_entropy", "nll_loss")
def classes(draw, name):
    shape, dtype = draw(shapes((1, 4), low=1)), draw(few(name, FLOATS))
    c = shape[1] if len(shape) > 1 else shape[0]
    x = draw(tensor(shape, dtype, low=-3.0, high=3.0))
    more = how(draw)
    if draw(st.integers(0, 2)) == 0:
        more["weight"] = draw(tensor((c,), dtype, **WEIGHTS))
    if name == "cross_entropy":
        more |= kwargs(draw, label_smoothing=st.sampled_from([0.0, 0.1, 1.0]))
        if draw(st.integers(0, 4)) == 0:
            return sample(name, x, draw(tensor(shape, dtype, low=0.0, high=1.0)), **more)
    samples = (shape[0], *shape[2:]) if len(shape) > 1 else ()
    more |= kwargs(draw, ignore_index=st.sampled_from([-100, 0, 1]))
    return sample(name, x, draw(tensor(samples, "int64", values=range(c))), **more)


@calls("normalize")
def normalize(draw, name):
    shape = draw(shapes((1, 4)))
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    x = draw(tensor(shape, draw(few(name, FLOATS))))
    return sample(
        name,
        x,
        draw(st.sampled_from([2.0, 1.0, 3.0, inf])),
        dim,
        **kwargs(draw, eps=st.sampled_from([1e-12, 0.5])),
    )


@calls("cosine_similarity", "pairwise_distance")
def similarity(draw, name):
    a, b = draw(broadcastable(2, low=1))
    a, b = (a or (3,)), (b or (3,))
    dtype = draw(few(name, ("float32", "float64")))
    xs = [T(*s, dtype=dtype, low=low, high=low + 2) for s, low in ((a, -1.0), (b, -0.5))]
    if name == "pairwise_distance":
        return sample(
            name,
            *xs,
            draw(st.sampled_from([2.0, 1.0, 3.0])),
            **kwargs(draw, keepdim=st.booleans(), eps=st.sampled_from([1e-6, 0.1])),
        )
    rank = max(len(a), len(b))
    return sample(
        name,
        *xs,
        draw(st.integers(-rank, rank - 1)),
        **kwargs(draw, eps=st.sampled_from([1e-8, 0.5])),
    )
