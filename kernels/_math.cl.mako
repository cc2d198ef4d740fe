/* math — functions that elementwise expressions call, in the compute type T of elementwise.cl.mako.
 *
 * Every one is exact where torch is: NaN propagates, signs of zero and infinities are kept. T may be a vector: branches
 * are ?: with T on both sides. Where T is known to have `lanes` of them, as an argument of the include says, some functions are
 * cheaper than built-in ones, which one compiler or the other has only for scalars.
 */
<%page args="lanes=1"/>\
<%namespace name="exponent" file="_exp.cl.mako"/>\
<%def name="horner(x, *terms)">${f" + {x} * (".join(f"C({c!r})" for c in terms)}${")" * (len(terms) - 1)}</%def>\
% if compute in ("i32", "i64"):
/* Integer power by squaring; a negative exponent gives 0 except for bases 1 and -1. */
static T pow_int(T base, const T exponent)
{
    const T inverse = base == 1 ? (T)1 : base == -1 ? (exponent % 2 != 0 ? (T)-1 : (T)1) : (T)0;
    T out = 1;
    T left = exponent < 0 ? (T)0 : exponent;
    for (; any(-left); left >>= 1, base *= base) /* any() asks for signs, and -left has one until it is 0 */
        out = (left & 1) != 0 ? out * base : out;
    return exponent < 0 ? inverse : out;
}
/* A lane that divides by 0 must not trap, whatever becomes of its result. */
static T floor_div(const T a, const T b)
{
    const T d = b == 0 ? (T)1 : b;
    const T q = a / d;
    const T whole = q * d != a && (a < 0) != (d < 0) ? q - 1 : q;
    return b == 0 ? (T)0 : whole;
}
static T floor_mod(const T a, const T b) { return a - floor_div(a, b) * b; }
% else:
static T floor_mod(T a, T b)
{
    const T r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static T floor_div(T a, T b)
{
    const T q = (a - floor_mod(a, b)) / b;
    const T whole = q - floor(q) > C(0.5) ? floor(q) + 1 : floor(q);
    return b == 0 ? a / b : q == 0 ? copysign((T)0, a / b) : whole;
}
% if compute == "f32":
/* PoCL's vectors of sin, cos and tan are wrong in lanes below 2^-7 if another lane is above 10^9 or so; there, two
 * terms of the series are exact to the last bit. */
static T sine(const T x) { return fabs(x) < 0.0078125f ? x * (1 - x * x * C(0.16666666666666667)) : sin(x); }
static T cosine(const T x) { return fabs(x) < 0.0078125f ? 1 - C(0.5) * x * x : cos(x); }
static T tangent(const T x) { return fabs(x) < 0.0078125f ? x * (1 + x * x * C(0.33333333333333333)) : tan(x); }
/* Within 2 ulp of erf. Below 0.875 x + x P(x^2), above 1 - exp(-t Q(t)), which is 1 from t = 4 on. P and Q are
 * minimax fits of erf(x) / x - 1 and -log(erfc(t)) / t by Lawson's reweighted least squares (Lawson, 1961), in
 * error of the result below 2e-9. */
static T error_function(const T x)
{
    const T u = x * x;
    const T t = fabs(x) > 4 ? (T)4 : fabs(x);
    const T p = ${horner("u", 0.12837916612625122, -0.37612634897232056, 0.11283736675977707, -0.026861773803830147,
                         0.005207219161093235, -0.0008216546848416328, 8.698966121301055e-05)};
    const T q = ${horner("t", 1.1286228895187378, 0.6352568864822388, 0.10605964809656143, -0.023607226088643074,
                         0.0035682760644704103, -0.00030433357460424304, 9.364865036332048e-06)};
    return fabs(x) < 0.875f ? x + x * p : copysign(1 - exp(-t * q), x);
}
% else:
#define error_function erf
#define sine sin
#define cosine cos
#define tangent tan
% endif
% if compute == "f32" and lanes > 1:
${exponent.below("exp_below", "float", lanes)}\
<%  I = f"int{lanes}" %>\
/* exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1) for x = n ln 2 + r, all of it halved, for 2^128 is infinite; _exp has the notes. */
static T exp_minus_one(const T x)
{
    const T near = x > 88.8f ? (T)88.8f : x < -17.4f ? (T)-17.4f : x;
    const T z = fma(near, (T)1.44269504f, (T)12582912.0f), n = z - 12582912.0f;
    const T r = fma(n, (T)1.90465421e-9f, fma(n, (T)-0.693147182f, near));
    const T p = ${horner("r", 0.5, 0.1666666716337204, 0.04166635498404503, 0.008333273231983185, 0.0013941008364781737,
                         0.00019914170843549073)};
    const T half_scale = as_float${lanes}((as_${I}(z) << 23) + 0x3f000000);
    return fabs(x) < 1e-30f ? x : 2 * fma(fma(r * r, p, r), half_scale, half_scale - 0.5f);
}
/* log(1 + x) = k ln 2 + log(1 + m), where 1 + m, within a root of 2 of 1, has no more rounding errors than x: 2^(2 - k) x / 4
 * is exact, and so is 2^-k - 1 where it counts. The fit of log(1 + m) is within 1e-9. */
static T log_plus_one(const T x)
{
    const ${I} k = (as_${I}(1 + x) - 0x3f3504f3) & (int)0xff800000;
    const T scale = as_float${lanes}(0x40800000 - k);
    const T m = fma(0.25f * x, scale, fma((T)0.25f, scale, (T)-1.0f));
    const T p = ${horner("m", -0.5, 0.3333331346511841, -0.25000008940696716, 0.2000211924314499, -0.1666799634695053,
                         0.14219552278518677, -0.1240558922290802, 0.11888162791728973, -0.11675651371479034, 0.0674663856625557)};
    const T y = fma(convert_float${lanes}(k), (T)8.26295829e-8f, fma(m * m, p, m));
    return x > -1 ? (x < INFINITY ? (fabs(x) > 1e-30f ? y : x) : x) : x == -1 ? (T)-INFINITY : (T)NAN;
}
/* log(1 + x) for x from 0 to 1, where nothing need be scaled; a fit within 3e-8 of the result. */
static T log_plus_part(const T x)
{
    return x * (${horner("x", 0.9999999403953552, -0.4999949336051941, 0.3331909775733948, -0.2484298199415207, 0.19106003642082214,
                         -0.13663239777088165, 0.07822587341070175, -0.02950519137084484, 0.005232682451605797)});
}
% else:
#define exp_below exp
#define exp_minus_one expm1
#define log_plus_one log1p
#define log_plus_part log1p
% endif
/* Sigmoid: exp may overflow to infinity, whose reciprocal is the right 0. */
static T sigmoid(T x) { return 1 / (1 + exp(-x)); }
static T softplus(T x) { return (x > 0 ? x : (T)0) + log_plus_part(exp_below(x < 0 ? x : -x)); }
% if compute == "f32":
${exponent.power("power_below", "float", lanes)}\
/* 1 - cdf(u) = 2^(u Q(u) - 1) for u >= 0, with Q a minimax fit by Lawson's method, in error of u (1 - cdf(u)) below 2e-8; it is
 * exactly 0 at 10.2666, and what is further is taken for that. */
static T normal_tail(const T u)
{
    const T q = ${horner("u", -1.1511069536209106, -0.4591890275478363, -0.05256234481930733, 0.0071672783233225346,
                         -0.00022117304615676403, -0.00014977887622080743, 3.145823211525567e-05, -2.1560317691182718e-06)};
    return power_below(fma(u, q, (T)-1));
}
static T normal_reach(const T x) { return fabs(x) > 10.2666f ? (T)10.2666f : fabs(x); }
static T normal_cdf(const T x)
{
    const T tail = normal_tail(normal_reach(x));
    return x < 0 ? tail : 1 - tail;
}
static T gelu(const T x)
{
    const T u = normal_reach(x);
    return fma(-u, normal_tail(u), x < 0 ? (T)0 : x);
}
% else:
static T normal_cdf(const T x) { return C(0.5) * (1 + error_function(x * C(0.70710678118654752))); }
static T gelu(const T x) { return (x < -40 ? (T)-40 : x) * normal_cdf(x); }
% endif
static T gelu_inner(T x) { return C(0.79788456080286536) * (x + C(0.044715) * x * x * x); }
/* (1 + tanh(z)) / 2 = sigmoid(2 z): exactly 0 far below, which a rounded tanh may miss. */
static T gelu_tanh(T x) { return x * sigmoid(2 * gelu_inner(x)); }
/* Slopes are constant far from 0; x is limited there, before anything can overflow. */
static T gelu_tanh_slope(T x)
{
    const T near = x < -30 ? (T)-30 : x > 30 ? (T)30 : x;
    const T s = sigmoid(2 * gelu_inner(near));
    return s + s * (1 - s) * near * C(1.5957691216057308) * (1 + C(0.134145) * near * near);
}
static T silu_slope(T x)
{
    const T s = sigmoid(x);
    return s * (1 + x * (1 - s));
}
/* tanh(log(1 + e)) = n / (n + 2) with e = exp(x), n = e * (e + 2), which is 1 to every digit from x = 20 on. */
static T tanh_softplus(T x)
{
    const T e = exp(x > 20 ? (T)20 : x);
    const T n = e * (e + 2);
    return n / (n + 2);
}
static T mish_slope(T x)
{
    const T near = x > 20 ? (T)20 : x;
    const T e = exp(near);
    const T n = e * (e + 2);
    const T d = 1 / (n + 2);
    return n * d + near * (4 * (n + 1) * d * d * (e / (1 + e)));
}
static T limited(T x, T bound) { return x < -bound ? -bound : x > bound ? bound : x; }
static T huber(T d, T delta) { return d <= delta ? C(0.5) * d * d : delta * (d - C(0.5) * delta); }
static T smooth_l1(T d, T beta) { return d < beta ? C(0.5) * d * d / beta : d - C(0.5) * beta; }
static T smooth_l1_slope(T d, T beta) { return d < -beta ? (T)-1 : d > beta ? (T)1 : d == 0 ? (T)0 : d / beta; }
static T log_at_least(T x) { return x < -100 ? (T)-100 : x; }
% endif
