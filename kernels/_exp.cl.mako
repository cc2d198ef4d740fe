/* exp — exponentials of what is not above 0, for the vectors of CPUs.
 *
 * Computes  below: name(x) = exp(x) for x <= 0, exactly 0 below -87.6, which is less than any normal number; NaN stays
 *           power: name(x) = 2^x for -127 <= x <= 0, exactly 0 below -126.5
 * Layout    none
 * Defines   none of its own: name, ctype, V and T (what the vector is called) are arguments
 * Notes     x = n ln 2 + r, and 2^n goes into the exponent's bits, none of which are set for n = -127. 1.5 * 2^23 in the sum
 *           leaves n, rounded, in its last bits: a compiler's own exp and rint are up to twice as slow. Within 1 ulp; scalars
 *           and doubles take the built-in ones
 * Source    Lawson, 1961 (the minimax fits of (exp(r) - 1 - r) / r^2 and (2^r - 1) / r, relative errors of the results 3e-9 and 9e-8)
 */
<%def name="below(name, ctype, V, T='T')">
% if ctype == "float" and V > 1:
static ${T} ${name}(const ${T} x)
{
    const ${T} z = fma(x, (${T})1.44269504f, (${T})12582912.0f), n = z - 12582912.0f;
    const ${T} r = fma(n, (${T})1.90465421e-9f, fma(n, (${T})-0.693147182f, x));
    const ${T} p = 0.49999994f + r * (0.16666521f + r * (0.04166839f + r * (0.0083687166f + r * 0.0013814599f)));
    const ${T} scale = as_float${V}((as_int${V}(z) << 23) + 0x3f800000);
    return x < -87.6f ? (${T})0.0f : (1 + fma(r * r, p, r)) * scale;
}
% else:
#define ${name} exp
% endif
</%def>
<%def name="power(name, ctype, V, T='T')">
% if ctype == "float" and V > 1:
static ${T} ${name}(const ${T} x)
{
    const ${T} z = x + 12582912.0f, r = x - (z - 12582912.0f);
    const ${T} p = 1 + r * (0.693147f + r * (0.24022242f + r * (0.05550734f + r * (0.0096715186f + r * 0.0013264719f))));
    return p * as_float${V}((as_int${V}(z) << 23) + 0x3f800000);
}
% else:
static ${T} ${name}(const ${T} x) { return x < -126.5f ? (${T})0 : exp2(x); }
% endif
</%def>
