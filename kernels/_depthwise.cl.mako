/* depthwise — what images and weight gradients of depthwise convolutions share: who meets whom, and loads along a row.
 *
 * Computes  common: the types T (V accumulators) and I (masks of its lanes), loads and stores, and within(c, columns)
 *           visit: the body, for every vector of an input that a block meets.   vectors: loads of neighbouring columns
 *           of the module: meet (which outputs of a block meet which columns of which rows), columns, span
 * Defines   those of depthwise
 * Notes     visit reads x, XH, XW, `from`, row and col
 */
<%namespace name="vector" file="_vector.cl.mako"/>\
<%!
    from itertools import product

    def meet(R, taps, S, D):
        """{row: {column: [((j, 0, 0), tap)]}} of an input, from a block's first: which taps of output row j meet there."""
        at = {}
        for j, r, s in product(range(R), range(taps[0]), range(taps[1])):
            at.setdefault(j * S[0] + r * D[0], {}).setdefault(s * D[1], []).append(((j, 0, 0), r * taps[1] + s))
        return at

    def columns(reach):
        """The columns that any row of `reach` has."""
        return sorted({c for row in reach.values() for c in row})

    def named(column):
        return f"x{column}".replace("-", "_")

    def span(XS, V):
        """Elements from the first that a vector of every XS-th element reads."""
        return 2 * V if XS == 2 else (V - 1) * XS + 1
%>\

<%def name="common()">\
<%
    base, index = ("double", "long") if dtype == "f64" else ("float", "int")
    XS = 1 if what == "input_grad" else S[1]
    many = V if V > 1 else ""
%>\
${vector.types(base, V)}
${vector.load(dtype, base, V)}
${vector.store(dtype, base, V)}
typedef ${index}${many} I;
% if V > 1:
/* Which lanes, at every step-th column from c on, lie in a row of so many. The offset is 0, which no compiler knows: from masks
 * it can see through, some make a test per lane. */
static I within(const int c, const int step, const int columns)
{
    const I at = c + step * (I)(${", ".join(map(str, range(V)))});
    return ((at >= 0) & (at < columns)) | (${index})get_global_offset(0);
}
/* v, and 0 in the lanes that are out. */
static T only(const I in, const T v)
{
    return as_${base}${V}(as_${index}${V}(v) & in);
}
% endif
</%def>

## Every row of an input that a block meets, at `row` and `col`: loads, then the body, given a vector and whom it meets.
## Lanes outside of the image are 0; columns stop at limit(c).
<%def name="visit(reach, XS, limit='XW')">\
            __global const real *corner = x + (from + (index_t)row * XW + col);
% if V > 1:
%   for c in columns(reach):
            const I in${named(c)} = within(col + ${c}, ${XS}, ${limit.format(c)});
%   endfor
% endif
% for h in sorted(reach):
            if ((uint)(row + ${h}) < (uint)XH) {
                __global const real *line = corner + (index_t)${h} * XW;
${vectors(sorted(reach[h]), XS)}\
%   for c in sorted(reach[h]):
${caller.body(named(c), reach[h][c])}\
%   endfor
            }
% endfor
</%def>

## Vectors of every XS-th element from each of the columns on; of two, neighbours come from the same loads.
<%def name="vectors(cols, XS)">\
<%  pair = None %>\
% for c in cols:
<%
    x = named(c)
    if V == 1:
        v = f"(uint)(col + {c}) < (uint)XW ? LOAD(line, {c}) : 0"
    elif XS == 1:
        v = f"only(in{x}, loadv_{dtype}(line, {c}))"
    elif XS == 2 and c - 1 == pair:
        v, pair = f"only(in{x}, (T)(lo{named(pair)}.odd, hi{named(pair)}.odd))", None
    elif XS == 2:
        v, pair = f"only(in{x}, (T)(lo{x}.even, hi{x}.even))", c
    else:
        v = f"only(in{x}, (T)({', '.join(f'LOAD(line, {c + l * XS})' for l in range(V))}))"
%>\
%   if pair == c:
                const T lo${x} = loadv_${dtype}(line, ${c}), hi${x} = loadv_${dtype}(line, ${c + V});
%   endif
                const T ${x} = ${v};
% endfor
</%def>
