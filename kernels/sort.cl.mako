/* sort — a stable radix sort of keys and the numbers of their elements, and what is built like one.
 *
 * Computes  histogram  hist[d * chunks + c] = how many keys of chunk c have digit d, digit = key >> shift
 *           scan       hist[i] = sum_{j < i} hist[j], in place
 *           move       keys and numbers to their places by digit; equal digits keep their order
 *           bounds     start[r] = how many of the sorted keys are below r, for r < n: a search, then a walk
 *           count      hist[c] = how many elements of chunk c of a mask are set
 *           positions  the numbers of the set elements, in order
 * Layout    flat arrays; a chunk is a run of `chunk` neighbours, walked by one work-item in order. So no
 *           atomics are needed, and the result does not depend on how the device schedules.
 * Defines   kind  which kernel          key  "i32" or "i64": type of keys, numbers and counts
 *           BITS  of a digit (histogram, move)          first (move): element numbers are still 0, 1, ..
 * Tunables  BITS (8 on CPUs, with few chunks; 4 on GPUs, with many), chunk (an argument)
 *           WG (1 on CPUs, where lanes of a group would walk their chunks in one thread)
 * Launch    scan: one group (WG). Others: group (WG), grid chunks rounded up to WG
 * Source    D. Knuth, The Art of Computer Programming 3, 5.2.5: radix sorting by distribution counting
 */
typedef ${key}_t key_t;

${{"histogram": histogram, "scan": scan, "move": move, "bounds": bounds, "count": count, "positions": positions}[kind]()}

<%def name="histogram()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void histogram(__global const key_t *restrict keys, __global key_t *restrict hist, const index_t n,
               const index_t chunk, const index_t chunks, const int shift)
{
    const index_t c = get_global_id(0);
    if (c >= chunks)
        return;
    for (int d = 0; d < ${1 << BITS}; ++d)
        hist[d * chunks + c] = 0;
    const index_t hi = min((c + 1) * chunk, n);
    for (index_t i = c * chunk; i < hi; ++i)
        ++hist[(keys[i] >> shift & ${(1 << BITS) - 1}) * chunks + c];
}
</%def>

<%def name="scan()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void scan(__global key_t *hist, const index_t n)
{
    const int lane = get_local_id(0);
    const index_t per = (n + ${WG - 1}) / ${WG};
    const index_t lo = min(lane * per, n);
    const index_t hi = min(lo + per, n);
    key_t base = 0;
% if WG > 1:
    __local key_t sums[${WG}];
    key_t own = 0;
    for (index_t i = lo; i < hi; ++i)
        own += hist[i];
    sums[lane] = own;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = 0; k < lane; ++k)
        base += sums[k];
% endif
    for (index_t i = lo; i < hi; ++i) {
        const key_t own = hist[i];
        hist[i] = base;
        base += own;
    }
}
</%def>

<%def name="move()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void move(__global const key_t *restrict keys, __global const key_t *restrict order,
          __global key_t *restrict to_keys, __global key_t *restrict to_order, __global key_t *restrict hist,
          const index_t n, const index_t chunk, const index_t chunks, const int shift)
{
    const index_t c = get_global_id(0);
    if (c >= chunks)
        return;
    const index_t hi = min((c + 1) * chunk, n);
    for (index_t i = c * chunk; i < hi; ++i) {
        const key_t key = keys[i];
        const key_t at = hist[(key >> shift & ${(1 << BITS) - 1}) * chunks + c]++;
        to_keys[at] = key;
        to_order[at] = ${"i" if first else "order[i]"};
    }
}
</%def>

<%def name="bounds()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void bounds(__global const key_t *restrict keys, __global key_t *restrict start, const index_t n,
            const index_t chunk, const index_t count)
{
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, n);
    index_t at = 0;
    for (index_t size = count; size > 0;) {
        const index_t below = size / 2;
        const int right = keys[at + below] < lo;
        at = right ? at + below + 1 : at;
        size = right ? size - below - 1 : below;
    }
    for (index_t r = lo; r < hi; ++r) {
        while (at < count && keys[at] < r)
            ++at;
        start[r] = at;
    }
}
</%def>

<%def name="count()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void count(__global const uchar *restrict mask, __global key_t *restrict hist, const index_t n,
           const index_t chunk, const index_t chunks)
{
    const index_t c = get_global_id(0);
    if (c >= chunks)
        return;
    const index_t hi = min((c + 1) * chunk, n);
    key_t set = 0;
    for (index_t i = c * chunk; i < hi; ++i)
        set += mask[i] != 0;
    hist[c] = set;
}
</%def>

<%def name="positions()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void positions(__global const uchar *restrict mask, __global const key_t *restrict hist,
               __global i64_t *restrict y, const index_t n, const index_t chunk, const index_t chunks)
{
    const index_t c = get_global_id(0);
    if (c >= chunks)
        return;
    const index_t hi = min((c + 1) * chunk, n);
    key_t at = hist[c];
    for (index_t i = c * chunk; i < hi; ++i)
        if (mask[i])
            y[at++] = i;
}
</%def>
