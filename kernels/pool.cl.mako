/* pool — the maximum or the mean of windows, sliding or adaptive, and their gradients.
 *
 * Computes  max_pool       y[o] = max_{i in window(o)} x[i]; at[o] = where: the last NaN, else the first maximum
 *           avg_pool       y[o] = sum_{i in window(o)} x[i] / divisor(o)
 *           max_pool_grad  y[i] = sum_{o: at[o] = i} g[o]
 *           avg_pool_grad  y[i] = sum_{o: i in window(o)} g[o] / divisor(o)
 * Layout    inputs planes x H x W, outputs planes x OH x OW, row-major; `at` counts in the H x W plane
 * Defines   dtype, kernel (which of the four), indices (bool: max_pool writes `at`)
 *           adaptive  None, or the integer type that holds products of sizes
 *           K, S, D  (rows, columns) of kernel size, stride and dilation; padding and sizes are arguments
 *           divisor  "given" (an argument), "padded" (the window within the padding), "inside" (within the input)
 *           walk     "points": a work-item per element.  "rows": a work-item per `rows` rows; of each the columns
 *                    lo..hi, whose windows are whole, go through a loop without branches.   "planes", of max_pool_grad
 *                    in float and double: a work-item per `rows` planes, each of which it clears and then adds to.
 *                    "bands", the same where windows slide: it adds to the rows of a window at a time, which a first-level
 *                    cache holds, and stores them when no window to come has any
 *           MOST, streamed  of bands: elements there is room for, and whether y is stored past the caches
 * Tunables  WG (of points), rows (an argument)
 * Launch    group (WG) for points, (1) for rows and planes; grid rounded up
 * Notes     adaptive windows on CPUs: see adaptive_pool
 * Source    gradients gather, or one work-item owns all that they go to, so no sum needs an atomic
 */
<%namespace name="past" file="_stream.cl.mako"/>\
<%
    (KH, KW), (SH, SW), (DH, DW) = K, S, D
    grad = kernel.endswith("_grad")
    whole = walk == "rows" and KW <= 16
    TH, TW = (KH - 1) * DH // SH + 1, (KW - 1) * DW // SW + 1  # windows that can cover one element
    height, width = ("H", "W") if grad else ("OH", "OW")
    names = ["g" if grad else "x", *["at"] * (kernel == "max_pool_grad" or kernel == "max_pool" and indices), "y"]
    types = {"x": "const real", "g": "const real", "y": "real", "at": "const int" if grad else "int"}
    arrays, names = ", ".join(f"__global {types[n]} *restrict {n}" for n in names), ", ".join(names)
    sizes = ["H", "W", "OH", "OW", "PH", "PW", "given"]
    base, mask = ("double", "long") if dtype == "f64" else ("float", "int")

    def lanes(V):
        """Types of a value and of an index, and the lane numbers."""
        return (f"{base}{V}", f"int{V}", f"(int{V})({', '.join(map(str, range(V)))})") if V > 1 else ("acc", "int", "0")

    def load(p, i, stride, V):
        """p[i], p[i + stride], .."""
        if V == 1:
            return f"LOAD({p}, {i})"
        if stride == 1:
            return f"vload{V}(0, {p} + {i})"
        if stride == 2:
            return f"({base}{V})(vload{V}(0, {p} + {i}).even, vload{V}(0, {p} + {i} + {V - 1}).odd)"
        return f"({base}{V})({', '.join(f'{p}[{i} + {l * stride}]' for l in range(V))})"

    def store(p, i, values, V):
        """Lane by lane, of each lane all values in turn."""
        n = len(values)
        if V == 1:
            return " ".join(f"STORE({p}, {i} + {k}, {v});" for k, v in enumerate(values))
        if n == 1:
            return f"vstore{V}({values[0]}, 0, {p} + {i});"
        parts = [f"{values[c % n]}.s{c // n}" for c in range(V * n)]
        rows = [", ".join(parts[V * k : V * (k + 1)]) for k in range(n)]
        return " ".join(f"vstore{V}(({base}{V})({row}), {k}, {p} + {i});" for k, row in enumerate(rows))

    def reaching(phase):
        """Of the windows that start t blocks of S columns to the left: those with a tap in column `phase` of a block."""
        return [t for t in range(TW) if t * SW + phase <= (KW - 1) * DW and (t * SW + phase) % DW == 0]
%>
% if walk == "bands":
${past.stores(base, 16, streamed)}\
% endif
typedef struct { int ${", ".join(sizes)}; } Sizes;

% if adaptive:
/* An axis of n inputs and m outputs: window o is [begin, end), windows low..high cover input i. */
#define BEGIN(o, n, m, p, K, S, D) (int)((${adaptive})(o) * n / m)
#define END(o, n, m, p, K, S, D) (int)(((${adaptive})(o + 1) * n + m - 1) / m)
#define LOW(i, n, m, p, K, S, D) (int)((${adaptive})(i) * m / n)
#define HIGH(i, n, m, p, K, S, D) ((int)(((${adaptive})(i + 1) * m + n - 1) / n) - 1)
% else:
/* An axis of n inputs and m outputs: window o is begin, begin + D, .. < end; windows low..high may cover input i. */
static int begin(const int at, const int D) { return at < 0 ? at + (D - 1 - at) / D * D : at; }
#define BEGIN(o, n, m, p, K, S, D) begin((o) * S - p, D)
#define END(o, n, m, p, K, S, D) min((o) * S - p + (K - 1) * D + 1, n)
#define LOW(i, n, m, p, K, S, D) max((i + p - (K - 1) * D + S - 1) / S, 0)
#define HIGH(i, n, m, p, K, S, D) min((i + p) / S, m - 1)
% endif
% for f in ("BEGIN", "END", "LOW", "HIGH"):
#define ROW_${f}(i) ${f}(i, z.H, z.OH, z.PH, ${KH}, ${SH}, ${DH})
#define COL_${f}(i) ${f}(i, z.W, z.OW, z.PW, ${KW}, ${SW}, ${DW})
% endfor
% if kernel.startswith("avg"):
/* The divisor of output (o, p) is ROW_SPAN(o) * COL_SPAN(p). */
%   if divisor == "given":
#define ROW_SPAN(o) z.given
#define COL_SPAN(o) 1
%   elif divisor == "padded":
#define ROW_SPAN(o) min(${KH}, z.H + 2 * z.PH - (o) * ${SH})
#define COL_SPAN(o) min(${KW}, z.W + 2 * z.PW - (o) * ${SW})
%   else:
#define ROW_SPAN(o) (ROW_END(o) - ROW_BEGIN(o))
#define COL_SPAN(o) (COL_END(o) - COL_BEGIN(o))
%   endif
% endif

% if walk in ("rows", "points"):
/* One element of the result: column col of row r, counted through all planes. */
static void element(${arrays}, const Sizes z, const index_t r, const int col)
{
    const index_t plane = r / z.${height};
    const int row = r % z.${height};
${{"max_pool": max_element, "avg_pool": avg_element, "max_pool_grad": max_grad_element, "avg_pool_grad": avg_grad_element}[kernel]()}\
}
% endif
% if whole:

/* Columns lo..hi of row r${f" in blocks of {SW}" if grad else ""}, where every window is whole along the row. */
static void middle(${arrays}, const Sizes z, const index_t r, const int lo, const int hi)
{
    const index_t plane = r / z.${height};
    const int row = r % z.${height};
${{"max_pool": max_middle, "avg_pool": avg_middle, "max_pool_grad": max_grad_middle,
   "avg_pool_grad": avg_grad_middle}[kernel]()}\
}
% endif

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void ${kernel}(${arrays}, const index_t count, const index_t rows, const int lo, const int hi,
     ${", ".join(f"const int {s}" for s in sizes)})
{
    const Sizes z = {${", ".join(sizes)}};
% if walk == "points":
    const index_t id = (index_t)get_global_id(0);
    if (id < count)
        element(${names}, z, id / ${width}, (int)(id % ${width}));
% else:
    const index_t first = (index_t)get_global_id(0) * rows;
    const index_t last = min(first + rows, count);
%   if walk == "planes":
${scatter()}\
%   elif walk == "bands":
${scatter_by_rows()}\
%   else:
    for (index_t r = first; r < last; ++r) {
%   if whole:
        const int left = ${f"max(lo * {SW} - PW, 0)" if grad else "lo"}, right = ${f"max(hi * {SW} - PW, 0)" if grad else "hi"};
        middle(${names}, z, r, lo, hi);
        for (int col = 0; col < left; ++col)
            element(${names}, z, r, col);
        for (int col = right; col < ${width}; ++col)
            element(${names}, z, r, col);
%   else:
        for (int col = 0; col < ${width}; ++col)
            element(${names}, z, r, col);
%   endif
    }
%   endif
% endif
}

<%def name="max_element()">\
    __global const real *p = x + plane * z.H * z.W;
    acc best = -INFINITY;
    int where = -1;
    for (int h = ROW_BEGIN(row); h < ROW_END(row); h += ${DH})
        for (int w = COL_BEGIN(col); w < COL_END(col); w += ${DW}) {
            const acc v = LOAD(p, h * z.W + w);
            if (v > best || isnan(v) || where < 0) {
                best = v;
                where = h * z.W + w;
            }
        }
    STORE(y, r * z.OW + col, best);
%   if indices:
    at[r * z.OW + col] = where;
%   endif
</%def>

<%def name="max_middle()">\
    __global const real *p = x + plane * z.H * z.W - z.PW;
    __global real *q = y + r * z.OW;
%   if indices:
    __global int *a = at + r * z.OW;
%   endif
    const int first = ROW_BEGIN(row), end = ROW_END(row);
<%call expr="blocks()" args="V">\
<%  T, I, iota = lanes(V) %>\
            ${I} where = first * z.W + (o + ${iota}) * ${SW};
            ${T} best = ${load("p", f"first * z.W + o * {SW}", SW, V)};
            for (int h = first; h < end; h += ${DH}) {
%   for j in range(KW):
                {
                    const int i = h * z.W + o * ${SW} + ${j * DW};
                    const ${T} v = ${load("p", "i", SW, V)};
                    const ${f"{mask}{V}" if V > 1 else I} take = (v > best) | (v != v);
                    best = take ? v : best;
                    where = ${f"convert_int{V}(take)" if V > 1 else "take"} ? i + ${iota} * ${SW} : where;
                }
%   endfor
            }
            ${store("q", "o", ["best"], V)}
%   if indices:
            ${f"vstore{V}(where - z.PW, 0, a + o)" if V > 1 else "a[o] = where - z.PW"};
%   endif
</%call>\
</%def>

<%def name="avg_element()">\
    __global const real *p = x + plane * z.H * z.W;
    acc sum = 0;
    for (int h = ROW_BEGIN(row); h < ROW_END(row); ++h)
        for (int w = COL_BEGIN(col); w < COL_END(col); ++w)
            sum += LOAD(p, h * z.W + w);
    STORE(y, r * z.OW + col, sum / (ROW_SPAN(row) * COL_SPAN(col)));
</%def>

<%def name="avg_middle()">\
    __global const real *p = x + plane * z.H * z.W - z.PW;
    __global real *q = y + r * z.OW;
    const int first = ROW_BEGIN(row), end = ROW_END(row);
    const acc size = ROW_SPAN(row) * ${1 if divisor == "given" else KW};
<%call expr="blocks()" args="V">\
            ${lanes(V)[0]} sum = 0;
            for (int h = first; h < end; ++h) {
%   for j in range(KW):
                sum += ${load("p", f"h * z.W + o * {SW} + {j}", SW, V)};
%   endfor
            }
            ${store("q", "o", ["sum / size"], V)}
</%call>\
</%def>

<%def name="max_grad_element()">\
    const index_t base = plane * z.OH * z.OW;
    const int target = row * z.W + col;
    acc sum = 0;
    for (int h = ROW_LOW(row); h <= ROW_HIGH(row); ++h)
        for (int w = COL_LOW(col); w <= COL_HIGH(col); ++w)
            if (at[base + h * z.OW + w] == target)
                sum += LOAD(g, base + h * z.OW + w);
    STORE(y, r * z.W + col, sum);
</%def>

<%def name="max_grad_middle()">\
    __global const real *p = g + plane * z.OH * z.OW;
    __global const int *a = at + plane * z.OH * z.OW;
    __global real *q = y + r * z.W - z.PW;
    const int first = max((row + z.PH) / ${SH} - ${TH - 1}, 0), last = ROW_HIGH(row);
<%call expr="blocks()" args="V">\
<%  T, I, iota = lanes(V) %>\
            const ${I} target = row * z.W - z.PW + (o + ${iota}) * ${SW};
            ${T} ${", ".join(f"sum{phase} = 0" for phase in range(SW))};
            for (int h = first; h <= last; ++h) {
%   for t in reversed(range(TW)):
                {
                    const int i = h * z.OW + o - ${t};
                    const ${I} from = ${f"vload{V}(0, a + i)" if V > 1 else "a[i]"} - target;
                    const ${T} v = ${load("p", "i", 1, V)};
%     for phase in range(SW):
%       if t in reaching(phase):
                    sum${phase} += ${f"convert_{mask}{V}" if V > 1 else ""}(from == ${phase}) ? v : 0;
%       endif
%     endfor
                }
%   endfor
            }
            ${store("q", f"o * {SW}", [f"sum{phase}" for phase in range(SW)], V)}
</%call>\
</%def>

<%def name="avg_grad_element()">\
    const index_t base = plane * z.OH * z.OW;
    acc sum = 0;
    for (int h = ROW_LOW(row); h <= ROW_HIGH(row); ++h)
        for (int w = COL_LOW(col); w <= COL_HIGH(col); ++w)
            sum += LOAD(g, base + h * z.OW + w) / (ROW_SPAN(h) * COL_SPAN(w));
    STORE(y, r * z.W + col, sum);
</%def>

<%def name="avg_grad_middle()">\
    __global const real *p = g + plane * z.OH * z.OW;
    __global real *q = y + r * z.W - z.PW;
    const int first = ROW_LOW(row), last = ROW_HIGH(row);
<%call expr="blocks()" args="V">\
            ${lanes(V)[0]} ${", ".join(f"sum{phase} = 0" for phase in range(SW))};
            for (int h = first; h <= last; ++h) {
                const acc size = ROW_SPAN(h) * ${1 if divisor == "given" else KW};
%   for t in range(TW):
                const ${lanes(V)[0]} v${t} = ${load("p", f"h * z.OW + o - {t}", 1, V)};
%   endfor
%   for phase in range(SW):
%     if reaching(phase):
                sum${phase} += (${" + ".join(f"v{t}" for t in reversed(reaching(phase)))}) / size;
%     endif
%   endfor
            }
            ${store("q", f"o * {SW}", [f"sum{phase}" for phase in range(SW)], V)}
</%call>\
</%def>

<%def name="scatter()">
    for (index_t plane = first; plane < last; ++plane) {
        __global real *q = y + plane * z.H * z.W;
        int i = 0;
        for (; i + 16 <= z.H * z.W; i += 16)
            vstore16((${base}16)(0), 0, q + i);
        for (; i < z.H * z.W; ++i)
            q[i] = 0;
        for (index_t o = plane * z.OH * z.OW; o < (plane + 1) * z.OH * z.OW; ++o)
            if (at[o] >= 0)
                q[at[o]] += g[o];
    }
</%def>

<%def name="scatter_by_rows()">
<%  span = max((KH - 1) * DH + 1, SH) %>\
    ${base} band[${MOST}];
    for (index_t plane = first; plane < last; ++plane) {
        __global real *q = y + plane * z.H * z.W;
        index_t o = plane * z.OH * z.OW;
        int i = 0;
        for (int e = 0; e < ${span} * z.W; e += 16)
            vstore16((${base}16)(0), 0, band + e);
        for (int row = 0; row < z.OH; ++row) {
            const int begin = (row * ${SH} - z.PH) * z.W; /* the element of the plane that the band begins with */
            for (const index_t next = o + z.OW; o < next; ++o)
                if (at[o] >= 0)
                    band[at[o] - begin] += g[o];
            const int end = min(begin + (row + 1 < z.OH ? ${SH} : ${span}) * z.W, z.H * z.W);
            for (; i + 16 <= end; i += 16)
                stream(vload16(0, band + (i - begin)), q + i);
            for (; i < end; ++i)
                q[i] = band[i - begin];
            for (int e = 0; e < ${span - SH} * z.W; e += 16)
                vstore16(vload16(0, band + e + ${SH} * z.W), 0, band + e);
            for (int e = ${span - SH} * z.W; e < ${span} * z.W; e += 16)
                vstore16((${base}16)(0), 0, band + e);
        }
        for (; i + 16 <= z.H * z.W; i += 16)
            stream((${base}16)(0), q + i);
        for (; i < z.H * z.W; ++i)
            q[i] = 0;
    }
</%def>

## o from lo to hi, 8 or 4 lanes at a time where there are so many: the last block overlaps the one before.
<%def name="blocks()">\
    int o = lo;
%   for V in (8, 4) if dtype in ("f32", "f64") else ():
    if (hi - o >= ${V})
        for (; o < hi; o += ${V}) {
            o = min(o, hi - ${V});
${caller.body(V)}\
        }
%   endfor
    for (; o < hi; ++o) {
${caller.body(1)}\
    }
</%def>
