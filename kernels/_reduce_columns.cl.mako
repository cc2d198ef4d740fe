/* reduce_columns — reductions that know two things of every element, of many neighbouring columns at once, for CPUs.
 *
 * Computes  kernel: what engine lanes of reduce does where first and second are both there: 8 rows at a time in registers, whose
 *           maximum (extreme, mean) is joined with what is known before they are looked at once more
 *           combine: engine combine, 16 outputs at a time
 * Layout    as in reduce
 * Defines   none of its own: arguments of the defs, named as in reduce, and what reduce declares before
 * Tunables  W (columns of a work-item, a multiple of 16; of combine 16); chunk (an argument)
 * Launch    as lanes and combine of reduce, group (1)
 * Notes     byte floor: x once. The next 8 rows are fetched to the second-level cache, for where rows are a power of two apart
 *           the first level has no room for them
 * Source    Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018
 *           Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983
 */
<%! ROWS = 8 %>\
<%def name="kernel(kind, members, neutral, arguments, kept, reduced, W, index, outs, results)">
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void lanes(__global const real *restrict x, ${", ".join(arguments)})
{
    const index_t inner = ${f"kn{kept - 1}" if kept else "1"}, outer = n / inner;
    const index_t blocks = (inner + ${W - 1}) / ${W};
    const index_t from = (index_t)get_global_id(0) * chunk;
    const index_t to = min(from + chunk, blocks * outer * slices);
    T a[${W}];
    B b[${W}];
    for (index_t q = from; q < to; ++q) {
        const index_t column = q % blocks * ${W}, slice = q / blocks / outer;
        const index_t o = q / blocks % outer * inner + column;
        const int width = (int)min((index_t)${W}, inner - column);
        const index_t base = KEPT(o), step = rs${reduced - 1};
        const index_t per = (count + slices - 1) / slices;
        const index_t begin = min(slice * per, count), end = begin + min(per, count - begin);
        for (int l = 0; l < width; ++l) {
            a[l] = ${neutral[0]};
            b[l] = ${"begin" if kind == "arg" else "0"};
        }
        for (index_t r = begin; r < end;) {
            const index_t m = min(rn${reduced - 1} - r % rn${reduced - 1}, end - r);
            __global const real *p = x + base + REDUCED(r);
            index_t t = 0;
            for (; t + ${ROWS} <= m; t += ${ROWS}) {
${visit(kind, ROWS, index)}\
            }
            for (; t < m; ++t) {
${visit(kind, 1, index)}\
            }
            r += m;
        }
        const index_t to_q = slice * n + o;
${finish(["a", "b", "(T)(end - begin)"][: len(members)], outs, results, "width", "to_q + l")}\
    }
}
</%def>\
## 16 neighbouring outputs at a time from the states of their slices, and one by one what is left.
<%def name="combine(members, planes, arguments, outs, results)">
<%  known = lambda load: ", ".join(load.format(k) for k in range(len(planes))) %>\
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void combine(${", ".join(f"__global const {c}_t *restrict p{k}" for k, c in enumerate(planes))}, ${", ".join(arguments)})
{
    const index_t to = min((index_t)(get_global_id(0) + 1) * chunk, n);
    for (index_t o = (index_t)get_global_id(0) * chunk; o < to; o += 16) {
        const int width = (int)min((index_t)16, to - o);
% for k, (name, type) in enumerate(zip(members, "TBT")):
        ${type} ${name}_[16];
% endfor
        if (width == 16) {
            state_v s = {${known("vload16(0, p{} + o)")}};
            for (index_t k = 1; k < slices; ++k) {
                const state_v t = {${known("vload16(0, p{} + (k * n + o))")}};
                s = merge_v(s, t);
            }
% for name in members:
            vstore16(s.${name}, 0, ${name}_);
% endfor
        } else
            for (int l = 0; l < width; ++l) {
                state s = {${known("p{}[o + l]")}};
                for (index_t k = 1; k < slices; ++k) {
                    const state t = {${known("p{}[k * n + o + l]")}};
                    s = merge(s, t);
                }
% for name in members:
                ${name}_[l] = s.${name};
% endfor
            }
${finish([f"{name}_" for name in members], outs, results, "width", "o + l")}\
    }
}
</%def>\
## Store outputs at..at + width from their states; logarithms in vectors, whose last lanes may be nobody's.
<%def name="finish(known, outs, results, width, at)">\
<%  logs = "log(s.b)" in results[0] %>\
% if logs:
        for (int l = 0; l < ${width}; l += 16)
            vstore16(log(vload16(0, ${known[1]} + l)), 0, ${known[1]} + l);
% endif
        for (int l = 0; l < ${width}; ++l) {
            const state s = {${", ".join(a if "(" in a else f"{a}[l]" for a in known)}};
% for k, (code, value) in enumerate(zip(outs, results)):
            store_${code}(y${k}, ${at}, ${value.replace("log(s.b)", "s.b")});
% endfor
        }
</%def>\
## Take `rows` rows into the states of all columns, 16 at a time and then one by one.
<%def name="visit(kind, rows, index)">\
% if kind == "var":
                const T seen = (T)(r - begin + t), share = (T)${rows} / (seen + (T)${rows});
% endif
                int l = 0;
                for (; l + 16 <= width; l += 16) {
${piece(kind, rows, "_v", "TV", "IV", "BV", f"convert_{index}16", "VLOAD(p + ({}))", "vload16(0, {} + l)", "vstore16({}, 0, {} + l)")}\
                }
                for (; l < width; ++l) {
${piece(kind, rows, "", "T", "I", "B", "(B)", "(T)LOAD(p, {})", "{}[l]", "{1}[l] = {0}")}\
                }
</%def>\
<%def name="piece(kind, rows, v, t, i, b, place, load, get, put)">\
<%
    def tree(terms, join):
        while len(terms) > 1:
            terms = [f"{join}{v}({x}, {y})" for x, y in zip(terms[::2], terms[1::2])]
        return terms[0]
    firsts = tree([f"first{v}(x{k}, u)" for k in range(rows)], "join")
    seconds = tree([f"second{v}(x{k}, known, ({i})({k}))" for k in range(rows)], "join2")
%>\
% for k in range(rows):
                    const ${t} x${k} = ${load.format(f"(t + {k}) * step + l")};
%   if rows > 1 and v:
                    FETCH(p + (t + ${rows + k}) * step + l);
%   endif
% endfor
                    const ${t} old = ${get.format("a")};
                    const ${b} before = ${get.format("b")};
% if kind == "var":
                    const ${t} known = ${firsts}${f" * (T){1 / rows}" if rows > 1 else ""}, d = known - old;
                    const ${t} here = ${seconds};
                    ${put.format(f"toward{v}(old, known, ({t})(share))", "a")};
                    ${put.format("before + (here + d * d * (seen * share))", "b")};
% else:
                    const ${t} new = join${v}(old, ${firsts}), known = shift${v}(new);
%   if kind == "prod":
                    ${put.format(f"join2{v}(before, {seconds})", "b")};
%   elif kind == "logsumexp":
                    ${put.format(f"before * {'exp_below' if v else 'exp'}(old - known) + {seconds}", "b")};
%   elif kind == "arg":
                    const ${i} same = (old == new) | (old != old), found = ${seconds};
                    ${put.format(f"{place}(same) ? before : ({b})(r + t) + {place}(found)", "b")};
%   else:
                    ${put.format(f"(old == new ? before : ({t})(0)) + {seconds}", "b")};
%   endif
                    ${put.format("new", "a")};
% endif
</%def>\
