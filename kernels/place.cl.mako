/* place — the gradient of an extreme along an axis goes to the place the extreme came from.
 *
 * Computes  y[.., r, ..] = r == places[..] ? g[..] : 0
 * Layout    y is (outer, size, inner), g and places are (outer, inner), row-major
 * Defines   dtype; row (the axis is last: inner is 1)
 * Tunables  WG (work-group size, 1 on CPUs), chunk (an argument: elements of y a work-item walks; 1 on GPUs)
 * Launch    group (WG), grid ceil(n / chunk) rounded up to WG
 * Notes     byte floor: y is written once; a scatter would need y to be zeroed first, which is the same write
 * Source    textbook
 */
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void place(__global const real *restrict g, __global const i64_t *restrict places, __global real *restrict y,
           const index_t n, const index_t chunk, const index_t size, const index_t inner)
{
    const index_t from = (index_t)get_global_id(0) * chunk, to = min(from + chunk, n);
    for (index_t at = from; at < to;) {
        const index_t line = ${"size" if row else "inner"}, first = at % line, m = min(line - first, to - at);
% if row:
        const index_t o = at / line, place = (index_t)places[o] - first;
        for (index_t t = 0; t < m; ++t)
            STORE(y, at + t, t == place ? LOAD(g, o) : 0);
% else:
        const index_t r = at / inner % size, o = at / inner / size * inner + first;
        for (index_t t = 0; t < m; ++t)
            STORE(y, at + t, places[o + t] == r ? LOAD(g, o + t) : 0);
% endif
        at += m;
    }
}
