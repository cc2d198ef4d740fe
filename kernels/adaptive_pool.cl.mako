/* adaptive_pool — means and maxima of the cells of a grid, and the gradient of the mean, along whole rows.
 *
 * Computes  avg_pool       y[o, p] = sum of x over cell (o, p) / its size
 *           max_pool       y[o, p] = max of x over cell (o, p), at[o, p] where: the last NaN, else the first maximum
 *           avg_pool_grad  y[i, j] = sum of g[o, p] / size(o, p) over the cells that (i, j) is in: at most 2 x 2 of them
 *           with cell (o, p) rows floor(o H / OH) .. ceil((o + 1) H / OH) and columns likewise
 * Layout    inputs planes x H x W, outputs planes x OH x OW, row-major; `at` counts in the H x W plane
 * Defines   dtype, kernel (one of the three), indices (bool: max_pool writes `at`)
 *           products  the integer type that holds products of sizes
 *           V         lanes
 *           MOST      columns there is room for: W and OW are no more, nor is OH more than H or OW more than W
 * Tunables  rows (an argument: rows of the result that a work-item makes)
 * Launch    group (1), for CPUs; grid ceil(count / rows)
 * Notes     a cell is joined along its rows first, in vectors across the columns; where columns begin and end is worked out
 *           once per work-item. Byte floor: operands once, results once
 * Source    textbook
 */
<%namespace name="vector" file="_vector.cl.mako"/>
<%
    base = "double" if dtype == "f64" else "float"
    at = ", __global int *restrict at" if indices else ""
%>
${vector.types(base, V)}
${vector.load(dtype, base, V)}
${vector.store(dtype, base, V)}
typedef ${"long" if dtype == "f64" else "int"}${V} I;

#define BEGIN(o, n, m) (int)((${products})(o) * n / m)
#define END(o, n, m) (int)(((${products})(o + 1) * n + m - 1) / m)
#define LOW(i, n, m) (int)((${products})(i) * m / n)
#define HIGH(i, n, m) ((int)(((${products})(i + 1) * m + n - 1) / n) - 1)

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
% if kernel == "avg_pool_grad":
void ${kernel}(__global const real *restrict g, __global real *restrict y, const index_t count, const index_t rows,
     const int H, const int W, const int OH, const int OW)
{
    const index_t first = (index_t)get_global_id(0) * rows, last = min(first + rows, count);
    int left[${MOST}], right[${MOST}];
    acc share[${MOST + V}], line[${MOST + V}];
    for (int w = 0; w < W; ++w) {
        left[w] = LOW(w, W, OW);
        right[w] = HIGH(w, W, OW) > left[w] ? left[w] + 1 : OW; /* where line is 0 */
    }
    for (int p = 0; p < OW + ${V}; ++p)
        share[p] = 1 / (acc)(p < OW ? END(p, W, OW) - BEGIN(p, W, OW) : 1);
    for (index_t r = first; r < last; ++r) {
        const int row = (int)(r % H), low = LOW(row, H, OH), high = HIGH(row, H, OH);
        __global const real *p_g = g + r / H * OH * OW;
        __global real *q = y + r * W;
        if (row > 0 && r > first && LOW(row - 1, H, OH) == low && HIGH(row - 1, H, OH) == high) {
            for (int w = 0; w < W; w += ${V})
                put_${dtype}(q + w, W - w, some_${dtype}(q - W + w, W - w, 0));
            continue;
        }
        for (int p = 0; p < OW; p += ${V}) {
            T sum = 0;
            for (int h = low; h <= high; ++h)
                sum += some_${dtype}(p_g + h * OW + p, OW - p, 0) / (acc)(END(h, H, OH) - BEGIN(h, H, OH));
            vstore${V}(sum * vload${V}(0, share + p), 0, line + p);
        }
        line[OW] = 0;
        for (int w = 0; w < W; ++w)
            STORE(q, w, line[left[w]] + line[right[w]]);
    }
}
% else:
void ${kernel}(__global const real *restrict x${at}, __global real *restrict y, const index_t count, const index_t rows,
     const int H, const int W, const int OH, const int OW)
{
    const index_t first = (index_t)get_global_id(0) * rows, last = min(first + rows, count);
    int begin[${MOST}], end[${MOST}];
    acc line[${MOST + V}];
% if kernel == "max_pool":
    int place[${MOST + V}];
% endif
    for (int p = 0; p < OW; ++p) {
        begin[p] = BEGIN(p, W, OW);
        end[p] = END(p, W, OW);
    }
    for (index_t r = first; r < last; ++r) {
        const int row = (int)(r % OH), top = BEGIN(row, H, OH), bottom = END(row, H, OH);
        __global const real *p_x = x + r / OH * H * W;
        for (int w = 0; w < W; w += ${V}) {
            __global const real *column = p_x + w;
            T best = some_${dtype}(column + top * W, W - w, 0);
% if kernel == "max_pool":
            I where = top;
            for (int h = top + 1; h < bottom; ++h) {
                const T v = some_${dtype}(column + h * W, W - w, 0);
                const I take = (v > best) | (v != v);
                best = take ? v : best;
                where = take ? (I)h : where;
            }
            vstore${V}(convert_int${V}(where), 0, place + w);
% else:
            for (int h = top + 1; h < bottom; ++h)
                best += some_${dtype}(column + h * W, W - w, 0);
% endif
            vstore${V}(best, 0, line + w);
        }
        for (int p = 0; p < OW; ++p) {
            int w = begin[p];
            const int stop = end[p];
            acc here = line[w];
% if kernel == "max_pool":
            int from = place[w] * W + w;
            for (++w; w < stop; ++w) {
                const acc v = line[w];
                const int i = place[w] * W + w;
                const int nan = v != v, was = here != here;
                const int take = nan ? !was || i > from : !was && (v > here || (v == here && i < from));
                here = take ? v : here;
                from = take ? i : from;
            }
%   if indices:
            at[r * OW + p] = from;
%   endif
            STORE(y, r * OW + p, here);
% else:
            for (++w; w < stop; ++w)
                here += line[w];
            STORE(y, r * OW + p, here / ((bottom - top) * (stop - begin[p])));
% endif
        }
    }
}
% endif
