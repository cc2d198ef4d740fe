/* math — functions that elementwise expressions call, in the compute type T of elementwise.cl.mako.
 *
 * Every one is exact where torch is: NaN propagates, signs of zero and infinities are kept. T may be a vector: branches
 * are ?: with T on both sides.
 */
% if compute in ("i32", "i64"):
/* Integer power by squaring; a negative exponent gives 0 except for bases 1 and -1. */
static T pow_int(T base, T exponent)
{
    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    T out = 1;
    for (; exponent > 0; exponent >>= 1, base *= base)
        out = exponent & 1 ? out * base : out;
    return out;
}
static T floor_div(T a, T b)
{
    if (b == 0)
        return 0;
    const T q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}
static T floor_mod(T a, T b) { return a - floor_div(a, b) * b; }
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
/* Sigmoid: exp may overflow to infinity, whose reciprocal is the right 0. */
static T sigmoid(T x) { return 1 / (1 + exp(-x)); }
static T softplus(T x) { return isnan(x) ? x : fmax(x, (T)0) + log1p(exp(-fabs(x))); }
static T normal_cdf(T x) { return C(0.5) * (1 + erf(x * C(0.70710678118654752))); }
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
