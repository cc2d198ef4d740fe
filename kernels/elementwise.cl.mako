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
 * Tunables  WG (work-group size), chunk (an argument: elements a group walks, its lanes side by side)
 * Launch    group (WG), ceil(n / chunk) groups
 * Floor     bytes of the operands and the output / copy bandwidth
 * Source    NumPy broadcasting rules
 */
<%
    ctype = {"f64": "double", "i64": "long", "i32": "int"}.get(compute, "float")
    rank = len(pattern[0]) if pattern else 1
    arrays = [k for k, code in enumerate(inputs) if code]
    args = [f"__global const {inputs[k]}_t *restrict p{k}" if inputs[k] else f"const T a{k}" for k in range(len(inputs))]
    args += [f"__global {out}_t *restrict y"] + [f"const T {s}" for s in settings] + ["const index_t n", "const index_t chunk"]
    if rank > 1:
        args += [f"const index_t n{d}" for d in range(rank)]
        args += [f"const index_t s{k}_{d}" for k in arrays for d in range(rank - 1) if pattern[k][d]]
%>
typedef ${ctype} T;
% if dtype is None:
#define C(x) ${"x" if compute == "f64" else "x##f"}
% endif
% if libs:
<%include file="_math.cl.mako"/>
% endif

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void map(${", ".join(args)})
{
    const index_t lo = (index_t)get_group_id(0) * chunk, lane = get_local_id(0);
    const index_t hi = min(lo + chunk, n);
% if rank == 1:
    for (index_t i = lo + lane; i < hi; i += ${WG}) {
%   for k in arrays:
        const T a${k} = (T)load_${inputs[k]}(p${k}, ${"i" if pattern[k][0] else "0"});
%   endfor
        store_${out}(y, i, (${expr}));
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
        for (index_t t = lane; t < m; t += ${WG}) {
            const index_t i = at + t;
%   for k in arrays:
            const T a${k} = (T)load_${inputs[k]}(q${k}, ${"t" if pattern[k][-1] else "0"});
%   endfor
            store_${out}(y, i, (${expr}));
        }
        at += m;
    }
% endif
}
