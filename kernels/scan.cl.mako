/* scan — running sums along one axis.
 *
 * Computes  y[o, i, c] = sum_{j <= i} x[o, j, c]; with `reverse` over j >= i, which is the gradient
 * Layout    x and y are (outer, n, inner), row-major; `slices` > 1 cuts the axis, sums is (outer, slices, inner)
 * Defines   dtype, out (code of y), compute (code sums are kept in), reverse
 *           part    whole (one slice), totals (sums = the sum of every slice), slices (start from the totals before)
 *           engine  lanes  a work-item per W neighbouring columns of a slice
 *                   group  inner is 1: a work-group per slice, tiles of 4 * WG elements one after the other
 * Tunables  WG; W; chunk (an argument: blocks of W that a work-item owns; 1 on GPUs)
 * Launch    lanes: grid ceil(outer * slices * ceil(inner / W) / chunk).   group: a group per row and slice
 * Notes     byte floor: x read once, y written once; slices read x twice. Sums run over 64 elements (a tile in
 *           group) and only then join the carry, so their error grows with n / 64
 * Source    Hillis, Steele, "Data parallel algorithms", 1986 (the scan over a work-group)
 */
<%namespace name="reduce" file="_reduce.cl.mako"/>
<%
    ctype = {"f64": "double", "i64": "long"}.get(compute, "float")
    totals = part == "totals"
    place = "(n - 1 - ({}))" if reverse else "({})"
    result = f"__global {compute if totals else out}_t *restrict y"
    before = f"__global const {compute}_t *restrict sums, " if part == "slices" else ""
%>
typedef ${ctype} T;

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void ${engine}(__global const real *restrict x, ${before}${result}, const index_t outer, const index_t n,
          const index_t inner, const index_t slices, const index_t chunk)
{
    const index_t per = (n + slices - 1) / slices;
% if engine == "lanes":
    const index_t blocks = (inner + ${W - 1}) / ${W};
    const index_t from = (index_t)get_global_id(0) * chunk, to = min(from + chunk, outer * slices * blocks);
    for (index_t q = from; q < to; ++q) {
        const index_t column = q % blocks * ${W}, row = q / blocks / slices, slice = q / blocks % slices;
        const index_t begin = min(slice * per, n), end = begin + min(per, n - begin);
        const int width = ${f"(int)min((index_t){W}, inner - column)" if W > 1 else "1"};
        __global const real *p = x + row * n * inner + column;
        T carry[${W}], run[${W}];
        for (int l = 0; l < ${W}; ++l)
            carry[l] = 0;
%   if part == "slices":
        for (index_t k = 0; k < slice; ++k)
            for (int l = 0; l < width; ++l)
                carry[l] += sums[(row * slices + k) * inner + column + l];
%   endif
        for (index_t i = begin; i < end;) {
            for (int l = 0; l < ${W}; ++l)
                run[l] = 0;
            for (const index_t stop = min(i + 64, end); i < stop; ++i) {
                const index_t at = ${place.format("i")} * inner;
                for (int l = 0; l < width; ++l) {
                    run[l] += (T)LOAD(p, at + l);
%   if not totals:
                    store_${out}(y, row * n * inner + column + at + l, carry[l] + run[l]);
%   endif
                }
            }
            for (int l = 0; l < width; ++l)
                carry[l] += run[l];
        }
%   if totals:
        for (int l = 0; l < width; ++l)
            y[(row * slices + slice) * inner + column + l] = carry[l];
%   endif
    }
% else:
    __local T scratch[${WG}];
    const int lid = (int)get_local_id(0);
    const index_t q = (index_t)get_group_id(0), row = q / slices, slice = q % slices;
    const index_t begin = min(slice * per, n), end = begin + min(per, n - begin);
    __global const real *p = x + row * n;
    T carry = 0;
%   if part == "slices":
    for (index_t k = lid; k < slice; k += ${WG})
        carry += sums[row * slices + k];
${reduce.group("carry", "scratch", "a + b", WG, "T")}
%   endif
    for (index_t tile = begin; tile < end; tile += ${4 * WG}) {
        const index_t i = tile + 4 * lid;
%   for k in range(4):
        const T v${k} = ${f"v{k - 1} + " if k else ""}(i + ${k} < end ? (T)LOAD(p, ${place.format(f"i + {k}")}) : 0);
%   endfor
        T run = v3;
<%      step = 1 %>\
%   while step < WG:
        scratch[lid] = run;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid >= ${step})
            run += scratch[lid - ${step}];
        barrier(CLK_LOCAL_MEM_FENCE);
<%      step *= 2 %>\
%   endwhile
        scratch[lid] = run;
        barrier(CLK_LOCAL_MEM_FENCE);
%   if not totals:
        const T start = carry + (lid > 0 ? scratch[lid - 1] : 0);
%     for k in range(4):
        if (i + ${k} < end)
            store_${out}(y, row * n + ${place.format(f"i + {k}")}, start + v${k});
%     endfor
%   endif
        carry += scratch[${WG - 1}];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
%   if totals:
    if (lid == 0)
        y[q] = carry;
%   endif
% endif
}
