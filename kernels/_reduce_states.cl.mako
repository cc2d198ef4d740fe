/* reduce_states — what a reduction knows of a piece of its elements, and how two such states become one.
 *
 * Computes  typedef state {a, b, n}: the value of first and join (of variances the mean), of second and join2, and how many
 *           piece(a, b, r, m): the state of the m elements from r on;  merge(s, t): that of s followed by t
 *           toward(a, to, share): a mean that others join, of variances
 * Layout    registers; with suffix _v every member is a vector of 16 neighbouring outputs
 * Defines   none of its own: arguments of the def. t, i, b, r: types of a value, its masks, a place, what second gives;
 *           kind, two, members, down as in reduce; mask, index: scalar types of masks of values and of places
 * Tunables  none
 * Launch    functions of one work-item; join and shift with the same suffix are defined before
 * Source    Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983
 *           Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018
 */
<%def name="toward(suffix, t)">\
/* A mean on its way to another, by a share of the distance; where that is infinite, both are in the sum. */
static ${t} toward${suffix}(const ${t} a, const ${t} to, const ${t} share)
{
    const ${t} d = to - a;
    return d - d == 0 ? a + d * share : a + to;
}
</%def>\
<%def name="states(suffix, t, i, b, r, kind, two, members, down, mask, index)">
<%
    def as_type(scalar, value):
        """A mask or places of another width; of scalars any integer will do."""
        return f"convert_{scalar}16({value})" if suffix else value
    exp = "exp_below" if suffix else "exp"
%>\
typedef struct { ${t} a; ${f"{b} b;" if two else ""} ${f"{t} n;" if "n" in members else ""} } state${suffix};
% if two:
<%  place = f"({b})(r) + {as_type(index, 'b') if suffix else '(index_t)b'}" if kind == "arg" else "b" %>\
static state${suffix} piece${suffix}(const ${t} a, const ${r} b, const index_t r, const index_t m)
{
    const state${suffix} s = {a, ${place}${f", ({t})((T)m)" if kind == "var" else ""}};
    return s;
}
% endif
static state${suffix} merge${suffix}(const state${suffix} s, const state${suffix} t)
{
% if kind == "var":
    const ${t} n = s.n + t.n, share = n > 0 ? t.n / n : (${t})(0), d = t.a - s.a;
    const state${suffix} both = {toward${suffix}(s.a, t.a, share), s.b + t.b + d * d * s.n * share, n};
% elif kind == "logsumexp":
    const ${t} a = join${suffix}(s.a, t.a);
    const state${suffix} both = {a, s.b * ${exp}(s.a - shift${suffix}(a)) + t.b * ${exp}(t.a - shift${suffix}(a))};
% elif kind == "arg":
    const ${i} tie = ((s.a == t.a) | ((s.a != s.a) & (t.a != t.a))) & ${as_type(mask, "(t.b < s.b)")};
    const ${i} later = (t.a ${"<" if down else ">"} s.a) | ((t.a != t.a) & (s.a == s.a)) | tie;
    const state${suffix} both = {later ? t.a : s.a, ${as_type(index, "later")} ? t.b : s.b};
% elif kind in ("amax", "amin") and two:
    const ${t} a = join${suffix}(s.a, t.a);
    const state${suffix} both = {a, (s.a == a ? s.b : (${t})(0)) + (t.a == a ? t.b : (${t})(0))};
% else:
    const state${suffix} both = {join${suffix}(s.a, t.a)${", s.b + t.b" if two else ""}};
% endif
    return both;
}
</%def>
