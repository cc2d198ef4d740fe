/* exp — exponentials of what is not above 0, for the vectors of CPUs.
 *
 * Computes  below: name(x) = exp(x) for x <= 0, exactly 0 below -87.7, which is less than any normal number; NaN stays.
 *           Within 1 ulp, or where only a sum of many is wanted, `rough`, within 5 (3 above -20) in a fifth less time
 *           power: name(x) = 2^x for -127 <= x <= 0, exactly 0 below -126.5
 * Layout    none
 * Defines   none of its own: name, ctype, V, T (what the vector is called) and rough are arguments
 * Notes     x = n ln 2 + r, and 2^n goes into the exponent's bits, none of which are set for n = -127. 1.5 * 2^23 in the sum
 *           leaves n, rounded, in its last bits, and 127 can be added in the same breath: a compiler's own exp and rint are up
 *           to twice as slow. What bounds it are its multiply-adds. Scalars and doubles take the built-in ones
 * Source    Lawson, 1961 (the minimax fits of exp(r) with 1 + r as the first terms, relative errors 3e-9 and 1e-7, and of
 *           (2^r - 1) / r, 9e-8)
 */
<%def name="below(name, ctype, V, T='T', rough=False)">
% if ctype == "float" and V > 1:
static ${T} ${name}(const ${T} from)
{
    const ${T} x = from < -88.0f ? (${T})-88.0f : from;
    const ${T} z = fma(x, (${T})1.44269504f, (${T})12583039.0f), n = z - 12583039.0f;
%   if rough:
    const ${T} r = fma(n, (${T})-0.693147182f, x);
    const ${T} p = 0.499992311f + r * (0.166671142f + r * (0.041890122f + r * 0.0083125243f));
%   else:
    const ${T} r = fma(n, (${T})1.90465421e-9f, fma(n, (${T})-0.693147182f, x));
    const ${T} p = 0.49999994f + r * (0.166665211f + r * (0.041668389f + r * (0.00836871099f + r * 0.00138146104f)));
%   endif
    return fma(r, fma(r, p, (${T})1.0f), (${T})1.0f) * as_float${V}(as_int${V}(z) << 23);
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
