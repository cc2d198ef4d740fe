/* reduce — sums over any axes, straight into the output's memory.
 *
 * Computes  y[kept] = sum_{reduced} x[kept, reduced]
 * Layout    x row-major; the host merges neighbouring axes that are alike (kept or reduced) and drops axes of size 1
 * Defines   dtype, out (code of the output), compute (code sums are kept in), kept, reduced (numbers of merged axes)
 * Tunables  W (neighbouring outputs of a work-item, 1 on GPUs); WG
 * Launch    rows: the last merged axis is reduced; a group per output.   lanes: the last merged axis is kept; a
 *           work-item per W neighbouring outputs
 * Source    Higham, "The accuracy of floating point summation", 1993
 */
<%namespace name="reduce" file="_reduce.cl.mako"/>
<%
    ctype = {"f64": "double", "i64": "long", "i32": "int"}.get(compute, "float")
    axes = [f"const index_t {p}{d}" for d in range(kept) for p in ("kn", "ks")]
    axes += [f"const index_t {p}{d}" for d in range(reduced) for p in ("rn", "rs")]
%>
typedef ${ctype} T;

<%def name="offset(to, index, prefix, axes)">
    index_t ${to} = 0;
    {
        index_t rest = ${index};
% for d in reversed(range(axes)):
        ${to} += ${f"rest % {prefix}n{d}" if d else "rest"} * ${prefix}s${d};
%   if d:
        rest /= ${prefix}n${d};
%   endif
% endfor
    }
</%def>

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void rows(__global const real *restrict x, __global ${out}_t *restrict y, const index_t n, const index_t count,
          ${", ".join(axes)})
{
${reduce.scratch("scratch", "T", WG)}
    const index_t o = (index_t)get_group_id(0);
    const int lid = (int)get_local_id(0);
    const index_t run = rn${reduced - 1};
${offset("base", "o", "k", kept)}
    T total = 0;
    for (index_t r = 0; r < count; r += run) {
${offset("at", "r", "r", reduced)}
        __global const real *p = x + base + at;
        T s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        index_t t = lid;
        for (; t + ${3 * WG} < run; t += ${4 * WG}) {
            s0 += LOAD(p, t);
            s1 += LOAD(p, t + ${WG});
            s2 += LOAD(p, t + ${2 * WG});
            s3 += LOAD(p, t + ${3 * WG});
        }
        for (; t < run; t += ${WG})
            s0 += LOAD(p, t);
        total += (s0 + s1) + (s2 + s3);
    }
${reduce.group("total", "scratch", "a + b", WG, "T")}
    if (lid == 0)
        store_${out}(y, o, total);
}

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void lanes(__global const real *restrict x, __global ${out}_t *restrict y, const index_t n, const index_t count,
           ${", ".join(axes)})
{
    const index_t inner = ${f"kn{kept - 1}" if kept else "1"};
    const index_t blocks = (inner + ${W - 1}) / ${W};
    const index_t item = (index_t)get_global_id(0);
    if (item >= n / inner * blocks)
        return;
    const index_t first = item % blocks * ${W};
    const index_t o = item / blocks * inner + first;
    const int width = (int)min((index_t)${W}, inner - first);
${offset("base", "o", "k", kept)}
    T s[${W}];
    for (int l = 0; l < ${W}; ++l)
        s[l] = 0;
    for (index_t r = 0; r < count; ++r) {
${offset("at", "r", "r", reduced)}
        __global const real *p = x + base + at;
        for (int l = 0; l < width; ++l)
            s[l] += LOAD(p, l);
    }
    for (int l = 0; l < width; ++l)
        store_${out}(y, o + l, s[l]);
}
