/* pool_lines — maxima of sliding windows, along whole rows: first along a row of x, then down the rows.
 *
 * Computes  y[o, p] = max of x over window (o, p), at[o, p] where: the last NaN, else the first maximum
 * Layout    x planes x H x W, y planes x OH x OW, row-major; `at` counts in the H x W plane
 * Defines   dtype, indices (bool: write `at`), V (lanes)
 *           K, S  (rows, columns) of kernel size and stride; padding and sizes are arguments
 *           MOST     columns there is room for: W is no more; K and S are at most 8
 *           streamed  whether y is stored past the caches
 * Tunables  rows (an argument: rows of y that a work-item makes)
 * Launch    group (1), for CPUs; grid ceil(count / rows)
 * Notes     a row of x is reduced along its windows once, for all rows of y that it is in; columns beyond it are masked
 *           where windows reach them. Rows at the ends of x, and of half types, are copied between columns that change
 *           nothing first: their vectors would leave x. Vectors of y reach into the next row, which is written later
 * Source    textbook: the maximum of a rectangle is that of the maxima of its rows
 */
<%namespace name="vector" file="_vector.cl.mako"/>
<%
    base, whole = ("double", "long") if dtype == "f64" else ("float", "int")
    (KH, KW), (SH, SW) = K, S
    LEFT, ROOM = 16, MOST // V + 2
    iota = ", ".join(map(str, range(V)))

    def tap(j):
        """Column j of the windows of V neighbouring outputs, of which the first begins at q."""
        if SW == 1:
            return f"vload{V}(0, q + {j})"
        if SW == 2:
            part, at = ("odd" if j % 2 else "even"), j - j % 2
            return f"({base}{V})(vload{V}(0, q + {at}).{part}, vload{V}(0, q + {at + V}).{part})"
        return f"({base}{V})({', '.join(f'q[{j + l * SW}]' for l in range(V))})"
%>
${vector.types(base, V)}
${vector.load(dtype, base, V)}
${vector.store(dtype, base, V, streamed)}
typedef ${whole}${V} I;
% if indices:
static void put_at(__global int *p, const index_t m, const int${V} v)
{
    if (m >= ${V}) {
        vstore${V}(v, 0, p);
        return;
    }
    int t[${V}];
    vstore${V}(v, 0, t);
    for (int l = 0; l < m; ++l)
        p[l] = t[l];
}
% else:
static T larger(const T a, const T b)
{
    const T most = b > a ? b : a;
    return b != b ? b : most;
}
% endif

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void max_pool(__global const real *restrict x, ${"__global int *restrict at, " if indices else ""}__global real *restrict y,
     const index_t count, const index_t rows, const int H, const int W, const int OH, const int OW, const int PH, const int PW)
{
    const index_t first = (index_t)get_global_id(0) * rows, last = min(first + rows, count);
    const I lane = (I)(${iota});
    ${base} line[${LEFT + MOST + V * max(SW, 2) + 4 * V}];
    T reduced[${KH * ROOM}]; /* PoCL stores a vector to an array of numbers in three pieces, and whoever loads it waits for them */
% if indices:
    I column[${KH * ROOM}];
% endif
    for (int w = 0; w < ${LEFT}; w += ${V})
        vstore${V}((T)(-INFINITY), 0, line + w);
    for (int w = W; w < W + ${V * max(SW, 2) + 2 * V}; w += ${V})
        vstore${V}((T)(-INFINITY), 0, line + ${LEFT} + w);
    index_t plane = -1;
    int known = 0; /* rows of x that are reduced, or no longer asked for */
    for (index_t r = first; r < last; ++r) {
        const int row = (int)(r % OH);
        const int begin = max(row * ${SH} - PH, 0), end = min(row * ${SH} - PH + ${KH}, H);
        if (r / OH != plane) {
            plane = r / OH;
            known = 0;
        }
        __global const real *p_x = x + plane * H * W;
        for (known = max(known, begin); known < end; ++known) {
            __global const real *from = p_x + known * W;
            const int ring = known % ${KH} * ${ROOM};
            if (${"from - x >= PW && from - x + (OW + %d) * %d + %d <= count / OH * H * W" % (V + 1, SW, KW + 2 * V) if dtype in ("f32", "f64") else "0"}) {
% if dtype in ("f32", "f64"):
${along_row("from - PW", True)}
% endif
                continue;
            }
            int w = 0;
            for (; w + ${V} <= W; w += ${V})
                vstore${V}(some_${dtype}(from + w, ${V}, 0), 0, line + ${LEFT} + w);
            if (w < W) {
                const T v = some_${dtype}(from + w, W + (H - 1 - known) * W - w, 0);
                vstore${V}(lane < W - w ? v : (T)(-INFINITY), 0, line + ${LEFT} + w);
            }
${along_row(f"line + {LEFT} - PW", False)}
        }
        for (int o = 0; o < OW; o += ${V}) {
            const index_t i = r * OW + o;
            T best = reduced[begin % ${KH} * ${ROOM} + o / ${V}];
% if indices:
            I where = column[begin % ${KH} * ${ROOM} + o / ${V}] + begin * W;
% endif
            for (int h = begin + 1; h < end; ++h) {
                const T v = reduced[h % ${KH} * ${ROOM} + o / ${V}];
% if indices:
                const I take = (v > best) | (v != v);
                best = take ? v : best;
                where = take ? column[h % ${KH} * ${ROOM} + o / ${V}] + h * W : where;
% else:
                best = larger(best, v);
% endif
            }
% if indices:
            put_at(at + i, last * OW - i, convert_int${V}(where));
% endif
            put_${dtype}(y + i, last * OW - i, best);
        }
    }
}

## Windows of the row that `start` points into, at its column -PW; beyond a row of x itself (`bare`) are its neighbours.
<%def name="along_row(start, bare)">\
            for (int o = 0; o < OW; o += ${V}) {
                ${"__global const real" if bare else f"const {base}"} *q = ${start} + o * ${SW};
% if indices or bare:
                const I c = (o + lane) * ${SW} - PW;
% endif
                T best;
% if indices:
                I where;
% endif
% if bare:
                if (o * ${SW} < PW || (min(o + ${V}, OW) - 1) * ${SW} - PW + ${KW} > W) {
${maximum(True, True)}\
                } else {
${maximum(False, True)}\
                }
% else:
${maximum(True, False)}\
% endif
% if indices:
                column[ring + o / ${V}] = where;
% endif
                reduced[ring + o / ${V}] = best;
            }\
</%def>

## The maxima of the windows at q, some of which may reach beyond the row (`ends`), where the `bare` x has other rows.
<%def name="maximum(ends, bare)">\
<%  value = lambda j: f"(((c + {j} >= 0) & (c + {j} < W)) ? {tap(j)} : (T)(-INFINITY))" if ends and bare else tap(j) %>\
                    best = ${"-INFINITY" if ends else tap(0)};
% if indices:
                    where = ${"c < 0 ? (I)0 : c" if ends else "c"};
% endif
% for j in range(0 if ends else 1, KW):
%   if indices:
                    {
                        const T v = ${value(j)};
                        const I take = (v > best) | (v != v);
                        best = take ? v : best;
                        where = take ? c + ${j} : where;
                    }
%   else:
                    best = larger(best, ${value(j)});
%   endif
% endfor
</%def>
