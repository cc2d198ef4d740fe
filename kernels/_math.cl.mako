/* math — functions that elementwise expressions call, in the compute type T of elementwise.cl.mako.
 *
 * Every one is exact where torch is: NaN propagates, signs of zero and infinities are kept.
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
    if (b == 0)
        return a / b;
    const T q = (a - floor_mod(a, b)) / b;
    return q == 0 ? copysign((T)0, a / b) : (q - floor(q) > C(0.5) ? floor(q) + 1 : floor(q));
}
static T sigmoid(T x)
{
    const T e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}
static T softplus(T x) { return isnan(x) ? x : fmax(x, (T)0) + log1p(exp(-fabs(x))); }
% endif
