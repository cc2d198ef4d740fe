"""Functions of one number: one C expression each."""

from __future__ import annotations

from .elementwise import elementwise

EXPRESSIONS = {
    "sign": "a0 > 0 ? (T)1 : a0 < 0 ? (T)-1 : (T)0",
    "floor": "floor(a0)",
    "ceil": "ceil(a0)",
    "round": "rint(a0)",
    "exp": "exp(a0)",
    "expm1": "exp_minus_one(a0)",
    "log": "log(a0)",
    "log1p": "log_plus_one(a0)",
    "log2": "log2(a0)",
    "log10": "log10(a0)",
    "sqrt": "sqrt(a0)",
    "rsqrt": "1 / sqrt(a0)",
    "reciprocal": "1 / a0",
    "sin": "sine(a0)",
    "cos": "cosine(a0)",
    "tan": "tangent(a0)",
    "erf": "error_function(a0)",
    "exp_grad": "a0 * a1",
    "expm1_grad": "a0 * (a1 + 1)",
    "log_grad": "a0 / a1",
    "log1p_grad": "a0 / (a1 + 1)",
    "log2_grad": "a0 / (a1 * C(0.69314718055994531))",
    "log10_grad": "a0 / (a1 * C(2.30258509299404568))",
    "sqrt_grad": "a0 / (2 * a1)",
    "rsqrt_grad": "C(-0.5) * a0 * a1 * a1 * a1",
    "reciprocal_grad": "-a0 * a1 * a1",
    "sin_grad": "a0 * cosine(a1)",
    "cos_grad": "-a0 * sine(a1)",
    "tan_grad": "a0 * (1 + a1 * a1)",
    "erf_grad": "a0 * C(1.12837916709551257) * exp(-a1 * a1)",
}
# what the same op is in integers, where C spells it otherwise
INTEGERS = {
    "floor": "a0",
    "ceil": "a0",
    "round": "a0",
}
IMPLEMENTATIONS = {
    name: elementwise(expr, INTEGERS.get(name)) for name, expr in EXPRESSIONS.items()
}
