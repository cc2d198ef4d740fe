/* elementwise — maps one expression over broadcast operands.
 *
 * Computes  out[i] = expr(a0[i], a1[i], ..., settings)
 * Layout    row-major, contiguous; operands broadcast as NumPy does. Axes on which every operand is alike
 *           (all there, or all broadcast) are merged by the host, so a flat map has one axis.
 * Defines   expr      C expression in a0.., the settings, i (flat output index), T (compute type), C(x) literals
 *           compute   code of T         out  code of the output
 *           inputs    per operand its code, or None for a Python number passed by value
 *           pattern   per operand one bool per merged axis: does it vary along it?
 *           settings  names of further arguments of type T
 *           libs      whether expr calls the functions below
 *           streamed  whether the output is stored past the caches
 * Tunables  WG (work-group size); V (elements of a work-item at a time: 16 on CPUs, where WG is 1, and else 1);
 *           chunk (an argument: elements a group walks, its lanes side by side)
 * Launch    group (WG), ceil(n / chunk) groups
 * Floor     bytes of the operands and the output / copy bandwidth
 * Notes     i exists where V is 1, which expressions of no array are given.
 *           Runs of V elements or more end in a whole vector too, over elements that the one before it wrote as well
 * Source    NumPy broadcasting rules
 */
<%namespace name="vector" file="_vector.cl.mako"/>\
<%
    ctype = {"f64": "double", "i64": "long", "i32": "int"}.get(compute, "float")
    rank = len(pattern[0]) if pattern else 1
    arrays = [k for k, code in enumerate(inputs) if code]
    numbers = [k for k, code in enumerate(inputs) if not code]
    args = [f"__global const {inputs[k]}_t *restrict p{k}" if inputs[k] else f"const {ctype} b{k}" for k in range(len(inputs))]
    args += [f"__global {out}_t *restrict y"] + [f"const {ctype} b_{s}" for s in settings] + ["const index_t n", "const index_t chunk"]
    if rank > 1:
        args += [f"const index_t n{d}" for d in range(rank)]
        args += [f"const index_t s{k}_{d}" for k in arrays for d in range(rank - 1) if pattern[k][d]]
    result = f"({expr}) != 0" if out == "b8" else expr
%>\
${vector.types(ctype, V)}\
% if dtype is None:
#define C(x) ${"x" if compute == "f64" else "x##f"}
% endif
% for code in sorted({out, *(inputs[k] for k in arrays)}):
${vector.load(code, ctype, V)}\
% endfor
${vector.store(out, ctype, V, streamed)}\
% if libs:
<%include file="_math.cl.mako" args="lanes=V"/>
% endif

<%def name="map_some(t, m)">
% for k in arrays:
            const T a${k} = ${f"some_{inputs[k]}(q{k} + {t}, {m}, 1)" if pattern[k][-1] else f"(T)({ctype})load_{inputs[k]}(q{k}, 0)"};
% endfor
            put_${out}(y + at + ${t}, ${m}, ${result});
</%def>

<%def name="run()">
% if V > 1:
        if (m < ${V}) {
${map_some("0", "m")}\
        }
        for (index_t t = 0; t < m && m >= ${V}; t += ${V}) {
            const index_t u = min(t, m - ${V});
${map_some("u", V)}\
        }
% else:
        for (index_t t = lane; t < m; t += ${WG}) {
            const index_t i = at + t;
${map_some("t", 1)}\
        }
% endif
</%def>

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void map(${", ".join(args)})
{
% for k in numbers:
    const T a${k} = (T)b${k};
% endfor
% for s in settings:
    const T ${s} = (T)b_${s};
% endfor
    const index_t lo = (index_t)get_group_id(0) * chunk, lane = get_local_id(0);
    const index_t hi = min(lo + chunk, n);
% if rank == 1:
    {
        const index_t at = lo, m = hi - lo;
%   for k in arrays:
        __global const ${inputs[k]}_t *q${k} = p${k}${" + at" if pattern[k][0] else ""};
%   endfor
${run()}\
    }
% else:
    for (index_t at = lo; at < hi;) {
        index_t rest = at / n${rank - 1};
        const index_t first = at - rest * n${rank - 1};
%   for d in reversed(range(rank - 1)):
        const index_t i${d} = ${f"rest % n{d}" if d else "rest"};
%     if d:
        rest /= n${d};
%     endif
%   endfor
        const index_t m = min(n${rank - 1} - first, hi - at);
%   for k in arrays:
        __global const ${inputs[k]}_t *q${k} = p${k}${"".join(f" + i{d} * s{k}_{d}" for d in range(rank - 1) if pattern[k][d])}${" + first" if pattern[k][-1] else ""};
%   endfor
${run()}\
        at += m;
    }
% endif
}
