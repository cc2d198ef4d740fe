/* indexing — reads and sums where index tensors point: gather, embedding, scatter and their gradients.
 *
 * Computes  take    y[o,i,d] = x[o, index[..], d], or `missing` bits where the index is not in [0, R)
 *           sums    y[o,r,d] = sum of g[o,i,d] over the i whose index is r, in ascending order of i: looking at
 *                   every i, or at g sorted by where it goes, cut into windows that are summed on their own
 *           partials  of each window: the sum of what a row began before it, and of what goes on behind it
 *           keys    key[e] = element (or row, if shared) of y that g's element (row) e is summed into, or `total`
 *           claim   winner[o,r,d] = the last i whose index is r (-1, written before, if there is none)
 *           settle  y = src[o,winner,d], or where there is no winner x
 *           settle_grad  y[o,i,d] = g[o,r,d] if i won r = index[o,i,d], else 0
 *           one_hot      y[i,r] = index[i] == r
 * Layout    row-major; x and y are seen as (O, R, D) with the indexed axis in the middle, index and g as
 *           (O, n, D). The index is its own for every element, or `shared`: (n) for all o and d
 * Defines   kind    which kernel          index   code of the index dtype          shared (bool)
 *           size    bytes of an element, which take, settle and settle_grad move as they are
 *           dtype   of sums             constant (settle): `src` is the bits of a value
 *           sorted  sums by a stable order of g's rows (see sort.cl.mako), else by looking at every i
 *           key     "i32" or "i64": type of keys and order          WINDOW  rows of g in a window
 * Tunables  WG (work-group size, 1 on CPUs), chunk (an argument), TILE (sums, partials: neighbours along d per item)
 * Launch    group (WG), grid ceil(n / chunk) rounded up to WG; for sums n is O * R * ceil(D / TILE), for partials
 *           O * windows * ceil(D / TILE)
 * Source    textbook; every sum has one writer, so no atomics on floats, and the order is always the same
 */
<%
    item = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}.get(size)
%>
% if size:
typedef ${item} item;
% endif

${{"take": take, "partials": partials, "sums": sums, "keys": keys, "claim": claim, "settle": settle, "settle_grad": settle_grad,
   "one_hot": one_hot}[kind]()}

## The walk over elements (o, i, d) of a row-major (O, n, D): `element` runs once for each, with e its number.
<%def name="walk(n, D)">
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, total);
    index_t d = lo % ${D};
    index_t i = lo / ${D} % ${n};
    index_t o = lo / ${D} / ${n};
    for (index_t e = lo; e < hi;) {
        const index_t end = min(${D} - d, hi - e) + e;
        ${caller.row()}
        for (; e < end; ++e, ++d) {
            ${caller.body()}
        }
        d = 0;
        if (++i == ${n}) {
            i = 0;
            ++o;
        }
    }
</%def>

<%def name="take()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void take(__global const item *restrict x, __global const ${index}_t *restrict index, __global item *restrict y,
          const index_t total, const index_t chunk, const index_t n, const index_t R, const index_t D, const ulong missing)
{
<%self:walk n="n" D="D">
<%def name="row()">
% if shared:
        const long r = index[i];
        const int found = r >= 0 && r < R;
        __global const item *from = x + (o * R + (found ? (index_t)r : 0)) * D;
% endif
</%def>
% if not shared:
            const long r = index[e];
            const int found = r >= 0 && r < R;
            __global const item *from = x + (o * R + (found ? (index_t)r : 0)) * D;
% endif
            y[e] = found ? from[d] : (item)missing;
</%self:walk>
}
</%def>

## The walk over (o, row, d) by tiles of `width` neighbours along d, with their sums in `sum`.
<%def name="tiles(rows)">
    const index_t tiles = (D + ${TILE - 1}) / ${TILE};
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, total);
    for (index_t k = lo; k < hi; ++k) {
        const index_t d = k % tiles * ${TILE};
        const index_t row = k / tiles % ${rows};
        const index_t o = k / tiles / ${rows};
        const int width = min(D - d, (index_t)${TILE});
        __global const real *from = g + o * n * D + d;
        acc sum[${TILE}];
        for (int t = 0; t < width; ++t)
            sum[t] = 0;
        ${caller.body()}
    }
</%def>

## Add elements [first, last) of g in sorted order.
<%def name="add(first, last)">
            for (index_t j = ${first}; j < ${last}; ++j) {
                const index_t i = order[j];
                for (int t = 0; t < width; ++t)
                    sum[t] += LOAD(from, i * D + t);
            }
</%def>

<%def name="partials()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void partials(__global const real *restrict g, __global const ${key}_t *restrict order,
              __global const ${key}_t *restrict keys, __global const ${key}_t *restrict start, __global acc *restrict part,
              const index_t total, const index_t chunk, const index_t n, const index_t R, const index_t D,
              const index_t windows)
{
    const index_t count = start[R];
<%self:tiles rows="windows">
        const index_t first = min(row * ${WINDOW}, count);
        const index_t last = min(first + ${WINDOW}, count);
        index_t begin = first;
        index_t end = first;
        if (first < last && start[keys[first]] < first)
            end = min((index_t)start[keys[first] + 1], last);
        __global acc *to = part + (o * windows + row) * 2 * D + d;
        ${add("begin", "end")}
        for (int t = 0; t < width; ++t) {
            to[t] = sum[t];
            sum[t] = 0;
        }
        begin = last;
        if (first < last && start[keys[last - 1]] >= first && start[keys[last - 1] + 1] > last)
            begin = start[keys[last - 1]];
        ${add("begin", "last")}
        for (int t = 0; t < width; ++t)
            to[D + t] = sum[t];
</%self:tiles>
}
</%def>

<%def name="sums()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void sums(__global const real *restrict g,
% if sorted:
          __global const ${key}_t *restrict order, __global const ${key}_t *restrict start,
          __global const acc *restrict part,
% else:
          __global const ${index}_t *restrict index,
% endif
          __global real *restrict y, const index_t total, const index_t chunk, const index_t n, const index_t R,
          const index_t D, const index_t ${"windows" if sorted else "unused"}, const index_t skip)
{
<%self:tiles rows="R">
        __global real *to = y + (o * R + row) * D + d;
        if (row != skip) {
% if sorted:
            const index_t begin = start[row];
            const index_t end = start[row + 1];
            const index_t more = end > begin ? (end - 1) / ${WINDOW} - begin / ${WINDOW} : 0;
            if (more == 0) {
                ${add("begin", "end")}
            } else {
                __global const acc *at = part + (o * windows + begin / ${WINDOW}) * 2 * D + d;
                for (int t = 0; t < width; ++t)
                    sum[t] = at[D + t];
                for (index_t v = 1; v <= more; ++v)
                    for (int t = 0; t < width; ++t)
                        sum[t] += at[v * 2 * D + t];
            }
% elif shared:
            for (index_t i = 0; i < n; ++i)
                if (index[i] == row)
                    for (int t = 0; t < width; ++t)
                        sum[t] += LOAD(from, i * D + t);
% else:
            __global const ${index}_t *at = index + o * n * D + d;
            for (index_t i = 0; i < n; ++i)
                for (int t = 0; t < width; ++t)
                    if (at[i * D + t] == row)
                        sum[t] += LOAD(from, i * D + t);
% endif
        }
        for (int t = 0; t < width; ++t)
            STORE(to, t, sum[t]);
</%self:tiles>
}
</%def>

<%def name="keys()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void keys(__global const ${index}_t *restrict index, __global ${key}_t *restrict y, const index_t total,
          const index_t chunk, const index_t n, const index_t R, const index_t D, const long none)
{
<%self:walk n="n" D="D">
<%def name="row()"></%def>
            const long r = index[e];
            y[e] = r >= 0 && r < R ? (o * R + r) * D + d : none;
</%self:walk>
}
</%def>

<%def name="claim()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void claim(__global const ${index}_t *restrict index, __global int *restrict winner, const index_t total,
           const index_t chunk, const index_t n, const index_t R, const index_t D)
{
<%self:walk n="n" D="D">
<%def name="row()"></%def>
            const long r = index[e];
            if (r >= 0 && r < R)
                atomic_max(winner + (o * R + (index_t)r) * D + d, (int)i);
</%self:walk>
}
</%def>

<%def name="settle()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void settle(__global const item *restrict x, ${"const ulong src" if constant else "__global const item *restrict src"},
            __global const int *restrict winner, __global item *restrict y, const index_t total, const index_t chunk,
            const index_t n, const index_t R, const index_t D)
{
<%self:walk n="R" D="D">
<%def name="row()"></%def>
            const int w = winner[e];
            y[e] = w < 0 ? x[e] : ${"(item)src" if constant else "src[(o * n + w) * D + d]"};
</%self:walk>
}
</%def>

<%def name="settle_grad()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void settle_grad(__global const item *restrict g, __global const int *restrict winner,
                 __global const ${index}_t *restrict index, __global item *restrict y, const index_t total,
                 const index_t chunk, const index_t n, const index_t R, const index_t D)
{
<%self:walk n="n" D="D">
<%def name="row()"></%def>
            const long r = index[e];
            const int found = r >= 0 && r < R;
            const index_t at = (o * R + (found ? (index_t)r : 0)) * D + d;
            y[e] = found && winner[at] == i ? g[at] : (item)0;
</%self:walk>
}
</%def>

<%def name="one_hot()">
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void one_hot(__global const ${index}_t *restrict index, __global i64_t *restrict y, const index_t total,
             const index_t chunk, const index_t D)
{
    const index_t lo = (index_t)get_global_id(0) * chunk;
    const index_t hi = min(lo + chunk, total);
    index_t i = lo / D;
    index_t d = lo % D;
    for (index_t e = lo; e < hi; ++i, d = 0)
        for (; d < D && e < hi; ++d, ++e)
            y[e] = index[i] == d;
}
</%def>
