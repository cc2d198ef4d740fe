/* vector — V elements at a time, or the fewer that are left; V is 16 where a work-item has wide registers, else 1.
 *
 * Computes  types: T, a vector of V accumulators.   load: some_<code>(p, m, fill), min(m, V) elements of p and then `fill`
 *           store: put_<code>(p, m, v), the first min(m, V) lanes of v; put_b8 takes what comparisons of T give
 *           fold: name(v), one accumulator from the lanes of v.   keep(v, m): v with 0 in the lanes from m on
 * Layout    contiguous elements
 * Defines   none of its own: arguments of the defs
 * Notes     V = 1 expands to scalars, and m is at least 1. A dtype's store needs its load. Expressions in T must read the same for vectors: both sides
 *           of ?: a T, comparisons only in its condition
 */
<%namespace name="lanes" file="_lanes.cl.mako"/>\
<%namespace name="past" file="_stream.cl.mako"/>\
<%def name="types(ctype, V)">
typedef ${ctype}${V if V > 1 else ""} T;
% if V > 1:
static T keep(const T v, const index_t m)
{
    ${ctype} t[${V}];
    vstore${V}(v, 0, t);
    for (int l = 0; l < ${V}; ++l)
        t[l] = l < m ? t[l] : 0;
    return vload${V}(0, t);
}
% else:
#define keep(v, m) (v)
% endif
</%def>

<%def name="load(code, ctype, V)">
% if V > 1:
${lanes.io(code, ctype, V)}
% endif
static T some_${code}(__global const ${code}_t *p, const index_t m, const ${ctype} fill)
{
% if V > 1:
    if (m >= ${V})
        return loadv_${code}(p, 0);
    ${ctype} t[${V}];
    vstore${V}((T)fill, 0, t);
    for (int l = 0; l < m; ++l)
        t[l] = (${ctype})load_${code}(p, l);
    return vload${V}(0, t);
% else:
    return (T)load_${code}(p, 0);
% endif
}
</%def>

## streamed: whole vectors go past the caches; of float and double alone
<%def name="store(code, ctype, V, streamed=False)">
<%
    lane = ctype if code != "b8" else "long" if ctype in ("double", "long") else "int"
    many = V if V > 1 else ""
%>\
% if streamed:
${past.stores(lane, V, True)}\
% endif
static void put_${code}(__global ${code}_t *p, const index_t m, const ${lane}${many} v)
{
% if V > 1:
    if (m >= ${V}) {
        ${"stream(v, p)" if streamed else f"storev_{code}(p, 0, v)"};
        return;
    }
    ${lane} t[${V}];
    vstore${V}(v, 0, t);
    for (int l = 0; l < m; ++l)
        store_${code}(p, l, t[l]);
% else:
    store_${code}(p, 0, v);
% endif
}
</%def>

<%def name="fold(name, ctype, combine, V)">
static ${ctype} ${name}(const T v)
{
<%  n, whole = V, "v" %>\
% while n > 1:
<%
    part, n = whole, n // 2
    whole = f"half{n}"
    kind = f"{ctype}{n}" if n > 1 else ctype
%>\
    ${kind} ${whole};
    {
        const ${kind} a = ${part}.lo, b = ${part}.hi;
        ${whole} = ${combine};
    }
% endwhile
    return ${whole};
}
</%def>
